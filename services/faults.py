"""What is wrong with a file that somebody wants to import: every fault with its sheet, row, column and reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from texts.screen import Key, Value


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `reason` is a catalogue key under "fault.", `row` counts from 1 as the spreadsheet does (0: the whole sheet or file)."""

    reason: str
    sheet: str = ""
    row: int = 0
    column: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    def words(self) -> Key:
        """The fault as a line of a screen."""
        where = "row" if self.row and self.column else "line" if self.row else "sheet" if self.sheet else "file"
        reason = Key(f"fault.{self.reason}", self.values)
        return Key(f"fault.at_{where}", {"sheet": self.sheet, "row": self.row, "column": self.column, "reason": reason})


class BadCell(Exception):
    """A cell that cannot be read so; `reason` as in Fault."""

    def __init__(self, reason: str, **values: Value) -> None:
        super().__init__(reason)
        self.reason, self.values = reason, values


class BadFile(Exception):
    """A file that cannot be read at all; its faults say why."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(", ".join(fault.reason for fault in faults))
        self.faults = faults
