"""Pictures of numbers: what came in and was done each week, and what is open in each grid. Our own SVG, made into a PNG for a phone.

Drawn for a telephone held upright: large figures, few colours that also differ in brightness, every bar with its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pylopdf_fonts_zh_cn as fonts
import resvg_py

WIDTH, MARGIN = 1080, 60
INK, SOFT, LINE, PAPER = "#1f2933", "#52606d", "#d9dee5", "#ffffff"
NEW, DONE, OPEN, LATE = "#9fb8d9", "#1e6b52", "#3b6ea5", "#c2412d"
_TREND_HEIGHT, _ROW, _BAR = 430, 74, 40


@dataclass(frozen=True, slots=True)
class Week:
    """One week of the trend: its label, what came in, what was done."""

    label: str
    new: int
    done: int


@dataclass(frozen=True, slots=True)
class Open:
    """What is open in a grid, and how much of it is overdue."""

    label: str
    count: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the picture, in the reader's language."""

    title: str
    subtitle: str
    trend: str
    new: str
    done: str
    grids: str
    open: str
    overdue: str
    nothing: str


def png(svg: str) -> bytes:
    """The picture as a PNG; the fonts are ours, whatever the machine has."""
    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, font_files=[str(fonts.sans_path())], font_family="Noto Sans SC")
    )


def draw(words: Words, weeks: Sequence[Week], grids: Sequence[Open]) -> str:
    """The picture as SVG: the trend above, the grids below."""
    body: list[str] = [
        _text(MARGIN, 92, words.title, 46, weight="bold"),
        _text(MARGIN, 144, words.subtitle, 30, SOFT),
        *_heading(220, words.trend, ((NEW, words.new), (DONE, words.done))),
        *_trend(250, weeks),
    ]
    top = 250 + _TREND_HEIGHT + 110
    body += _heading(top, words.grids, ((OPEN, words.open), (LATE, words.overdue)))
    body += _grids(top + 40, grids) if any(one.count for one in grids) else [_text(MARGIN, top + 80, words.nothing, 32, SOFT)]
    height = top + 60 + _ROW * max(1, len(grids)) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="Noto Sans SC"><rect width="100%" height="100%" fill="{PAPER}"/>{"".join(body)}</svg>'
    )


def _heading(y: int, title: str, legend: Sequence[tuple[str, str]]) -> list[str]:
    """A section's title with its legend at the right."""
    parts = [_text(MARGIN, y, title, 34)]
    x = WIDTH - MARGIN
    for colour, label in reversed(legend):
        x -= round(_width(label, 28))
        parts.append(_text(x, y, label, 28, SOFT))
        x -= 40
        parts.append(f'<rect x="{x}" y="{y - 25}" width="28" height="28" rx="4" fill="{colour}"/>')
        x -= 36
    return parts


def _trend(top: int, weeks: Sequence[Week]) -> list[str]:
    most = max([1, *(max(week.new, week.done) for week in weeks)])
    base, room = top + _TREND_HEIGHT, _TREND_HEIGHT - 60
    slot = (WIDTH - 2 * MARGIN) / max(1, len(weeks))
    bar = min(46.0, slot * 0.4)
    size = 26 if len(weeks) <= 9 else 22
    parts = [f'<line x1="{MARGIN}" y1="{base}" x2="{WIDTH - MARGIN}" y2="{base}" stroke="{LINE}" stroke-width="3"/>']
    for number, week in enumerate(weeks):
        middle = MARGIN + slot * (number + 0.5)
        for value, colour, x in ((week.new, NEW, middle - bar - 2), (week.done, DONE, middle + 2)):
            tall = room * value / most
            parts.append(f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{bar:.1f}" height="{tall:.1f}" rx="4" fill="{colour}"/>')
            parts.append(_text(x + bar / 2, base - tall - 10, str(value), size, anchor="middle"))
        parts.append(_text(middle, base + 42, week.label, size, SOFT, anchor="middle"))
    return parts


def _grids(top: int, grids: Sequence[Open]) -> list[str]:
    size = 30
    left = MARGIN + max(_width(one.label, size) for one in grids) + 24
    most = max(1, *(one.count for one in grids))
    room = WIDTH - MARGIN - left - 80
    parts = []
    for number, one in enumerate(grids):
        y = top + _ROW * number
        parts.append(_text(MARGIN, y + 31, one.label, size))
        wide, late = room * one.count / most, room * one.overdue / most
        parts.append(
            f'<rect x="{left:.1f}" y="{y}" width="{max(wide, 3):.1f}" height="{_BAR}" rx="4" fill="{OPEN if one.count else LINE}"/>'
        )
        if one.overdue:
            parts.append(f'<rect x="{left:.1f}" y="{y}" width="{late:.1f}" height="{_BAR}" rx="4" fill="{LATE}"/>')
            parts.append(_text(left + late / 2, y + 30, str(one.overdue), 28, PAPER, anchor="middle"))
        parts.append(_text(left + max(wide, 3) + 16, y + 31, str(one.count), size))
    return parts


def _text(x: float, y: float, said: str, size: int, colour: str = INK, anchor: str = "start", weight: str = "normal") -> str:
    stroke = f' stroke="{colour}" stroke-width="1.2"' if weight == "bold" else ""  # the one font has one weight
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{stroke}>{escape(said)}</text>'


def _width(said: str, size: int) -> float:
    """About how wide a text is: a Chinese character is as wide as high, the others little more than half."""
    return sum(size if ord(sign) > 0x2E7F else size * 0.58 for sign in said)
