"""Minutes as a .docx in the six sections of domain.md §11: facts are filled in, opinions are people's. A pure function."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from docx.shared import Cm, Pt

from services import word_files
from services.periods import Quarter
from texts.posts_screens import day
from texts.render import show, text
from texts.screen import Key, Value

FONT, SIZE, MARGIN = "FangSong", 12, 2.4
LANGUAGE = "zh_CN"
DECISION_WIDTHS = (Cm(1.3), Cm(8.7), Cm(4.0), Cm(3.0))


def _say(key: str, **values: Value) -> str:
    return text(key, values, LANGUAGE)


def docx(facts: dict[str, Any], opinions: str, confirmed: bool) -> bytes:
    """The minutes of these facts with the people's words; a draft says so on every page."""
    above = _say("minutes.header.confirmed" if confirmed else "minutes.header.draft", code=facts["code"])
    made_at = datetime.fromisoformat(facts["made_at"])
    document = word_files.a4(FONT, SIZE, MARGIN, above, title=facts["title"], author=facts["community"], made_at=made_at)
    document.styles["Normal"].paragraph_format.space_after = Pt(4)
    title = document.add_paragraph(style="Title")
    title.add_run(
        _say("minutes.title", community=facts["community"], title=facts["title"], late=Key("meeting.late_mark") if facts["late"] else None)
    )
    _basics(document, facts)
    _section(document, "minutes.section.2")
    for name, value in facts["numbers"]:
        document.add_paragraph(_say(f"minutes.number.{name}", value=value))
    _section(document, "minutes.section.3")
    for number, (topic, unit) in enumerate(facts["topics"], 1):
        document.add_paragraph(
            _say("minutes.topic", number=number, text=topic, unit=Key("minutes.by_unit", {"unit": unit}) if unit else None)
        )
    for line in opinions.splitlines() or [_say("minutes.no_opinions")]:
        document.add_paragraph(line)
    _section(document, "minutes.section.4")
    _decisions(document, facts["decided"])
    _section(document, "minutes.section.5")
    for name in ("resources", "needs"):
        whole, new = facts[name]
        document.add_paragraph(_say(f"minutes.{name}", count=whole, new=new))
    document.add_paragraph(_say("minutes.projects"))
    _section(document, "minutes.section.6")
    following = Quarter.parse(facts["next"])
    document.add_paragraph(_say("minutes.next", quarter=following.word if following else None))
    _signatures(document, facts)
    data = io.BytesIO()
    document.save(data)
    return data.getvalue()


def _section(document: Any, key: str) -> None:
    paragraph = document.add_paragraph()
    paragraph.paragraph_format.space_before = Pt(8)
    paragraph.paragraph_format.keep_with_next = True
    run = paragraph.add_run(_say(key))
    run.bold = True


def _basics(document: Any, facts: dict[str, Any]) -> None:
    _section(document, "minutes.section.1")
    planned = datetime.fromisoformat(facts["planned"]) if facts["planned"] else None
    for name, value in (
        ("time", f"{show(day(planned.date()), LANGUAGE)} {planned:%H:%M}" if planned else ""),
        ("place", facts["place"]), ("chair", facts["chair"]), ("recorder", facts["recorder"]),
    ):  # fmt: skip
        document.add_paragraph(_say(f"minutes.{name}", value=value or "—"))
    for name in ("came", "leave", "absent"):
        if facts[name]:
            document.add_paragraph(_say(f"minutes.{name}", count=len(facts[name]), names=facts[name]))


def _decisions(document: Any, decided: Sequence[Sequence[str]]) -> None:
    if not decided:
        document.add_paragraph(_say("minutes.nothing_decided"))
        return
    table = word_files.table(document, DECISION_WIDTHS)
    head = [_say(f"minutes.column.{name}") for name in ("number", "item", "owner", "due")]
    lines = [
        [str(number), item, owner, show(day(date.fromisoformat(due)), LANGUAGE)] for number, (item, owner, due) in enumerate(decided, 1)
    ]
    for values in (head, *lines):
        for cell, width, value in zip(table.add_row().cells, DECISION_WIDTHS, values, strict=True):
            cell.width = width
            cell.paragraphs[0].add_run(value).bold = values is head


def _signatures(document: Any, facts: dict[str, Any]) -> None:
    paragraph = document.add_paragraph()
    paragraph.paragraph_format.space_before = Pt(18)
    paragraph.add_run(_say("minutes.signatures", made=day(date.fromisoformat(facts["made_at"]))))
