"""Settings: what is refused and in which words, the demo's own keys, and `.env.example`."""

import json
import re
import stat
from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, load_settings, new_keys

TOKEN = "1234567890:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
EXAMPLE = Path(__file__).parents[1] / ".env.example"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No variable of the machine's and no .env: only what the test sets. Files go to a folder of the test's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def load(monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def refusal(monkeypatch, **environment):
    with pytest.raises(SettingsError) as refused:
        load(monkeypatch, **environment)
    return str(refused.value)


def test_the_demo_runs_until_a_platform_has_a_token(monkeypatch):
    assert load(monkeypatch).demo
    assert not load(monkeypatch, TELEGRAM_BOT_TOKEN=TOKEN, **new_keys()).demo
    assert load(monkeypatch, DEMO="true").demo


def test_the_demo_makes_its_keys_once_and_keeps_them_to_the_owner(monkeypatch, tmp_path):
    first = load(monkeypatch)
    kept = tmp_path / "data" / "keys.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["keys.json"]
    again = load(monkeypatch)
    assert (again.encryption_keys, again.hash_key) == (first.encryption_keys, first.hash_key)
    assert [len(key) for key in first.encryption_keys.values()] == [32]
    assert len(first.hash_key) == 32


def test_the_environments_keys_go_before_the_demos_own(monkeypatch, tmp_path):
    kept = load(monkeypatch)
    set_by_hand = load(monkeypatch, HASH_KEY=new_keys()["HASH_KEY"])
    assert set_by_hand.encryption_keys == kept.encryption_keys
    assert set_by_hand.hash_key != kept.hash_key


@pytest.mark.parametrize("broken", ["", "{", "[]", "null", "{}", json.dumps({"ENCRYPTION_KEYS": "k:AA", "HASH_KEY": ""})])
def test_a_spoilt_key_file_is_never_overwritten(monkeypatch, tmp_path, broken):
    file = tmp_path / "data" / "keys.json"
    file.parent.mkdir()
    file.write_text(broken)
    assert "keys.json holds no keys" in refusal(monkeypatch)
    assert file.read_text() == broken


def test_outside_the_demo_missing_keys_are_refused_with_the_way_to_make_them(monkeypatch, tmp_path):
    told = refusal(monkeypatch, TELEGRAM_BOT_TOKEN=TOKEN)
    assert told.startswith("ENCRYPTION_KEYS and HASH_KEY must be set")
    assert "python -m bot keys" in told
    assert not (tmp_path / "data").exists()


def test_keys_are_read_in_order_the_first_one_encrypts(monkeypatch):
    old, new = new_keys()["ENCRYPTION_KEYS"], new_keys()["ENCRYPTION_KEYS"]
    settings = load(monkeypatch, ENCRYPTION_KEYS=f"{new}, {old}")
    assert list(settings.encryption_keys) == [new.split(":")[0], old.split(":")[0]]


def test_the_webhook_secret_is_set_or_derived_and_always_one_that_telegram_takes(monkeypatch):
    derived = load(monkeypatch)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,256}", derived.webhook_secret)
    assert derived.webhook_secret == load(monkeypatch).webhook_secret
    other = derived.model_copy(update={"ENCRYPTION_KEYS": load(monkeypatch, **new_keys()).ENCRYPTION_KEYS})
    assert other.webhook_secret != derived.webhook_secret
    assert load(monkeypatch, TELEGRAM_WEBHOOK_SECRET="a_B-9").webhook_secret == "a_B-9"


SECRETS = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["changeme", "CHANGE_ME", "…", "...", "your-token", "<token>", "xxxx", "secret"])
def test_a_placeholder_is_refused_by_name(monkeypatch, name, value):
    assert refusal(monkeypatch, **{name: value}).startswith(f"{name} is a placeholder")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_BOT_TOKEN", "s3cr3t without a number"),
        ("TELEGRAM_WEBHOOK_SECRET", "s3cr3t with spaces"),
        ("TELEGRAM_WEBHOOK_SECRET", "s3cr3t" * 43),
        ("ENCRYPTION_KEYS", "s3cr3t"),
        ("ENCRYPTION_KEYS", "k1:s3cr3t"),
        ("ENCRYPTION_KEYS", ",".join(["k1:" + "A" * 43 + "="] * 2)),
        ("HASH_KEY", "s3cr3t"),
        ("HTTP_PORT", "65536"),
        ("PUBLIC_URL", "linshao.invalid"),
        ("DATABASE_URL", "sqlite:///data.db"),
        ("DEMO", "perhaps"),
        ("DEMO_CLOCK", "2026-11-23T09:00:00"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_what_is_wrong_is_named_and_no_value_is_repeated(monkeypatch, name, value):
    told = refusal(monkeypatch, **{name: value})
    assert told.startswith(name)
    assert "\n" not in told
    assert "s3cr3t" not in told


def test_all_that_is_wrong_is_told_at_once(monkeypatch):
    assert refusal(monkeypatch, HTTP_PORT="x", HASH_KEY="x").count("\n") == 1


def test_the_demos_clock_is_refused_outside_the_demo(monkeypatch):
    told = refusal(monkeypatch, TELEGRAM_BOT_TOKEN=TOKEN, DEMO_CLOCK="2026-11-23T09:00:00+08:00", **new_keys())
    assert told.startswith("DEMO_CLOCK ")


def test_no_secret_is_shown(monkeypatch):
    keys = new_keys()
    shown = repr(load(monkeypatch, TELEGRAM_BOT_TOKEN=TOKEN, METRICS_TOKEN="a9f8e7d6", **keys))
    for secret in (TOKEN, "a9f8e7d6", *keys.values()):
        assert secret not in shown


def test_dotenv_is_read_and_the_environment_overrules_it(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("HTTP_PORT=1000\nHTTP_HOST=::1\n")
    settings = load(monkeypatch, HTTP_PORT="2000")
    assert (settings.HTTP_HOST, settings.HTTP_PORT) == ("::1", 2000)


def test_the_example_documents_every_setting_with_its_default():
    documented = []
    for block in EXAMPLE.read_text("utf-8").strip().split("\n\n")[1:]:
        *comment, assignment = block.split("\n")
        documented.append((assignment, " ".join(line.removeprefix("# ") for line in comment)))
    expected = [
        (f"#{name}={'' if field.default is None else field.default}", field.description) for name, field in Settings.model_fields.items()
    ]
    assert documented == expected


def test_the_example_with_every_line_in_force_means_the_defaults(tmp_path):
    uncommented = re.sub(r"^#(?=[A-Z])", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(uncommented, "utf-8")
    assert uncommented != EXAMPLE.read_text("utf-8")
    given = load_settings().model_dump(exclude={"ENCRYPTION_KEYS", "HASH_KEY"})
    assert given == load_settings(env_file=None).model_dump(exclude={"ENCRYPTION_KEYS", "HASH_KEY"})
