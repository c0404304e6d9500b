"""Checking in and out, hours, verifying, and the two ratings (domain.md §5 Task/Claim)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from work_stage import NOW, SATURDAY, staged

from models import CheckIn, Evaluation, Order, Person, Task
from services import checkins, claims, hours, service_record, tasks, verifying
from services.checkins import Position
from services.context import Refusal

HERE, FAR = Position(31.2016, 120.1519), Position(31.2060, 120.1580)


@pytest.fixture
async def stage(database_url):
    async with staged(database_url) as made:
        yield made


async def do(stage, code, verb, *arguments, **named):
    async with stage.turn(code) as context:
        return await verb(context, *arguments, **named)


async def refusal(stage, code, verb, *arguments):
    with pytest.raises(Refusal) as refused:
        await do(stage, code, verb, *arguments)
    return refused.value.key


@pytest.fixture
async def number(stage):
    """A task for two that M01 has claimed, at its start."""
    made = await stage.task(capacity=2)
    await do(stage, "M01", claims.claim, made)
    stage.now = SATURDAY
    return made


async def test_within_the_radius_it_counts_and_says_the_metres(stage, number):
    arrival = await do(stage, "M01", checkins.by_location, number, HERE)
    assert (arrival.record.verdict, arrival.record.distance_m) == ("VALID", 59)
    assert await stage.states(number) == {"M01": "CHECKED_IN"}
    async with stage.turn(None) as context:
        stored = (await context.session.execute(sa.text("SELECT coords FROM check_in"))).scalar_one()
    assert b"31.2016" not in bytes(stored)


async def test_too_far_away_does_not_count_and_is_kept(stage, number):
    arrival = await do(stage, "M01", checkins.by_location, number, FAR)
    assert (arrival.record.verdict, arrival.record.distance_m) == ("REJECTED", 817)
    assert await stage.states(number) == {"M01": "ACTIVE"}
    assert (await do(stage, "M01", checkins.by_location, number, HERE)).record.verdict == "VALID"


@pytest.mark.parametrize(
    "position", [Position(31.2016, 120.1519, accuracy=101), Position(31.2016, 120.1519, forwarded=True)], ids=["rough", "forwarded"]
)
@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_a_doubtful_location_is_for_the_leader(stage, number, position, answer):
    arrival = await do(stage, "M01", checkins.by_location, number, position)
    assert arrival.record.verdict == "PENDING"
    assert await stage.states(number) == {"M01": "ACTIVE"}
    asked = (await stage.posted(to="ST05"))[-1]
    assert "陈书禾" in asked.text
    assert [b.label for row in asked.buttons for b in row] == ["通过", "不通过"]
    assert await refusal(stage, "M02", checkins.decide, arrival.record.id, answer) == "refused.permission"
    stage.now += timedelta(minutes=10)
    decided = await do(stage, "ST05", checkins.decide, arrival.record.id, answer)
    assert decided.record.verdict == ("MANUAL_OK" if answer == "yes" else "REJECTED")
    row = (await stage.claims(number))["M01"]
    assert row.state == ("CHECKED_IN" if answer == "yes" else "ACTIVE")
    if answer == "yes":
        assert row.checked_in_at == SATURDAY  # from when they were there, not from when it was looked at
    assert await refusal(stage, "ST05", checkins.decide, arrival.record.id, answer) == "check_in.decided"


async def test_a_refused_location_after_the_end_is_an_absence(stage, number):
    arrival = await do(stage, "M01", checkins.by_location, number, Position(31.2016, 120.1519, forwarded=True))
    task = await stage.find(number)
    stage.now = task.end_at
    await do(stage, None, claims.end_of_task, task.id)
    assert await stage.states(number) == {"M01": "ACTIVE"}  # the leader has not looked yet
    await do(stage, "ST05", checkins.decide, arrival.record.id, "no")
    assert await stage.states(number) == {"M01": "NO_SHOW"}


async def test_the_ratings_of_a_task_that_was_never_full_begin_at_its_end(stage, number):
    await do(stage, "M01", checkins.by_code, number, "8246")
    stage.now += timedelta(minutes=5)
    await do(stage, "M01", checkins.check_out, number)
    await do(stage, "ST05", verifying.verify_named, number, "陈书禾")
    task = await stage.find(number)
    assert task.state == "OPEN"
    stage.now = task.end_at
    await do(stage, None, claims.end_of_task, task.id)
    assert (await stage.find(number)).state == "VERIFIED"


async def test_exactly_a_hundred_metres_of_accuracy_is_good_enough(stage, number):
    arrival = await do(stage, "M01", checkins.by_location, number, Position(31.2016, 120.1519, accuracy=100))
    assert arrival.record.verdict == "VALID"


async def test_a_task_that_is_on_no_map_is_for_the_leader(stage):
    number = await stage.task(lat=None, lon=None)
    await do(stage, "M01", claims.claim, number)
    stage.now = SATURDAY
    assert (await do(stage, "M01", checkins.by_location, number, HERE)).record.verdict == "PENDING"


async def test_the_code_counts_and_five_wrong_ones_are_enough(stage, number):
    for left in (4, 3, 2, 1, 0):
        arrival = await do(stage, "M01", checkins.by_code, number, "0000")
        assert (arrival.record.verdict, arrival.tries_left) == ("REJECTED", left)
    assert await refusal(stage, "M01", checkins.by_code, number, "8246") == "check_in.no_tries"
    assert (await do(stage, "M01", checkins.by_location, number, HERE)).record.verdict == "VALID"


async def test_the_right_code_counts(stage, number):
    assert (await do(stage, "M01", checkins.by_code, number, "8246")).record.verdict == "VALID"
    assert await refusal(stage, "M01", checkins.by_code, number, "8246") == "check_in.already"


@pytest.mark.parametrize(("minutes", "key"), [(-31, "check_in.early"), (-30, ""), (120, ""), (121, "check_in.over")])
async def test_the_window_is_from_half_an_hour_before_to_the_end(stage, number, minutes, key):
    stage.now = SATURDAY + timedelta(minutes=minutes)
    if key:
        assert await refusal(stage, "M01", checkins.by_location, number, HERE) == key
    else:
        assert (await do(stage, "M01", checkins.by_location, number, HERE)).record.verdict == "VALID"


async def test_nobody_checks_in_without_a_place(stage, number):
    assert await refusal(stage, "M02", checkins.by_location, number, HERE) == "check_in.no_claim"


async def test_a_location_alone_finds_the_one_task_whose_time_it_is(stage, number):
    assert (await do(stage, "M01", checkins.in_window)).short_no == int(number)
    assert await do(stage, "M02", checkins.in_window) is None
    stage.now = SATURDAY - timedelta(hours=1)
    assert await do(stage, "M01", checkins.in_window) is None


async def test_the_leader_signs_a_claimer_in_and_out_and_nobody_else_does(stage, number):
    assert await refusal(stage, "M01", checkins.by_proxy, number, "陈书禾") == "refused.permission"
    assert await refusal(stage, "ST04", checkins.by_proxy, number, "陈书禾") == "refused.permission"
    assert await refusal(stage, "ST05", checkins.by_proxy, number, "何晚晴") == "task.nobody_named"
    arrival = await do(stage, "ST05", checkins.by_proxy, number, "陈书禾")
    assert (arrival.record.method, arrival.record.verdict) == ("proxy", "VALID")
    stage.now += timedelta(minutes=125)
    assert await refusal(stage, "R101", checkins.check_out, number, "陈书禾") == "refused.permission"
    assert (await do(stage, "ST02", checkins.check_out, number, "陈书禾")).claim.hours == 2.0
    assert await refusal(stage, "M01", checkins.check_out, number) == "check_out.done_already"


async def test_nobody_but_a_coordinator_signs_or_verifies_for_themselves(stage):
    number = await stage.task(capacity=2)
    for code in ("ST05", "ST02"):
        await do(stage, code, claims.claim, number)
    stage.now = SATURDAY
    assert await refusal(stage, "ST05", checkins.by_proxy, number, "苏念安") == "check_in.own"
    await do(stage, "ST02", checkins.by_proxy, number, "苏念安")
    await do(stage, "ST02", checkins.by_proxy, number, "顾明溪")
    stage.now += timedelta(minutes=5)
    await do(stage, "ST05", checkins.check_out, number)
    assert await refusal(stage, "ST05", verifying.verify_named, number, "苏念安") == "verify.own"
    await do(stage, "ST02", checkins.check_out, number)
    assert (await do(stage, "ST02", verifying.verify_named, number, "顾明溪")).claim.state == "VERIFIED"


@pytest.mark.parametrize(
    ("minutes", "planned", "counted"),
    [(5, 2, 0.5), (59, 2, 0.5), (60, 2, 1.0), (119, 2, 1.5), (120, 2, 2.0), (600, 2, 3.0), (600, 1.5, 2.5), (-5, 2, 0.5)],
)
def test_hours_are_whole_halves_rounded_down(minutes, planned, counted):
    assert hours.counted(NOW, NOW + timedelta(minutes=minutes), planned) == counted


async def test_who_forgets_to_check_out_is_out_at_the_planned_end_and_flagged(stage, number):
    await do(stage, "M01", checkins.by_code, number, "8246")
    task = await stage.find(number)
    stage.now = task.end_at + timedelta(minutes=59)
    await do(stage, None, checkins.check_out_rest, task.id)
    assert await stage.states(number) == {"M01": "CHECKED_IN"}
    stage.now = task.end_at + timedelta(hours=1)
    await do(stage, None, checkins.check_out_rest, task.id)
    row = (await stage.claims(number))["M01"]
    assert (row.state, row.hours, row.flagged, row.checked_out_at) == ("DONE", 2.0, True, task.end_at)


async def served(stage, number, *codes):
    for code in codes:
        await do(stage, code, checkins.by_code, number, "8246")
    stage.now = SATURDAY + timedelta(hours=2)
    for code in codes:
        await do(stage, code, checkins.check_out, number)


async def test_verifying_credits_the_hours_once_and_the_last_one_begins_the_ratings(stage, number):
    await do_early(stage, number, "M02")
    await served(stage, number, "M01", "M02")
    listed = await do(stage, "ST05", verifying.to_verify, number)
    assert [b.label.values["name"] for row in listed.buttons for b in row] == ["陈书禾", "何晚晴"]
    assert await refusal(stage, "M01", verifying.verify_named, number, "陈书禾") == "refused.permission"
    await do(stage, "ST05", verifying.verify_named, number, "陈书禾")
    assert (await stage.find(number)).state == "CLAIMED"
    assert await refusal(stage, "ST05", verifying.verify, (await stage.claims(number))["M01"].id) == "refused.state"
    assert await refusal(stage, "ST05", verifying.rate_organisation, number, "5") == "rating.not_yet"
    await do(stage, "ST05", verifying.verify_named, number, "何晚晴")
    assert (await stage.find(number)).state == "VERIFIED"
    assert (await credit(stage, "M01")) == (1, 2.0)
    asked = (await stage.posted(to="ST05"))[-1]
    assert [b.label for row in asked.buttons for b in row] == ["1分", "2分", "3分", "4分", "5分"]
    # nobody ordered it, so the organisation's rating closes it
    await do(stage, "ST05", verifying.rate_organisation, number, "5")
    assert (await stage.find(number)).state == "CLOSED"
    assert "组织评单:5分" in (await stage.posted(to="M01"))[-1].text.replace("\uff1a", ":")


async def do_early(stage, number, code):
    stage.now = NOW
    await do(stage, code, claims.claim, number)
    stage.now = SATURDAY


async def credit(stage, code):
    async with stage.turn(None) as context:
        person = (await context.session.scalars(sa.select(Person).where(Person.code == code))).one()
        served = await service_record.of_year(context.session, person.id, 2026)
        return served.times, served.hours


async def test_who_has_not_checked_out_is_not_verified_and_the_leader_is_told_what_to_do(stage, number):
    await do(stage, "M01", checkins.by_code, number, "8246")
    assert await refusal(stage, "ST05", verifying.verify_named, number, "陈书禾") == "verify.not_out"


async def test_five_workdays_later_it_verifies_itself_when_a_code_proved_it(stage, number):
    await served(stage, number, "M01")
    row = (await stage.claims(number))["M01"]
    due = next(due for job, subject, due in await stage.alarms() if (job, subject) == ("verify_alone", row.id))
    assert due.date().isoformat() == "2026-12-04"
    stage.now = due
    await do(stage, None, verifying.verify_alone, row.id)
    assert await stage.states(number) == {"M01": "VERIFIED"}
    assert (await stage.find(number)).state == "VERIFIED"


async def test_a_proxy_check_in_waits_for_a_person(stage, number):
    await do(stage, "ST05", checkins.by_proxy, number, "陈书禾")
    stage.now += timedelta(minutes=5)
    await do(stage, "M01", checkins.check_out, number)
    row = (await stage.claims(number))["M01"]
    assert "verify_alone" not in [job for job, _, _ in await stage.alarms()]
    await do(stage, None, verifying.verify_alone, row.id)
    assert await stage.states(number) == {"M01": "DONE"}


@pytest.fixture
async def ordered(stage):
    """A task for R101's order, verified."""
    async with stage.turn("R101") as context:
        order = Order(
            community_id=context.ground.community_id, code="DD-20261123-0001", resident_id=context.actor.id, state="DISPATCHED",
            service="care", text="给我妈量个血压", text_public="给我妈量个血压", submitted_at=NOW,
        )  # fmt: skip
        context.session.add(order)
    number = await stage.task(source="order", source_id=order.id)
    await do(stage, "M01", claims.claim, number)
    stage.now = SATURDAY
    await served(stage, number, "M01")
    await do(stage, "ST05", verifying.verify_named, number, "陈书禾")
    return number


async def test_an_order_needs_both_ratings_and_then_is_done(stage, ordered):
    asked = (await stage.posted(to="R101"))[-1]
    assert "您满意吗" in asked.text
    assert len(asked.buttons[0]) == 3
    assert await refusal(stage, "M01", verifying.rate, ordered, "good") == "refused.permission"
    assert await refusal(stage, "ST02", verifying.rate, ordered, "good") == "refused.permission"
    await do(stage, "R101", verifying.rate, ordered, "fair")
    await do(stage, "R101", verifying.rate, ordered, "good")  # changed before it closes
    assert (await stage.find(ordered)).state == "VERIFIED"
    assert await refusal(stage, "R101", verifying.rate_organisation, ordered, "5") == "refused.permission"
    await do(stage, "ST02", verifying.rate_organisation, ordered, "4")
    assert (await stage.find(ordered)).state == "CLOSED"
    async with stage.turn(None) as context:
        assert (await context.session.scalars(sa.select(Order.state))).one() == "DONE"
        rows = await context.session.execute(
            sa.select(Evaluation.rater_kind, Evaluation.grade, Evaluation.revision).order_by(Evaluation.id)
        )
        assert set(rows) == {("resident", "fair", 1), ("resident", "good", 2), ("organisation", "4", 1)}
    assert "满意" in (await stage.posted(to="M01"))[-1].text


async def test_a_poor_rating_is_told_to_the_leader_and_the_coordinators(stage, ordered):
    await do(stage, "R101", verifying.rate, ordered, "poor")
    for code in ("ST05", "ST02"):
        assert "不满意" in (await stage.posted(to=code))[-1].text
    assert "rating" not in [job for job, _, _ in await stage.alarms()]


async def test_the_organisations_rating_alone_does_not_close_an_order(stage, ordered):
    await do(stage, "ST05", verifying.rate_organisation, ordered, "5")
    assert (await stage.find(ordered)).state == "VERIFIED"
    await do(stage, "R101", verifying.rate, ordered, "good")
    assert (await stage.find(ordered)).state == "CLOSED"
    assert await refusal(stage, "ST05", verifying.rate_organisation, ordered, "1") == "rating.over"


async def test_every_proof_is_kept(stage, number):
    await do(stage, "M01", checkins.by_location, number, FAR)
    await do(stage, "M01", checkins.by_code, number, "8246")
    assert await refusal(stage, "M01", checkins.check_out, number) == "check_out.at_once"
    stage.now += timedelta(minutes=1)
    await do(stage, "M01", checkins.check_out, number)
    async with stage.turn(None) as context:
        rows = await context.session.scalars(sa.select(CheckIn).order_by(CheckIn.id))
        kept = {(row.kind, row.method, row.verdict) for row in rows}
        assert (await context.session.scalars(sa.select(Task))).one().state == "OPEN"
    assert kept == {("in", "location", "REJECTED"), ("in", "code", "VALID"), ("out", "manual", "VALID")}


async def test_a_list_of_ones_own_tasks_and_of_open_ones(stage, number):
    other = await stage.task(start_at=SATURDAY + timedelta(days=1))
    async with stage.turn("M01") as context:
        assert [(view.number, state) for view, state in await tasks.mine(context)] == [(int(number), "ACTIVE")]
        assert [view.number for view in await tasks.upcoming(context)] == [int(other)]
