"""What `python -m bot calendar` prints: every alarm in words, days off, provisional years; nobody's name."""

from __future__ import annotations

from datetime import date

import pytest

from bot.calendar import alarms, page, show, works_on
from demo.people import read
from scheduler.jobs import JOBS
from services.context import ground
from services.workdays import Calendar
from texts.render import catalogue


@pytest.mark.parametrize("language", ["zh_CN", "en"])
def test_every_job_has_words(language):
    assert [name for name in JOBS if not catalogue(language).get(f"calendar.job.{name}")] == []


def test_the_days_of_the_jobs_that_know_days():
    calendar = Calendar()
    days = [date(2026, 1, 1).replace(month=month, day=day) for month in range(1, 13) for day in range(1, 29)]
    assert sum(works_on("monthly_ledger", calendar, day) for day in days) == 12
    assert [works_on("daily_digest", calendar, date(2026, 2, day)) for day in (14, 16, 28)] == [True, False, True]
    assert works_on("record_cards", calendar, date(2026, 9, 30)) and not works_on("record_cards", calendar, date(2026, 9, 29))
    assert works_on("privacy_purge", calendar, date(2026, 2, 16))


async def _page(world, first: str, last: str, language: str = "zh_CN") -> list[str]:
    async with world.app.database.transaction() as session:
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
        return page(await ground(session), world.clock.now(), begin, end, await alarms(session, begin, end), language)


async def test_the_demo_as_a_coordinator_reads_it(world_sqlite):
    lines = [line.rstrip() for line in await _page(world_sqlite, "2026-11-23", "2027-01-08")]
    text = "\n".join(lines)
    for line in (
        "  08:30  社区简报  每个工作日，下次11月23日",
        "2026-11-28 周六 休息",
        "  09:30  任务开始，刷新卡片  RW-20261120-0001 #31",
        "  17:30  没有评价就自动办结  WT-20261119-0001 暴露垃圾",
        "  09:00  月度台账",
        "  15:00  季度服务记录卡",
        "2027-01-01 周五 休息 元旦 暂按法定节假日推算",
    ):
        assert line in lines, line
    data = read("community")
    people = {entry["name"] for kind in ("residents", "members", "staff") for entry in data[kind]}
    assert not [name for name in people if name in text]
    moved = [
        int(line[2:4]) * 60 + int(line[5:7]) for line in lines[lines.index("2026-11-23 周一") + 1 : lines.index("2026-11-24 周二") - 1]
    ]
    assert moved == sorted(moved)


async def test_make_up_workdays_and_english(world_sqlite):
    lines = [" ".join(line.split()) for line in await _page(world_sqlite, "2026-09-20", "2026-09-27", "en")]
    assert "2026-09-20 Sun make-up workday" in lines
    assert [line for line in lines if line.startswith("2026-09-25")] == ["2026-09-25 Fri day off 中秋节"]


async def test_a_weekly_job_stands_on_its_day_however_short_the_span(world_sqlite):
    lines = [line.strip() for line in await _page(world_sqlite, "2026-11-26", "2026-11-26")]
    assert "20:00  逢四说事汇总" in lines[lines.index("2026-11-26 周四") :]
    assert not [line for line in lines if "逢四说事预告" in line]


async def test_the_command_says_what_it_cannot_read(world_sqlite, capsys):
    settings = world_sqlite.app.settings
    assert await show(settings, "2026-11-23", "2026-11-30", "zh_CN") == 0
    assert "WT-" in capsys.readouterr().out
    assert await show(settings, "yesterday", "", "zh_CN") == 1
    assert "yesterday" in capsys.readouterr().err
    assert await show(settings, "9999-12-20", "", "zh_CN") == 1  # thirty days later there are no dates any more
    assert capsys.readouterr().err
