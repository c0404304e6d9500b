"""Dispatch (派单): reading the line that says how many people, when and with what skill, and publishing the task (domain.md §5, §10)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select

from models import Enrollment, Order, PartyMember, Person, Problem, Task
from services import offers, orders, post, problems, tasks, widening
from services.alarms import set_alarm
from services.checkins import LAST_CHECK_OUT
from services.claims import LAST_CALL
from services.codes import next_code, next_task_number
from services.context import Context, Refusal
from services.hours import DEFAULT_LENGTH, pattern, plain_numbers, read_when, words
from services.moves import begin, relations
from texts.render import text
from texts.screen import Key, Screen, Value
from texts.work_screens import TaskView, task_card

MAX_PEOPLE = 99
TITLE_LENGTH = 20
UNCLAIMED_AFTER = timedelta(hours=48)
ORDER_PREFIX = "DD"
# Problems about somebody's livelihood (domain.md §2, group H): whoever helps must be able to reach them.
CARE_GROUP = "H"


@dataclass(frozen=True, slots=True)
class Line:
    """What a 派单 line says so far: pieces not said yet are None. `end` None: two hours."""

    people: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    skill: str = ""

    def to_data(self) -> dict[str, Any]:
        """The line as it is kept in a draft; `from_data` gives it back."""
        start, end = (moment.isoformat() if moment else "" for moment in (self.start, self.end))
        return {"people": self.people, "start": start, "end": end, "skill": self.skill}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Line:
        """The line that `to_data` kept."""
        start, end = (datetime.fromisoformat(data[name]) if data.get(name) else None for name in ("start", "end"))
        return cls(data.get("people"), start, end, data.get("skill", ""))

    @property
    def values(self) -> dict[str, Value]:
        """What is known already, for the text that asks for the rest; {} when nothing is."""
        known: dict[str, Value] = {"people": self.people, "start": self.start, "skill": self.skill}
        return known if any(known.values()) else {}

    def missing(self, now: datetime) -> list[Key]:
        """What is still wanted, or cannot be: each as a text that says exactly what."""
        found = []
        if self.people is None:
            found.append(Key("dispatch.need.people"))
        elif not 1 <= self.people <= MAX_PEOPLE:
            found.append(Key("dispatch.need.possible_people", {"people": self.people, "most": MAX_PEOPLE}))
        if self.start is None:
            found.append(Key("dispatch.need.time"))
        elif self.start <= now:
            found.append(Key("dispatch.need.future_time", {"start": self.start}))
        elif self.end is not None and self.end <= self.start:
            found.append(Key("dispatch.need.later_end", {"end": self.end}))
        return found


def read_line(said: str, now: datetime, known: Line | None = None) -> Line:
    """What the line says, in any order ("护理 1人 11月28日09:30"), over what was known before; nothing said earlier is lost."""
    line, data = known or Line(), words()["line"]
    said = plain_numbers(said)
    if (when := read_when(said, now)) is not None:
        line = replace(line, start=when.start, end=when.end)
        said = said[: when.span[0]] + " " + said[when.span[1] :]
    if found := pattern(data["people"]).search(said):
        line = replace(line, people=int(found["people"]))
        said = said[: found.start()] + " " + said[found.end() :]
    # A skill is a word of its own: what stands beside digits, or is a time without its hour, was not understood.
    rest = next((word for word in said.split() if not any(sign.isdecimal() for sign in word) and not _speaks_of_time(word)), "")
    if found := pattern(data["skill"]).fullmatch(rest):
        line = replace(line, skill="" if found["skill"] in data["no_skill"] else found["skill"])
    return line


def _speaks_of_time(word: str) -> bool:
    return any(pattern(source).fullmatch(word) for source in words()["wanted"]["times"])


async def read(context: Context, said: str, known: Line) -> tuple[Line, list[Key]]:
    """`read_line`, and what is still missing. A skill that no member has registered is not taken over, and said so."""
    line = read_line(said, context.now, known)
    missing = line.missing(context.now)
    if not await _registered(context, line.skill):
        missing.append(Key("dispatch.need.known_skill", {"skill": line.skill}))
        line = replace(line, skill="")
    return line, missing


async def _registered(context: Context, skill: str) -> bool:
    if not skill:
        return True
    query = select(PartyMember.skills).join(Enrollment, col(Enrollment.person_id) == PartyMember.person_id)
    rows = await context.session.scalars(query.where(col(Enrollment.state) == "ACTIVE"))
    return any(skill in known for skills in rows for known in skills)


async def source(context: Context, code: str) -> Order | Problem:
    """The order or problem with this code, when the actor may dispatch it. Raises Refusal."""
    if code.upper().startswith(ORDER_PREFIX):
        return await _checked(context, await orders.find(context, code))
    return await _checked(context, await problems.find(context, code))


async def code_of_problem(context: Context, problem_id: str) -> str:
    """The code of the problem with this id, when the actor may dispatch it. Raises Refusal."""
    return (await _checked(context, await problems.get(context, problem_id))).code


async def _checked(context: Context, found: Order | Problem) -> Order | Problem:
    wanted = {"coordinator"} if isinstance(found, Order) else {"coordinator", "grid_leader"}
    if not wanted & await relations(context, found):
        raise Refusal("refused.permission")
    if isinstance(found, Order):
        return orders.still_open(found)
    if found.state not in ("SUBMITTED", "ACCEPTED", "IN_PROGRESS"):
        raise Refusal("dispatch.problem_closed", code=found.code, state=Key(f"state.problem.{found.state}"))
    return found


async def code_of_order(context: Context, order_id: str) -> str:
    """The code of the order with this id, when the actor may dispatch it. Raises Refusal."""
    return (await _checked(context, await orders.find(context, order_id))).code


async def dispatch(context: Context, code: str, line: Line) -> tuple[Task, TaskView]:
    """Publish a task for the order or problem: the party group gets its card, the dispatcher leads it.

    The order is DISPATCHED, the problem IN_PROGRESS (accepted first where nobody has). 2 h long when no end was said; the place is the
    problem's or the orderer's (domain.md §5, defaults). Raises Refusal: not the actor's to dispatch, not in this state, or something
    missing in the line.
    """
    found = await source(context, code)
    if missing := line.missing(context.now):
        raise Refusal("dispatch.missing", code=found.code, missing=missing)
    if line.start is None or line.people is None:  # what `missing` has just excluded
        raise ValueError(line)
    if isinstance(found, Order):
        await orders.approve(context, found)
    else:
        if found.state == "SUBMITTED":
            await problems.accept(context, found)
        await problems.assign(context, found)
    end = line.end or line.start + DEFAULT_LENGTH
    private = "" if found.place_detail == found.place_name else found.place_detail
    service = found.service if isinstance(found, Order) else ""
    task = Task(
        community_id=context.ground.community_id, code=await next_code(context, "RW"), short_no=await next_task_number(context),
        source="order" if isinstance(found, Order) else "problem", source_id=found.id, title=title(found),
        service=service, grid_code=found.grid_code, place_name=found.place_name,
        place_private=private, contact=await _contact(context, found), lat=found.lat, lon=found.lon, start_at=line.start,
        end_at=end, capacity=line.people, skill=line.skill, leader_id=context.actor.id, creator_id=context.actor.id,
        check_in_code=f"{secrets.randbelow(10_000):04d}", planned_hours=(end - line.start).total_seconds() / 3600, created_at=context.now,
    )  # fmt: skip
    await begin(context, task, "publish")
    await set_alarms(context, task)
    shown = await tasks.view(context, task)
    await offers.offer(context, task)
    await post.to_purpose(context, "party", task_card(shown), card=tasks.card_of(task))
    if isinstance(found, Order):
        values = shown.values | orders.shown(found)
        await post.to_person(context, found.resident_id, Screen("order.dispatched", values), subject=f"order:{found.id}")
    return task, shown


def title(found: Order | Problem) -> str:
    """What the task is called, in 20 characters that any group may read: the service, or category and place (domain.md §0.6)."""
    if isinstance(found, Order):
        return orders.public_title(found.service, found.text)
    category = orders.neutral(text(f"category.{found.category}", {}, "zh_CN"))
    called = words()["titles"]["form"].format(what=category, detail=found.place_name) if found.place_name else category
    return called if len(called) <= TITLE_LENGTH else called[: TITLE_LENGTH - 1] + "…"


async def _contact(context: Context, found: Order | Problem) -> str:
    """Whom the claimers may call: the orderer; a reporter only where care is asked for, and never an anonymous one (domain.md §4)."""
    if isinstance(found, Order):
        return orders.caller(await context.session.get(Person, found.resident_id))
    if found.reporter_id is None or not found.category.startswith(CARE_GROUP):
        return ""
    return orders.caller(await context.session.get(Person, found.reporter_id))


async def set_alarms(context: Context, task: Task) -> None:
    """Set every alarm of a new task: to be widened, unclaimed, begun, over, and an hour later the last check-outs."""
    await widening.expect(context, task)
    for due in (task.created_at + UNCLAIMED_AFTER, task.start_at - LAST_CALL, task.start_at):
        if context.now < due <= task.start_at:
            await set_alarm(context, "report_unfilled", task.id, due)
    await set_alarm(context, "refresh_card", task.id, task.start_at)
    await set_alarm(context, "end_of_task", task.id, task.end_at)
    await set_alarm(context, "check_out_rest", task.id, task.end_at + LAST_CHECK_OUT)
