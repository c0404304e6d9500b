"""What people write when they promise: the four parts of an item, which of them are missing, and what became of items.

An item is a dict {what, for_whom, measure, due}; `due` is a date as 2026-12-20. A part that says nothing (多做好事, 尽快) is missing:
domain.md §5 Commitment, 事项 + 对象 + 量化 + 时限. The words are data, in texts/commitments.toml.
"""

from __future__ import annotations

import re
import tomllib
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from services.hours import pattern
from texts.membership import plain

PARTS = ("what", "for_whom", "measure", "due")
_TRIM = " ,.;:、。,;:!?"


@cache
def words() -> dict[str, Any]:
    """Everything in texts/commitments.toml; not to be changed."""
    return tomllib.loads((Path(__file__).parents[1] / "texts" / "commitments.toml").read_text("utf-8"))


def missing(item: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts that an item does not have, in the order of the contract."""
    return tuple(part for part in PARTS if not item.get(part))


# -- items ------------------------------------------------------------------------------------------------------------
def read_items(said: str, year: int, today: date) -> list[dict[str, str]]:
    """The items of a text, each with the parts that it says; a piece that says no what belongs to the item before it."""
    data, found = words()["items"], list[dict[str, str]]()
    for piece in re.split(data["separators"], adds_item(_folded(said))[1]):
        piece = re.sub(data["number"], "", piece.strip(_TRIM)).strip(_TRIM)
        if not piece or pattern(data["lost"]).fullmatch(piece):
            continue
        item = read_item(piece, year, today)
        if found and any(item.values()) and not item["what"] and not any(found[-1][part] and item[part] for part in PARTS):
            found[-1] |= {part: value for part, value in item.items() if value}
        else:
            found.append(item)
    return found


def adds_item(said: str) -> tuple[bool, str]:
    """Whether the words begin a further item (再加一条 …), and the words without that."""
    found = pattern(words()["items"]["another"]).match(said.strip())
    return found is not None, said.strip()[found.end() :] if found else said


def _folded(said: str) -> str:
    """Half width, but with its line breaks."""
    return "\n".join(plain(line) for line in said.splitlines())


def read_item(said: str, year: int, today: date) -> dict[str, str]:
    """The four parts that a sentence says, "" for one that it does not."""
    data, rest = words()["items"], plain(said)
    item = dict.fromkeys(PARTS, "")
    for part, names in data["labels"].items():
        if found := pattern(data["label"].replace("{names}", names)).search(rest):
            rest = f"{rest[: found.start()]},{rest[found.end() :]}"
            item[part] = read_part(part, found["value"], year, today)
    day, bare = _due(rest, year, today)
    item["due"] = item["due"] or day
    if not item["measure"]:
        found_all = [found[0].strip(_TRIM) for form in data["measure"][:1] for found in pattern(form).finditer(bare)]
        found_all = found_all or [found[0].strip(_TRIM) for form in data["measure"][1:] for found in pattern(form).finditer(bare)]
        item["measure"] = ",".join(dict.fromkeys(found_all))
    uncounted = bare
    for form in data["measure"][:1]:
        uncounted = pattern(form).sub(" ", uncounted)
    if not item["for_whom"] and (found := pattern(data["whom"]).search(uncounted) or pattern(data["whom_else"]).search(uncounted)):
        item["for_whom"] = found[0].strip()
    item["what"] = item["what"] or _what(bare, rest, year, today)
    return {part: value.replace(",", data["comma"]) for part, value in item.items()}


def read_part(part: str, said: str, year: int, today: date) -> str:
    """An answer to the question for one part, "" when it does not say it."""
    data, said = words()["items"], plain(said).strip(_TRIM)[: words()["items"]["longest"]]
    match part:
        case "due":
            return _due(said, year, today)[0]
        case "measure":
            return said if any(pattern(form).search(said) for form in data["measure"]) else ""
        case "what":
            return _what(said, said, year, today)
    return said if len(re.sub(data["vague"], "", said)) >= 1 or pattern(data["whom"]).search(said) else ""


def _what(bare: str, said: str, year: int, today: date) -> str:
    """What is done, in the member's own words: of `said` only what is a date, a measure or good intentions from comma to comma is left out.

    "" when without dates (`bare`) and numbers nothing is left but good intentions.
    """
    data = words()["items"]
    core = pattern(data["to_whom"].replace("{whom}", f"{data['whom']}|{data['whom_else']}")).sub(" ", bare)
    for form in (data["counted"], *data["measure"][1:]):
        core = pattern(form).sub(" ", core)
    if len(re.sub(data["vague"], "", core)) < data["least_what"]:
        return ""
    kept = ",".join(piece for clause in said.split(",") if (piece := clause.strip(_TRIM)) and _says_more(piece, year, today))
    return (kept or bare.strip(_TRIM))[: data["longest"]]


def _says_more(clause: str, year: int, today: date) -> bool:
    """Whether a clause says more than a date, a measure and good intentions."""
    data, (day, rest) = words()["items"], _due(clause, year, today)
    while day:
        day, rest = _due(rest, year, today)
    for form in data["measure"][:1]:
        rest = pattern(form).sub("", rest)
    return len(re.sub(data["vague"], "", rest)) >= 1


def _due(said: str, year: int, today: date) -> tuple[str, str]:
    """(the date as 2026-12-20 or "", the sentence without it). A day that is over or beyond the year is no date for a promise."""
    data = words()["items"]
    for form in data["due"]:
        for found in pattern(form).finditer(said):
            day = _date(found.groupdict(), year, data["quarters"])
            if day is not None and today <= day and day.year == year:
                return day.isoformat(), f"{said[: found.start()]},{said[found.end() :]}"
    return "", said


def _date(found: Mapping[str, str | None], year: int, quarters: Mapping[str, int]) -> date | None:
    year = int(found.get("year") or year)
    if quarter := found.get("quarter"):
        month: int | None = quarters[quarter] * 3
    else:
        month = 6 if found.get("half") else 12 if found.get("whole") else int(found.get("month") or 0)
    last = monthrange(year, month)[1] if month else 0
    day = int(found.get("day") or last)
    return date(year, month, day) if month and 1 <= day <= last else None


# -- what became of them ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Mark:
    """What is said of an item: kept, partly, not or excused ("" for a note), with the words and the reason."""

    result: str
    words: str
    reason: str = ""


def read_marks(said: str, count: int) -> dict[int, Mark]:
    """What a text says of which item, by number from 1; items beyond `count` are left out. A reason belongs to the item before it."""
    data, said = words()["marks"], plain(said)
    if pattern(data["all"]).search(said) and not pattern(data["item"]).search(said):
        mark = _mark(said)
        return dict.fromkeys(range(1, count + 1), mark) if mark.result else {}
    said = pattern(data["done_first"]).sub(lambda found: data["done_after"].format(number=found["number"]), said)
    starts = list(pattern(data["item"]).finditer(said))
    found = {}
    for place, start in enumerate(starts):
        number = int(data["numbers"].get(start["number"], start["number"]))
        end = starts[place + 1].start() if place + 1 < len(starts) else len(said)
        if 1 <= number <= count:
            found[number] = _mark(said[start.end() : end])
    return found


def names_another(said: str, count: int) -> bool:
    """Whether a text names an item that a promise of `count` items does not have."""
    data = words()["marks"]
    named = (data["numbers"].get(found["number"], found["number"]) for found in pattern(data["any_item"]).finditer(plain(said)))
    return any(not str(number).isdecimal() or not 1 <= int(number) <= count for number in named)


def _mark(said: str) -> Mark:
    data, reason = words()["marks"], ""
    excused = pattern(data["excused"]).search(said) is not None
    if found := pattern(data["reason"]).search(said):
        reason, head = found["reason"].strip(_TRIM), said[: found.start()]
    else:
        head = said
    result = next((name for name in ("partly", "not", "kept") if pattern(data[name]).search(head)), "")
    return Mark("excused" if excused else result, said.strip(_TRIM), reason[: words()["items"]["longest"]])


def read_side(said: str) -> str:
    """The kind of owner that a word means, "" for none."""
    return next((kind for kind, known in words()["sides"].items() if said in known), "")


def read_grade(said: str) -> str:
    """The grade that words begin with: kept, partly, not, or "" for none."""
    said = plain(said).strip(_TRIM).lower()
    for grade, known in words()["grades"].items():
        if any(said.startswith(word) for word in known):
            return str(grade)
    return ""
