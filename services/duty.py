"""The duty roster: who is on duty when, who is today, and how the community is reached (domain.md §3 DutyRoster, §7, §10)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Community, Draft, DutyShift, Person
from services import audit, drafts, people, post, problems, tickets
from services.context import Context, Refusal
from services.identity import persons_with, roles_of
from services.on_call import on_duty
from services.workdays import local
from texts import administration_screens as screens
from texts.administration import tables
from texts.screen import Key, Screen, Value, screen

DRAFT, SWAP = "roster", "swap"
ROSTER_MAKERS = ("coordinator", "community_clerk", "community_secretary")
FAULTS = 8


def _words() -> dict[str, Any]:
    found: dict[str, Any] = tables()["roster"]
    return found


def today(context: Context) -> date:
    """The community's date."""
    return local(context.now).date()


def require(context: Context) -> None:
    """Raises Refusal unless the actor may write the roster."""
    if not context.actor.has(*ROSTER_MAKERS):
        raise Refusal("refused.only.coordinator")


# -- looking --------------------------------------------------------------------------------------------------------
async def show_today(context: Context) -> Screen:
    """Who is on duty today, the hotline and the hours, for anybody and in groups; without a roster, who can be reached."""
    on = await on_duty(context, today(context))
    values = await _reach(context) | {"day": today(context), "names": [person.display_name for person in on]}
    if on:
        return Screen("duty.today", values)
    others = await tickets.coordinators(context)
    return Screen("duty.nobody", values | {"names": [person.display_name for person in others]})


async def show_table(context: Context) -> Screen:
    """The roster of the coming days, for anybody."""
    first = today(context)
    last = first + timedelta(days=_words()["shown_days"])
    found = await _shifts(context, first, last)
    if not found:
        return await show_today(context)
    lines: list[dict[str, Value]] = [
        {"day": day, "weekday": Key(f"weekday.{day.weekday()}"), "names": list(names)} for day, names in found.items()
    ]
    return Screen("duty.table", await _reach(context) | {"lines": screens.listed(lines, "duty.line")})


async def _shifts(context: Context, first: date, last: date) -> dict[date, list[str]]:
    rows = await context.session.execute(
        sa.select(col(DutyShift.day), Person)
        .join(Person, col(Person.id) == col(DutyShift.person_id))
        .where(col(DutyShift.day) >= first, col(DutyShift.day) < last, col(Person.deleted_at).is_(None))
        .order_by(col(DutyShift.day), col(DutyShift.position), col(DutyShift.id))
    )
    found: dict[date, list[str]] = {}
    for day, person in rows:
        found.setdefault(day, []).append(person.display_name)
    return found


async def show_hotline(context: Context) -> Screen:
    """How the community is reached."""
    on = await on_duty(context, today(context)) or await tickets.coordinators(context)
    return Screen("duty.hotline", await _reach(context) | {"names": [person.display_name for person in on]})


async def _reach(context: Context) -> dict[str, Value]:
    community = await context.session.get(Community, context.ground.community_id)
    config = community.config if community else {}
    return {
        "community": context.ground.name, "hotline": config.get("hotline") or Key("duty.no_hotline"),
        "hours": config.get("duty_hours") or Key("duty.hours"),
    }  # fmt: skip


async def set_reach(context: Context, name: str, said: str) -> Screen:
    """Keep the community's `hotline` or `duty_hours` as said. Raises Refusal: not a coordinator, or no telephone number in it."""
    require(context)
    said = said.strip()[:60]
    if name == "hotline" and len(re.sub(r"\D", "", said)) < 5:
        raise Refusal("duty.no_number")
    community = await context.session.get(Community, context.ground.community_id, with_for_update=True)
    if community is None:
        raise LookupError("the community of the ground is not in the database")
    community.config = community.config | {name: said}
    audit.changed(context, "setting.changed", None, f"setting:{name}")
    return Screen("duty.reach_set", await _reach(context))


# -- writing the roster ---------------------------------------------------------------------------------------------
@dataclass
class Read:
    """The roster as it was understood: person ids by day, and what is wrong with it."""

    days: dict[date, list[str]]
    faults: list[Value]


async def read(context: Context, said: str) -> Read:
    """Days and ranges of days, each with the names that follow it, from one line or several pasted ones. Every fault is named."""
    words, found = _words(), Read({}, [])
    token = re.compile(f"(?P<first>{words['day']})(?:\\s*{words['to']}\\s*(?P<last>{words['day']}|{words['last']}))?")
    marks = list(token.finditer(said))
    if not marks or said[: marks[0].start()].strip(" ,:;\n"):
        found.faults.append(Key("duty.fault.no_day", {"said": said[:30]}))
    names = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        days = _days(context, mark["first"], mark["last"])
        if not days:
            found.faults.append(Key("duty.fault.day", {"said": mark[0]}))
            continue
        spoken = [one for one in re.split(words["between"], said[mark.end() : following.start() if following else len(said)]) if one]
        if not spoken:
            found.faults.append(Key("duty.fault.no_name", {"said": mark[0]}))
        for one in spoken:
            if one not in names:
                names[one] = await _worker(context, one, found)
            for day in days:
                if names[one] is not None and names[one] not in found.days.setdefault(day, []):
                    found.days[day].append(str(names[one]))
    return found


def _days(context: Context, first: str, last: str | None) -> list[date]:
    """Every day from first to last; none where they are no dates, over, too far away or too many."""
    words, begin = _words(), _day(context, first)
    end = begin
    if begin is not None and last is not None:  # 12月1日-7日: the month is said once
        whole = last if re.search(r"\d\D+\d", last) else f"{begin.year}-{begin.month}-{re.sub(r'[^0-9]', '', last)}"
        end = _day(context, whole)
    if begin is None or end is None or begin < today(context) or (begin - today(context)).days > words["most_ahead"]:
        return []
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)] if (end - begin).days < words["most_days"] else []


def _day(context: Context, said: str) -> date | None:
    relative: dict[str, int] = _words()["relative"]
    return today(context) + timedelta(days=relative[said]) if said in relative else problems.parse_day(said, today(context))


async def _worker(context: Context, name: str, found: Read) -> str | None:
    """The id of the person of this name; of several the one who works for the community."""
    known = await people.named(context, name)
    if len(known) > 1:
        offices = set(tables()["offices"]["roles"])
        working = [one for one in known if offices & {grant.role for grant in await roles_of(context.session, one.id, context.now)}]
        known = working if len(working) == 1 else known
    if len(known) == 1:
        return known[0].id
    options: list[Value] = [await people.describe(context, one, code=True) for one in known]
    found.faults.append(
        Key("duty.fault.several", {"name": name, "options": options}) if known else Key("duty.fault.nobody", {"name": name})
    )
    return None


async def ask(context: Context, said: str) -> Screen:
    """The roster as understood, to confirm. Raises Refusal: not a coordinator, or faults, each named; nothing is kept then."""
    require(context)
    found = await read(context, said)
    if found.faults:
        raise Refusal("duty.faults", faults=screens.listed([{"fault": fault} for fault in found.faults[:FAULTS]], "duty.fault"))
    before = await _shifts(context, min(found.days), max(found.days) + timedelta(days=1))
    draft = await drafts.beside(context, DRAFT, days={day.isoformat(): ids for day, ids in sorted(found.days.items())})
    names = await _names(context, {one for ids in found.days.values() for one in ids})
    lines: list[dict[str, Value]] = [
        {"day": day, "weekday": Key(f"weekday.{day.weekday()}"), "names": [names[one] for one in ids]}
        for day, ids in sorted(found.days.items())
    ]
    replaced: list[Value] = [day for day in sorted(found.days) if day in before]
    return screens.roster_card(draft.id, lines, {"replaced": replaced})


async def _names(context: Context, ids: set[str]) -> dict[str, str]:
    rows = await context.session.scalars(sa.select(Person).where(col(Person.id).in_(ids)))
    return {person.id: person.display_name for person in rows}


async def confirm(context: Context, draft_id: str) -> Screen:
    """Write the roster of the card's days in place of what was there; everybody on it is told their days once. Raises Refusal."""
    require(context)
    draft = await drafts.opened(context, DRAFT, draft_id)
    days = {date.fromisoformat(day): ids for day, ids in draft.data["days"].items()}
    await context.session.delete(draft)
    await context.session.execute(
        sa.delete(DutyShift).where(col(DutyShift.community_id) == context.ground.community_id, col(DutyShift.day).in_(days))
    )
    theirs: dict[str, list[Value]] = {}
    for day, ids in sorted(days.items()):
        for position, person_id in enumerate(ids):
            context.session.add(DutyShift(community_id=context.ground.community_id, day=day, person_id=person_id, position=position))
            theirs.setdefault(person_id, []).append(day)
    audit.changed(context, "roster.changed", None, "roster:")
    await context.session.flush()
    for person_id, mine in sorted(theirs.items()):
        if person_id != context.actor.id:
            await post.to_person(context, person_id, Screen("duty.told", {"days": mine}))
    return Screen("duty.written", {"count": len(days)})


# -- swapping -------------------------------------------------------------------------------------------------------
async def swap(context: Context, day: str, name: str, other_day: str = "", other: str = "") -> Screen:
    """Give a shift to `name` (换班 日期 姓名), or swap two shifts (换班 日期 姓名 日期 姓名).

    A coordinator's word is enough; somebody on duty asks the other, who answers by button. Raises Refusal.
    """
    first = _day(context, day)
    second = _day(context, other_day) if other_day else None
    if first is None or (other_day and second is None):
        raise Refusal("refused.date")
    taker = await people.one_named(context, other or name)
    giver = await people.one_named(context, name) if other else await _giver(context, first, taker)
    if giver.id == taker.id:
        raise Refusal("duty.swap_same")
    plan = {"giver": giver.id, "taker": taker.id, "day": first.isoformat(), "other": second.isoformat() if second else ""}
    await _both_shifts(context, plan)
    values = _plan_values(giver, taker, first, second)
    if context.actor.has(*ROSTER_MAKERS):
        await _exchange(context, plan)
        for one in (giver, taker):
            if one.id != context.actor.id:
                await post.to_person(context, one.id, Screen("duty.swapped", values))
        return Screen("duty.swapped", values)
    if context.actor.id != giver.id:
        raise Refusal("duty.swap_not_yours")
    draft = await drafts.beside(context, SWAP, **plan)
    if await post.to_person(context, taker.id, screens.swap_request(draft.id, values)) is None:
        raise Refusal("duty.swap_unreached", name=taker.display_name)
    return Screen("duty.swap_waits", values)


async def _giver(context: Context, day: date, taker: Person) -> Person:
    """Whose shift of that day it is: the actor's own, else the only one of the day."""
    on = [one for one in await on_duty(context, day) if one.id != taker.id]
    own = [one for one in on if one.id == context.actor.id] or on
    if len(own) != 1:
        raise Refusal("duty.swap_which" if own else "duty.swap_nobody", day=day, names=[one.display_name for one in own])
    return own[0]


def _plan_values(giver: Person, taker: Person, day: date, other: date | None) -> dict[str, Value]:
    return {"giver": giver.display_name, "taker": taker.display_name, "day": day, "other": other}


async def _both_shifts(context: Context, plan: dict[str, Any]) -> list[tuple[DutyShift, str]]:
    """The shifts of the plan with whom each goes to. Raises Refusal: over, gone by now, or the other is on duty then already."""
    found = []
    for day, holder, to in ((plan["day"], plan["giver"], plan["taker"]), (plan["other"], plan["taker"], plan["giver"])):
        if not day:
            continue
        there = await context.session.scalars(sa.select(DutyShift).where(col(DutyShift.day) == date.fromisoformat(day)).with_for_update())
        shifts = {one.person_id: one for one in there}
        if holder not in shifts or date.fromisoformat(day) < today(context):
            raise Refusal("duty.swap_nobody", day=date.fromisoformat(day), names=[])
        if to in shifts:
            raise Refusal("duty.swap_double", day=date.fromisoformat(day))
        found.append((shifts[holder], to))
    return found


async def _exchange(context: Context, plan: dict[str, Any]) -> None:
    for shift, to in await _both_shifts(context, plan):
        shift.person_id = to
    audit.changed(context, "roster.changed", plan["taker"], "roster:")
    await context.session.flush()


async def answer_swap(context: Context, draft_id: str, answer: str) -> Screen:
    """The other's word on a swap; the one who asked and the coordinators hear of it. Raises Refusal: not theirs to answer, or too late."""
    draft = await context.session.get(Draft, draft_id, with_for_update=True)
    if draft is None or draft.kind != SWAP or draft.data["taker"] != context.actor.id:
        raise Refusal("dialog.gone")
    plan = dict(draft.data)
    giver, taker = await context.session.get(Person, plan["giver"]), await context.session.get(Person, plan["taker"])
    if giver is None or taker is None:
        raise Refusal("dialog.gone")
    await context.session.delete(draft)
    other = date.fromisoformat(plan["other"]) if plan["other"] else None
    values = _plan_values(giver, taker, date.fromisoformat(plan["day"]), other)
    if answer != "yes":
        await post.to_person(context, giver.id, Screen("duty.swap_refused", values))
        return screen("duty.swap_declined", **values)
    await _exchange(context, plan)
    told = {giver.id, *(one.id for one in await persons_with(context, "coordinator"))} - {taker.id}
    for person_id in sorted(told):
        await post.to_person(context, person_id, Screen("duty.swapped", values))
    return Screen("duty.swapped", values)
