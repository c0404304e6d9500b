"""Calendar files by RFC 5545 and the feed at an address nobody can guess."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from meeting_stage import meetings_at

from bot.web import make_web
from models import Person
from services import meeting_calendar
from services.icalendar import CalendarEvent, calendar, escaped, folded

MOMENT = datetime(2026, 9, 28, 6, 30, tzinfo=UTC)


def event(**values) -> CalendarEvent:
    fields = {
        "uid": "a@linshao", "stamp": MOMENT, "start": MOMENT, "end": MOMENT + timedelta(hours=2), "summary": "党建联席会议，第三季度",
        "location": "党群中心二楼; A,B", "description": "1. 甲\n2. 乙\\丙", "sequence": 1,
    }  # fmt: skip
    return CalendarEvent(**fields | values)


def unfolded(data: bytes) -> list[str]:
    assert data.endswith(b"\r\n")
    assert b"\n" not in data.replace(b"\r\n", b"")
    return data.replace(b"\r\n ", b"").decode().split("\r\n")


def test_a_calendar_as_rfc_5545_wants_it():
    lines = unfolded(calendar("社区会议", [event(), event(uid="b@linshao", cancelled=True)]))
    assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
    assert lines[-2:] == ["END:VCALENDAR", ""]
    assert {"METHOD:PUBLISH", "DTSTART:20260928T063000Z", "DTEND:20260928T083000Z", "SEQUENCE:1", "DTSTAMP:20260928T063000Z"} <= set(lines)
    assert "LOCATION:党群中心二楼\\; A\\,B" in lines
    assert "DESCRIPTION:1. 甲\\n2. 乙\\\\丙" in lines
    assert [line for line in lines if line.startswith("STATUS")] == ["STATUS:CONFIRMED", "STATUS:CANCELLED"]


@pytest.mark.parametrize("said", ["", "a" * 75, "a" * 76, "党" * 80, "a党" * 60, "😊" * 40])
def test_lines_are_folded_at_75_octets_between_signs(said):
    data = folded(said)
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    assert all(line.decode() is not None for line in data.split(b"\r\n"))
    assert data.replace(b"\r\n ", b"").removesuffix(b"\r\n").decode() == said


def test_no_value_can_begin_a_line_of_its_own():
    lines = unfolded(calendar("x", [event(summary="a\r\nATTENDEE:mailto:x\rBEGIN:VEVENT\x00\x1b")]))
    assert sum(line.startswith("BEGIN:VEVENT") for line in lines) == 1
    assert not any(line.startswith("ATTENDEE") for line in lines)
    assert escaped("a\tb\x7f") == "ab"


async def test_the_file_and_the_feed_of_who_is_invited(databases, tmp_path):
    async with meetings_at(databases, tmp_path) as world:
        coordinator, liaison = world.person("ST02"), world.person("L08")
        await coordinator.says("开会 党建联席会议 9月28日14:30 党群中心二楼")
        given = await coordinator.presses("日历文件")
        (sent,) = given.shown[0].media
        assert sent.name == "HY-20260910-0001.ics"
        assert "DTSTART:20260928T063000Z" in unfolded(sent.data)
        (stranger, clerk, theirs) = [(await world.rows(Person, Person.code == code))[0] for code in ("R101", "ST03", "L08")]
        assert (await world.person("R101").says("日历订阅")).shows("给工作人员和受邀单位")
        assert (await liaison.says("日历订阅")).shows(f"/calendar/{meeting_calendar.token(theirs.id)}.ics")

        async def read(name: str) -> str | None:
            async with world.app.database.transaction() as session:
                data = await meeting_calendar.feed(session, name, world.clock.now())
            return None if data is None else "\n".join(unfolded(data))

        assert "20260928" not in str(await read(meeting_calendar.token(theirs.id)))  # nobody has been invited yet
        await world.at("2026-09-22T09:00")
        assert "DTSTART:20260928T063000Z" in str(await read(meeting_calendar.token(theirs.id)))
        assert "DTSTART:20260928T063000Z" in str(await read(meeting_calendar.token(clerk.id)))
        assert "BEGIN:VEVENT" not in str(await read(meeting_calendar.token(stranger.id)))
        name = meeting_calendar.token(theirs.id)
        for forged in (name[:-1] + ("A" if name[-1] != "A" else "B"), theirs.id, f"{theirs.id}.", clerk.id + name[16:]):
            assert await read(forged) is None
        await world.person("ST01").says("改期 HY-20260910-0001 9月29日14:30 区里有会")
        await world.at("2026-09-28T15:00")
        moved = str(await read(name))
        assert "DTSTART:20260929T063000Z" in moved
        assert "SEQUENCE:1" in moved


async def test_the_feed_over_the_web_port(world_sqlite):
    (person,) = await world_sqlite.rows(Person, Person.code == "ST02")
    async with TestClient(TestServer(make_web(world_sqlite.app))) as browser:
        response = await browser.get(f"/calendar/{meeting_calendar.token(person.id)}.ics")
        assert (response.status, response.content_type) == (200, "text/calendar")
        assert (await response.text()).count("BEGIN:VEVENT") == 2  # June's and September's; March is half a year ago
        assert (await browser.get(f"/calendar/{person.id}.{'A' * 22}.ics")).status == 404
