"""What happens to promises by the clock (domain.md §5 Commitment, §6, §7): one alarm a year and moment (services/promise_calendar.py).

The subject of each alarm is the year. Everything sent has a dedupe key of job, year, day and person; nobody hears more than two reminders
of one thing; groups hear of what is published, never of who has not done something (domain.md §0.6).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import sqlalchemy as sa
from sqlmodel import col

from models import Commitment, Enrollment, PartnerUnit, PartyMember, Person, StateLog
from services import moves, post, promises, tickets
from services.context import Context
from services.identity import persons_with
from services.promise_calendar import year_of
from services.promises import Side
from services.tasks import program
from services.workdays import local
from texts import promise_screens as screens
from texts.screen import Screen, Value


async def _send(context: Context, job: str, subject: str, person_id: str | None, shown: Screen) -> bool:
    """The message, unless the same job sent one today: after a downtime two alarms of one kind ring at once and are heard once."""
    return await post.once(context, person_id, shown, f"{job}:{subject}:{promises.today(context)}:{person_id}")


async def _sides(context: Context) -> dict[Side, list[Person]]:
    """Everybody who is asked for a promise, with those who write it: active members (exempt ones apart), branches, units, the community."""
    found: dict[Side, list[Person]] = {}
    active = (
        sa.select(Person)
        .join(Enrollment, col(Enrollment.person_id) == Person.id)
        .join(PartyMember, col(PartyMember.person_id) == Person.id)
        .where(
            col(Enrollment.community_id) == context.ground.community_id, col(Enrollment.state) == "ACTIVE",
            col(PartyMember.health_exempt).is_(False), col(Person.deleted_at).is_(None),
        )
    )  # fmt: skip
    found |= {("member", person.id): [person] for person in await context.session.scalars(active.order_by(col(Person.id)))}
    for code in context.ground.grids:
        if people := await persons_with(context, "branch_secretary", grid=code):
            found["org", code] = people
    enrolled = sa.select(col(Enrollment.unit_code)).where(col(Enrollment.state) == "ACTIVE", col(Enrollment.unit_code).is_not(None))
    units = (
        sa.select(col(PartnerUnit.code), Person)
        .join(Person, col(Person.id) == PartnerUnit.liaison_id)
        .where(col(PartnerUnit.code).in_(enrolled))
    )
    found |= {("unit", code): [person] for code, person in await context.session.execute(units)}
    found["community", ""] = await persons_with(context, "community_secretary")
    return found


async def _window(context: Context, year: int) -> dict[str, Value]:
    moments = year_of(context, year)
    return {"year": str(year), "due": moments.closes, "provisional": tickets.provisional(context, moments.closes)}


# -- January and February ---------------------------------------------------------------------------------------------
async def open_window(context: Context, subject: str) -> str:
    """The first workday of January: the party group hears of it, and in private the branches, the units and the secretary."""
    if context.now > year_of(context, int(subject)).closes:
        return "too late"
    shown = await _window(context, int(subject))
    people = {person.id for (kind, _), known in (await _sides(context)).items() if kind != "member" for person in known}
    await post.to_purpose(context, "party", screens.window_opens(shown, in_group=True), card=f"promises:window:{subject}")
    for person_id in sorted(people):
        await _send(context, "commitment_window", subject, person_id, screens.window_opens(shown))
    return f"{len(people)} told"


async def remind_writers(context: Context, subject: str) -> str:
    """Three and one workdays before the last day: in private, whoever has not handed one in. With what was returned it says so."""
    if context.now > year_of(context, int(subject)).closes:
        return "too late"
    written = await promises.every(context, int(subject), *promises.PLEDGED, "DRAFT")
    states = {(one.owner_kind, one.owner): one for one in written}
    asked: dict[str, Commitment | None] = {}
    for side, people in (await _sides(context)).items():
        standing = states.get(side)
        if standing is None or standing.state == "DRAFT":
            asked |= {person.id: standing for person in people if person.id not in asked}
    shown = await _window(context, int(subject))
    for person_id, standing in sorted(asked.items()):
        returned = standing.code if standing else None
        await _send(context, "commitment_reminder", subject, person_id, screens.window_reminder(shown | {"returned": returned}))
    return f"{len(asked)} reminded"


async def close_window(context: Context, subject: str) -> str:
    """17:30 of the last workday of February: secretary and clerk hear in private how many promised, and what waits for approval."""
    found = await promises.every(context, int(subject), *promises.PLEDGED)
    waiting = sum(one.state == "SUBMITTED" for one in found)
    counts: dict[str, Value] = {f"{kind}_count": sum(one.owner_kind == kind for one in found) for kind in promises.KINDS}
    shown = Screen("promise.window_over", {**counts, "year": subject, "total": len(found), "waiting": waiting or None})
    for person in await persons_with(context, "community_secretary", "community_clerk"):
        await _send(context, "commitment_window_end", subject, person.id, shown)
    return f"{len(found)} promises"


# -- the year ---------------------------------------------------------------------------------------------------------
async def nudge(context: Context, subject: str) -> str:
    """Once in a quarter: who has noted nothing in it and has something open is asked how it is going; nobody must answer."""
    today, told = promises.today(context), 0
    first = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    for promise in await promises.every(context, int(subject), "PUBLISHED", "IN_PROGRESS"):
        done = [item.get("done_on") for item in promise.items]
        if all(done) or await _noted_since(context, promise, first):
            continue
        shown = screens.nudge(promise.id, await promises.values(context, promise, private=True))
        for person in await promises.owners(context, promise):
            told += await _send(context, f"commitment_nudge:{promise.id}", subject, person.id, shown)
    return f"{told} asked"


async def _noted_since(context: Context, promise: Commitment, day: date) -> bool:
    query = sa.select(sa.func.max(col(StateLog.id))).where(
        col(StateLog.object_kind) == "commitment", col(StateLog.object_id) == promise.id, col(StateLog.event) == "progress"
    )
    newest = await context.session.get(StateLog, await context.session.scalar(query) or 0)
    return newest is not None and local(newest.at).date() >= day


# -- December ---------------------------------------------------------------------------------------------------------
async def open_review(context: Context, subject: str) -> str:
    """1 December: every published promise waits for its owner's word; each owner is told once."""
    found = await promises.every(context, int(subject), "PUBLISHED", "IN_PROGRESS")
    for promise in found:
        await _open_review_of(context, promise)
    return f"{len(found)} opened"


async def join_review(context: Context, promise: Commitment) -> None:
    """A promise that is published while the year-end round waits for reports joins it."""
    moments = year_of(context, promise.year)
    if moments.review <= context.now < moments.report_due:
        await _open_review_of(program(context), promise)


async def _open_review_of(context: Context, promise: Commitment) -> None:
    due = year_of(context, promise.year).report_due
    await moves.move(context, promise, "open_review")
    if context.now < due:
        await _ask_report(context, "commitment_review", promise, "promise.review_opens", due)


async def remind_report(context: Context, subject: str) -> str:
    """Three workdays before the last: who has not reported yet."""
    if context.now >= year_of(context, int(subject)).report_due:
        return "too late"
    found = await promises.every(context, int(subject), "REVIEW_OPEN")
    for promise in found:
        await _ask_report(
            context, "commitment_report_reminder", promise, "promise.report_reminder", year_of(context, int(subject)).report_due
        )
    return f"{len(found)} reminded"


async def _ask_report(context: Context, job: str, promise: Commitment, key: str, due: Value) -> None:
    shown = screens.ask_report(key, promise.id, await promises.values(context, promise, private=True) | {"due": due})
    for person in await promises.owners(context, promise):
        await _send(context, f"{job}:{promise.id}", str(promise.year), person.id, shown)


async def end_reports(context: Context, subject: str) -> str:
    """15 December 17:30: what nobody reported on is 未述诺, which those who review hear in private, nobody else."""
    missing = defaultdict[str, list[Value]](list)
    found = await promises.every(context, int(subject), "REVIEW_OPEN")
    known = await promises.names(context, found)
    for promise in found:
        await moves.move(context, promise, "no_report")
        for person in await promises.reviewers(context, promise):
            missing[person.id].append(known[promise.id])
    for person_id, owners in sorted(missing.items()):
        await _send(
            context,
            "commitment_report_end",
            subject,
            person_id,
            Screen("promise.not_reported", {"year": subject, "owners": owners, "count": len(owners)}),
        )
    return f"{len(found)} without a report"


async def open_votes(context: Context, subject: str) -> str:
    """16 December: the votes open; both groups, and in private the organisation and the liaisons, hear of it once."""
    found = await promises.every(context, int(subject), "SELF_REPORTED")
    for promise in found:
        await moves.move(context, promise, "open_votes")
    if not found or context.now >= year_of(context, int(subject)).votes_end:
        return f"{len(found)}, nobody told"
    shown = screens.votes_open(
        {"year": subject, "count": len(found), "community": context.ground.name, "last": year_of(context, int(subject)).votes_end}
    )
    for purpose in ("party", "public"):
        await post.to_purpose(context, purpose, shown, card=f"promises:votes:{subject}")
    for person in await persons_with(
        context, "community_secretary", "community_clerk", "branch_secretary", "unit_liaison", "street_organizer"
    ):
        await _send(context, "commitment_votes", subject, person.id, shown)
    return f"{len(found)} to vote on"


async def send_proposals(context: Context, subject: str) -> str:
    """The first workday after the votes: whoever confirms hears how many results wait, in one message."""
    return await _ask_to_confirm(context, "commitment_proposals", subject)


async def remind_confirming(context: Context, subject: str) -> str:
    """29 December: what is still to be confirmed."""
    return await _ask_to_confirm(context, "commitment_confirm_reminder", subject)


async def _ask_to_confirm(context: Context, job: str, subject: str) -> str:
    waiting = defaultdict[str, int](int)
    for promise in await promises.every(context, int(subject), "IN_EVALUATION"):
        for person in await promises.reviewers(context, promise):
            waiting[person.id] += 1
    due = year_of(context, int(subject)).confirm_due
    for person_id, count in sorted(waiting.items()):
        await _send(context, job, subject, person_id, screens.please_confirm({"year": subject, "count": count, "due": due}))
    return f"{sum(waiting.values())} to confirm"


async def publish_results(context: Context, subject: str) -> str:
    """31 December: the confirmed results are published, without a ranking; what is objected to or not confirmed waits."""
    found = await promises.every(context, int(subject), "EVALUATED")
    for promise in found:
        await moves.move(context, promise, "archive")
    if found:
        await promises.publish_list(context, int(subject), "results")
    return f"{len(found)} published"
