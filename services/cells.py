"""One cell of a workbook, read as what its column holds; anything else is a BadCell with its reason."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from typing import Any

from services.crs import DECIMALS, SYSTEMS, system_of
from services.faults import BadCell
from services.masking import holds_identity_number
from services.place_words import plain
from texts.workbook import Column, choices, date_forms, mark, meant

MOST_TEXT = 500
MOST_OUTLINE = 32_000
MOST_NAME = 40
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,23}")
_MOBILE, _LANDLINE = re.compile(r"1[3-9][0-9]{9}"), re.compile(r"0[0-9]{9,11}")
_ORG_CODE = re.compile(r"[0-9A-Z]{8,20}")
_ITEMS = re.compile(r"[\n;；]")
_FIRST_YEAR, _LAST_YEAR = 1921, 2100

Outline = list[list[float]]


def written(raw: Any) -> str:
    """What a cell shows as text; a whole number without its decimal point."""
    if isinstance(raw, float) and raw.is_integer() and abs(raw) < 1e15:
        return str(int(raw))
    if isinstance(raw, datetime):
        return raw.date().isoformat()
    return str(raw).strip()


def phone_number(said: str) -> str | None:
    """The digits of a Chinese telephone number as they are stored (and hashed), None for anything else."""
    digits = re.sub(r"[\s\-()]", "", plain(said))
    digits = re.sub(r"^(?:\+|00)?86(?=1\d{10}$|0)", "", digits)
    return digits if _MOBILE.fullmatch(digits) or _LANDLINE.fullmatch(digits) else None


def read(column: Column, raw: Any) -> Any:
    """The cell's value by the kind of its column, None for an empty cell. Raises BadCell."""
    if raw is None or raw == "":
        return None
    text = written(raw)
    if not text:
        return None
    if holds_identity_number(text):
        raise BadCell("id_number")
    if len(text) > (MOST_OUTLINE if column.kind == "polygon" else MOST_TEXT):
        raise BadCell("too_long")
    if (words := choices(column.kind)) is not None:
        return _choice(text, words, column)
    reader = _READERS.get(column.kind)
    return text if reader is None else reader(raw, text)


def _choice(text: str, words: Any, column: Column) -> str:
    if column.kind == "crs" and (system := system_of(text)) is not None:
        return system
    found = meant(column.kind, text)
    if found is None:
        reason = {"role": "unknown_role", "member_kind": "bad_member_kind", "crs": "bad_crs"}.get(column.kind, "bad_choice")
        raise BadCell(reason, said=text[:MOST_NAME], known=tuple(words.values()))
    return found


def _code(_raw: Any, text: str) -> str:
    if not CODE.fullmatch(text):
        raise BadCell("bad_code", said=text[:MOST_NAME])
    return text.upper()


def _name(_raw: Any, text: str) -> str:
    if len(text) > MOST_NAME or re.search(r"\d{5}", text):
        raise BadCell("bad_name")
    return text


def _phone(_raw: Any, text: str) -> str:
    number = phone_number(text)
    if number is None:
        raise BadCell("bad_phone")
    return number


def _date(raw: Any, text: str) -> date:
    day = raw.date() if isinstance(raw, datetime) else raw if isinstance(raw, date) else _written_date(text)
    if day is None or not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise BadCell("bad_date", said=text[:MOST_NAME])
    return day


def _written_date(text: str) -> date | None:
    for form in date_forms():
        if found := form.fullmatch(text):
            try:
                return date(*map(int, found.groups()))
            except ValueError:
                return None
    return None


def _number(raw: Any, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if isinstance(raw, bool) or not math.isfinite(number):
        raise BadCell("bad_number", said=text[:MOST_NAME])
    return round(number, DECIMALS)


def _whole(raw: Any, text: str) -> int:
    number = _number(raw, text)
    if not number.is_integer() or not 0 <= number < 1_000_000:
        raise BadCell("bad_number", said=text[:MOST_NAME])
    return int(number)


def _yes_no(raw: Any, text: str) -> bool:
    if isinstance(raw, bool):
        return raw
    if text not in (mark("yes"), mark("no")):
        raise BadCell("bad_yes_no", said=text[:MOST_NAME])
    return text == mark("yes")


def _list(_raw: Any, text: str) -> list[str]:
    parts = re.split(f"[{re.escape(mark('list'))}]", text)
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _items(_raw: Any, text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in _ITEMS.split(text) if part.strip()))


def _org_code(_raw: Any, text: str) -> str:
    if not _ORG_CODE.fullmatch(text.upper()):
        raise BadCell("bad_org_code")
    return text.upper()


def _polygon(_raw: Any, text: str) -> Outline:
    """Corners written lon,lat; lon,lat; … as [lat, lon]; the first one said again at the end is left out."""
    corners: Outline = []
    for part in re.split(r"[;；\n]", text):
        if not part.strip():
            continue
        numbers = re.split(r"[,，\s]+", part.strip())
        try:
            lon, lat = (float(number) for number in numbers)
        except ValueError:
            raise BadCell("bad_polygon", said=part.strip()[:MOST_NAME]) from None
        corners.append(point(lat, lon))
    return corners[:-1] if len(corners) > 1 and corners[0] == corners[-1] else corners


def point(lat: float, lon: float) -> list[float]:
    """A point of China or thereabouts as [lat, lon], to seven decimals. Raises BadCell: no degrees, or the two changed places."""
    if not (math.isfinite(lat) and math.isfinite(lon) and -90 <= lat <= 90 and -180 <= lon <= 180):
        raise BadCell("bad_point")
    return [round(lat, DECIMALS), round(lon, DECIMALS)]


_READERS = {
    "code": _code, "name": _name, "phone": _phone, "date": _date, "number": _number, "whole": _whole, "yes_no": _yes_no, "list": _list,
    "items": _items, "org_code": _org_code, "polygon": _polygon,
}  # fmt: skip


def show(column: Column, value: Any) -> Any:
    """The value as its cell is written, so that `read` gives it back; None stays empty."""
    if value is None or value == "" or value == []:
        return None
    words = choices(column.kind)
    if words is not None:
        return words.get(value, value)
    match column.kind:
        case "date":
            return value.isoformat()
        case "yes_no":
            return mark("yes") if value else mark("no")
        case "list":
            return mark("list")[0].join(value)
        case "items":
            return mark("list")[1].join(value)
        case "polygon":
            return "; ".join(f"{lon!r},{lat!r}" for lat, lon in value)
    return value


__all__ = ["SYSTEMS", "Outline", "holds_identity_number", "phone_number", "point", "read", "show", "written"]
