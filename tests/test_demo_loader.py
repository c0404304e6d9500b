"""The demo community as it stood at a moment: its rows, the history that explains them, and no readable name."""

import time
from collections import Counter as Tally
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from bot.events import ChatRef, Sender
from demo import loader
from demo.people import read
from models import (
    Chat,
    ChatAccount,
    Claim,
    Commitment,
    Community,
    ConsentRecord,
    Enrollment,
    Evaluation,
    Grid,
    LocalMessage,
    Meeting,
    Occurrence,
    OutboxMessage,
    PartnerUnit,
    PartyMember,
    Person,
    Place,
    PostClaim,
    Problem,
    ProblemLink,
    ProblemSupporter,
    RoleAssignment,
    StateLog,
    Task,
    keyring,
)
from models.database import Database
from models.lifecycle import LIVES, NEW
from services import codes, identity, moves, post, tasks
from services.context import SCHEDULER, Context, ground
from services.due_alarms import IN_WORK
from services.personas import personas
from services.promise_lines import missing
from services.workdays import Calendar, deadlines
from texts.screen import Screen

CLOCK = loader.default_clock()
EARLY = datetime.fromisoformat("2026-09-10T09:30:00+08:00")
OCTOBER = datetime.fromisoformat("2026-10-15T12:00:00+08:00")
# What a role may be to a problem or a task of the demo, in the words of models/lifecycle.py.
RELATIONS = {
    "resident": {"reporter"},
    "party_member": {"reporter", "member", "claimer", "owner"},
    "unit_liaison": {"owner"},
    "anonymous": {"reporter"},
    "grid_leader": {"grid_leader", "owner", "reviewer"},
    "coordinator": {"coordinator", "grid_leader"},
    "community_clerk": {"coordinator", "grid_leader"},
    "community_secretary": {"secretary", "coordinator", "grid_leader", "reviewer"},
    "scheduler": {"scheduler"},
}


@pytest.fixture(autouse=True)
def keys():
    keyring.use({"t": b"0" * 32}, b"0" * 32)


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


@asynccontextmanager
async def loaded(database, now):
    """A session on the community as it stood at `now`."""
    async with database.connection() as connection:
        await loader.clear(connection)
    async with database.transaction() as session:
        assert await loader.load(session, now) == now
    async with database.transaction() as session:
        yield session


async def every(session, model, *order):
    return list(await session.scalars(sa.select(model).order_by(*order)))


async def problem(session, code):
    return (await session.scalars(sa.select(Problem).where(Problem.code == code))).one()


async def context_of(session, now):
    return Context(session, now, SCHEDULER, await ground(session), "test")


async def next_code(session, prefix, at):
    return await codes.next_code(await context_of(session, at), prefix)


def logs_of(logs, thing):
    return [log for log in logs if log.object_id == thing.id]


async def test_the_community_at_its_own_clock(database):
    assert datetime.fromisoformat("2026-11-23T08:00:00+08:00") == CLOCK
    async with loaded(database, CLOCK) as session:
        problems = await every(session, Problem)
        assert Tally(one.state for one in problems) == {
            "SUBMITTED": 3, "IN_PROGRESS": 7, "RESOLVED": 4, "SUSPENDED": 1,
            "CLOSED": 41, "MERGED": 2, "REJECTED": 1, "WITHDRAWN": 1,
        }  # fmt: skip
        assert Tally(one.level for one in problems) == {"grid": 36, "community": 18, "street": 6}
        counts = {
            Grid: 6,
            Place: 75,
            PartnerUnit: 12,
            Person: 122,
            PartyMember: 40,
            Enrollment: 52,  # the members' and the units'
            ChatAccount: 122,
            Chat: 131,
            Task: 3,
            Claim: 1,
        }
        for model, count in counts.items():
            assert len(await every(session, model)) == count, model
        community = (await every(session, Community))[0]
        assert (community.name, community.next_task_number) == (read("community")["community"], 34)
        assert community.config["street"] == read("community")["street"]
        assert await next_code(session, "WT", CLOCK) == "WT-20261123-0001"
        assert await next_code(session, "WT", CLOCK - timedelta(days=3)) == "WT-20261120-0004"
        assert await next_code(session, "RW", CLOCK) == "RW-20261123-0001"
        assert await next_code(session, "RW", CLOCK - timedelta(days=3)) == "RW-20261120-0004"
        assert await codes.next_task_number(await context_of(session, CLOCK)) == 34


async def test_every_field_of_the_record_is_there(database):
    names = {
        "submitted": "submitted_at", "accepted_at": "accepted_at", "first_contact": "first_contact_at",
        "resolved": "resolved_at", "rated_at": "rated_at", "contact_due": "contact_due", "resolve_due": "resolve_due",
    }  # fmt: skip
    grades = {"满意": "good", "基本满意": "fair", "不满意": "poor", None: None}
    async with loaded(database, CLOCK) as session:
        codes_by_id = {person.id: person.code for person in await every(session, Person)}
        stored = {one.code: one for one in await every(session, Problem)}
        by_id = {one.id: one.code for one in stored.values()}
        links = {(by_id[link.problem_id], by_id[link.other_id]) for link in await every(session, ProblemLink)}
        leaders = {grid["code"]: grid["leader"] for grid in read("community")["grids"]}
        for entry in read("problems"):
            one = stored[entry["code"]]
            for name, column in names.items():
                expected = datetime.fromisoformat(entry[name]) if entry[name] else None
                assert getattr(one, column) == expected, (entry["code"], name)
            assert (one.state, one.level, one.solved, one.reopen_count) == (
                entry["state"], entry["level"], entry["solved"], entry["reopen_count"],
            )  # fmt: skip
            assert (one.text, one.place_name + one.place_detail) == (entry["text"], entry["place"])
            assert (one.category, one.sla, one.channel, one.grid_code) == (
                entry["category"], entry["class"], entry["channel"], entry["grid"],
            )  # fmt: skip
            assert one.rating == grades[entry["rating"]]
            assert codes_by_id.get(one.reporter_id) == entry["reporter"]
            assert by_id.get(one.merged_into_id) == entry["merged_into"]
            assert all((entry["code"], other) in links for other in entry["related"])
            if entry["closed_at"]:
                assert one.closed_at == datetime.fromisoformat(entry["closed_at"])
            assert (one.closed_at is None) == (one.state in LIVES["problem"].open)
            handler = leaders[entry["grid"]] if entry["accepted_at"] else None
            assert codes_by_id.get(one.lead_handler_id) == handler
        assert (await problem(session, "WT-20260928-0001")).place_detail == "东侧"
        assert (await problem(session, "WT-20261022-0001")).suspended_until.date() == date(2026, 12, 31)
        assert (await problem(session, "WT-20261120-0002")).close_reason == "invalid"
        supporters = {(by_id[one.problem_id], codes_by_id[one.person_id]) for one in await every(session, ProblemSupporter)}
        assert supporters == {("WT-20261022-0001", "R118"), ("WT-20261119-0002", "R151")}


async def test_before_the_first_problem(database):
    async with loaded(database, EARLY) as session:
        for model in (Problem, Task, Claim, OutboxMessage, LocalMessage, ConsentRecord):
            assert await every(session, model) == [], model
        assert {log.object_kind for log in await every(session, StateLog)} == {"meeting", "commitment"}
        jobs = {row.job for row in await every(session, Occurrence)}
        assert {job for job in jobs if not job.startswith("commitment_")} == {"meeting_unscheduled", "meeting_missed"}
        states = {one.quarter: one.state for one in await every(session, Meeting)}
        assert states == {"2026Q1": "CLOSED", "2026Q2": "CLOSED", "2026Q3": "PLACEHOLDER"}
        people = {person.code for person in await every(session, Person)}
        assert "M36" not in people  # enrolled on 12 October
        assert people >= {"M19", "M24", "ST01", "R160"}
        assert (await every(session, Community))[0].next_task_number == 31
        assert await next_code(session, "WT", EARLY) == "WT-20260910-0001"


async def test_a_member_is_there_from_the_day_of_enrolment_on(database):
    for now, there in (("2026-10-11T23:59:00+08:00", False), ("2026-10-12T00:00:00+08:00", True)):
        async with loaded(database, datetime.fromisoformat(now)) as session:
            assert ("M36" in {person.code for person in await every(session, Person)}) == there


async def test_in_the_middle_later_steps_are_undone(database):
    async with loaded(database, OCTOBER) as session:
        problems = await every(session, Problem)
        assert Tally(one.state for one in problems) == {"CLOSED": 11, "IN_PROGRESS": 9}
        assert {one.code for one in problems} == {
            entry["code"] for entry in read("problems") if datetime.fromisoformat(entry["submitted"]) <= OCTOBER
        }
        for one in problems:
            moments = [
                one.submitted_at,
                one.accepted_at,
                one.first_contact_at,
                one.resolved_at,
                one.rated_at,
                one.closed_at,
            ]
            assert all(at <= OCTOBER for at in moments if at is not None), one.code
        river = await problem(session, "WT-20260930-0001")
        assert (river.state, river.level, river.resolved_at, river.rating) == ("IN_PROGRESS", "street", None, None)
        noise = await problem(session, "WT-20261005-0001")
        assert (noise.state, noise.reopen_count, noise.rating) == ("IN_PROGRESS", 1, "poor")
        assert noise.resolved_at == datetime.fromisoformat("2026-10-13T16:00:00+08:00")
        fees = await problem(session, "WT-20261010-0001")
        assert (fees.state, fees.reopen_count, fees.resolved_at, fees.rating) == ("IN_PROGRESS", 0, None, None)
        assert all(log.at <= OCTOBER for log in await every(session, StateLog))
        assert await next_code(session, "WT", OCTOBER) == "WT-20261015-0002"
        assert await every(session, Task) == []


async def test_what_has_just_come_in_is_not_yet_accepted(database):
    async with loaded(database, datetime.fromisoformat("2026-10-09T12:31:00+08:00")) as session:
        one = await problem(session, "WT-20261009-0001")
        assert (one.state, one.level, one.accepted_at, one.lead_handler_id) == ("SUBMITTED", "grid", None, None)


@pytest.mark.parametrize("now", [OCTOBER, CLOCK])
async def test_every_deadline_is_what_the_rules_say(database, now):
    calendar = Calendar()
    async with loaded(database, now) as session:
        problems = await every(session, Problem)
        assert problems
        for one in problems:
            contact_due, resolve_due = deadlines(one.sla, one.submitted_at, calendar)
            assert (one.contact_due, one.resolve_due) == (contact_due, resolve_due), one.code
            assert one.original_resolve_due == resolve_due


async def test_promises_are_what_their_dates_imply(database):
    for now, states in (
        ("2026-02-24T09:30", set()),
        ("2026-02-28T12:00", {"SUBMITTED"}),
        ("2026-11-23T08:00", {"PUBLISHED", "IN_PROGRESS"}),
    ):
        async with loaded(database, datetime.fromisoformat(f"{now}:00+08:00")) as session:
            found = await every(session, Commitment)
            assert {one.state for one in found} == states, now
            if now.startswith("2026-11"):
                assert Tally(one.owner_kind for one in found) == {"member": 37, "unit": 12, "org": 6}
                assert all(missing(item) == () for one in found for item in one.items)
                assert await next_code(session, "CN", datetime.fromisoformat("2026-02-28T18:00:00+08:00")) == "CN-20260228-0056"


@pytest.mark.parametrize("now", [OCTOBER, CLOCK])
async def test_the_history_leads_to_the_stored_state(database, now):
    async with loaded(database, now) as session:
        logs = await every(session, StateLog, StateLog.id)
        assert [log.at for log in logs] == sorted(log.at for log in logs)
        things = [row for model in (Problem, Task, Claim, PostClaim, Meeting, Commitment) for row in await every(session, model)]
        for thing in things:
            kind, state, steps = moves.KINDS[type(thing)], NEW, logs_of(logs, thing)
            for log in steps:
                row = LIVES[kind].find(log.event, state)
                assert row is not None, (kind, log.event, state)
                assert (log.object_kind, log.source, log.target) == (kind, state, row.ends_in(state))
                assert RELATIONS[log.actor_role] & set(row.by), (kind, log.event, log.actor_role)
                state = log.target
            assert state == thing.state
            assert thing.version == len(steps)
        assert len(logs) == sum(len(logs_of(logs, thing)) for thing in things)


async def test_numbers_can_be_told_from_the_history_alone(database):
    async with loaded(database, CLOCK) as session:
        logs = await every(session, StateLog, StateLog.id)
        for one in await every(session, Problem):
            at = {log.event: log.at for log in logs_of(logs, one)}
            assert at["submit"] == one.submitted_at
            assert at.get("accept") == one.accepted_at
            assert at.get("contact") == one.first_contact_at
            assert at.get("resolve") == one.resolved_at
            assert sum(log.event == "reopen" for log in logs_of(logs, one)) == one.reopen_count
            assert sum(log.event == "escalate" for log in logs_of(logs, one)) == (
                0 if one.state == "MERGED" else ("grid", "community", "street").index(one.level)
            )
        grades = Tally(row.grade for row in await every(session, Evaluation))
        assert grades == {"good": 30, "fair": 10, "poor": 3}  # three asked for more: twice one, once another
        latest = {row.target_id: row for row in await every(session, Evaluation, Evaluation.revision)}
        for one in await every(session, Problem):
            row = latest.get(one.id)
            assert (row.grade, row.solved, row.at) == (one.rating, one.solved, one.rated_at) if row else one.rating is None


async def test_escalations_happen_by_rule(database):
    async with loaded(database, CLOCK) as session:
        logs = [log for log in await every(session, StateLog, StateLog.id) if log.event == "escalate"]

        async def of(code):
            return [(log.at.isoformat(), log.actor_role) for log in logs_of(logs, await problem(session, code))]

        assert await of("WT-20261112-0002") == [("2026-11-20T09:35:00+00:00", "scheduler")]
        assert await of("WT-20261117-0001") == [("2026-11-20T09:35:00+00:00", "grid_leader")]
        assert await of("WT-20261118-0001") == [
            ("2026-11-19T01:35:00+00:00", "grid_leader"),
            ("2026-11-20T01:30:00+00:00", "coordinator"),
        ]


async def test_the_anonymous_are_nobody(database):
    async with loaded(database, CLOCK) as session:
        sealed = [one for one in await every(session, Problem) if one.anonymous]
        assert {one.code for one in sealed} == {"WT-20261009-0002", "WT-20261027-0001"}
        logs = await every(session, StateLog)
        for one in sealed:
            assert (one.reporter_id, one.token_id) == (None, None)
            own = [log for log in logs_of(logs, one) if log.event in ("submit", "answer", "close")]
            assert [(log.actor_id, log.actor_role) for log in own] == [(None, "anonymous")] * 3
            ratings = await session.scalars(sa.select(Evaluation.rater_id).where(Evaluation.target_id == one.id))
            assert list(ratings) == [None]


async def test_who_reported_has_agreed_to_the_notice(database):
    async with loaded(database, OCTOBER) as session:
        people = {person.code: person for person in await every(session, Person)}
        first = datetime.fromisoformat("2026-09-28T09:12:00+08:00")
        assert (people["R101"].consent_version, people["R101"].consent_at) == (1, first)
        assert (people["R107"].consent_version, people["R107"].consent_at) == (0, None)  # reports in November
        given = {row.person_id: row.given_at for row in await every(session, ConsentRecord)}
        assert given[people["R101"].id] == first
        assert len(given) == sum(person.consent_at is not None for person in people.values())


async def test_the_bot_knows_them_again(database):
    async with loaded(database, CLOCK) as session:
        before = len(await every(session, Person)), len(await every(session, Chat))
        place = await ground(session)
        for chat in (ChatRef("private:M03", "private", ""), ChatRef("party", "group", "")):
            known = await identity.recognise(session, place, "local", "main", Sender("M03", ""), chat, CLOCK)
            assert (known.actor.person.code, known.actor.member_state) == ("M03", "ACTIVE")
            assert known.actor.has("party_member")
            assert (known.chat.address, known.chat.kind) == (chat.id, chat.kind)
        assert known.chat.purpose == "party"
        leader = await identity.recognise(
            session, place, "local", "main", Sender("ST06", ""), ChatRef("private:ST06", "private", ""), CLOCK
        )
        assert leader.actor.has("grid_leader", grid="G3")
        assert not leader.actor.has("grid_leader", grid="G1")
        assert (len(await every(session, Person)), len(await every(session, Chat))) == before
        purposes = {chat.address: chat.purpose for chat in await every(session, Chat) if chat.kind == "group"}
        assert purposes == {"party": "party", "coordinators": "coordinators", "public": "public"} | {
            f"grid-G{n}": f"grid:G{n}" for n in range(1, 7)
        }


async def test_each_open_task_has_one_delivered_card(database):
    async with loaded(database, CLOCK) as session:
        published = {one.short_no: one for one in await every(session, Task)}
        messages = {f"m{one.id}": one for one in await every(session, LocalMessage) if one.chat == "party"}
        assert set(published) == {31, 32, 33}
        assert len(messages) == 3 + 2, "a card for each task and each post"
        assert (published[31].service, published[31].place_private, published[31].planned_hours) == (
            "care",
            "1单元",
            1.0,
        )
        context = await context_of(session, CLOCK)
        for number, task in published.items():
            query = sa.select(OutboxMessage).where(OutboxMessage.card == f"task:{task.id}")
            row = (await session.scalars(query)).one()
            message = messages[row.message_id]
            assert (row.state, row.kind, row.body, row.sent_at) == ("sent", "send", None, task.created_at)
            assert (message.chat, message.sender, message.at) == ("party", None, task.created_at)
            assert f"#{number} " in message.body["text"]
            claim, check_in = message.body["buttons"][0]
            assert claim["action"] == f"claim:{task.id}"
            assert check_in["url"] == f"/?start=task-{number}"
            assert await post.edit_card(context, tasks.card_of(task), Screen("task.card")) == 1
        assert "已接1人" in next(one.body["text"] for one in messages.values() if "#33" in one.body["text"])
        claim = (await every(session, Claim))[0]
        assert (claim.state, claim.task_id) == ("ACTIVE", published[33].id)


async def test_only_what_is_still_to_come_has_an_alarm(database):
    async with loaded(database, CLOCK) as session:
        rows = await every(session, Occurrence)
        assert all(row.due > CLOCK and row.state == "due" for row in rows)
        suspended = await problem(session, "WT-20261022-0001")
        reviews = [(row.subject, row.due) for row in rows if row.job == "resume_problem"]
        assert reviews == [(suspended.id, suspended.suspended_until)]
        waiting = {one.id for one in await every(session, Problem) if one.state == "RESOLVED"}
        assert {row.subject for row in rows if row.job == "rating_expiry"} == waiting
        for task in await every(session, Task):
            assert max(row.due for row in rows if row.subject == task.id) >= task.end_at
    async with loaded(database, datetime.fromisoformat("2027-01-04T09:00:00+08:00")) as session:
        rows = await every(session, Occurrence)
        assert {row.job for row in rows if not row.job.startswith("commitment_")} == {"end_post_term", "escalate_overdue"}, (
            "the terms of the posts go on until autumn"
        )
        late = [one for one in await every(session, Problem) if one.state in IN_WORK and one.level != "street" and one.sla != "P5"]
        assert {row.subject for row in rows if row.job == "escalate_overdue"} == {one.id for one in late}


async def test_the_personas_and_their_chats(database):
    async with loaded(database, CLOCK) as session:
        cast = {one.id: one for one in await personas(session)}
        data = read("community")
        assert set(cast) == {entry["id"] for kind in ("staff", "members", "residents") for entry in data[kind]}
        for entry in data["staff"]:
            assert cast[entry["id"]].roles == entry["roles"]
        assert (cast["M37"].roles, cast["M01"].roles, cast["R101"].roles) == (
            ["party_member", "rider_reporter"], ["party_member"], ["resident"],
        )  # fmt: skip
        assert cast["R101"].name == next(one["name"] for one in data["residents"] if one["id"] == "R101")
        assert cast["R101"].chats == ["private", "grid-G1", "public"]
        assert cast["R158"].chats == ["private", "public"]
        assert cast["M03"].chats == ["private", "party", "grid-G2", "public"]
        assert cast["M24"].chats == ["private", "public"]  # applied, not yet a member here
        assert cast["ST05"].chats == ["private", "party", "grid-G2", "public"]
        assert cast["ST02"].chats == ["private", "party", "coordinators", "public"]
        assert cast["ST10"].chats == cast["L02"].chats == ["private", "public"]
        assert sum("party" in one.chats for one in cast.values()) == 39 + 9
        assert sum("coordinators" in one.chats for one in cast.values()) == 3


async def test_a_role_that_ended_and_a_person_who_left_are_not_played(database):
    async with loaded(database, CLOCK) as session:
        people = {person.code: person for person in await every(session, Person)}
        people["R102"].deleted_at = CLOCK
        role = (await session.scalars(sa.select(RoleAssignment).where(RoleAssignment.person_id == people["ST02"].id))).one()
        role.valid_to = CLOCK
        await session.flush()
        cast = {one.id: one for one in await personas(session)}
        assert "R102" not in cast
        assert (cast["ST02"].roles, cast["ST02"].chats) == ([], ["private", "public"])


async def test_loading_again_after_clearing_gives_the_same(database):
    async def picture():
        async with loaded(database, CLOCK) as session:
            found = {}
            for model in (
                Problem,
                Person,
                Place,
                Task,
                Claim,
                StateLog,
                Evaluation,
                PartyMember,
                Enrollment,
                Community,
                OutboxMessage,
                Occurrence,
            ):
                hidden = {
                    name for name in model.model_fields if name == "id" or name.endswith("_id") or name in ("subject", "card", "dedupe_key")
                }
                rows = [repr(sorted(one.model_dump(exclude=hidden).items())) for one in await every(session, model)]
                found[model.__name__] = sorted(rows)
            return found

    assert await picture() == await picture()


async def test_clearing_leaves_nothing_but_the_migrations(database):
    async with loaded(database, CLOCK):
        pass
    async with database.connection() as connection:
        await loader.clear(connection)
    async with database.connection() as connection:
        names = await connection.run_sync(lambda inner: sa.inspect(inner).get_table_names())
        filled = [name for name in names if (await connection.execute(sa.text(f'SELECT count(*) FROM "{name}"'))).scalar()]
    assert filled == ["alembic_version"]


async def test_no_name_can_be_read_in_the_file(database, database_url):
    if not database.sqlite:
        pytest.skip("only SQLite has one file to look into")
    async with loaded(database, CLOCK):
        pass
    await database.close()
    file = Path(make_url(database_url).database)
    raw = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    assert "青禾苑9幢".encode() in raw  # what is not personal can be found this way
    data = read("community")
    people = [entry["name"] for kind in ("staff", "members", "residents") for entry in data[kind]]
    private = [*people, *(entry["text"] for entry in read("problems") if entry["text"] != "test")]
    assert [name for name in people if name.encode() in raw] == []
    assert len(private) > 170
    assert b"private:" not in raw


async def test_loading_is_quick(database):
    async with loaded(database, CLOCK):
        pass
    async with database.connection() as connection:
        await loader.clear(connection)
    begun = time.process_time()
    async with database.transaction() as session:
        await loader.load(session, CLOCK)
    assert time.process_time() - begun < 1.5


async def test_a_record_that_no_life_allows_is_refused(database, monkeypatch):
    entry = read("problems")[0] | {"resolved": "2026-09-28T09:30:00+08:00"}  # before it was accepted
    real = loader.read
    monkeypatch.setattr(loader, "read", lambda name: [entry] if name == "problems" else real(name))
    async with database.transaction() as session:
        with pytest.raises(LookupError, match="no 'accept' from RESOLVED"):
            await loader.load(session, CLOCK)


async def test_a_time_without_a_zone_is_refused(database):
    async with database.transaction() as session:
        with pytest.raises(ValueError, match="time zone"):
            await loader.load(session, CLOCK.replace(tzinfo=None))
