"""The pictures: what is in them, that any words are harmless, that a phone can show them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from services.charts import Open, Week, Words, draw, png

WORDS = Words("青禾里社区 2026年第四季度", "截至11月23日", "每周新增与办结", "新增", "办结", "各网格在办", "在办", "其中逾期", "没有在办的")
WEEKS = [Week(f"11/{day}", day, 2 * day) for day in (2, 9, 16)]


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def bars(svg: str) -> list[dict[str, str]]:
    return [node.attrib for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect") if "height" in node.attrib]


def test_every_number_stands_at_its_bar():
    shown = texts(draw(WORDS, WEEKS, [Open("青禾苑一区网格", 3, 1), Open("溪畔花园网格", 0, 0)]))
    assert {"2", "4", "9", "18", "16", "32", "11/2", "青禾苑一区网格", "3", "1", "0"} <= set(shown)
    assert "没有在办的" not in shown


def test_bars_are_as_long_as_their_numbers():
    drawn = [
        float(one["height"])
        for one in bars(draw(WORDS, WEEKS, []))[1:]
        if one.get("fill") in ("#9fb8d9", "#1e6b52") and one["width"] != "28"
    ]
    assert [round(tall / drawn[-1], 3) for tall in drawn] == [round(value / 32, 3) for value in (2, 4, 9, 18, 16, 32)]


def test_nothing_open_and_no_week_are_said_not_drawn():
    assert "没有在办的" in texts(draw(WORDS, [], []))
    assert "没有在办的" in texts(draw(WORDS, [Week("1/1", 0, 0)], [Open("G1", 0, 0)]))


def test_words_cannot_become_markup():
    shown = texts(draw(WORDS, WEEKS, [Open('<script>&"x', 1, 0)]))
    assert '<script>&"x' in shown


def test_everything_stays_on_the_picture():
    svg = draw(
        WORDS, [Week(f"{n}/22", 100 + n, 999) for n in range(14)], [Open("很长很长的网格名字一二三", 1000 - n, n) for n in range(12)]
    )
    root = ElementTree.fromstring(svg)
    wide, high = float(root.attrib["width"]), float(root.attrib["height"])
    for one in bars(svg)[1:]:
        assert float(one["x"]) >= 0 and float(one["x"]) + float(one["width"]) <= wide
        assert float(one["y"]) >= 0 and float(one["y"]) + float(one["height"]) <= high


@pytest.mark.parametrize("said", ["青禾里", "𬭚翀邨"])
def test_a_png_with_the_words_in_it(said):
    """The same picture without the words is another picture: the font has them, whatever the machine has."""
    with_words, without = (png(draw(Words(title, *[""] * 8), [], [])) for title in (said, ""))
    assert with_words.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(with_words[16:20]) == 1080
    assert len(with_words) > len(without) + 300
