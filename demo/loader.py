"""Loads the demo community as it stood at a moment: `load` into an empty schema, `clear` to make it empty again.

What came later is absent, later steps are undone (demo/history.py tells the steps). Members' totals of services and
hours are those of the record whatever the moment, as it has no others. A member without a date of enrolment (still
APPLIED) is always there. Wishes are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import SQLModel

from demo import commitments, meetings, posts
from demo.history import Step, history, moment
from demo.people import PARTY, Cast, read
from demo.standing import past_digests, post_application, post_card, set_coming_alarms
from demo.steps import moved
from models import (
    Claim,
    ConsentRecord,
    Counter,
    Evaluation,
    Problem,
    ProblemLink,
    ProblemSupporter,
    StateLog,
    Task,
)
from models.lifecycle import NEW, PROBLEM
from services.context import SCHEDULER, Context, ground
from services.geography import round_point
from services.hours import words
from services.intake import NOTICE_VERSION
from services.masking import mask
from services.workdays import ZONE, Calendar, local

PUBLISHED_AT = time(9)


def default_clock() -> datetime:
    """The moment at which the demo's record was taken: the clock of community.json."""
    return moment(read("community")["clock"])


async def clear(connection: AsyncConnection) -> None:
    """Empty every table of the program, the migrations' own apart; on SQLite numbers start from 1 again."""
    for table in reversed(SQLModel.metadata.sorted_tables):
        await connection.execute(table.delete())
    if connection.dialect.name == "sqlite":
        kept = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"
        if (await connection.execute(sa.text(kept))).first() is not None:
            await connection.execute(sa.text("DELETE FROM sqlite_sequence"))


async def load(session: AsyncSession, now: datetime) -> datetime:
    """Load the community as it stood at `now` into an empty schema; the community's clock: `now` in its own zone.

    Whatever was due up to `now` is taken as done: only alarms of a later moment are set. ValueError for a naive time.
    """
    loading = _Loading(Cast(local(now)))
    for entry in read("problems"):
        loading.problem(entry)
    for entry in read("tasks"):
        loading.task(entry)
    loading.logs += posts.add(loading.cast)
    loading.logs += meetings.add(loading.cast)
    loading.promises()
    await loading.store(session)
    context = Context(session, loading.cast.now, SCHEDULER, await ground(session), "demo")
    session.add_all(past_digests(context))
    await posts.stand(context, loading.cast)
    await meetings.stand(context)
    for task in loading.tasks:
        await post_card(context, task, loading.cast.chats[PARTY])
    applied = [enrolment for enrolment in loading.cast.applied if loading.cast.now > enrolment.applied_at]
    private = {person.id: loading.cast.chats[f"private:{code}"] for code, person in loading.cast.people.items()}
    for enrolment in applied:
        await post_application(context, enrolment, private)
    await set_coming_alarms(context, loading.problems.values(), loading.tasks, applied)
    return loading.cast.now


@dataclass(frozen=True, slots=True)
class _Who:
    """Somebody as the history names them."""

    id: str | None
    role: str


_PROGRAM, _SEALED = _Who(None, "scheduler"), _Who(None, "anonymous")
_OFFICES = {"coordinator": "coordinator", "secretary": "community_secretary"}


@dataclass
class _Loading:
    """What the people of `cast` have done by its `now`, gathered before it is stored."""

    cast: Cast
    logs: list[StateLog] = field(default_factory=list)
    problems: dict[str, Problem] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    ratings: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    numbers: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    calendar: Calendar = field(default_factory=Calendar)

    # -- problems -----------------------------------------------------------------------------------------------
    def problem(self, entry: Mapping[str, Any]) -> None:
        """A problem with its history up to now, its ratings, links and supporters; nothing when it came later."""
        cast = self.cast
        steps = [step for step in history(entry, self.calendar, default_clock()) if step.at <= cast.now]
        if not steps:
            return
        place = cast.places[max((name for name in cast.places if entry["place"].startswith(name)), key=len)]
        reporter = None if entry["anonymous"] else cast.people[entry["reporter"]]
        problem = Problem(
            community_id=cast.community.id,
            code=entry["code"],
            grid_code=entry["grid"],
            place_id=place.id,
            place_name=place.name,
            place_detail=entry["place"].removeprefix(place.name),
            lat=place.lat,
            lon=place.lon,
            category=entry["category"],
            sla=entry["class"],
            text=entry["text"],
            text_public=mask(entry["text"]),
            channel=entry["channel"],
            anonymous=entry["anonymous"],
            reporter_id=reporter.id if reporter else None,
            submitted_at=steps[0].at,
            contact_due=moment(entry["contact_due"]),
            resolve_due=moment(entry["resolve_due"]),
            original_resolve_due=moment(entry["resolve_due"]),
            state=NEW,
            version=0,
        )
        self.problems[entry["code"]] = problem
        cast.rows.append(problem)
        for step in steps:
            self._step(problem, step)
        if problem.state not in PROBLEM.open:
            problem.lat, problem.lon = round_point(place.lat, place.lon)
        if reporter is not None and reporter.consent_at is None:
            at = problem.submitted_at
            reporter.consent_version, reporter.consent_at = NOTICE_VERSION, at
            cast.rows.append(ConsentRecord(person_id=reporter.id, notice_version=NOTICE_VERSION, given_at=at))
        cast.rows += [ProblemLink(problem_id=problem.id, other_id=self.problems[code].id) for code in entry["related"]]
        self._count(problem.code)

    def _step(self, problem: Problem, step: Step) -> None:
        """Take one step of the history: state, history row, fields, and what hangs on it."""
        who, fields = self._who(step.by, problem), dict(step.fields)
        self._move(problem, step.event, who, step.at, step.note)
        if "merged_into" in fields:
            parent = self.problems[fields.pop("merged_into")]
            fields["merged_into_id"] = parent.id
            if problem.reporter_id is not None and problem.reporter_id != parent.reporter_id:
                supporter = ProblemSupporter(problem_id=parent.id, person_id=problem.reporter_id, at=step.at)
                self.cast.rows.append(supporter)
        if step.event == "accept":
            fields["lead_handler_id"] = who.id
        for name, value in fields.items():
            setattr(problem, name, value)
        if fields.get("rating"):
            self.ratings[problem.id] += 1
            evaluation = Evaluation(
                target="problem",
                target_id=problem.id,
                rater_id=problem.reporter_id,
                rater_kind="resident",
                grade=problem.rating,
                solved=problem.solved,
                at=step.at,
                revision=self.ratings[problem.id],
            )
            self.cast.rows.append(evaluation)

    def _who(self, by: str, problem: Problem) -> _Who:
        """Who takes a step of a problem's history."""
        roles = self.cast.first_roles
        if by == "scheduler":
            return _PROGRAM
        if by == "reporter":
            return _Who(problem.reporter_id, roles[problem.reporter_id]) if problem.reporter_id else _SEALED
        if by == "leader":
            leader = self.cast.people[self.cast.leaders[problem.grid_code or ""]]
            return _Who(leader.id, "grid_leader")
        return next(_Who(person, role) for person, role in roles.items() if role == _OFFICES[by])

    def _move(self, thing: Problem | Task | Claim, event: str, who: _Who, at: datetime, note: str = "") -> None:
        self.logs.append(moved(thing, event, at, (who.id, who.role), note))

    def _count(self, code: str) -> None:
        """Let the numbers of the day go on after this code (services/codes.py)."""
        prefix, day, number = code.split("-")
        name = f"{self.cast.community.id}:{prefix}:{day}"
        self.numbers[name] = max(self.numbers[name], int(number))

    # -- tasks --------------------------------------------------------------------------------------------------
    def task(self, entry: Mapping[str, Any]) -> None:
        """A task published by its leader at 09:00 of its code's day, and its claims so far; nothing when later."""
        cast = self.cast
        published = datetime.combine(date.fromisoformat(entry["code"].split("-")[1]), PUBLISHED_AT, ZONE)
        if published > cast.now:
            cast.community.next_task_number = min(cast.community.next_task_number, entry["short_no"])
            return
        start, end, leader = moment(entry["start"]), moment(entry["end"]), cast.people[entry["leader"]]
        task = Task(
            community_id=cast.community.id,
            code=entry["code"],
            short_no=entry["short_no"],
            title=entry["title"],
            service=words()["services"]["names"][entry["service"]],
            grid_code=entry["grid"],
            place_name=entry["place"],
            place_private=entry["private_place"] or "",
            lat=entry["lat"],
            lon=entry["lon"],
            radius_m=entry["radius_m"],
            start_at=start,
            end_at=end,
            capacity=entry["capacity"],
            skill=entry["skill"] or "",
            leader_id=leader.id,
            creator_id=leader.id,
            check_in_code=entry["check_in_code"],
            planned_hours=(end - start).total_seconds() / 3600,
            created_at=published,
            state=NEW,
            version=0,
        )
        self.tasks.append(task)
        cast.rows.append(task)
        self._move(task, "publish", _Who(leader.id, cast.first_roles[leader.id]), published)
        self._count(task.code)
        for made in entry["claims"]:
            claimed = moment(made["claimed_at"])
            if claimed <= cast.now:
                person = cast.people[made["member"]].id
                claim = Claim(task_id=task.id, person_id=person, claimed_at=claimed, state=NEW, version=0)
                cast.rows.append(claim)
                self._move(claim, "claim", _Who(person, cast.first_roles[person]), claimed)

    def promises(self) -> None:
        """The promises made so far."""
        logs, codes = commitments.add(self.cast, default_clock())
        self.logs += logs
        for code in codes:
            self._count(code)

    # -- into the database --------------------------------------------------------------------------------------
    async def store(self, session: AsyncSession) -> None:
        """Store every row, table by table in the order of their dependencies, the history in the order of time."""
        counters = [Counter(name=name, value=value) for name, value in self.numbers.items()]
        order = {table: place for place, table in enumerate(SQLModel.metadata.sorted_tables)}
        by_table: dict[int, list[SQLModel]] = defaultdict(list)
        for row in (*self.cast.rows, *counters, *sorted(self.logs, key=lambda log: log.at)):
            by_table[order[sa.inspect(type(row)).local_table]].append(row)
        for place in sorted(by_table):
            session.add_all(by_table[place])
            await session.flush()
