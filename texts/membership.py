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

from texts.answers import plain_answer, spellings


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
    words: tuple[str, ...]


@cache
def data() -> dict[str, Any]:
    """Everything in membership.toml; not to be changed."""
    return tomllib.loads((Path(__file__).parent / "membership.toml").read_text("utf-8"))


@cache
def rules() -> Mapping[str, Rule]:
    """The rule of every kind of member, in the order of the file."""
    return {kind: Rule(kind, **(row | {name: tuple(row[name]) for name in ("roles", "words")})) for kind, row in data()["kinds"].items()}


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


def glued(piece: str, labels: Mapping[str, Sequence[str]] | None = None) -> tuple[str, str]:
    """The same for a label (of a member's answers unless `labels` are given) that is joined to its answer without a colon (住青禾苑9幢)."""
    for field, words in (labels or data()["labels"]).items():
        for word in sorted(words, key=len, reverse=True):
            if piece.startswith(word) and len(piece) > len(word):
                return field, re.sub("^[:是为 ]+", "", piece[len(word) :])
    return "", piece


def is_name(said: str, *, alone: bool) -> bool:
    """Whether this can be a person's name; not `alone` (one of several answers) it is at most four Chinese characters and no skill."""
    words = data()["words"]
    if re.match(words["no_name"], said) or plain_answer(said) or _is_one_of(said, "not_names", "back", "none") or kind_said(said):
        return False
    if alone:
        return re.fullmatch(words["name"], said) is not None
    return re.fullmatch(words["chinese_name"], said) is not None and said not in data()["skills"]["known"]


def without_introduction(said: str) -> str:
    """A name without what people say before it (我叫张伟民 → 张伟民); anything else as it is."""
    rest = re.sub(f"^{data()['words']['named']}\\s*:?\\s*", "", said)
    return rest if rest != said and is_name(rest, alone=True) else said


def _is_one_of(said: str, *lists: str) -> bool:
    return any(word in data()["words"][name] for name in lists for word in spellings(said))


def is_back(said: str) -> bool:
    """Whether the whole answer asks for the question before."""
    return _is_one_of(plain(said), "back")


def change_said(said: str, labels: Mapping[str, Sequence[str]]) -> str:
    """The field that somebody wants to change (改姓名), "" for anything else."""
    found = re.fullmatch(f"{data()['words']['change']}\\s*(.+)", plain(said).rstrip("。.!"))
    return next((field for field, words in labels.items() if found and found[1] in words), "")


def is_nothing(said: str) -> bool:
    """Whether the answer says that there is none."""
    return said.strip(" 。.!").lower() in data()["words"]["none"]


def is_elsewhere(said: str) -> bool:
    """Whether the answer says that the home is outside the community."""
    return said.strip(" 。.!") in data()["words"]["elsewhere"]


def kind_said(said: str) -> str | None:
    """The kind of member that the whole word stands for."""
    return next((kind for kind, rule in rules().items() if said.lower() in rule.words), None)


def kind_names() -> dict[str, str]:
    """The kinds of members with their names."""
    return {kind: rule.words[0] for kind, rule in rules().items()}


def unit_kinds() -> dict[str, str]:
    """The kinds of units where a community has chosen none of its own."""
    first: dict[str, list[str]] = next(iter(data()["presets"].values()))
    return {kind: kind for kind in first["units"]}


def codes(name: str) -> dict[str, str]:
    """Word → code of a list that holds codes (enrolments, members)."""
    if name == "members":
        return {word: kind for kind, rule in rules().items() for word in rule.words}
    known: dict[str, str] = data()["codes"][name]
    return known


def kind_in(said: str) -> str | None:
    """The kind of member that a sentence names, when it names one and no second (退休好多年了)."""
    found, rest = set(), said.lower()
    words = sorted(((word, kind) for kind, rule in rules().items() for word in rule.words), key=lambda one: -len(one[0]))
    for word, kind in words:
        if word in rest:
            found.add(kind)
            rest = rest.replace(word, " ")
    return found.pop() if len(found) == 1 else None


def times() -> tuple[str, ...]:
    """The words of the times, in their order."""
    return tuple(data()["times"]["words"])


def times_said(said: str) -> list[str]:
    """The times that a piece consists of, in the order of the list; none when it says anything else besides."""
    rest, found = said.lower(), set()
    if rest in data()["times"]["any"]:
        return list(times())
    for word in sorted(data()["times"]["said"], key=len, reverse=True):
        if word in rest:
            found.update(data()["times"]["said"][word])
            rest = rest.replace(word, "")
    if not found or not re.fullmatch(data()["words"]["filler"], rest.strip()):
        return []
    return [word for word in times() if word in found]
