"""What a 设岗 line says: name, class, place, how many, from when until when, and the duties; in any order, over what was said before."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from services.context import Ground
from services.hours import pattern, plain_numbers
from services.hours import words as work_words
from texts.posts_screens import day
from texts.screen import Key, Value

MAX_PEOPLE = 99
NAME_LENGTH, DUTIES_LENGTH = 20, 300


@cache
def words() -> dict[str, Any]:
    """The data of texts/posts.toml."""
    return tomllib.loads((Path(__file__).parents[1] / "texts" / "posts.toml").read_text("utf-8"))


def meant(known: Sequence[str], said: str, data: str = "post_words") -> str:
    """The entry of a list that was said, whole, without its last word, or by a word that speaks for it (texts/posts.toml); "" for none."""
    speaking = words()[data]
    for entry in known:
        if entry in said or ((stem := re.sub(speaking["stem"], "", entry)) and stem in said):
            return entry
    return next((entry for entry in known if any(word in said for word in speaking.get(entry, ()))), "")


@dataclass(frozen=True, slots=True)
class PostLine:
    """What a 设岗 line says so far: "" and None are not said yet. `until` is the last day; `everywhere`: the whole community."""

    name: str = ""
    post_class: str = ""
    people: int | None = None
    grid: str | None = None
    place: str = ""
    everywhere: bool = False
    begins: date | None = None
    until: date | None = None
    duties: str = ""
    candidates: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """The line as it is kept in a draft; `from_data` gives it back."""
        days = {name: day.isoformat() if day else "" for name, day in (("begins", self.begins), ("until", self.until))}
        return asdict(self) | days | {"candidates": []}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> PostLine:
        """The line that `to_data` kept."""
        days = {name: date.fromisoformat(data[name]) if data.get(name) else None for name in ("begins", "until")}
        return cls(**(data | days | {"candidates": ()}))

    @property
    def values(self) -> dict[str, Value]:
        """What is known already, for the text that asks for the rest."""
        return {
            "name": self.name, "post_class": self.post_class, "people": self.people, "place": self.place or self.grid or "",
            "begins": day(self.begins), "until": day(self.until), "duties": self.duties,
        }  # fmt: skip

    def missing(self, today: date, classes: Sequence[str]) -> list[Key]:
        """What is still wanted, or cannot be: each as a text that says exactly what."""
        found = []
        if not self.name:
            found.append(Key("post.need.name"))
        elif not self.post_class:
            found.append(Key("post.need.class", {"classes": classes}))
        if self.candidates:
            found.append(Key("post.need.which_place", {"places": self.candidates}))
        elif self.grid is None and not self.everywhere:
            found.append(Key("post.need.place"))
        if self.people is None:
            found.append(Key("post.need.people"))
        elif not 1 <= self.people <= MAX_PEOPLE:
            found.append(Key("post.need.possible_people", {"people": self.people, "most": MAX_PEOPLE}))
        if self.begins is None or self.until is None:
            found.append(Key("post.need.term"))
        elif self.until < max(today, self.begins):
            found.append(Key("post.need.later_end", {"until": day(self.until)}))
        if not self.duties:
            found.append(Key("post.need.duties"))
        return found


def read_line(said: str, today: date, known: PostLine, ground: Ground, classes: Sequence[str]) -> PostLine:
    """What the line says over what was known before; nothing said earlier is lost."""
    line, data, said = replace(known, candidates=()), words()["line"], unicodedata.normalize("NFKC", said)
    if found := pattern(data["duties"]).search(said):
        line = replace(line, duties=_written(found["duties"]))
        said = said[: found.start()]
    said = plain_numbers(said)
    line, said = _take_term(line, said, today, data)
    if found := pattern(work_words()["line"]["people"]).search(said):
        line = replace(line, people=int(found["people"]))
        said = _cut(said, found)
    line, said = _take_class(line, said, data, classes)
    line, said = _take_place(line, said, data, ground)
    rest = [word for word in re.split(r"[\s,，;；。]+", said) if word]
    if rest and not line.name:
        line = replace(line, name=rest.pop(0)[:NAME_LENGTH])
    if rest and not line.duties:
        line = replace(line, duties=_written(" ".join(rest)))
    if line.name and not line.post_class:
        line = replace(line, post_class=meant(classes, line.name))
    return line


def _written(said: str) -> str:
    """The words as they are shown: with full-width signs between Chinese words."""
    return re.sub(r"(?<=[\u4e00-\u9fff])[,;:?!](?=[\u4e00-\u9fff]|$)", lambda sign: chr(ord(sign[0]) + 0xFEE0), said.strip())[
        :DUTIES_LENGTH
    ]


def _cut(said: str, found: re.Match[str]) -> str:
    return f"{said[: found.start()]} {said[found.end() :]}"


def _take_class(line: PostLine, said: str, data: dict[str, Any], classes: Sequence[str]) -> tuple[PostLine, str]:
    if (found := pattern(data["class"]).search(said)) and (name := meant(classes, found["class"])):
        return replace(line, post_class=name), _cut(said, found)
    if line.name and not line.post_class and (name := meant(classes, said)):
        return replace(line, post_class=name), said.replace(name, " ")
    return line, said


def _take_term(line: PostLine, said: str, today: date, data: dict[str, Any]) -> tuple[PostLine, str]:
    begin = data["from"].replace("{date}", data["date"])
    end = data["until"].replace("{date}", re.sub(r"\?P<(\w+)>", r"?P<end_\1>", data["date"]))
    length = data["length"]
    for form in (f"{begin} {end}", f"{begin} [,]? {length}", end, length, begin):
        found = pattern(form).search(said)
        if found is None:
            continue
        groups = found.groupdict()
        begins = _date(groups, "", today) if groups.get("month") else line.begins or today
        if begins is None:  # no such day
            return line, _cut(said, found)
        until = line.until
        if groups.get("end_month"):
            until = _date(groups, "end_", begins)
        elif groups.get("unit"):
            until = _after(begins, groups, data)
        return replace(line, begins=begins, until=until), _cut(said, found)
    return line, said


def _date(groups: Mapping[str, str | None], prefix: str, earliest: date) -> date | None:
    """The date said; without a year the first such one from `earliest` on. None for one that does not exist."""
    month, number = int(groups[f"{prefix}month"] or 0), int(groups[f"{prefix}day"] or 0)
    said = groups[f"{prefix}year"]
    for year in (int(said),) if said else (earliest.year, earliest.year + 1):
        try:
            found = date(year, month, number)
        except ValueError:
            continue
        if said or found >= earliest:
            return found
    return None


def _after(begins: date, groups: Mapping[str, str | None], data: dict[str, Any]) -> date:
    """The last day of so many years or months from `begins` on."""
    number, in_years = groups["number"] or "", groups["unit"] == data["year"]
    count = 0.5 if number == data["half"] else data["numbers"].get(number) or int(number)
    months = max(1, int(count * (12 if in_years else 1)))
    year, month = divmod(begins.year * 12 + begins.month - 1 + months, 12)
    last = (date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(begins.day, last)) - timedelta(days=1)


def _take_place(line: PostLine, said: str, data: dict[str, Any], ground: Ground) -> tuple[PostLine, str]:
    if found := pattern(data["everywhere"]).search(said):
        return replace(line, everywhere=True, grid=None, place=""), _cut(said, found)
    match = ground.gazetteer.find(said)
    if match.kind == "place":
        place = match.places[0]
        line = replace(line, grid=place.grid, place=place.name, everywhere=place.grid is None)
        return line, said.replace(match.words, " ", 1) if match.words else said.replace(place.name, " ", 1)
    if found := pattern(data["grid"]).search(said):
        code = (found["grid"] or "").upper()
        codes = (
            [code] if code in ground.grids else [c for c, grid in ground.grids.items() if found["named"] and found["named"] in grid.name]
        )
        if len(codes) == 1:
            return replace(line, grid=codes[0], place="", everywhere=False), _cut(said, found)
    if match.kind == "ambiguous":
        return replace(line, candidates=tuple(place.name for place in match.places)), said.replace(match.words, " ", 1)
    return line, said
