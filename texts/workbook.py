"""The workbook of a community as data: its sheets, columns, choices and words, read from setup_workbook.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from texts import administration, membership


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `key` names it in the code, `title` in the header; `kind` says how a cell is read; `width` in characters.

    `suggest`: a table of choices that is offered as a drop-down without being the law.
    """

    key: str
    title: str
    kind: str = "text"
    required: bool = False
    width: int = 12
    example: str | float | None = None
    note: str = ""
    suggest: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet with its columns in order."""

    key: str
    title: str
    columns: tuple[Column, ...]

    def column(self, key: str) -> Column:
        """The column of this key. Raises StopIteration."""
        return next(column for column in self.columns if column.key == key)


# Lists whose words have their home in other tables, and how another word for the same is understood.
_ELSEWHERE = {"role": administration.roles_in_workbook, "member_kind": membership.kind_names, "unit_kind": membership.unit_kinds}
_UNDERSTOOD = {"role": administration.role_of, "member_kind": membership.kind_said}


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "setup_workbook.toml").read_text("utf-8"))


@cache
def sheets() -> tuple[Sheet, ...]:
    """Every sheet in the order of the workbook."""
    return tuple(Sheet(entry["key"], entry["title"], tuple(Column(**column) for column in entry["columns"])) for entry in _data()["sheets"])


def sheet(key: str) -> Sheet:
    """The sheet of this key. Raises StopIteration."""
    return next(one for one in sheets() if one.key == key)


def choices(kind: str) -> Mapping[str, str] | None:
    """What may stand in a column of this kind, as value → word; None when it is no list of words."""
    found: Mapping[str, str] | None = _ELSEWHERE[kind]() if kind in _ELSEWHERE else _data()["choices"].get(kind)
    return found


def meant(kind: str, said: str) -> str | None:
    """The value of a column of this kind that a cell stands for: by its word, by itself, or by another word that is understood."""
    known = choices(kind) or {}
    by_word = next((value for value, word in known.items() if said in (word, value)), None)
    other = _UNDERSTOOD[kind](said) if by_word is None and kind in _UNDERSTOOD else by_word
    return other if other in known else None


def mark(name: str) -> str:
    """A word or sign of the workbook: example, required, yes, no, list, guide."""
    return str(_data()["marks"][name])


def guide() -> tuple[str, ...]:
    """The lines of the sheet that explains the others."""
    return tuple(_data()["guide"]["lines"])


@cache
def date_forms() -> tuple[re.Pattern[str], ...]:
    """How a date may be written: patterns with year, month and day."""
    return tuple(re.compile(form) for form in _data()["dates"]["forms"])
