"""The words by which residents' sentences are understood: texts/understanding.toml, checked and compiled when it is read.

Nothing here judges a sentence: services.understanding does, with what is read here. Source: domain.md §2.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from services.needed_characters import Characters, needed_characters

CLASSES = ("P1", "P2", "P3", "P4", "P5")
_SECTIONS = (
    "categories",
    "folding",
    "spelling",
    "homophones",
    "concepts",
    "rules",
    "hints",
    "companions",
    "dangers",
    "urgent",
    "bystanders",
    "urgent_guards",
    "urgent_cues",
    "chatter",
    "for_other",
    "likeness",
)


class LexiconError(ValueError):
    """A line of texts/understanding.toml is not what it must be; the message names it."""


@dataclass(frozen=True)
class Category:
    """A kind of problem; group is its letter, sla its class "P1" to "P5", handler who takes it by default."""

    code: str
    group: str
    sla: str
    handler: str
    taskable: bool


@dataclass(frozen=True)
class Rule:
    """A category's witness: all needed concepts are in the text and no excluded one."""

    category: str
    weight: float
    needed: tuple[str, ...]
    excluded: tuple[str, ...]


@dataclass(frozen=True)
class Sign:
    """What shows a danger: all needed parts within `reach` characters from one to the next, and no excluded one anywhere."""

    reach: int
    needed: tuple[str, ...]
    excluded: tuple[str, ...]


@dataclass(frozen=True)
class Alarm:
    """Signs that make a sentence urgent, unless other words in it say what they are.

    lasting: the danger stays until somebody acts, so that yesterday's is today's.
    """

    category: str
    signs: tuple[Sign, ...]
    unless: re.Pattern[str] | None
    lasting: bool


@dataclass(frozen=True)
class Lexicon:
    """The data of texts/understanding.toml, checked and compiled.

    companions: by group, the categories to offer beside a guess of that group when nothing else fits. facets: by
    the kind of thing, the things that tell one matter from another; matters: by category, its facets; qualities: the facets that make
    no two reports the same. bystanders: the
    parts of dangers never denied. by_character: the concepts and dangers that
    a text with this character may say; always: those that any may.
    """

    categories: Mapping[str, Category]
    simplified: dict[int, int]
    spelling: Mapping[str, str]
    slips: re.Pattern[str]
    concepts: Mapping[str, re.Pattern[str]]
    hints: Mapping[str, re.Pattern[str]]
    companions: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]
    dangers: Mapping[str, re.Pattern[str]]
    alarms: tuple[Alarm, ...]
    bystanders: frozenset[str]
    guards: Mapping[str, re.Pattern[str]]
    cues: Mapping[str, re.Pattern[str]]
    chatter: Mapping[str, re.Pattern[str]]
    for_other: re.Pattern[str]
    filler: re.Pattern[str]
    facets: Mapping[str, tuple[re.Pattern[str], ...]]
    matters: Mapping[str, tuple[str, ...]]
    qualities: frozenset[str]
    by_character: Mapping[str, frozenset[str]]
    always: frozenset[str]

    def sayable(self, folded: str) -> frozenset[str]:
        """Return the concepts and dangers that can be said with the characters of a text at all: the others need no search."""
        found = (self.by_character[character] for character in set(folded) if character in self.by_character)
        return self.always.union(*found)


@cache
def lexicon() -> Lexicon:
    """Return the data of texts/understanding.toml, read once."""
    path = Path(__file__).parents[1] / "texts" / "understanding.toml"
    return read_lexicon(tomllib.loads(path.read_text("utf-8")))


def read_lexicon(data: Mapping[str, Any]) -> Lexicon:
    """Return the lexicon that the data describe.

    Raises LexiconError for an unknown category or concept, a weight that is none, a broken pattern, a missing section.
    """
    for section in _SECTIONS:
        if section not in data:
            raise LexiconError(f"section [{section}] is missing")
    known = {code: _category(code, values) for code, values in data["categories"].items()}
    folding = data["folding"]
    if len(folding["traditional"]) != len(folding["simplified"]):
        raise LexiconError("[folding] traditional and simplified differ in length")
    concepts = {name: _compile(f"concept {name}", value, data["concepts"]) for name, value in data["concepts"].items()}
    rules = tuple(_rule(code, line, known, concepts) for code, lines in data["rules"].items() for line in lines)
    if missing := sorted(set(known) - {rule.category for rule in rules}):
        raise LexiconError(f"no rule for {', '.join(missing)}")
    words = data["concepts"] | data["dangers"]
    parts = concepts | {name: _compile(f"danger {name}", value, words) for name, value in data["dangers"].items()}
    spelling = _slips(data["homophones"]) | data["spelling"]
    likeness = data["likeness"]
    needed = needed_characters(parts)
    return Lexicon(
        categories=MappingProxyType(known),
        simplified=str.maketrans(folding["traditional"], folding["simplified"]),
        spelling=spelling,
        slips=_any_of(spelling),
        concepts=concepts,
        hints={code: _compile(f"hint {code}", hint) for code, hint in data["hints"].items()},
        companions={code: _companions(code, codes, known) for code, codes in data["companions"].items()},
        rules=rules,
        dangers=parts,
        alarms=tuple(_alarm(entry, known, parts, words) for entry in data["urgent"]),
        bystanders=frozenset(_parts("bystanders", data["bystanders"]["parts"], parts)[0]),
        guards={name: _compile(f"urgent_guards {name}", value) for name, value in data["urgent_guards"].items()},
        cues={name: _compile(f"urgent_cues {name}", value) for name, value in data["urgent_cues"].items()},
        chatter={name: _compile(f"chatter {name}", value) for name, value in data["chatter"].items()},
        for_other=_compile("for_other", data["for_other"]["pattern"]),
        filler=_compile("likeness", likeness["filler"]),
        facets={name: tuple(_compile(f"facet {name}", thing) for thing in things) for name, things in likeness["facets"].items()},
        matters={code: _facets(code, names, known, likeness["facets"]) for code, names in likeness["categories"].items()},
        qualities=frozenset(_facets("A01", likeness["qualities"], known, likeness["facets"])),
        by_character=_by_character(needed),
        always=frozenset(name for name, characters in needed.items() if not characters),
    )


def _by_character(needed: Mapping[str, Characters]) -> dict[str, frozenset[str]]:
    """Return for each character what needs it, or one like it, to be said."""
    every = frozenset().union(*needed.values())
    return {character: frozenset(name for name, characters in needed.items() if character in characters) for character in every}


def _slips(data: Mapping[str, Any]) -> dict[str, str]:
    """Return every key word with one character replaced by one that sounds like it, with the word itself."""
    sounds, kept = data["sounds"], {*data["words"], *data["not_slips"]}
    slips = {
        word[:at] + other + word[at + 1 :]: word
        for word in data["words"]
        for at, character in enumerate(word)
        for other in sounds.get(character, "")
    }
    return {slip: word for slip, word in slips.items() if slip not in kept}


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of any of the words, the longest first, grouped by first character to be quick."""
    rests: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        rests.setdefault(word[0], []).append(re.escape(word[1:]))
    return re.compile("|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in rests.items()))


def _category(code: str, values: list[Any]) -> Category:
    """Return one category of the data: its class, its handler and whether a task may be made of it."""
    if not re.fullmatch(r"[A-J]\d\d", code) or len(values) != 3 or values[0] not in CLASSES:
        raise LexiconError(f"category {code}: {values} is not [class, handler, taskable]")
    return Category(code, code[0], values[0], str(values[1]), bool(values[2]))


def _companions(code: str, codes: list[str], known: Mapping[str, Category]) -> tuple[str, ...]:
    """Return the categories to offer beside one."""
    for each in (code, *codes):
        if each not in known:
            raise LexiconError(f"companions of {code}: unknown category {each}")
    return tuple(codes)


def _facets(code: str, names: list[str], known: Mapping[str, Category], facets: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the facets of one category."""
    if code not in known:
        raise LexiconError(f"facets of the unknown category {code}")
    for name in names:
        if name not in facets:
            raise LexiconError(f"facets of {code}: unknown facet {name!r}")
    return tuple(names)


def _rule(code: str, line: str, known: Mapping[str, Category], concepts: Mapping[str, re.Pattern[str]]) -> Rule:
    """Return one rule of the data: a weight, needed concepts, and excluded ones behind an exclamation mark."""
    weight, *terms = line.split()
    try:
        value = float(weight)
    except ValueError:
        raise LexiconError(f"rule {code} {line!r}: {weight!r} is no weight") from None
    if code not in known:
        raise LexiconError(f"rule {line!r} is for the unknown category {code}")
    needed, excluded = _parts(f"rule {code} {line!r}", terms, concepts)
    if not 0 < value < 1 or not needed:
        raise LexiconError(f"rule {code} {line!r}: the weight lies between 0 and 1 and a concept is needed")
    return Rule(code, value, needed, excluded)


def _alarm(
    entry: Mapping[str, Any], known: Mapping[str, Category], parts: Mapping[str, re.Pattern[str]], words: Mapping[str, str]
) -> Alarm:
    """Return one urgent entry of the data."""
    category = entry["category"]
    if category not in known:
        raise LexiconError(f"urgent entry for the unknown category {category}")
    unless = _compile(f"urgent {category} unless", entry["unless"], words) if "unless" in entry else None
    return Alarm(category, tuple(_sign(category, line, parts) for line in entry["when"]), unless, bool(entry.get("lasting")))


def _sign(category: str, line: str, parts: Mapping[str, re.Pattern[str]]) -> Sign:
    """Return one sign of a danger: how near its parts are, where there are several, and the parts."""
    first, *rest = line.split()
    reach, terms = (int(first), rest) if first.isdigit() else (0, [first, *rest])
    needed, excluded = _parts(f"urgent {category} {line!r}", terms, parts)
    if not needed or (len(needed) > 1 and not reach):
        raise LexiconError(f"urgent {category} {line!r}: a part is needed, and a reach before several")
    return Sign(reach, needed, excluded)


def _parts(name: str, terms: list[str], known: Mapping[str, re.Pattern[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the needed terms and the excluded ones, which stand behind an exclamation mark."""
    needed = tuple(term for term in terms if not term.startswith("!"))
    excluded = tuple(term[1:] for term in terms if term.startswith("!"))
    for part in (*needed, *excluded):
        if part not in known:
            raise LexiconError(f"{name}: unknown concept {part!r}")
    return needed, excluded


def _compile(name: str, pattern: str, words: Mapping[str, str] = MappingProxyType({})) -> re.Pattern[str]:
    """Return the pattern without its layout and with the named words put in."""
    joined = re.sub(r"\s", "", pattern)
    own = name.split()[-1]
    while hole := re.search(r"\{([a-z_]+)\}", joined):
        if hole[1] not in words or hole[1] == own:
            raise LexiconError(f"{name}: unknown concept {hole[0]}")
        inner = re.sub(r"\s", "", words[hole[1]])
        joined = f"{joined[: hole.start()]}(?:{inner}){joined[hole.end() :]}"
    try:
        return re.compile(joined)
    except re.error as error:
        raise LexiconError(f"{name}: {error}") from None
