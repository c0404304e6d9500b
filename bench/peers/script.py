"""What the people of the benchmark say: the updates of one report conversation, and the words with which a peer answers."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKEN = "4200:benchmark"
CATEGORIES = {
    "B01": "垃圾堆放", "B02": "楼道堆物", "E01": "噪声", "A04": "电动车", "A02": "消防通道", "D01": "停车", "F01": "漏水", "C01": "照明",
}  # fmt: skip
ASK_WHAT = "好的。请用一句话说说是什么事、在哪里。"
ASK_WHERE = "在哪里?请发位置。"
ASK_CATEGORY = "请选择类别:"
SUBMIT = "提交"
DISCARD = "取消"
_METRES, _APART, _DEGREE = 0.0002, 60.0, 111_000.0
_numbers = itertools.count(1)


def card(text: str, category: str) -> str:
    """What is checked before the report is made."""
    return f"请核对:\n问题:{text}\n类别:{CATEGORIES[category]}\n提交即同意社区为办理此事使用这些内容和您的联系方式,可随时撤回。"


def receipt(code: str, category: str) -> str:
    """The answer to 提交."""
    return f"已收到 {code}【{CATEGORIES[category]}】。11月24日17:30前与您联系,预计11月30日17:30前办结。"


@dataclass(frozen=True)
class Report:
    """One report of the benchmark: who, what, where, and the category that will be chosen."""

    user: int
    text: str
    lat: float
    lon: float
    category: str


def reports(points: list[tuple[float, float]], users: int, each: int) -> list[list[Report]]:
    """For every user the reports of a round, no two alike: another unit, and another place or category."""
    every = []
    for number in range(users * each):
        lat, lon = points[number // len(CATEGORIES) % len(points)]
        category = list(CATEGORIES)[number % len(CATEGORIES)]
        text = f"{next(_numbers)}单元这边有点不对劲,你们来看看"
        every.append(Report(1000 + number % users, text, lat, lon, category))
    return [every[user::users] for user in range(users)]


def message(user: int, **content: Any) -> dict[str, Any]:
    """An update with a message, as the Bot API gives it."""
    number = next(_numbers)
    return {"update_id": number, "message": _message(user, number, **content)}


def command(user: int) -> dict[str, Any]:
    """An update with /bao."""
    return message(user, text="/bao", entities=[{"type": "bot_command", "offset": 0, "length": 4}])


def press(user: int, data: str) -> dict[str, Any]:
    """An update with a press of a button."""
    number = next(_numbers)
    return {
        "update_id": number,
        "callback_query": {
            "id": str(number), "from": _person(user), "chat_instance": "1", "data": data,
            "message": _message(4200, number, text="…") | {"chat": {"id": user, "type": "private", "first_name": f"R{user}"}},
        },
    }  # fmt: skip


def _message(user: int, number: int, **content: Any) -> dict[str, Any]:
    return {
        "message_id": number, "date": 1795430000, "from": _person(user),
        "chat": {"id": user, "type": "private", "first_name": f"R{user}"}, **content,
    }  # fmt: skip


def _person(user: int) -> dict[str, Any]:
    return {"id": user, "is_bot": user == 4200, "first_name": f"R{user}", "language_code": "zh-hans"}


def points() -> list[tuple[float, float]]:
    """Points of the demo community that are no near-duplicates of each other: 60 m apart, no two at one place."""
    community = json.loads((Path(__file__).parents[2] / "demo" / "community.json").read_text("utf-8"))
    places = [(place["lat"], place["lon"]) for place in community["buildings"] + community["places"]]
    corners = [corner for grid in community["grids"] for corner in grid["polygon_lat_lon"]]
    found: list[tuple[float, float]] = []
    taken: set[tuple[float, float]] = set()
    for lat in _steps(corner[0] for corner in corners):
        for lon in _steps(corner[1] for corner in corners):
            near = min(places, key=lambda place: _metres((lat, lon), place))
            if near not in taken and all(_metres((lat, lon), other) > _APART for other in found):
                found.append((lat, lon))
                taken.add(near)
    return found


def _steps(values: Iterator[float]) -> list[float]:
    every = list(values)
    return [min(every) + _METRES * step for step in range(1, int((max(every) - min(every)) / _METRES))]


def _metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    return math.hypot(one[0] - other[0], (one[1] - other[1]) * math.cos(math.radians(one[0]))) * _DEGREE
