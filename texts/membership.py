"""What people write when they enrol, and the rules of each kind of member: the data is in membership.toml (domain.md §3 People)."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for a kind of member. `unit`: ask, optional or none; the rest as membership.toml says it."""

    kind: str
    self: bool
    unit: str
    target: bool
    card: bool
    tasks: bool
    enrolment: str
    roles: tuple[str, ...]


@cache
def data() -> dict[str, Any]:
    """Everything in membership.toml; not to be changed."""
    return tomllib.loads((Path(__file__).parent / "membership.toml").read_text("utf-8"))


@cache
def rules() -> Mapping[str, Rule]:
    """The rule of every kind of member, in the order of the file."""
    return {kind: Rule(kind, **(row | {"roles": tuple(row["roles"])})) for kind, row in data()["kinds"].items()}


def rule(kind: str) -> Rule:
    """The rule of a kind of member; of an unknown one that of in-service members."""
    return rules().get(kind) or rules()["in_service"]


def plain(said: str) -> str:
    """What was said in half width, without signs nobody sees and without runs of spaces."""
    folded = unicodedata.normalize("NFKC", said)
    return " ".join("".join(" " if sign.isspace() else sign for sign in folded if unicodedata.category(sign)[0] != "C").split())


def pieces(said: str) -> list[str]:
    """The answers in one message, in the order they were written."""
    return [piece for piece in re.split(data()["words"]["separators"], plain(said)) if piece]


def labelled(piece: str, labels: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """(field, the rest) of a piece that begins with the word of a field and a colon or a space; ("", the piece) of any other."""
    for field, words in labels.items():
        for word in sorted(words, key=len, reverse=True):
            if found := re.fullmatch(rf"{re.escape(word)}(?:\s*:\s*|\s+)(.+)", piece, re.DOTALL):
                return field, found[1].strip()
    return "", piece


def glued(piece: str) -> tuple[str, str]:
    """The same for a label of a member's answers that is joined to its answer without a colon (住青禾苑9幢)."""
    for field, words in data()["labels"].items():
        for word in sorted(words, key=len, reverse=True):
            if piece.startswith(word) and len(piece) > len(word):
                return field, re.sub("^[:是为 ]+", "", piece[len(word) :])
    return "", piece


def is_name(said: str, *, alone: bool) -> bool:
    """Whether this can be a person's name; not `alone` (one of several answers) it is at most four Chinese characters and no skill."""
    if alone:
        return re.fullmatch(data()["words"]["name"], said) is not None
    return re.fullmatch(data()["words"]["chinese_name"], said) is not None and said not in data()["skills"]["known"]


def is_nothing(said: str) -> bool:
    """Whether the answer says that there is none."""
    return said.strip(" 。.!").lower() in data()["words"]["none"]


def is_elsewhere(said: str) -> bool:
    """Whether the answer says that the home is outside the community."""
    return said.strip(" 。.!") in data()["words"]["elsewhere"]


def kind_said(said: str) -> str | None:
    """The kind of member that the whole word stands for."""
    return next((kind for kind, words in data()["kind_words"].items() if said.lower() in words), None)


def times() -> tuple[str, ...]:
    """The words of the times, in their order."""
    return tuple(data()["times"]["words"])


def times_said(said: str) -> list[str]:
    """The times that a piece consists of, in the order of the list; none when it says anything else besides."""
    rest, found = said.lower(), set()
    for word in sorted(data()["times"]["said"], key=len, reverse=True):
        if word in rest:
            found.update(data()["times"]["said"][word])
            rest = rest.replace(word, "")
    if not found or not re.fullmatch(data()["words"]["filler"], rest.strip()):
        return []
    return [word for word in times() if word in found]
