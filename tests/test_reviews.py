"""The announcement of a suspended problem's review, five workdays before (domain.md §5, suspend)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime

import pytest
from problem_stage import MORNING, find, labels, report, shown, to
from work_stage import Stage, staged

from scheduler.jobs import JOBS
from services import problems, reviews
from services.workdays import ZONE


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as made:
        made.now = MORNING
        yield made


async def suspend(stage: Stage, code: str, day: date, reason: str = "等供电公司的材料") -> None:
    async with stage.turn("ST01") as context:
        await problems.suspend(context, await problems.find(context, code), day, reason)


async def announced(stage: Stage) -> list[tuple[str, datetime]]:
    """The announcements that wait: (what the alarm is about, when)."""
    return [(about, due.astimezone(ZONE)) for job, about, due in await stage.alarms() if job == "review_reminder"]


async def ring(stage: Stage, about: str, at: datetime) -> str:
    stage.now = at
    async with stage.turn(None) as context:
        return str(await JOBS["review_reminder"].run(context, about))


async def test_coordinators_and_the_secretary_hear_of_it_five_workdays_before(stage):
    code = await report(stage)
    await suspend(stage, code, date(2026, 12, 31))
    ((about, due),) = await announced(stage)
    assert due == datetime(2026, 12, 24, 9, 0, tzinfo=ZONE)
    before = {who: len(await to(stage, who)) for who in ("ST01", "ST02", "ST04")}
    assert await ring(stage, about, due) == "reminded"
    for who in ("ST01", "ST02"):
        told = (await to(stage, who))[-1]
        assert len(await to(stage, who)) == before[who] + 1
        assert "12月31日" in shown(told).text
        assert "等供电公司的材料" in shown(told).text
        assert labels(shown(told)) == ["查看"]
        assert told.subject == f"problem:{(await find(stage, code)).id}"
    assert len(await to(stage, "ST04")) == before["ST04"]


@pytest.mark.parametrize(
    ("day", "due"),
    [
        (date(2027, 1, 4), datetime(2026, 12, 25, 9, 0, tzinfo=ZONE)),  # the first of January is none of the five
        (date(2026, 12, 6), None),  # a Sunday: five workdays before is today, and 09:00 is over
        (date(2026, 12, 7), datetime(2026, 11, 30, 9, 0, tzinfo=ZONE)),
        (date(2026, 11, 25), None),
    ],
)
async def test_when_it_is_announced(stage, day, due):
    if day == date(2026, 12, 6):
        stage.now = datetime(2026, 11, 30, 10, 0, tzinfo=ZONE)
    code = await report(stage)
    await suspend(stage, code, day)
    assert [found for _, found in await announced(stage)] == ([due] if due else [])


async def test_nothing_is_said_of_what_is_taken_up_again_or_put_aside_anew(stage):
    code = await report(stage)
    await suspend(stage, code, date(2026, 12, 31))
    ((about, due),) = await announced(stage)
    async with stage.turn("ST02") as context:
        await problems.resume(context, await problems.find(context, code))
    assert await ring(stage, about, due) == "nothing"
    stage.now = datetime(2026, 12, 25, 10, 0, tzinfo=ZONE)
    await suspend(stage, code, date(2027, 2, 26))
    assert await ring(stage, about, stage.now) == "nothing"
    again = next(one for one, _ in await announced(stage) if one != about)
    assert await ring(stage, again, datetime(2027, 2, 19, 9, 0, tzinfo=ZONE)) == "reminded"
    assert reviews.NOTICE_WORKDAYS == 5
