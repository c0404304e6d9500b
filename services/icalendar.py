"""RFC 5545 by hand: as much of it as a list of meetings needs (UTC times, escaping, lines folded at 75 octets, CRLF)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

FOLD = 75
PRODUCT = "-//Linshao//Meetings//ZH"


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One VEVENT. `sequence` rises with every change of the date; `cancelled`: it does not take place."""

    uid: str
    stamp: datetime
    start: datetime
    end: datetime
    summary: str
    location: str
    description: str
    sequence: int
    cancelled: bool = False


def calendar(name: str, events: Iterable[CalendarEvent], method: str = "PUBLISH") -> bytes:
    """The events as one .ics file. `method`: PUBLISH, or CANCEL for a file that takes an event back."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODUCT}",
        "CALSCALE:GREGORIAN",
        f"METHOD:{method}",
        f"X-WR-CALNAME:{escaped(name)}",
    ]
    for event in events:
        lines += [
            "BEGIN:VEVENT", f"UID:{event.uid}", f"DTSTAMP:{_utc(event.stamp)}", f"DTSTART:{_utc(event.start)}", f"DTEND:{_utc(event.end)}",
            f"SEQUENCE:{event.sequence}", f"STATUS:{'CANCELLED' if event.cancelled else 'CONFIRMED'}", f"SUMMARY:{escaped(event.summary)}",
        ]  # fmt: skip
        lines += [f"{key}:{escaped(value)}" for key, value in (("LOCATION", event.location), ("DESCRIPTION", event.description)) if value]
        lines.append("END:VEVENT")
    lines.append("END:VCALENDAR")
    return b"".join(folded(line) for line in lines)


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def escaped(said: str) -> str:
    r"""A text value: backslash, semicolon and comma are escaped, a line break is \n, other control signs are left out."""
    said = said.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(sign for sign in said.replace("\n", "\\n") if sign >= " " and sign != "\x7f")


def folded(line: str) -> bytes:
    """The line in UTF-8, broken at 75 octets between signs, each further piece behind a space; with its CRLF."""
    pieces, piece, room = [], b"", FOLD
    for sign in line:
        encoded = sign.encode()
        if len(piece) + len(encoded) > room:
            pieces.append(piece)
            piece, room = b"", FOLD - 1  # the space counts
        piece += encoded
    pieces.append(piece)
    return b"\r\n ".join(pieces) + b"\r\n"
