"""Claims: who gets a place, what a group may see, leaving, the queue and its offers (domain.md §5 Task/Claim)."""

import asyncio
import unicodedata
from contextlib import suppress
from datetime import timedelta

import pytest
import sqlalchemy as sa
from work_stage import NOW, SATURDAY, enrolled, staged

from models import Chat, ChatAccount, Claim, PartyMember, Person, StateLog
from services import claims, hours, tasks
from services.context import Refusal


@pytest.fixture
async def stage(database_url):
    async with staged(database_url) as made:
        yield made


async def claim(stage, code, number, group=""):
    async with stage.turn(code, group) as context:
        return await claims.claim(context, number)


async def refusal(stage, code, work, group=""):
    with pytest.raises(Refusal) as refused:
        async with stage.turn(code, group) as context:
            await work(context)
    return refused.value.key


async def test_a_claim_gives_the_address_in_private_and_nothing_of_it_to_the_group(stage):
    number = await stage.task(capacity=2)
    claimed = await claim(stage, "M01", number, group="party")
    assert claimed.told
    assert await stage.states(number) == {"M01": "ACTIVE"}
    private = (await stage.posted(to="M01"))[-1]
    assert "1单元502室" in private.text
    assert "王桂英 13800001234" in private.text
    assert [b.label for row in private.buttons for b in row] == ["签到", "退单"]
    card = await stage.card(number)
    assert unicodedata.normalize("NFKC", card.text) == "【接单】#31 上门量血压|11月28日09:30-11:30|青禾苑9幢|需2人 已接1人 候补0人。"
    assert [b.label for row in card.buttons for b in row] == ["接单", "签到"]
    for message in await stage.posted(group="party"):
        assert "502" not in message.text
        assert "王桂英" not in message.text
        assert "陈书禾" not in message.text


async def test_a_claim_in_private_is_answered_there_and_posted_nowhere_else(stage):
    number = await stage.task()
    claimed = await claim(stage, "M01", number)
    assert claimed.sheet.key == "claim.receipt"
    assert await stage.posted(to="M01") == []


async def test_without_a_private_chat_the_claim_counts_and_says_that_it_told_nobody(stage):
    number = await stage.task()
    async with stage.turn(None) as context:
        person = (await context.session.scalars(sa.select(Person).where(Person.code == "M01"))).one()
        account = (await context.session.scalars(sa.select(ChatAccount).where(ChatAccount.person_id == person.id))).one()
        account.private_chat_id = None
    assert not (await claim(stage, "M01", number, group="party")).told
    assert await stage.states(number) == {"M01": "ACTIVE"}


async def test_twenty_claim_two_places_at_once_and_exactly_two_get_one(stage):
    number = await stage.task(capacity=2)
    await crowd(stage, 20)
    await asyncio.gather(*(claim(stage, f"X{n}", number, "party") for n in range(20)))
    states = list((await stage.states(number)).values())
    assert states.count("ACTIVE") == 2
    assert states.count("WAITLISTED") == 18
    assert sorted(c.waitlist_pos for c in (await stage.claims(number)).values() if c.waitlist_pos) == list(range(1, 19))
    assert (await stage.find(number)).state == "CLAIMED"
    card = await stage.card(number)
    assert "需2人 已接2人 候补18人。" in card.text
    assert "候补" in card.buttons[0][0].label


async def crowd(stage, size):
    async with stage.turn(None) as context:
        community = context.ground.community_id
        for n in range(size):
            person = Person(community_id=community, code=f"X{n}", display_name=f"人{n}")
            chat = Chat(platform="memory", bot="main", key_hash=f"X{n}", address=f"X{n}")
            context.session.add_all([person, chat])
            await context.session.flush()
            context.session.add_all([PartyMember(person_id=person.id), enrolled(context.ground.community_id, person)])
            context.session.add(
                ChatAccount(
                    platform="memory", bot="main", user_hash=f"X{n}", user_address=f"X{n}", person_id=person.id, private_chat_id=chat.id
                )
            )


async def test_without_the_row_lock_postgresql_gives_too_many_places(stage, monkeypatch):
    """The negative control of the test above: what it guards against does happen without the guard."""
    if stage.database.sqlite:
        pytest.skip("SQLite has one writer: there the lock is the transaction itself")
    number = await stage.task(capacity=2)
    await crowd(stage, 8)
    found, counted = tasks.find, tasks.claims_of
    everybody = asyncio.Barrier(8)

    async def find_unlocked(context, name, lock=False):
        return await found(context, name)

    async def count_together(context, task, *states):
        held = await counted(context, task, *states)
        if states == tasks.HELD and "counted" not in context.facts:
            context.facts["counted"] = True
            await everybody.wait()
        return held

    monkeypatch.setattr(tasks, "find", find_unlocked)
    monkeypatch.setattr(tasks, "claims_of", count_together)

    async def claim_anyhow(code):
        with suppress(Refusal, sa.exc.DBAPIError):
            await claim(stage, code, number, "party")

    await asyncio.gather(*(claim_anyhow(f"X{n}") for n in range(8)))
    monkeypatch.undo()
    assert list((await stage.states(number)).values()).count("ACTIVE") > 2


async def test_one_person_has_one_live_claim_of_a_task_whatever_the_code_does(stage):
    number = await stage.task(capacity=3)
    await claim(stage, "M01", number)
    task, first = await stage.find(number), (await stage.claims(number))["M01"]
    with pytest.raises(sa.exc.IntegrityError):
        await claim_again(stage, task.id, first.person_id)


async def claim_again(stage, task_id, person_id):
    """A second row for the same claim, as code without any check would write it."""
    async with stage.turn(None) as context:
        context.session.add(Claim(task_id=task_id, person_id=person_id, claimed_at=NOW))
        await context.session.flush()


async def test_the_same_person_from_two_devices_at_once_gets_one_place(stage):
    number = await stage.task(capacity=3)
    results = await asyncio.gather(*(claim(stage, "M01", number) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, Refusal) for result in results) == 3
    assert len(await stage.claims(number)) == 1


async def test_pressing_again_says_so_and_harms_nothing(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    await claim(stage, "M02", number)
    assert await refusal(stage, "M01", lambda c: claims.claim(c, number)) == "claim.already"
    assert await refusal(stage, "M02", lambda c: claims.claim(c, number)) == "claim.already_waiting"
    assert await stage.states(number) == {"M01": "ACTIVE", "M02": "WAITLISTED"}


@pytest.mark.parametrize(("code", "key"), [("M02", ""), ("M03", "claim.skill"), ("ST05", "claim.skill"), ("R101", "claim.not_member")])
async def test_who_may_claim_a_task_that_needs_nursing(stage, code, key):
    number = await stage.task(skill="护理")
    if key:
        assert await refusal(stage, code, lambda c: claims.claim(c, number)) == key
    else:
        assert (await claim(stage, code, number)).claim.state == "ACTIVE"


async def test_a_resident_may_claim_a_volunteers_task(stage):
    assert (await claim(stage, "R101", await stage.task(audience="volunteers"))).claim.state == "ACTIVE"


@pytest.mark.parametrize(("minutes", "busy"), [(0, True), (149, True), (150, False), (-149, True), (-150, False)])
async def test_nobody_is_booked_twice_within_thirty_minutes(stage, minutes, busy):
    await claim(stage, "M01", await stage.task())
    other = await stage.task(start_at=SATURDAY + timedelta(minutes=minutes))
    if busy:
        assert await refusal(stage, "M01", lambda c: claims.claim(c, other)) == "claim.busy"
    else:
        assert (await claim(stage, "M01", other)).claim.state == "ACTIVE"


async def test_a_task_that_has_begun_is_over_or_called_off_is_refused_and_says_why(stage):
    number = await stage.task(capacity=2)
    stage.now = SATURDAY
    assert await refusal(stage, "M01", lambda c: claims.claim(c, number)) == "claim.started"
    stage.now = SATURDAY + timedelta(hours=2)
    assert await refusal(stage, "M01", lambda c: claims.claim(c, number)) == "claim.over"
    stage.now = NOW
    async with stage.turn("ST05") as context:
        await claims.cancel_task(context, number, "下雨")
    assert await refusal(stage, "M01", lambda c: claims.claim(c, number)) == "claim.cancelled"
    assert await refusal(stage, "M01", lambda c: claims.claim(c, "999")) == "task.unknown"


async def leave(stage, code, number, reason="", choice=""):
    async with stage.turn(code) as context:
        return await claims.withdraw(context, number, reason, choice)


async def test_leaving_a_day_before_leaves_no_trace_and_offers_the_place_for_two_hours(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    await claim(stage, "M02", number)
    await claim(stage, "M03", number)
    assert not (await leave(stage, "M01", number, "出差")).late
    assert await stage.states(number) == {"M01": "WITHDRAWN", "M02": "OFFERED", "M03": "WAITLISTED"}
    waiting = await stage.claims(number)
    assert waiting["M02"].offered_until == NOW + timedelta(hours=2)
    assert waiting["M03"].waitlist_pos == 1
    assert ("expire_offer", waiting["M02"].id, NOW + timedelta(hours=2)) in await stage.alarms()
    asked = (await stage.posted(to="M02"))[-1]
    assert [b.label for row in asked.buttons for b in row] == ["接受", "放弃"]
    assert "502" not in asked.text  # an offer is no place yet
    assert "顾明溪" not in str(await stage.posted(to="ST02"))
    assert (await stage.find(number)).state == "CLAIMED"


async def test_the_offered_place_is_held_accepted_passed_on_and_expires(stage):
    number = await stage.task()
    for code in ("M01", "M02", "M03", "M04"):
        await claim(stage, code, number)
    await leave(stage, "M01", number)
    assert (await claim(stage, "M01", number)).claim.state == "WAITLISTED"  # held for the one it was offered to
    rows = await stage.claims(number)
    async with stage.turn("M02") as context:
        await claims.decline_offer(context, rows["M02"].id)
    assert (await stage.states(number))["M03"] == "OFFERED"
    stage.now += timedelta(hours=2)
    assert await refusal(stage, "M03", lambda c: claims.accept_offer(c, rows["M03"].id)) == "claim.offer_late"
    async with stage.turn(None) as context:
        await claims.expire_offer(context, rows["M03"].id)
    assert (await stage.states(number))["M03"] == "EXPIRED"
    assert "没等到您确认" in (await stage.posted(to="M03"))[-1].text
    assert await refusal(stage, "M03", lambda c: claims.accept_offer(c, rows["M04"].id)) == "refused.permission"
    async with stage.turn("M04") as context:
        accepted = await claims.accept_offer(context, rows["M04"].id)
    assert accepted.sheet.key == "claim.receipt"
    states = await stage.states(number)
    assert (states["M04"], states["M01"]) == ("ACTIVE", "WAITLISTED")


async def test_an_alarm_for_an_answered_offer_does_nothing(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    await claim(stage, "M02", number)
    await leave(stage, "M01", number)
    offered = (await stage.claims(number))["M02"]
    await claim(stage, "M02", number, "party")  # pressing the card accepts the offer
    stage.now += timedelta(hours=3)
    async with stage.turn(None) as context:
        await claims.expire_offer(context, offered.id)
    assert (await stage.states(number))["M02"] == "ACTIVE"
    assert "expire_offer" not in [job for job, _, _ in await stage.alarms()]


@pytest.mark.parametrize(
    ("reason", "choice", "excused"),
    [("发烧了", "", True), ("有事", "", False), ("", "sick", True), ("", "busy", False), ("应急值班", "", True)],
)
async def test_leaving_within_a_day_is_late_and_the_coordinators_hear_it(stage, reason, choice, excused):
    number = await stage.task()
    await claim(stage, "M01", number)
    await claim(stage, "M02", number)
    stage.now = SATURDAY - timedelta(hours=24) + timedelta(minutes=1)
    done = await leave(stage, "M01", number, reason, choice)
    assert (done.late, done.excused) == (True, excused)
    row = (await stage.claims(number))["M01"]
    assert (row.state, row.excused) == ("LATE_WITHDRAWN", excused)
    notice = (await stage.posted(to="ST02"))[-1].text
    assert "陈书禾临时退单" in notice
    assert ("不计入" in notice) == excused
    assert (await stage.claims(number))["M02"].offered_until == stage.now + timedelta(minutes=30)
    assert not any("临时退单" in m.text for m in await stage.posted(group="party"))


async def test_exactly_a_day_before_is_in_time(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    stage.now = SATURDAY - timedelta(hours=24)
    assert not (await leave(stage, "M01", number)).late


async def test_the_button_asks_for_a_reason_only_when_it_is_late(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    stage.now = SATURDAY - timedelta(hours=2)
    async with stage.turn("M01") as context:
        asked = await claims.ask_withdrawal(context, number)
    assert asked.ask is not None
    assert await stage.states(number) == {"M01": "ACTIVE"}
    stage.now = NOW
    async with stage.turn("M01") as context:
        assert (await claims.ask_withdrawal(context, number)).ask is None
    assert await stage.states(number) == {"M01": "WITHDRAWN"}


async def test_an_offer_in_quiet_hours_waits_for_the_morning(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    await claim(stage, "M02", number)
    stage.now = NOW.replace(hour=22)
    await leave(stage, "M01", number)
    assert (await stage.claims(number))["M02"].offered_until == NOW + timedelta(days=1, hours=2)


def test_an_offer_never_outlives_the_start():
    start = NOW + timedelta(minutes=10)
    assert hours.offered_until(start, NOW) == start
    dawn = NOW.replace(hour=7)
    assert hours.offered_until(dawn, NOW.replace(hour=6)) == NOW.replace(hour=6, minute=30)


async def test_somebody_who_left_may_come_back(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    await leave(stage, "M01", number)
    assert (await stage.find(number)).state == "OPEN"
    assert (await claim(stage, "M01", number)).claim.state == "ACTIVE"
    assert await refusal(stage, "M02", lambda c: claims.withdraw(c, number, "")) == "claim.none"


async def test_calling_a_task_off_frees_and_tells_everybody(stage):
    number = await stage.task()
    for code in ("M01", "M02"):
        await claim(stage, code, number)
    assert await refusal(stage, "M01", lambda c: claims.cancel_task(c, number, "不想办")) == "refused.permission"
    assert await refusal(stage, "ST04", lambda c: claims.cancel_task(c, number, "不想办")) == "refused.permission"
    assert await refusal(stage, "ST02", lambda c: claims.cancel_task(c, number, " ")) == "task.cancel_why"
    async with stage.turn("ST02") as context:
        await claims.cancel_task(context, number, "居民住院")
    assert set((await stage.states(number)).values()) == {"CANCELLED"}
    for code in ("M01", "M02"):
        assert "居民住院" in (await stage.posted(to=code))[-1].text
    card = await stage.card(number)
    assert "任务已取消" in card.text
    assert card.buttons == ()
    assert "居民住院" not in card.text


async def test_who_never_came_is_absent_and_the_card_closes(stage):
    number = await stage.task(capacity=2)
    await claim(stage, "M01", number)
    task = await stage.find(number)
    async with stage.turn(None) as context:
        await claims.end_of_task(context, task.id)  # too early: nothing
    assert await stage.states(number) == {"M01": "ACTIVE"}
    stage.now = task.end_at
    async with stage.turn(None) as context:
        await claims.end_of_task(context, task.id)
    assert await stage.states(number) == {"M01": "NO_SHOW"}
    assert "3个工作日" in (await stage.posted(to="M01"))[-1].text
    assert (await stage.card(number)).buttons == ()
    assert (await stage.find(number)).state == "UNFILLED"


async def test_the_history_names_every_step(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    await leave(stage, "M01", number)
    async with stage.turn(None) as context:
        rows = await context.session.scalars(sa.select(StateLog).order_by(StateLog.id))
        events = [(row.object_kind, row.event) for row in rows]
    assert events == [("claim", "claim"), ("task", "fill"), ("claim", "withdraw"), ("task", "free")]


async def test_the_sheet_shows_its_private_half_to_whom_it_belongs_until_it_is_closed(stage):
    number = await stage.task()
    await claim(stage, "M01", number)
    await claim(stage, "M02", number)

    async def half(code):
        async with stage.turn(code) as context:
            return await tasks.private_half(context, await tasks.find(context, number))

    assert (await half("M01")).contact
    assert not (await half("M01")).pin
    assert not (await half("M02")).contact
    assert not (await half("R101")).contact
    assert (await half("ST05")).pin == "8246"
    assert (await half("ST02")).pin == "8246"
    assert not (await half("ST04")).contact
    async with stage.turn("ST05") as context:
        await claims.cancel_task(context, number, "算了")
    assert not (await half("ST05")).contact
