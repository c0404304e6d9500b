"""What every Word document of ours has in common: an A4 page, fonts that hold Chinese, a grey line above, whose it is, its tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

BLACK, GREY = RGBColor(0, 0, 0), RGBColor(0x80, 0x80, 0x80)
TITLE_FONT, TITLE_SIZE = "SimHei", 18


def a4(font: str, size: int, margin: float, above: str, *, title: str, author: str, made_at: datetime) -> Any:
    """An empty document of A4 pages with `above` on each: the body's font and size (points), the margin (centimetres).

    Its properties name its own author and time instead of the library's.
    """
    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Cm(margin)
    _fonts(document, font, size)
    grey(section.header.paragraphs[0], above)
    core = document.core_properties
    core.title, core.author, core.last_modified_by = title, author, author
    core.created = core.modified = made_at
    core.comments, core.revision = "", 1
    return document


def _fonts(document: Any, font: str, size: int) -> None:
    for name, face, points in (("Normal", font, size), ("Title", TITLE_FONT, TITLE_SIZE)):
        style = document.styles[name]
        style.font.name, style.font.size = face, Pt(points)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for script in ("w:ascii", "w:hAnsi", "w:eastAsia"):
            fonts.set(qn(script), face)
        for theme in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
            fonts.attrib.pop(qn(theme), None)
    # Without it Chinese signs are drawn as in Japan or Taiwan where a font knows several ways.
    for language in document.styles.element.findall(f".//{qn('w:lang')}"):
        language.set(qn("w:eastAsia"), "zh-CN")
    title = document.styles["Title"]
    title.font.color.rgb, title.font.bold = BLACK, True
    title.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for border in title.element.findall(f".//{qn('w:pBdr')}"):
        border.getparent().remove(border)


def grey(paragraph: Any, said: str) -> None:
    """Small grey words in the middle of the line."""
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    small(paragraph.add_run(said))


def small(run: Any) -> None:
    """What stands above and below a page is small and grey."""
    run.font.size, run.font.color.rgb = Pt(9), GREY


def table(document: Any, widths: Sequence[Any]) -> Any:
    """An empty table with lines, whose columns keep these widths."""
    made = document.add_table(rows=0, cols=len(widths), style="Table Grid")
    made.alignment, made.autofit = WD_TABLE_ALIGNMENT.CENTER, False
    for column, width in zip(made.columns, widths, strict=True):
        column.width = width
    return made
