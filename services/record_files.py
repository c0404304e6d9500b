"""Record cards as files: a .docx with a page a member to print and file, and an .xlsx to go on counting with (domain.md §9.5).

Pure functions: the same facts give the same words. The conclusion is left for people to write (domain.md §0.2).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import xlsxwriter
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt

from services import word_files
from services.record_facts import Facts, Service
from services.service_record import Served
from texts.posts_screens import day
from texts.render import show, text
from texts.screen import Value

FONT, SIZE, MARGIN = "SimSun", 11, 2
SERVICE_WIDTHS = (Cm(1.4), Cm(2.5), Cm(7.2), Cm(2.9), Cm(3.0))
TOTAL_COLUMNS = (Cm(4.9), Cm(12.1))
FACT_WIDTHS = (Cm(2.6), Cm(5.9), Cm(2.6), Cm(5.9))


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands around the cards: for whom, which quarter, who had them made, when, and the number for the file."""

    community: str
    unit: str
    quarter: Value
    number: str
    by: str
    made_at: datetime
    language: str = "zh_CN"

    def say(self, key: str, **values: Value) -> str:
        """A text of the cards in their language."""
        return text(key, values, self.language)

    def shown(self, value: Value) -> str:
        """A value as it is read in their language."""
        return show(value, self.language)

    @property
    def watermark(self) -> str:
        """The line on every page: for whom this was made and by which number."""
        return self.say("record.watermark", community=self.community, unit=self.unit, number=self.number)

    @property
    def made(self) -> str:
        """Made by whom and when."""
        return self.say("record.made", by=self.by, day=day(self.made_at.date()), number=self.number)


def how(heading: Heading, service: Service) -> str:
    """How a service was verified, in words; by the organisation where nobody checked in."""
    return heading.shown([heading.say(f"record.method.{method}") for method in service.methods or ("organisation",)])


def amount(heading: Heading, served: Served) -> str:
    """So many services, so many hours."""
    return heading.say("record.amount", times=served.times, hours=served.hours)


def _year(heading: Heading, facts: Facts) -> str:
    found = amount(heading, facts.year)
    if facts.before.times or facts.before.hours:
        found += heading.say("record.of_which", amount=amount(heading, facts.before))
    return found


# -- the document -----------------------------------------------------------------------------------------------------
def docx(heading: Heading, cards: Sequence[Facts]) -> bytes:
    """The cards as a document of A4 pages, each member beginning a new one."""
    document = word_files.a4(
        FONT, SIZE, MARGIN, heading.watermark, title=heading.say("record.title"), author=heading.community, made_at=heading.made_at
    )
    document.styles["Title"].paragraph_format.space_after = Pt(4)
    _numbered(document, heading)
    for number, facts in enumerate(cards):
        title = document.add_paragraph(style="Title")
        title.paragraph_format.page_break_before = number > 0
        title.add_run(heading.say("record.title"))
        under = document.add_paragraph(f"{heading.community}  {heading.shown(heading.quarter)}")
        under.alignment = WD_ALIGN_PARAGRAPH.CENTER
        _about(document, heading, facts)
        _services(document, heading, facts)
        _totals(document, heading, facts)
    data = io.BytesIO()
    document.save(data)
    return data.getvalue()


def _numbered(document: Any, heading: Heading) -> None:
    """The page numbers below."""
    foot = document.sections[0].footer.paragraphs[0]
    before, _, rest = heading.say("record.page").partition("#")
    between, _, after = rest.partition("#")
    for piece, field in ((before, "PAGE"), (between, "NUMPAGES"), (after, "")):
        word_files.grey(foot, piece)
        if field:
            _field(foot, field)


def _field(paragraph: Any, name: str) -> None:
    """A number that the reader's program fills in: PAGE or NUMPAGES."""
    run = paragraph.add_run()
    word_files.small(run)
    for kind, said in (("begin", ""), ("", name), ("end", "")):
        part = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            part.set(qn("w:fldCharType"), kind)
        else:
            part.text = said
        run._r.append(part)


def _row(table: Any, widths: Sequence[Any], values: Sequence[str], bold: Sequence[int] = (), *, head: bool = False) -> Any:
    row = table.add_row()
    _unbroken(row)
    for place, (cell, width, value) in enumerate(zip(row.cells, widths, values, strict=True)):
        cell.width = width
        paragraph = cell.paragraphs[0]
        paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(3)
        run = paragraph.add_run(value)
        run.bold = head or place in bold
        if head:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    if head:
        _repeated(row)
    return row


def _unbroken(row: Any) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def _repeated(row: Any) -> None:
    """The row stands at the top of every page that the table reaches."""
    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)


def _about(document: Any, heading: Heading, facts: Facts) -> None:
    table = word_files.table(document, FACT_WIDTHS)
    say, shown = heading.say, heading.shown
    for values in (
        (say("record.name"), facts.name, say("record.kind"), shown(facts.kind)),
        (say("record.unit"), facts.unit, say("record.branch"), facts.branch),
        (say("record.enrolled"), shown(day(facts.enrolled)), say("record.period"), shown(heading.quarter)),
    ):
        _row(table, FACT_WIDTHS, values, bold=(0, 2))
    document.add_paragraph().paragraph_format.space_after = Pt(2)


def _services(document: Any, heading: Heading, facts: Facts) -> None:
    table = word_files.table(document, SERVICE_WIDTHS)
    _row(table, SERVICE_WIDTHS, [heading.say(f"record.column.{name}") for name in ("number", "day", "title", "hours", "how")], head=True)
    for number, service in enumerate(facts.services, 1):
        values = (str(number), heading.shown(service.day), service.title, f"{service.hours:g}", how(heading, service))
        _row(table, SERVICE_WIDTHS, values)
    if not facts.services:
        row = _row(table, SERVICE_WIDTHS, (heading.say("record.no_services"), "", "", "", ""))
        for empty in row.cells[0].merge(row.cells[-1]).paragraphs[1:]:
            empty._p.getparent().remove(empty._p)
    document.add_paragraph().paragraph_format.space_after = Pt(2)


def _totals(document: Any, heading: Heading, facts: Facts) -> None:
    lines = [(heading.say("record.this_quarter"), amount(heading, facts.quarter)), (heading.say("record.this_year"), _year(heading, facts))]
    if facts.target is not None:
        wanted = amount(heading, Served(facts.target.times, facts.target.hours))
        lines.append(
            (heading.say("record.target"), heading.say(f"record.{'met' if facts.target.met(facts.year) else 'unmet'}", wanted=wanted))
        )
    table = word_files.table(document, TOTAL_COLUMNS)
    for values in lines:
        _row(table, TOTAL_COLUMNS, values, bold=(0,))
    # Whoever appraises does it by hand: the program writes facts only (domain.md §0.2).
    conclusion = _row(table, TOTAL_COLUMNS, (heading.say("record.conclusion"), ""), bold=(0,))
    conclusion.height = Cm(2.4)
    for paragraph in (paragraph for row in table.rows for cell in row.cells for paragraph in cell.paragraphs):
        paragraph.paragraph_format.keep_with_next = True
    statement = document.add_paragraph()
    statement.paragraph_format.space_before, statement.paragraph_format.keep_with_next = Pt(8), True
    statement.add_run(heading.say("record.statement"))
    document.add_paragraph(heading.made)


# -- the workbook -------------------------------------------------------------------------------------------------------
TOTALS = (
    "number",
    "name",
    "kind",
    "branch",
    "enrolled",
    "quarter_times",
    "quarter_hours",
    "year_times",
    "year_hours",
    "before_times",
    "before_hours",
)
TOTAL_WIDTHS = (6, 12, 16, 24, 14, 12, 14, 12, 14, 16, 18)
DETAILS = ("number", "name", "day", "title", "hours", "how")
DETAIL_WIDTHS = (6, 12, 14, 44, 12, 18)


def xlsx(heading: Heading, cards: Sequence[Facts]) -> bytes:
    """The same facts as two sheets: the totals, one row a member, and every service. Nothing that is written can be a formula."""
    data = io.BytesIO()
    book = xlsxwriter.Workbook(
        data, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties(
        {"title": heading.say("record.title"), "author": heading.community, "created": heading.made_at.replace(tzinfo=None)}
    )
    totals = [_total(number, facts, heading) for number, facts in enumerate(cards, 1)]
    details = [(facts, service) for facts in cards for service in facts.services]
    lines = [
        (number, facts.name, service.day, service.title, service.hours, how(heading, service))
        for number, (facts, service) in enumerate(details, 1)
    ]
    _sheet(book, heading, "record.sheet.totals", TOTALS, TOTAL_WIDTHS, totals)
    _sheet(book, heading, "record.sheet.services", DETAILS, DETAIL_WIDTHS, lines)
    book.close()
    return data.getvalue()


def _total(number: int, facts: Facts, heading: Heading) -> tuple[Any, ...]:
    return (
        number, facts.name, heading.shown(facts.kind), facts.branch, facts.enrolled, facts.quarter.times, facts.quarter.hours,
        facts.year.times, facts.year.hours, facts.before.times, facts.before.hours,
    )  # fmt: skip


def _sheet(book: Any, heading: Heading, title: str, columns: Sequence[str], widths: Sequence[int], lines: Sequence[Sequence[Any]]) -> None:
    sheet = book.add_worksheet(heading.say(title))
    bold = book.add_format({"bold": True, "font_size": 14})
    head = book.add_format({"bold": True, "border": 1, "text_wrap": True, "align": "center", "valign": "vcenter", "bg_color": "#E7E6E6"})
    cell, wrapped = book.add_format({"border": 1, "valign": "top"}), book.add_format({"border": 1, "text_wrap": True, "valign": "top"})
    dated = book.add_format({"border": 1, "num_format": "yyyy-mm-dd", "align": "left", "valign": "top"})
    decimal = book.add_format({"border": 1, "num_format": "0.0", "valign": "top"})
    sheet.write_string(0, 0, f"{heading.unit}  {heading.say('record.title')}  {heading.shown(heading.quarter)}", bold)
    sheet.write_string(1, 0, heading.made)
    sheet.write_string(2, 0, heading.say("record.statement"))
    sheet.set_row(3, 32)
    for place, (name, width) in enumerate(zip(columns, widths, strict=True)):
        sheet.set_column(place, place, width)
        sheet.write_string(3, place, heading.say(f"record.column.{name}"), head)
    for number, line in enumerate(lines, 4):
        for place, value in enumerate(line):
            if isinstance(value, date):
                sheet.write_datetime(number, place, datetime(value.year, value.month, value.day), dated)  # noqa: DTZ001
            elif isinstance(value, float):
                sheet.write_number(number, place, value, decimal)
            elif isinstance(value, int):
                sheet.write_number(number, place, value, cell)
            else:
                sheet.write_string(number, place, value, wrapped)
    last = max(4, len(lines) + 3)
    sheet.autofilter(3, 0, last, len(columns) - 1)
    sheet.freeze_panes(4, 2)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(3)
    sheet.set_header(f"&C{heading.watermark.replace('&', '&&')}")
    sheet.set_footer("&C&P / &N")
