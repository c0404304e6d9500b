"""A staff member's commands as a conversation: what is still needed, the answer, and a minute to take it back.

`perform` carries out a verb by its name and gives the answer; words that are missing (a reason, a result) are asked
for, and what was written so far is kept in the dialog's draft.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import ChatAccount, OutboxMessage, Person, Problem, ProblemSupporter, StateLog, keyring
from services import audit, dialogs, due_alarms, intake, mine, moves, problems, tickets, understanding
from services.context import Context, Refusal
from services.dialogs import Answer
from services.identity import roles_of
from services.post import held
from services.workdays import local
from texts import problem_screens
from texts.actions import Do
from texts.answers import meaning, meanings
from texts.screen import Button, Key, Screen, Value, screen
from texts.utterances import code_within, intents, normalise

LISTED = 10
DRAFT = "words"
PATIENCE = timedelta(hours=1)

Run = Callable[[Context, Problem, str, date | None], Awaitable[StateLog]]
# What else is put back when a move of such an object is undone; the service of its life enters itself.
AFTER_UNDO: dict[type, Callable[[Context, Any, StateLog], Awaitable[None]]] = {}


@dataclass(frozen=True, slots=True)
class Verb:
    """A staff command: its event in the table, what it runs, what asks for its words ("": none), a date or not."""

    event: str
    run: Run
    ask: str = ""
    dated: bool = False


def _dated(day: date | None) -> date:
    if day is None:
        raise Refusal("refused.date")
    return day


VERBS: dict[str, Verb] = {
    "accept": Verb("accept", lambda c, p, words, day: problems.accept(c, p)),
    "contacted": Verb("contact", lambda c, p, words, day: problems.contacted(c, p, words)),
    "assign": Verb("assign", lambda c, p, words, day: problems.assign(c, p)),
    "escalate": Verb("escalate", lambda c, p, words, day: problems.escalate(c, p, words), "ask.escalate"),
    "return": Verb("return", lambda c, p, words, day: problems.return_to_grid(c, p, words), "ask.return"),
    "extend": Verb("extend", lambda c, p, words, day: problems.extend(c, p, _dated(day), words), "ask.extend", True),
    "suspend": Verb("suspend", lambda c, p, words, day: problems.suspend(c, p, _dated(day), words), "ask.suspend", True),
    "resume": Verb("resume", lambda c, p, words, day: problems.resume(c, p)),
    "explain": Verb("explain", lambda c, p, words, day: problems.explain(c, p, words), "ask.explain"),
    "resolve": Verb("resolve", lambda c, p, words, day: problems.resolve(c, p, words), "ask.resolve"),
}


# -- carrying out ---------------------------------------------------------------------------------------------------
async def perform(context: Context, name: str, problem: Problem, words: str = "", day: str = "") -> Answer:
    """Carry out the verb, or ask for the words it still needs. Raises Refusal."""
    verb = VERBS[name]
    await problems.require(context, problem, verb.event)
    words, subject = words.strip(), tickets.subject(problem)
    if verb.dated and not day:
        return _ask(context, f"{verb.ask}_day", problem, name, words)
    missing = problems.missing_characters(words) if name == "resolve" else int(not words)
    if verb.ask and missing:
        return _ask(context, "resolve.short" if words else verb.ask, problem, name, words, day, missing=missing)
    today = local(context.now).date()
    log = await verb.run(context, problem, words, problems.parse_day(day, today) if verb.dated else None)
    return Answer(await done(context, problem, log, f"done.{name}"), subject=subject)


def _ask(context: Context, key: str, problem: Problem, name: str, words: str, day: str = "", **values: Value) -> Answer:
    """Wait for the words of a verb; which ticket they are for is said, and the way out."""
    dialogs.wait(context, DRAFT, problem, verb=name, words=words, day=day, asked=context.now.isoformat())
    shown = screen(key, [Button("button.cancel", Do.cancel())], code=problem.code, text=words, **values)
    return Answer(shown, waiting=True, subject=tickets.subject(problem))


async def leave_words(context: Context, said: str) -> bool:
    """Whether the words that a verb waits for are awaited no longer, since `said` (a command, a press) is about something else.

    What names the same ticket leaves the question open: who looks at it once more goes on writing.
    """
    draft = context.draft
    if draft is None or draft.kind != DRAFT:
        return False
    problem = await problems.get(context, draft.data["problem"])
    if problem.code in said.upper() or problem.id in said:
        return False
    await context.session.delete(draft)
    context.draft = None
    return True


async def more_words(context: Context, said: str) -> Answer:
    """Go on with the verb that waits for words: what was written before stays in front. Raises Refusal: none waits.

    After an hour it is asked whether they are meant for that ticket: what is written then may be about anything.
    """
    problem, data = await dialogs.waited(context, DRAFT)
    name, day, said = data["verb"], data["day"], said.strip()
    if "asked" in data and context.now - datetime.fromisoformat(data["asked"]) > PATIENCE:
        return _ask(context, "ask.still", problem, name, data["words"], day, said=said)
    if VERBS[name].dated and not day:
        day, said = _day_first(name, problem, said)
    words = " ".join(filter(None, (data["words"], said)))
    return await perform(context, name, problem, words, day)


def _day_first(name: str, problem: Problem, said: str) -> tuple[str, str]:
    """The date that an answer begins with and the reason behind it, read as the whole command is; no date: ("", all of it)."""
    command = intents()[name]
    slots = command.match(normalise(f"{command.spoken} {problem.code} {said}")) or {}
    return (slots["day"], slots["reason"]) if slots.get("day") else ("", said)


async def reject(context: Context, problem: Problem, said: str) -> Screen:
    """Refuse for the listed reason that `said` begins with (words, or its name); for any other the list is offered."""
    await problems.require_rejecting(context, problem)
    reason = said if said in meanings("reject") else meaning("reject", said)
    if reason is None:
        return problem_screens.reject_reasons(problem.id, problem.code, meanings("reject"))
    log = await problems.reject(context, problem, reason, said)
    return await done(context, problem, log, "done.reject")


async def merge(context: Context, problem: Problem, parent: Problem) -> Screen:
    """Make the problem part of the parent."""
    log = await problems.merge(context, problem, parent)
    return await done(context, problem, log, "done.merge", parent=parent.code)


async def done(context: Context, problem: Problem, log: StateLog, key: str, **values: Value) -> Screen:
    """The answer to the one who acted, with [撤销] as long as nobody outside was told."""
    phoned = problem.reporter_id if problem.channel == "phone" else None
    unreached = phoned is not None and not await _has_chat(context, phoned)
    waits = problem.first_contact_at is None and tickets.reachable(problem)
    values |= {
        "code": problem.code, "contact_due": problem.contact_due if waits and problem.contact_due > context.now else None,
        "contact_late": problem.contact_due if waits and problem.contact_due <= context.now else None,
        "due": problem.resolve_due, "provisional": tickets.provisional(context, problem.resolve_due),
        "until": problem.suspended_until, "level": Key(f"level.{problem.level}"), "state": tickets.state_word(problem),
        "phone": Key("done.phone") if unreached else None,
    }  # fmt: skip
    return screen(key, await offer_undo(context, log), **values)


async def _has_chat(context: Context, person_id: str) -> bool:
    query = sa.select(col(ChatAccount.id)).where(col(ChatAccount.person_id) == person_id)
    return await context.session.scalar(query.where(col(ChatAccount.blocked).is_(False)).limit(1)) is not None


# -- taking it back -------------------------------------------------------------------------------------------------
async def offer_undo(context: Context, log: StateLog) -> list[Button]:
    """The button that takes this move back, unless somebody outside has already been told; the move remembers its turn.

    For any life: claims and orders may use it too.
    """
    await context.session.flush()
    if log.before is None or await _told_outside(context):
        return []
    log.before = log.before | {"cause": context.cause}
    return [Button("button.undo", Do.undo(log.id or 0))]


async def _told_outside(context: Context) -> bool:
    for row in context.posted:
        if row.kind != "send" or held(row, context.now):
            continue
        if row.token_id is not None or not await _is_staff_chat(context, row.chat_id):
            return True
    return False


async def _is_staff_chat(context: Context, chat_id: str | None) -> bool:
    query = sa.select(col(ChatAccount.person_id)).where(col(ChatAccount.private_chat_id) == chat_id)
    persons = (await context.session.scalars(query)).all()
    for person_id in persons:
        roles = {grant.role for grant in await roles_of(context.session, person_id, context.now)}
        if not roles & {*tickets.STAFF_ROLES, "street_organizer", "duty", "admin"}:
            return False
    return bool(persons)


async def undo(context: Context, log_id: str = "") -> Answer:
    """Take back the actor's own move (the last without `log_id`) and what its turn has not sent yet. Raises Refusal."""
    log_id = log_id or await _last_move(context)
    log = await moves.logged(context, log_id)
    before = (log.before or {}) if log is not None and log.actor_id == context.actor.id else {}
    if log is not None and log.actor_id == context.actor.id and not log.undone and "cause" not in before:
        raise Refusal("undo.told")
    thing, log = await moves.undo(context, log_id)
    await context.session.execute(
        sa.update(OutboxMessage)
        .where(
            col(OutboxMessage.cause) == before["cause"],
            col(OutboxMessage.state) == "pending",
            col(OutboxMessage.send_after) > context.now,
        )
        .values(state="cancelled")
        .execution_options(synchronize_session=False)
    )
    if (follow := AFTER_UNDO.get(type(thing))) is not None:
        await follow(context, thing, log)
    if isinstance(thing, Problem):
        await _unmerge(context, thing, before)
        await tickets.keep_addresses(context, thing)
        await tickets.refresh(context, thing)
    shown = screen("undo.done", code=getattr(thing, "code", ""), state=Key(f"state.{log.object_kind}.{thing.state}"))
    return Answer(shown, subject=tickets.subject(thing) if isinstance(thing, Problem) else "")


async def _last_move(context: Context) -> str:
    last = await context.session.scalar(
        sa.select(sa.func.max(col(StateLog.id))).where(
            col(StateLog.actor_id) == context.actor.id, col(StateLog.undone).is_(False), col(StateLog.event) != "undo"
        )
    )
    return str(last or "")


async def _unmerge(context: Context, problem: Problem, before: dict[str, Any]) -> None:
    """Give the parent its deadlines back, and let go who followed it by the merge alone."""
    parent = await context.session.get(Problem, before["parent"]) if "parent" in before else None
    if parent is None:
        return
    for name, value in before["parent_fields"].items():
        setattr(parent, name, datetime.fromisoformat(value["at"]))
    await due_alarms.keep(context, parent)
    await context.session.execute(
        sa.delete(ProblemSupporter).where(
            col(ProblemSupporter.problem_id) == parent.id, col(ProblemSupporter.person_id).in_(before["followers"])
        )
    )  # fmt: skip
    await tickets.refresh(context, parent)


# -- the day's list -------------------------------------------------------------------------------------------------
def handles(context: Context) -> bool:
    """Whether the actor handles tickets."""
    return context.actor.has("grid_leader", "coordinator", "community_clerk", "community_secretary")


async def todo(context: Context) -> Answer:
    """What waits for the actor: first what nobody has taken up, then by deadline; at most ten, a button for each."""
    if not handles(context):
        raise Refusal("refused.only.grid_leader")
    states = ("SUBMITTED", "ACCEPTED", "IN_PROGRESS")
    waiting = sa.select(Problem).where(col(Problem.state).in_(states), problems.in_charge(context))
    total = await context.session.scalar(sa.select(sa.func.count()).select_from(waiting.subquery()))
    if not total:
        return Answer(screen("todo.none"))
    first = sa.case((col(Problem.state) == "SUBMITTED", 0), else_=1)
    in_order = waiting.order_by(first, col(Problem.resolve_due), col(Problem.code)).limit(LISTED)
    found = list(await context.session.scalars(in_order))
    lines = [tickets.line(context, one) for one in found]
    options = [(one.code, Do.show(one.id)) for one in found]
    shown = problem_screens.listing("todo.list", lines, options, LISTED, total=total, more=total - len(found) or None)
    return Answer(shown, subject=tickets.subject(found[0]) if len(found) == 1 else "")


def is_about_ticket(said: str) -> bool:
    """Whether a sentence that is no command names a ticket; a danger is reported whatever else it says."""
    return bool(code_within(said)) and not understanding.understand(said).urgent


async def named(context: Context, code: str, said: str) -> Answer:
    """The ticket that a sentence names, as the actor may see it, with what was said. Raises Refusal: no such code."""
    shown = await mine.look(context, await problems.find(context, code))
    return Answer(problem_screens.named(shown.screen, said.strip()), subject=shown.subject)


# -- for those who phone --------------------------------------------------------------------------------------------
async def on_behalf(context: Context, name: str, phone: str, text: str) -> Answer:
    """Take down a problem for somebody who phones (代录), found again by the phone's hash, or known from now on."""
    if not handles(context):
        raise Refusal("refused.only.grid_leader")
    person = await _caller(context, name, re.sub(r"\D", "", phone).removeprefix("86"))
    match = context.ground.gazetteer.find(text, person.building)
    grids = {grant.grid for grant in context.actor.grants if grant.role == "grid_leader"}
    own = [place for place in match.places if place.grid in grids]
    if match.kind == "ambiguous" and len(own) != 1:
        raise Refusal("on_behalf.which_place", places=[place.name for place in match.places])
    place = own[0] if len(own) == 1 else match.places[0] if match.kind == "place" else None
    if place is None and match.kind == "none" and person.building:
        place = next((one for one in context.ground.gazetteer.find(person.building).places), None)
    understood = understanding.understand(text)
    category = understood.best.code if understood.best else understanding.urgent_category(text) or "J09"
    grid = place.grid if place else None
    everywhere = context.actor.has("coordinator", "community_clerk", "community_secretary")
    if not everywhere and (grid is None or not context.actor.has("grid_leader", grid=grid)):
        raise Refusal("on_behalf.other_grid")
    problem = await intake.create(
        context, category=category, text=text, place=place, detail=match.detail,
        point=(place.lat, place.lon) if place else None,
        grid=grid, reporter_id=person.id, channel="phone", urgent=bool(understood.urgent), draft_id=None,
    )  # fmt: skip
    values = problems.named(problem, name=person.display_name, place=problem.place_name, due=problem.resolve_due)
    values |= {"contact_due": problem.contact_due, "provisional": tickets.provisional(context, problem.contact_due, problem.resolve_due)}
    shown = screen("on_behalf.done", [Button("button.show", Do.show(problem.id))], **values)
    return Answer(shown, subject=tickets.subject(problem))


async def _caller(context: Context, name: str, digits: str) -> Person:
    hashed = keyring.hash("phone", digits)
    known: Person | None = await context.session.scalar(
        sa.select(Person).where(col(Person.phone_hash) == hashed, col(Person.deleted_at).is_(None)).order_by(col(Person.id)).limit(1)
    )
    if known is not None:
        audit.looked(context, known.id, "contact", f"person:{known.id}")
        return known
    person = Person(community_id=context.ground.community_id, display_name=name, phone=digits, phone_hash=hashed)
    context.session.add(person)
    await context.session.flush()
    return person
