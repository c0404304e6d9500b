"""The utterance grammar (domain.md §10): which sentences mean which intent, with their slots.

Patterns are in utterances.toml; the words of the slot `role` in administration.toml.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from texts.administration import role_pattern

PARTICLES = "的那边呢啊吧呀。"
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Intent:
    """One intent: compiled patterns, the slots they fill, where it may be said (private, group, any), its Latin command.

    `pointed`: said in a group, it is answered with the way to the private chat (short everyday words are not).
    `button`: typed where a button of this label stands, the button is meant.
    `awaited`: it means this only while something waits for it, so that no label and no answer of a dialog gives way to it.
    """

    name: str
    where: str
    patterns: tuple[re.Pattern[str], ...]
    slots: frozenset[str]
    command: str
    spoken: str
    pointed: bool = True
    button: bool = False
    awaited: bool = False

    def match(self, said: str) -> dict[str, str] | None:
        """The slots by name ("" where a form leaves one out), or None when `said` (normalised) is something else."""
        for pattern in self.patterns:
            if found := pattern.fullmatch(said):
                slots = {name: (value or "").strip() for name, value in found.groupdict().items()}
                return dict.fromkeys(self.slots, "") | slots
        return None


@cache
def _file() -> dict[str, dict[str, object]]:
    return tomllib.loads((Path(__file__).parent / "utterances.toml").read_text("utf-8"))


@cache
def intents() -> dict[str, Intent]:
    """Every intent by name, in the order of the file (the first match wins)."""
    data = dict(_file())
    slots: dict[str, str] = {**data.pop("slots"), "role": role_pattern()}  # type: ignore[dict-item]
    del data["purposes"], data["languages"]
    return {name: _compile(name, entry, slots) for name, entry in data.items()}


def purpose_of(said: str) -> str | None:
    """What a group is bound to by this name: party, coordinators, public, or grid:G1 for G1网格群."""
    known = _file()["purposes"].get(said)
    grid = re.match(r"g\d{1,3}", said, re.IGNORECASE)
    return str(known) if known else f"grid:{grid[0].upper()}" if grid else None


def language_name(code: str) -> str:
    """What a language is called in Chinese."""
    return next(name for name, known in _file()["languages"].items() if known == code)


def _compile(name: str, entry: dict[str, object], slots: dict[str, str]) -> Intent:
    patterns, found = [], set()
    for form in entry["forms"]:  # type: ignore[attr-defined]
        found |= set(_SLOT.findall(form))
        source = _SLOT.sub(lambda hole: f"(?P<{hole[1]}>{slots.get(hole[1], '.+?')})", form).replace(" ", r"\s*")
        patterns.append(re.compile(source, re.IGNORECASE | re.DOTALL))
    return Intent(
        name, str(entry.get("where", "private")), tuple(patterns), frozenset(found),
        str(entry.get("command", "")), str(entry.get("spoken", "")), entry.get("pointed", True) is True,
        entry.get("button") is True, entry.get("awaited") is True,
    )  # fmt: skip


def commands() -> dict[str, Intent]:
    """The intents that have a Latin command (`/bao`), by command."""
    return {intent.command: intent for intent in intents().values() if intent.command}


_COMMAND = re.compile(r"/([a-z0-9_]{1,32})(?:@\w+)?(?:\s+(.*))?", re.DOTALL | re.IGNORECASE)
_MENTION = re.compile(r"^(?:@\w+\s*)+")


def normalise(said: str) -> str:
    """What was said, ready to match: half width, no zero-width signs, a leading @bot stripped, `/bao x` as its spoken form."""
    said = unicodedata.normalize("NFKC", said)
    said = "".join(sign for sign in said if sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cf"))
    said = _MENTION.sub("", said.strip()).strip()
    if (command := _COMMAND.fullmatch(said)) and (intent := commands().get(command[1].lower())):
        said = f"{intent.spoken} {command[2] or ''}".strip()
    return said


def recognise(said: str) -> tuple[Intent, dict[str, str]] | None:
    """The first intent that `said` means as a whole sentence whatever is waited for, with its slots."""
    said = normalise(said)
    for intent in intents().values():
        if not intent.awaited and (slots := intent.match(said)) is not None:
            return intent, slots
    return None


_TICKET = re.compile(r"(?<![A-Z])WT-?\d{8}-?\d{1,5}(?!\d)", re.IGNORECASE)


def code_within(said: str) -> str:
    """The first whole code of a ticket inside a sentence, "" when there is none."""
    found = _TICKET.search(normalise(said))
    return found[0] if found else ""
