"""Reads the official notice of a year's holidays as it is published: which days are off, which weekends are worked (domain.md §0.3).

The usual wordings are data (texts/holidays.toml). What does not add up is a fault, and a notice with a fault is not taken: a wrong
calendar is worse than a provisional one.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from texts.screen import Key, Value

LONGEST = timedelta(days=15)
MOST_TEXT = 20_000


@dataclass
class Festival:
    """One section of the notice: its name, the days off and the make-up workdays, in order."""

    name: str
    off: list[date] = field(default_factory=list)
    works: list[date] = field(default_factory=list)


@dataclass
class Notice:
    """What was understood. `year` is None where the text does not name one; `faults` say what does not add up."""

    year: int | None
    festivals: list[Festival] = field(default_factory=list)
    faults: list[Key] = field(default_factory=list)

    @property
    def days(self) -> dict[date, tuple[bool, str]]:
        """Every day the notice speaks of: whether it is a workday, and the festival."""
        off = {day: (False, one.name) for one in self.festivals for day in one.off}
        return off | {day: (True, one.name) for one in self.festivals for day in one.works}


@cache
def words() -> dict[str, Any]:
    """The data of texts/holidays.toml."""
    return tomllib.loads((Path(__file__).parents[1] / "texts" / "holidays.toml").read_text("utf-8"))


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(words()[name])


def read(said: str, year: int | None = None) -> Notice:
    """The notice in this text; `year` where the text names none."""
    plain = _plain(said)
    named = _pattern("year").search(plain)
    notice = Notice(int(named["year"]) if named else year)
    sections = list(_pattern("section").finditer(plain))
    if notice.year is None or not sections:
        notice.faults.append(Key("holidays.fault.no_year" if sections else "holidays.fault.no_notice"))
        return notice
    ends = [*(section.start() for section in sections[1:]), len(plain)]
    for section, end in zip(sections, ends, strict=True):
        notice.festivals.append(_section(notice, section["names"], plain[section.end() : end]))
    _check(notice)
    return notice


def _plain(said: str) -> str:
    """Half width, without white space and brackets; a weekday in a bracket stays as <1> to <7>."""
    text = "".join(unicodedata.normalize("NFKC", said[:MOST_TEXT]).split())

    def weekday(found: re.Match[str]) -> str:
        day = _pattern("weekday").search(found[1])
        return f"<{words()['weekdays'][day[1]]}>" if day else ""

    return _pattern("brackets").sub(weekday, text)


def _section(notice: Notice, names: str, body: str) -> Festival:
    name = words()["and"].join(full for short, full in words()["festivals"].items() if short in names)
    festival, reader = Festival(name), _Dates(notice, words()["new_year"] in names)
    for sentence in _pattern("sentence").split(body):
        if _pattern("advice").search(sentence):
            continue
        waiting: list[date] = []
        off: list[date] = []
        for clause in _pattern("clause").split(sentence):
            found = [*waiting, *reader.read(clause)]
            is_off, is_work = _pattern("off").search(clause), _pattern("works").search(clause)
            waiting = [] if is_off or is_work else found
            if is_off:
                off += found
            elif is_work:
                festival.works += found
        festival.off += off
        said = _pattern("days").search(sentence)
        if said and off and int(said["days"]) != len(off):
            notice.faults.append(Key("holidays.fault.count", {"name": name, "said": int(said["days"]), "found": len(off)}))
    return festival


class _Dates:
    """Reads the dates of a section in order: month and year carry over from the one before."""

    def __init__(self, notice: Notice, new_year: bool) -> None:
        assert notice.year is not None
        self.notice, self.new_year = notice, new_year
        self.year, self.month = notice.year, 0

    def read(self, clause: str) -> Iterator[date]:
        """Every date of the clause, ranges unfolded."""
        for found in _pattern("date").finditer(clause):
            first = self._date(found["year"], found["month"], found["day"], found["weekday"])
            last = first
            if first is not None and (end := found["day2"] or found["day3"]):
                last = self._date(found["year2"], found["month2"], end, found["weekday2"] or found["weekday3"], after=first)
            if first is None or last is None or not first <= last <= first + LONGEST:
                self.notice.faults.append(Key("holidays.fault.date", {"said": re.sub("<.>", "", found[0])}))
                continue
            yield from (first + timedelta(days=number) for number in range((last - first).days + 1))

    def _date(self, year: str | None, month: str | None, day: str, weekday: str | None, after: date | None = None) -> date | None:
        self.month = int(month) if month else self.month
        if year:
            self.year = int(year)
        elif after is not None:
            self.year = after.year + (self.month < after.month)
        else:
            assert self.notice.year is not None
            # 元旦 may begin in the December before.
            self.year = self.notice.year - (self.new_year and self.month == 12)
        try:
            found = date(self.year, self.month, int(day))
        except ValueError:
            return None
        if weekday and found.isoweekday() != int(weekday[1]):
            said: dict[str, Value] = {"date": found, "said": Key(f"weekday.{int(weekday[1]) - 1}"), "is": Key(f"weekday.{found.weekday()}")}
            self.notice.faults.append(Key("holidays.fault.weekday", said))
        return found


def _check(notice: Notice) -> None:
    """Faults of the whole: a festival without days, one that is not there, a day both off and worked, a make-up workday that is none."""
    for short, name in words()["festivals"].items():
        sections = [one for one in notice.festivals if name in one.name]
        if not sections or not any(one.off for one in sections):
            notice.faults.append(Key("holidays.fault.missing", {"name": name, "short": short}))
    off = {day for one in notice.festivals for day in one.off}
    for day in sorted(day for one in notice.festivals for day in one.works):
        if day in off:
            notice.faults.append(Key("holidays.fault.both", {"date": day}))
        elif day.isoweekday() < 6:
            notice.faults.append(Key("holidays.fault.workday", {"date": day}))
