"""Column types and ids shared by every table: aware UTC times, personal data encrypted at rest, sortable string ids."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.engine import Dialect

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """A new id of 16 characters [0-9a-z]: 48 bits of milliseconds, 32 random bits; sorts roughly by time of making."""
    number = (time.time_ns() // 1_000_000) << 32 | secrets.randbits(32)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


@dataclass
class Keyring:
    """The keys for personal data: AES-GCM keys by id (the first one encrypts) and the key of look-up hashes.

    `use` replaces the keys in place, so that column types made at import see the keys read at start.
    """

    keys: dict[str, AESGCM] = field(default_factory=dict)
    hash_key: bytes = b""

    def use(self, keys: Mapping[str, bytes], hash_key: bytes) -> None:
        """Take these keys from now on. `keys`: id → 32 bytes, the first encrypts; `hash_key`: 32 bytes."""
        self.keys = {name: AESGCM(key) for name, key in keys.items()}
        self.hash_key = hash_key

    def encrypt(self, plain: bytes) -> bytes:
        """`id:` + nonce (12 bytes) + ciphertext. Raises RuntimeError when no key was set."""
        if not self.keys:
            raise RuntimeError("no encryption key is set: call models.types.keyring.use() first (ENCRYPTION_KEYS)")
        name, key = next(iter(self.keys.items()))
        nonce = os.urandom(12)
        return name.encode() + b":" + nonce + key.encrypt(nonce, plain, name.encode())

    def decrypt(self, stored: bytes) -> bytes:
        """The plain bytes. Raises KeyError for an unknown key id, cryptography's InvalidTag for a changed value."""
        name, _, rest = bytes(stored).partition(b":")
        key = self.keys.get(name.decode())
        if key is None:
            raise KeyError(f"no key with id {name.decode()!r} in ENCRYPTION_KEYS: add the old key behind the new one")
        return key.decrypt(rest[:12], rest[12:], name)

    def hash(self, *parts: str) -> str:
        """A keyed hash for look-up (HMAC-SHA256, 22 characters): equal parts give equal text, and nothing leads back."""
        if not self.hash_key:
            raise RuntimeError("no hash key is set: call models.types.keyring.use() first (HASH_KEY)")
        digest = hmac.digest(self.hash_key, "\x1f".join(parts).encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


keyring = Keyring()


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time, stored in UTC; a naive one is refused when it is written."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone was to be stored: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Encrypted(sa.types.TypeDecorator[str]):
    """Text encrypted at rest (AES-GCM); not searchable: keep `keyring.hash` beside it where it must be found."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring.encrypt(value.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else keyring.decrypt(value).decode()


class EncryptedJSON(sa.types.TypeDecorator[Any]):
    """A JSON value encrypted at rest."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring.encrypt(json.dumps(value, ensure_ascii=False).encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(keyring.decrypt(value))
