"""What a text says about where: building numbers, units, floors and sides, and what is near a place.

Source: domain.md §1 (chat input is normalised). The words are data, in texts/places.toml; nothing here knows a community's places,
which are services.places' matter. Nothing here reads a database or a clock.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

WORDS: dict[str, Any] = tomllib.loads((Path(__file__).parents[1] / "texts" / "places.toml").read_text("utf-8"))
MENTIONS: dict[str, str] = WORDS["mentions"]
_NUMERALS: dict[str, str] = WORDS["numerals"]
_DIGITS: dict[str, int] = {character: value for value, character in enumerate(_NUMERALS["digits"])}
_DIGITS[_NUMERALS["zero"]] = 0
_TEN = _NUMERALS["ten"]
_CHINESE = "".join(_DIGITS) + _TEN
NUMBER = rf"\d{{1,3}}|[a-z]|[{_CHINESE}]{{1,3}}"
_LOWEST_TOP, _HIGHEST_TOP = 3, 40
_ROOF = "roof"


@dataclass(frozen=True)
class Mention:
    """A building as said: its number, the estates it can belong to (None: none is said), its place in the text.

    loose: said with the word for a number only and not of a shop, so it can mean a block of the home estate too.
    """

    number: str
    estates: frozenset[str] | None
    on_street: bool
    loose: bool
    start: int
    end: int


def plain(text: str) -> str:
    """Return the text in half width without what cannot be seen: the one spelling that rules are written for.

    Line breaks become spaces, runs of spaces one space; zero-width, control and direction characters vanish.
    """
    kept = []
    for character in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(character)
        if character.isspace():
            kept.append(" ")
        elif category[0] != "C" and not "\ufe00" <= character <= "\ufe0f":
            kept.append(character)
    return " ".join("".join(kept).split())


def building_numbers(text: str) -> frozenset[str]:
    """Return the numbers of the buildings a text mentions, as digits or capital letters, of whatever estate."""
    folded = lower_case(plain(text))
    return frozenset(mention.number for mention in mentioned(folded, {}))


def parts(text: str) -> tuple[frozenset[str], ...]:
    """Return the units, the doors and the sides of a building that a text mentions, each kind in one spelling."""
    folded = lower_case(plain(text))
    units = frozenset(read_number(said) or said for said in re.findall(WORDS["parts"]["unit"], folded))
    doors = frozenset(re.findall(WORDS["parts"]["door"], folded))
    sides = frozenset(re.findall(WORDS["parts"]["side"], folded))
    return units, doors, sides


def spots(text: str) -> tuple[frozenset[str], ...]:
    """Return what pins a report down within an estate: buildings, units, doors, floors and numbered things, as said.

    The top floor is any floor from the third up, and people say it for the roof too; the roof itself is no floor.
    """
    folded = lower_case(plain(text))
    words = WORDS["parts"]
    floors = {read_number(said) or said for said in re.findall(words["floor"], folded)}
    if re.search(words["top_floor"], folded):
        floors |= {_ROOF, *(str(floor) for floor in range(_LOWEST_TOP, _HIGHEST_TOP))}
    if re.search(words["roof"], folded):
        floors.add(_ROOF)
    numbered = frozenset(read_number(said) or said for said in re.findall(words["numbered"], folded))
    units, doors, _ = parts(text)
    return building_numbers(text), units, doors, frozenset(floors), numbered


def without_places(text: str) -> str:
    """Return the text without building numbers and without words of direction: what is left is the matter itself."""
    folded = lower_case(plain(text))
    for mention in sorted(mentioned(folded, {}), key=lambda mention: mention.start, reverse=True):
        folded = f"{folded[: mention.start]} {folded[mention.end :]}"
    return _detail_pattern().sub(" ", folded)


def lower_case(text: str) -> str:
    """Return the text in lower case with every character in its place (lower() can lengthen a text)."""
    return "".join(lowered if len(lowered := character.lower()) == 1 else character for character in text)


def read_number(said: str) -> str | None:
    """Return a building's number as digits or a capital letter; None for what is no number (a lone zero, 十十, 西)."""
    if said.isdigit():
        return str(int(said)) if int(said) else None
    if said.isascii():
        return said.upper()
    tens, found, ones = said.partition(_TEN)
    if not found:
        if not all(character in _DIGITS for character in said):
            return None
        value = 0
        for character in said:
            value = value * 10 + _DIGITS[character]
    elif any(part and (len(part) > 1 or part not in _DIGITS) for part in (tens, ones)):
        return None
    else:
        value = (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)
    return str(value) if value else None


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """Return one of the patterns of [mentions], compiled."""
    return re.compile(MENTIONS[name].replace("<number>", NUMBER))


@cache
def _detail_pattern() -> re.Pattern[str]:
    """Return the pattern of what is near a place."""
    return re.compile(WORDS["detail"]["pattern"])


def mentioned(folded: str, estate_words: dict[str, frozenset[str]]) -> Iterator[Mention]:
    """Yield the buildings a folded text mentions, in no particular order, each once."""
    taken: list[tuple[int, int]] = []
    readers: tuple[tuple[str, bool], ...] = (
        ("block", False),
        ("english", False),
        ("dashed", False),
        ("street", True),
        ("bare", False),
    )
    for name, on_street in readers:
        for match in _pattern(name).finditer(folded):
            said = next(group for group in match.groups() if group)
            number = read_number(said)
            inside = any(start < match.end() and match.start() < end for start, end in taken)
            if number is None or inside or re.search(MENTIONS["measure"], folded[match.start() :]):
                continue
            start, estates = _estate_before(folded, match.start(), estate_words)
            if name == "bare" and estates is None:
                continue
            taken.append(match.span())
            loose = on_street and not re.search(MENTIONS["street_shop"], folded[match.end() :])
            yield Mention(number, estates, on_street, loose, start, match.end())


def _estate_before(folded: str, at: int, estate_words: dict[str, frozenset[str]]) -> tuple[int, frozenset[str] | None]:
    """Return where the estate named directly before a position begins and which it can be, or the position and None."""
    before = folded[:at]
    for word in sorted(estate_words, key=len, reverse=True):
        if match := _joint(word).search(before):
            return match.start(), estate_words[word]
    return at, None


@cache
def _joint(word: str) -> re.Pattern[str]:
    """Return the pattern of an estate's word at the end of what stands before a building number."""
    return re.compile(rf"{re.escape(word)}\s?(?:{MENTIONS['joint']})\s?$")


def detail_near(shown: str, folded: str, start: int, end: int) -> str:
    """Return what is said to be near the words between the positions: the first such words within reach behind them.

    With an empty stretch (nothing named) the first words of the text that can be said of the writer's own building.
    """
    if start == end:
        own = re.search(WORDS["detail"]["own"], folded)
        if own is None:
            return ""
        hits = list(_detail_pattern().finditer(folded, own.start()))
    else:
        hits = list(_detail_pattern().finditer(folded, end))
    if not hits or (start < end and hits[0].start() - end > WORDS["detail"]["reach"]):
        return ""
    last = hits[0].end()
    for hit in hits[1:]:
        if not re.search(WORDS["detail"]["joint"], folded[last : hit.start()]):
            break
        last = hit.end()
    return shown[hits[0].start() : last]
