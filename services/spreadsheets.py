"""Reads the workbook of a community out of an .xlsx: rows of values, and every fault of its form.

What comes in is a stranger's file: its size, its unpacked size and its extent are known before anything is unfolded, and formulas,
merged cells and passwords are refused.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from services import cells
from services.faults import BadCell, BadFile, Fault
from texts.workbook import Column, Sheet, mark, sheets

MOST_BYTES = 2 * 1024 * 1024
MOST_UNPACKED = 60 * 1024 * 1024
MOST_ROWS = 5000
MOST_COLUMNS = 60
_ZIP, _COMPOUND = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_ATTRIBUTE = re.compile(r'([\w:]+)\s*=\s*"([^"]*)"')
_SHEET = re.compile(r"<(?:\w+:)?sheet\b([^>]*?)/?>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\b([^>]*?)/?>")
_CELL = re.compile(rb'<(?:\w+:)?c\b(?=[^>]*?\br="([A-Z]{1,3})(\d{1,7})")[^>]*?(?<!/)>(?=(.{0,64}))', re.DOTALL)
_FORMULA = re.compile(rb"\A\s*<(?:\w+:)?f\b")
# A cell may leave out where it stands; then its row says it.
_PLACELESS = re.compile(rb"<(?:\w+:)?c\b(?![^>]*?\br=)[^>]*?(?<!/)>")
_LINE = re.compile(rb'<(?:\w+:)?row\b[^>]*?\br="(\d{1,7})"')


@dataclass
class Row:
    """One row: its sheet, its number there, and its values by column; an empty cell is None.

    `broken`: has a fault, so that nothing is made of it; what others say about it is still understood. `source`: the name of a sheet
    that is not the workbook's.
    """

    sheet: Sheet
    number: int
    values: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    broken: bool = False

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key)

    def fault(self, reason: str, column: str = "", **values: Any) -> Fault:
        """A fault of this row, in the column of this key."""
        title = next((one.title for one in self.sheet.columns if one.key == column), column)
        return Fault(reason, self.source or self.sheet.title, self.number, title, values)


def read(data: bytes) -> tuple[list[Row], list[Fault]]:
    """The rows of every known sheet, and the faults of form. Raises BadFile for what cannot be read at all."""
    parts = _unpack(data)
    faults = [*_extent(parts)]
    if faults:
        raise BadFile(*faults)
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
            return _sheets(workbook)
    except PasswordError:
        raise BadFile(Fault("encrypted")) from None
    except (CalamineError, ValueError, OverflowError):
        raise BadFile(Fault("not_xlsx")) from None


def _unpack(data: bytes) -> dict[str, bytes]:
    """The sheets' XML by title, after every part was unpacked once and found to be what it says."""
    if len(data) > MOST_BYTES:
        raise BadFile(Fault("too_large", values={"megabytes": MOST_BYTES // 1024 // 1024}))
    if data.startswith(_COMPOUND):
        raise BadFile(Fault("encrypted" if _ENCRYPTED in data else "not_xlsx"))
    if not data.startswith(_ZIP):
        raise BadFile(Fault("not_xlsx"))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if any(entry.flag_bits & 1 for entry in entries):
                raise BadFile(Fault("encrypted"))
            if len(entries) > 2000 or sum(entry.file_size for entry in entries) > MOST_UNPACKED:
                raise BadFile(Fault("too_large", values={"megabytes": MOST_BYTES // 1024 // 1024}))
            # Reading checks each part against the size and the checksum that were counted on.
            unpacked = {entry.filename.lstrip("/"): archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        raise BadFile(Fault("not_xlsx")) from None
    if "xl/workbook.xml" not in unpacked:
        raise BadFile(Fault("not_xlsx"))
    targets = {}
    for found in _RELATION.finditer(unpacked.get("xl/_rels/workbook.xml.rels", b"").decode("utf-8", "replace")):
        attributes = dict(_ATTRIBUTE.findall(found[1]))
        target = attributes.get("Target", "").lstrip("/")
        targets[attributes.get("Id", "")] = target if target.startswith("xl/") else f"xl/{target}"
    parts = {}
    for found in _SHEET.finditer(unpacked["xl/workbook.xml"].decode("utf-8", "replace")):
        attributes = dict(_ATTRIBUTE.findall(found[1]))
        identity = next((value for name, value in attributes.items() if name.endswith(":id")), "")
        parts[html.unescape(attributes.get("name", ""))] = unpacked.get(targets.get(identity, ""), b"")
    return parts


def _extent(parts: dict[str, bytes]) -> Iterator[Fault]:
    """Formulas, and cells farther out than anybody writes (one cell in the last corner would unfold into gigabytes)."""
    for title, xml in parts.items():
        if title == mark("guide"):
            continue
        shown = 0
        if _PLACELESS.search(xml) and any(int(found[1]) > MOST_ROWS + 1 for found in _LINE.finditer(xml)):
            yield Fault("too_many_rows", title, values={"rows": MOST_ROWS})
        for found in _CELL.finditer(xml):
            column, row = found[1].decode(), int(found[2])
            if row > MOST_ROWS + 1 or _index(column) >= MOST_COLUMNS:
                yield Fault("too_many_rows", title, values={"rows": MOST_ROWS})
                break
            if _FORMULA.match(found[3]) and shown < 20:
                shown += 1
                yield Fault("formula", title, row, column)


def _index(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def letters(index: int) -> str:
    """What a spreadsheet calls the column with this index (0 is A)."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def _sheets(workbook: CalamineWorkbook) -> tuple[list[Row], list[Fault]]:
    known = {sheet.title: sheet for sheet in sheets()}
    rows: list[Row] = []
    faults: list[Fault] = []
    for title in workbook.sheet_names:
        if title == mark("guide"):
            continue
        sheet = known.get(title)
        if sheet is None:
            faults.append(Fault("unknown_sheet", title, values={"known": tuple(known)}))
            continue
        page = workbook.get_sheet_by_name(title)
        for (row, column), _ in page.merged_cell_ranges or ():
            faults.append(Fault("merged", title, row + 1, letters(column)))
        # A dense table of the whole sheet would be as large as its farthest cell says, which _extent has looked at.
        table = page.to_python(skip_empty_area=False)
        if table:
            _table(sheet, table, rows, faults)
    if not any(title in known for title in workbook.sheet_names):
        faults.append(Fault("no_sheet", values={"known": tuple(known)}))
    return rows, faults


def _table(sheet: Sheet, table: list[list[Any]], rows: list[Row], faults: list[Fault]) -> None:
    header = _header(sheet, table[0], any(any(_filled(cell) for cell in line) for line in table[1:]), faults)
    for number, line in enumerate(table[1:], 2):
        if not any(_filled(cell) for cell in line):
            continue
        first = next((cell for cell in line if _filled(cell)), "")
        if isinstance(first, str) and first.strip().startswith(mark("example")):
            continue
        row = Row(sheet, number)
        for index, cell in enumerate(line):
            column = header.get(index)
            if column is None:
                if _filled(cell):
                    faults.append(Fault("unknown_column", sheet.title, number, letters(index)))
                    row.broken = True
                continue
            try:
                row.values[column.key] = cells.read(column, cell)
            except BadCell as bad:
                faults.append(Fault(bad.reason, sheet.title, number, column.title, bad.values))
                row.values[column.key] = None
                row.broken = True
        sound = not row.broken
        for column in header.values():
            if column.required and row[column.key] is None and sound:
                faults.append(Fault("missing_name" if column.key == "name" else "missing", sheet.title, number, column.title))
                row.broken = True
        rows.append(row)


def _filled(cell: Any) -> bool:
    return cell is not None and cell != "" and not (isinstance(cell, str) and not cell.strip())


def _header(sheet: Sheet, line: list[Any], has_rows: bool, faults: list[Fault]) -> dict[int, Column]:
    """The columns by their place. An unknown title, one said twice and a missing one that must be there are faults."""
    by_title = {column.title: column for column in sheet.columns}
    header: dict[int, Column] = {}
    for index, cell in enumerate(line):
        if not _filled(cell):
            continue
        title = cells.written(cell).rstrip(mark("required")).strip()
        column = by_title.get(title)
        if column is None or column in header.values():
            shown = "" if cells.holds_identity_number(title) else title[:20]
            reason = "unknown_header" if column is None else "header_twice"
            faults.append(Fault(reason, sheet.title, 1, letters(index), {"said": shown, "known": tuple(by_title)}))
        else:
            header[index] = column
    missing = [column for column in sheet.columns if column.required and column not in header.values()]
    faults += [Fault("missing_header", sheet.title, 1, column.title) for column in missing if has_rows]
    return header
