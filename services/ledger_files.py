"""A ledger as a file: an .xlsx, or a CSV that spreadsheets open as UTF-8. Pure functions; nothing that is written can be a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import xlsxwriter

from services.exporting import AS_WRITTEN
from services.ledger_rows import Cell, Sheet
from services.workdays import local
from texts.render import show, text

# Spreadsheets of East Asia take the full-width signs for the half-width ones.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WIDE, _NARROW, _MOST = 46, 9, 60


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands around a ledger: its title, and the watermark that says who had it made, when, under which number."""

    title: str
    watermark: str
    community: str
    made_at: datetime
    language: str = "zh_CN"

    def say(self, key: str) -> str:
        """A word in the reader's language."""
        return text(key, {}, self.language)


def xlsx(heading: Heading, sheets: Sequence[Sheet]) -> bytes:
    """The ledger as a workbook, printable, the watermark on every page."""
    data = io.BytesIO()
    with xlsxwriter.Workbook(data, AS_WRITTEN) as book:
        book.set_properties({"title": heading.title, "author": heading.community, "created": local(heading.made_at).replace(tzinfo=None)})
        formats = {
            "title": book.add_format({"bold": True, "font_size": 14}),
            "mark": book.add_format({"font_color": "#7F7F7F"}),
            "head": book.add_format({"bold": True, "border": 1, "text_wrap": True, "align": "center", "bg_color": "#E7E6E6"}),
            "cell": book.add_format({"border": 1, "text_wrap": True, "valign": "top"}),
            "at": book.add_format({"border": 1, "num_format": "yyyy-mm-dd hh:mm", "align": "left", "valign": "top"}),
        }
        for sheet in sheets:
            _page(book.add_worksheet(heading.say(sheet.title)), heading, sheet, formats)
    return data.getvalue()


def _page(page: Any, heading: Heading, sheet: Sheet, formats: dict[str, Any]) -> None:
    page.write_string(0, 0, heading.title, formats["title"])
    page.write_string(1, 0, heading.watermark, formats["mark"])
    for place, name in enumerate(sheet.columns):
        title = heading.say(f"ledger.column.{name}")
        widths = [_width(_written(row[place], heading.language)) for row in sheet.rows]
        page.set_column(place, place, min(_WIDE, max([_NARROW, _width(title) + 2, *widths])))
        page.write_string(2, place, title, formats["head"])
    for number, row in enumerate(sheet.rows, 3):
        for place, value in enumerate(row):
            _write(page, number, place, value, heading.language, formats)
    page.autofilter(2, 0, max(3, len(sheet.rows) + 2), len(sheet.columns) - 1)
    page.freeze_panes(3, 2)
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.repeat_rows(2)
    page.set_header(f"&C{heading.watermark.replace('&', '&&')[:250]}")
    page.set_footer("&C&P / &N")


def _write(page: Any, row: int, column: int, value: Cell, language: str, formats: dict[str, Any]) -> None:
    if isinstance(value, datetime):
        page.write_datetime(row, column, local(value).replace(tzinfo=None), formats["at"])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        page.write_number(row, column, value, formats["cell"])
    else:
        page.write_string(row, column, show(value, language), formats["cell"])


def comma_separated(heading: Heading, sheets: Sequence[Sheet]) -> bytes:
    """The ledger as CSV with a byte order mark; cells that a spreadsheet would take for a formula begin with an apostrophe."""
    data = io.StringIO()
    writer = csv.writer(data)
    writer.writerow([_harmless(heading.title)])
    writer.writerow([_harmless(heading.watermark)])
    for sheet in sheets:
        writer.writerow([])
        writer.writerow([heading.say(f"ledger.column.{name}") for name in sheet.columns])
        writer.writerows([_harmless(_written(value, heading.language)) for value in row] for row in sheet.rows)
    return data.getvalue().encode("utf-8-sig")


def _harmless(said: str) -> str:
    return f"'{said}" if said.startswith(FORMULA) else said


def _written(value: Cell, language: str) -> str:
    if isinstance(value, datetime):
        return f"{local(value):%Y-%m-%d %H:%M}"
    return value.isoformat() if isinstance(value, date) else show(value, language)


def _width(said: str) -> int:
    """About how many Latin letters wide a text is."""
    return min(_MOST, sum(2 if ord(sign) > 0x2E7F else 1 for sign in said) + 1)
