"""What an operator sets: `Settings` from the environment and `.env`, and the keys that the demo makes for itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.abuse import Numbers

_PLACEHOLDER = re.compile(
    r"change[-_ ]?me|replace[-_ ]?me|place[-_ ]?holder|example|dummy|insert|todo|none|secret|password|token|test"
    r"|xxx+|\.\.\.+|…+|your[-_ ].*|(my|a|the|some)[-_ ](token|secret|key|password)|<.*>|\$?\{.*\}|123456:ABC.*",
    re.IGNORECASE,
)
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_MAKE_KEYS = "Make the keys once with `python -m bot keys`, put them into the environment or .env, and keep a copy."


class SettingsError(Exception):
    """Settings that the service refuses to start with; its text is for the operator, one sentence for each variable."""


class Settings(BaseSettings):
    """Everything an operator can set. Make it with `load_settings`, which refuses in sentences and finds the keys."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    DATABASE_URL: str = Field(
        default="sqlite+aiosqlite:///data/linshao.db",
        description="Where everything is stored: sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER:PASSWORD@HOST/DB.",
    )
    DATA_DIR: Path = Field(default=Path("data"), description="The folder for files the service writes.")
    HTTP_HOST: str = Field(default="127.0.0.1", description="The address the web server listens on.")
    HTTP_PORT: int = Field(default=8080, ge=0, le=65535, description="The port the web server listens on; 0 takes any.")
    PUBLIC_URL: str | None = Field(
        default=None,
        description="The address people and platforms reach the service at, https://…; without it Telegram is polled.",
    )
    TELEGRAM_BOT_TOKEN: SecretStr | None = Field(default=None, description="The bot's token from @BotFather.")
    TELEGRAM_API_URL: str = Field(default="https://api.telegram.org", description="The Bot API server, when it is one of your own.")
    TELEGRAM_WEBHOOK_SECRET: SecretStr | None = Field(
        default=None,
        description="What Telegram repeats with every webhook call: 1 to 256 of A-Z a-z 0-9 _ -. "
        "Without it, it is derived from ENCRYPTION_KEYS.",
    )
    DEMO: bool | None = Field(default=None, description="Run the demo community. Unset: yes as long as no platform has a token.")
    DEMO_CLOCK: AwareDatetime | None = Field(
        default=None, description="The time at which the demo starts, with its zone: 2026-11-23T09:00:00+08:00."
    )
    WEB_CHAT: bool | None = Field(
        default=None,
        description="Whether real people may use the web chat, over https. Unset: yes when PUBLIC_URL is set. Never beside the demo.",
    )
    WEB_CHAT_LIMITS: dict[str, int] = Field(
        default={},
        description='The most of each against floods, such as {"reports_a_day":20}; docs/door.md has the names and defaults. 0: no limit.',
    )
    TRUSTED_PROXIES: str = Field(
        default="",
        description="The proxies whose X-Forwarded-For is believed, addresses or networks by commas: 127.0.0.1 for one on this machine.",
    )
    ENCRYPTION_KEYS: SecretStr | None = Field(
        default=None,
        description="The keys of personal data, ID:BASE64 of 32 bytes, by commas. The first encrypts, the others "
        "only decrypt: put a new key in front. Whoever loses them loses the data.",
    )
    HASH_KEY: SecretStr | None = Field(
        default=None, description="The key that personal data is looked up by, base64 of 32 bytes. It can never change."
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least important lines that are logged."
    )
    LOG_FORMAT: Literal["console", "json"] = Field(default="console", description="console for people, json for machines.")
    METRICS_TOKEN: SecretStr | None = Field(
        default=None, description="What /metrics asks for as a bearer token. Without it, /metrics is closed."
    )

    @property
    def demo(self) -> bool:
        """Whether the demo community runs: as DEMO says, else as long as no platform has a token."""
        return self.TELEGRAM_BOT_TOKEN is None if self.DEMO is None else self.DEMO

    @property
    def web_chat(self) -> bool:
        """Whether the web chat serves real people: as WEB_CHAT says, else where PUBLIC_URL is set; never beside the demo."""
        return not self.demo and (self.PUBLIC_URL is not None if self.WEB_CHAT is None else self.WEB_CHAT)

    @property
    def trusted_proxies(self) -> list[str]:
        """The proxies whose X-Forwarded-For is believed, as addresses or networks."""
        return [part.strip() for part in self.TRUSTED_PROXIES.split(",") if part.strip()]

    @property
    def encryption_keys(self) -> dict[str, bytes]:
        """The keys of personal data by id, 32 bytes each; the first one encrypts. Empty without ENCRYPTION_KEYS."""
        return {} if self.ENCRYPTION_KEYS is None else _parse_keys(self.ENCRYPTION_KEYS.get_secret_value())

    @property
    def hash_key(self) -> bytes:
        """The key of look-up hashes, 32 bytes. Empty without HASH_KEY."""
        return b"" if self.HASH_KEY is None else _parse_key(self.HASH_KEY.get_secret_value())

    @property
    def webhook_secret(self) -> str:
        """What Telegram must repeat with every call: TELEGRAM_WEBHOOK_SECRET, or 64 hex digits derived from a key.

        Raises RuntimeError when there is neither.
        """
        if self.TELEGRAM_WEBHOOK_SECRET is not None:
            return self.TELEGRAM_WEBHOOK_SECRET.get_secret_value()
        keys = self.encryption_keys
        if not keys:
            raise RuntimeError("neither TELEGRAM_WEBHOOK_SECRET nor ENCRYPTION_KEYS is set")
        return hmac.new(next(iter(keys.values())), b"telegram webhook secret", hashlib.sha256).hexdigest()

    @field_validator("TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET", "ENCRYPTION_KEYS", "HASH_KEY", "METRICS_TOKEN")
    @classmethod
    def _refuse_placeholder(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _PLACEHOLDER.fullmatch(value.get_secret_value().strip()):
            raise ValueError("is a placeholder from an example. Set a value of your own, or remove it.")
        return value

    @field_validator("TELEGRAM_BOT_TOKEN")
    @classmethod
    def _check_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", value.get_secret_value()):
            raise ValueError("is not a bot token. It looks like 123456:… and comes from @BotFather.")
        return value

    @field_validator("TELEGRAM_WEBHOOK_SECRET")
    @classmethod
    def _check_webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
            raise ValueError("must be 1 to 256 characters of A-Z, a-z, 0-9, _ and -.")
        return value

    @field_validator("ENCRYPTION_KEYS")
    @classmethod
    def _check_encryption_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _parse_keys(value.get_secret_value())
        return value

    @field_validator("HASH_KEY")
    @classmethod
    def _check_hash_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _parse_key(value.get_secret_value())
        return value

    @field_validator("TRUSTED_PROXIES")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        for part in filter(None, (part.strip() for part in value.split(","))):
            try:
                ipaddress.ip_network(part)
            except ValueError:
                raise ValueError("must be addresses or networks by commas, such as 127.0.0.1,10.0.0.0/8.") from None
        return value

    @field_validator("WEB_CHAT_LIMITS")
    @classmethod
    def _check_limits(cls, value: dict[str, int]) -> dict[str, int]:
        if unknown := sorted(value.keys() - Numbers.names()):
            raise ValueError(f"knows no {', '.join(unknown)}. There are {', '.join(sorted(Numbers.names()))}.")
        if any(number < 0 for number in value.values()):
            raise ValueError("must be numbers from 0 on.")
        return value

    @field_validator("PUBLIC_URL", "TELEGRAM_API_URL")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
            raise ValueError("must begin with https:// (or http://) and a host.")
        return value and value.rstrip("/")

    @field_validator("DATABASE_URL")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if not value.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
            raise ValueError("must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://.")
        return value

    @model_validator(mode="after")
    def _check_demo_clock(self) -> Settings:
        if self.DEMO_CLOCK is not None and not self.demo:
            raise ValueError("DEMO_CLOCK moves the clock of the demo only. Remove it, or set DEMO=true.")
        return self


def load_settings(env_file: str | Path | None = ".env") -> Settings:
    """Read the settings and complete the keys: the demo makes its own and keeps them in DATA_DIR, others must set them.

    Raises SettingsError with a sentence for each variable that is wrong or missing; it never holds a secret's value.
    """
    try:
        settings = Settings(_env_file=env_file)  # type: ignore[call-arg]  # pydantic-settings' own, hidden by its base
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        sentences = [_sentence(str(problem["loc"][0]) if problem["loc"] else "", problem["msg"]) for problem in problems]
        raise SettingsError("\n".join(sentences)) from None
    missing = [name for name in ("ENCRYPTION_KEYS", "HASH_KEY") if getattr(settings, name) is None]
    if not missing:
        return settings
    if not settings.demo:
        raise SettingsError(f"{' and '.join(missing)} must be set outside the demo. {_MAKE_KEYS}")
    kept = _demo_keys(settings.DATA_DIR / "keys.json")
    return settings.model_copy(update={name: SecretStr(kept[name]) for name in missing})


def new_keys() -> dict[str, str]:
    """Make ENCRYPTION_KEYS and HASH_KEY anew: what `python -m bot keys` prints."""
    return {"ENCRYPTION_KEYS": f"k{secrets.token_hex(3)}:{_new_key()}", "HASH_KEY": _new_key()}


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _parse_keys(text: str) -> dict[str, bytes]:
    """Read ENCRYPTION_KEYS. Raises ValueError with the end of a sentence that begins with the variable's name."""
    keys: dict[str, bytes] = {}
    for pair in text.split(","):
        name, _, key = pair.strip().partition(":")
        if not _KEY_ID.fullmatch(name):
            raise ValueError(f"must be ID:BASE64 of 32 bytes, by commas. {_MAKE_KEYS}")
        if name in keys:
            raise ValueError("has the same key id twice.")
        keys[name] = _parse_key(key)
    return keys


def _parse_key(text: str) -> bytes:
    """Read one key. Raises ValueError with the end of a sentence that begins with the variable's name."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise ValueError(f"must be base64 of 32 bytes. {_MAKE_KEYS}")
    return key


def _sentence(name: str, message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{name} {message}" if message[:1].islower() else f"{name}: {message}".removeprefix(": ")


def _demo_keys(file: Path) -> dict[str, str]:
    """Read the demo's keys, or make them and keep them: readable by the owner only, and never half written.

    Of two processes that start together one makes the keys and the other reads them. Raises SettingsError for a file
    that holds no keys: made anew, they would lock everything stored so far.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".keys-")  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(new_keys(), stream, indent=2)
                stream.flush()
                os.fsync(stream.fileno())
            try:
                os.link(name, file)  # unlike a rename, it never replaces the keys of a process that was quicker
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                Path(name).replace(file)
        finally:
            Path(name).unlink(missing_ok=True)
    try:
        kept: dict[str, str] = json.loads(file.read_text("utf-8"))
        _parse_keys(kept["ENCRYPTION_KEYS"])
        _parse_key(kept["HASH_KEY"])
    except (AttributeError, KeyError, TypeError, ValueError):
        lost = f"{file} holds no keys. Bring it back from a copy, or delete all of {file.parent}."
        raise SettingsError(lost) from None
    return kept
