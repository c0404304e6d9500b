"""Who is told about a problem, and the ticket that its handlers keep in their chats (domain.md §5, §7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import AnonymousToken, ChatAccount, OutboxMessage, Person, Problem, ProblemMessage, ProblemSupporter
from models.lifecycle import PROBLEM
from services import audit, masking, media, moves, on_call, post
from services.context import Actor, Context
from services.geography import distance_m
from services.identity import persons_with, roles_of
from texts import problem_screens
from texts.actions import Do
from texts.screen import Button, Key, Screen, Value

ADDRESS_KEPT = timedelta(days=30)
COORDINATORS = ("coordinator",)
STAFF_ROLES = ("grid_leader", "coordinator", "community_clerk", "community_secretary")

# Who looks at a ticket: the end of the card's name, and what the viewer is to the problem (models/lifecycle.py).
LEADER, COORDINATOR, STREET, DUTY = "", ":c", ":s", ":d"
_VIEWS: dict[str, frozenset[str]] = {
    LEADER: frozenset({"grid_leader"}),
    COORDINATOR: frozenset({"grid_leader", "coordinator"}),
    STREET: frozenset(),
    DUTY: frozenset(),  # whoever is on duty telephones and fetches help; the moves are the owners' (domain.md §4, §7)
}
_FROM_LITTLE_TO_MUCH = (STREET, DUTY, LEADER, COORDINATOR)


def subject(problem: Problem) -> str:
    """What a reply to a message about the problem is about."""
    return f"problem:{problem.id}"


def card(problem: Problem, view: str = LEADER) -> str:
    """The name of the ticket's living message: leaders', coordinators' (":c"), the street's (":s") or duty's (":d")."""
    return f"ticket:{problem.id}{view}"


def provisional(context: Context, *moments: datetime) -> Key | None:
    """The mark of a date counted through a year whose holidays are not published yet (domain.md §1)."""
    last = max(moments)
    return Key("problem.provisional") if context.calendar.provisional_between(context.now, last) else None


def category(problem: Problem) -> Key:
    """The category's name."""
    return Key(f"category.{problem.category}")


def public_words(problem: Problem) -> str:
    """What others may read of a problem: the masked text, and nothing of what touches somebody's livelihood or health (domain.md §0.6)."""
    return "" if problem.category.startswith("H") or masking.private_matter(problem.text) else problem.text_public


def state_word(problem: Problem) -> Key:
    """The state's name (domain.md §5)."""
    return Key(f"state.problem.{problem.state}")


def line(context: Context, problem: Problem) -> dict[str, Value]:
    """The problem as one line of a list."""
    in_work = problem.state in ("SUBMITTED", "ACCEPTED", "IN_PROGRESS")
    due = Key("list.due", {"due": problem.resolve_due, "provisional": provisional(context, problem.resolve_due)}) if in_work else None
    return {"code": problem.code, "category": category(problem), "state": state_word(problem), "due": due}


# -- the ticket -----------------------------------------------------------------------------------------------------
async def ticket(context: Context, problem: Problem, view: str) -> Screen:
    """The ticket as this kind of viewer may see it; the street sees no reporter (domain.md §4)."""
    reporter = None
    if view != STREET and problem.reporter_id is not None:
        reporter = await context.session.get(Person, problem.reporter_id)
    handler = await context.session.get(Person, problem.lead_handler_id) if problem.lead_handler_id else None
    in_work = problem.state in ("SUBMITTED", "ACCEPTED", "IN_PROGRESS")
    values: dict[str, Value] = {
        "code": problem.code, "category": category(problem), "sla": Key(f"sla.{problem.sla}"),
        "state": state_word(problem),
        "level": Key(f"level.{problem.level}"),
        "urgent": Key("ticket.urgent") if problem.sla == "P1" and in_work else None,
        "place": problem.place_name, "detail": problem.place_detail if view != STREET else "", "near": near(context, problem),
        "grid": context.ground.grid_name(problem.grid_code),
        "text": problem.text if view != STREET else problem.text_public,
        "reporter": _reporter(problem, reporter) if view != STREET else None,
        "phone": reporter.phone if reporter else None,
        "line": Key("ticket.line") if view != STREET and reachable(problem) else None,
        "contact_due": problem.contact_due if in_work and problem.first_contact_at is None and reachable(problem) else None,
        "resolve_due": problem.resolve_due if in_work else None,
        "provisional": provisional(context, problem.contact_due, problem.resolve_due) if in_work else None,
        "handler": handler.display_name if handler else None,
        "until": problem.suspended_until if problem.state == "SUSPENDED" else None,
        "result": problem_screens.end_mark(problem.result) if problem.state in ("RESOLVED", "CLOSED") else None,
    }  # fmt: skip
    pictures = await media.of(context, subject(problem)) if view != STREET else ()
    return problem_screens.ticket(problem.id, values, _events(problem, _VIEWS[view]), pictures)


def _reporter(problem: Problem, reporter: Person | None) -> Value:
    if problem.anonymous:
        return Key("ticket.anonymous" if problem.token_id else "ticket.anonymous_gone")
    return reporter.display_name if reporter else Key("ticket.reporter_left")


def reachable(problem: Problem) -> bool:
    """Whether there still is a reporter to speak with: one who stepped back from an urgent problem has left no way."""
    return problem.reporter_id is not None or problem.token_id is not None


def near(context: Context, problem: Problem) -> Key | None:
    """Where a shared location without a name is: the nearest known place, how far it is in metres, and the point (domain.md §1)."""
    if problem.place_name or problem.lat is None or problem.lon is None:
        return None
    lat, lon = problem.lat, problem.lon
    point: dict[str, Value] = {"lat": f"{lat:.4f}", "lon": f"{lon:.4f}"}
    far = {place.name: distance_m(lat, lon, place.lat, place.lon) for place in context.ground.places.values()}
    if not far:
        return Key("ticket.point", point)
    nearest = min(far, key=lambda name: far[name])
    return Key("ticket.near", {"place": nearest, "metres": round(far[nearest]), **point})


def _events(problem: Problem, relations: Iterable[str]) -> list[str]:
    """The moves whose buttons this viewer gets: what the table allows, less what cannot be done at this level."""
    who, found = set(relations), []
    for move in PROBLEM.moves:
        if problem.state not in move.source or not who & set(move.by):
            continue
        above_grid = problem.level != "grid"
        if move.event == "escalate" and (problem.level == "street" or (above_grid and "coordinator" not in who)):
            continue
        if move.event == "return" and not (above_grid and problem.grid_code and problem.returned_at is None):
            continue
        if move.event == "contact" and (problem.first_contact_at or problem.state not in ("ACCEPTED", "IN_PROGRESS")):
            continue
        found.append(move.event)
    return found


async def show(context: Context, problem: Problem) -> tuple[Screen, str]:
    """The ticket for the one who acts, and its card's name. The caller has checked that they may see it."""
    relations = await moves.relations(context, problem)
    view = COORDINATOR if "coordinator" in relations else LEADER
    _seen(context, problem, view, context.actor.id)
    return await ticket(context, problem, view), card(problem, view)


async def refresh(context: Context, problem: Problem) -> None:
    """Make every ticket of the problem, wherever it stands, read as the problem now is."""
    for view in _VIEWS:
        holders = await _holders(context, card(problem, view))
        if not holders:
            continue
        entitled = {chat for chat, person_id in holders.items() if await _may_see(context, problem, view, person_id)}
        if entitled:
            await post.edit_card(context, card(problem, view), await ticket(context, problem, view), only=entitled)
        for chat in entitled:
            _seen(context, problem, view, holders[chat])
        if lost := holders.keys() - entitled:
            await post.retire_card(context, card(problem, view), Screen("ticket.left", {"code": problem.code}), only=lost)


def _seen(context: Context, problem: Problem, view: str, person_id: str | None) -> None:
    """Write down that this person is shown the reporter and how to reach them (domain.md §4, see reporter contact)."""
    if view != STREET and not problem.anonymous:
        audit.looked(context, problem.reporter_id, "contact", subject(problem), viewer=person_id)


async def _holders(context: Context, card_name: str) -> dict[str, str]:
    """Who holds a living message: the person by chat, "" where nobody is behind the chat any more."""
    rows = await context.session.execute(
        sa.select(col(OutboxMessage.chat_id), col(ChatAccount.person_id))
        .outerjoin(ChatAccount, col(ChatAccount.private_chat_id) == col(OutboxMessage.chat_id))
        .where(col(OutboxMessage.card) == card_name, col(OutboxMessage.state).not_in(("dead", "cancelled")))
    )
    return {chat_id: person_id or "" for chat_id, person_id in rows if chat_id is not None}


async def _may_see(context: Context, problem: Problem, view: str, person_id: str) -> bool:
    """Whether the holder of a ticket of this kind is still entitled to it: roles end, and grids change."""
    now = await _standing(context, person_id, problem) if person_id else None
    return now is not None and _FROM_LITTLE_TO_MUCH.index(now) >= _FROM_LITTLE_TO_MUCH.index(view)


# -- who they are ---------------------------------------------------------------------------------------------------
async def coordinators(context: Context) -> list[Person]:
    """The community's coordinators; the secretary where there is none."""
    return await persons_with(context, *COORDINATORS) or await persons_with(context, "community_secretary")


async def owners(context: Context, problem: Problem) -> list[Person]:
    """Who is responsible at the problem's level: the grid's leaders, the coordinators, the street's organisers."""
    found: list[Person] = []
    if problem.level == "grid" and problem.grid_code is not None:
        found = await persons_with(context, "grid_leader", grid=problem.grid_code)
    if problem.level in ("street", "district"):
        found = await persons_with(context, "street_organizer")
    return found or await coordinators(context)


async def handlers(context: Context, problem: Problem) -> list[str]:
    """The ids of those who handle the problem now: the one who accepted it while still in office, else its owners."""
    if problem.lead_handler_id is not None:
        grants = await roles_of(context.session, problem.lead_handler_id, context.now)
        if any(grant.role in STAFF_ROLES and (grant.role != "grid_leader" or grant.grid in (None, problem.grid_code)) for grant in grants):
            return [problem.lead_handler_id]
    return [person.id for person in await owners(context, problem)]


# -- telling them ---------------------------------------------------------------------------------------------------
async def announce(context: Context, problem: Problem) -> None:
    """Give the new problem's ticket to its owners, one push each; a P1 at once, to coordinators and duty too (§7)."""
    urgent = problem.sla == "P1"
    receivers = await owners(context, problem)
    if urgent:
        receivers = [*receivers, *await coordinators(context), *await on_call.on_call(context)]
    if not await give_ticket(context, problem, [person.id for person in receivers], urgent=urgent):
        # Nobody of them has an account yet, or all are gone: whoever else can accept it hears of it.
        for role in ("coordinator", "community_clerk", "community_secretary"):
            if await give_ticket(context, problem, [person.id for person in await persons_with(context, role)], urgent=urgent):
                break


async def give_ticket(context: Context, problem: Problem, person_ids: Iterable[str], *, urgent: bool = False) -> bool:
    """Post the ticket to each of these persons once, as their roles let them see it; whether it goes to any of them."""
    given = False
    for person_id in dict.fromkeys(person_ids):
        view = await view_of(context, person_id, problem)
        shown = await ticket(context, problem, view)
        if await post.to_person(context, person_id, shown, subject=subject(problem), card=card(problem, view), urgent=urgent) is not None:
            _seen(context, problem, view, person_id)
            given = True
    return given


async def view_of(context: Context, person_id: str, problem: Problem | None = None) -> str:
    """Which kind of viewer a person is: LEADER (with `problem`: of its grid), COORDINATOR, DUTY or STREET."""
    standing = await _standing(context, person_id, problem)
    return STREET if standing is None else standing


async def _standing(context: Context, person_id: str, problem: Problem | None) -> str | None:
    """The kind of viewer that the person's roles of today make, None for no kind."""
    grants = await roles_of(context.session, person_id, context.now)
    roles = {grant.role for grant in grants}
    if roles & {"coordinator", "community_clerk", "community_secretary"}:
        return COORDINATOR
    if any(grant.role == "grid_leader" and (problem is None or grant.grid in (None, problem.grid_code)) for grant in grants):
        return LEADER
    if "duty" in roles or await on_call.lately_on_duty(context, person_id):
        return DUTY
    return STREET if "street_organizer" in roles else None


async def tell_handlers(context: Context, problem: Problem, shown: Screen, *, urgent: bool = False, besides: Iterable[str] = ()) -> None:
    """A message to those who handle the problem, and to `besides`; not to the one who acts."""
    await tell(context, problem, [*await handlers(context, problem), *besides], shown, urgent=urgent)


async def tell(context: Context, problem: Problem, person_ids: Iterable[str], shown: Screen, *, urgent: bool = False) -> None:
    """A private message about the problem to each of these once; not to the one who acts."""
    for person_id in dict.fromkeys(person_ids):
        if person_id != context.actor.id:
            await post.to_person(context, person_id, shown, subject=subject(problem), urgent=urgent)


async def tell_reporter(
    context: Context, problem: Problem, shown: Screen, *, card: str = "", urgent: bool = False, answer: bool = False
) -> bool:
    """A message to the reporter, an anonymous one by the sealed address; whether there is a way to reach them."""
    if problem.reporter_id is not None:
        row = await post.to_person(context, problem.reporter_id, shown, subject=subject(problem), card=card, urgent=urgent, answer=answer)
        return row is not None
    if problem.token_id is None:
        return False
    return await post.to_token(context, problem.token_id, shown, subject=subject(problem), answer=answer or urgent) is not None


async def tell_supporters(context: Context, problem: Problem, shown: Screen) -> None:
    """A message to all with the same problem: supporters, and the anonymous reporters of problems merged into it."""
    told = await context.session.scalars(
        sa.select(col(ProblemSupporter.person_id)).where(col(ProblemSupporter.problem_id) == problem.id).order_by(col(ProblemSupporter.at))
    )
    for person_id in told.all():
        if person_id not in (context.actor.id, problem.reporter_id):
            await post.to_person(context, person_id, shown, subject=subject(problem))
    for child in await merged_children(context, problem):
        if child.token_id is not None and child.token_id != problem.token_id:
            await post.to_token(context, child.token_id, shown, subject=subject(child))


async def is_supporter(context: Context, problem: Problem) -> bool:
    """Whether the actor has the same problem."""
    if context.actor.id is None:
        return False
    return await context.session.get(ProblemSupporter, (problem.id, context.actor.id)) is not None


async def add_words(context: Context, problem: Problem, text: str, pictures: tuple[str, ...] = ()) -> None:
    """Keep what a supporter says of the problem, and give it to the handlers in private; the reporter does not see it."""
    text = text.strip()
    if not text and not pictures:
        return
    person = context.actor.person
    context.session.add(ProblemMessage(problem_id=problem.id, direction="supporter", body=text, author_id=context.actor.id, at=context.now))
    writer = person.display_name if person else ""
    values: dict[str, Value] = {"code": problem.code, "category": category(problem), "text": text, "writer": writer}
    told = Screen("supporter.told_handler", values, ((Button("button.show", Do.show(problem.id)),),), pictures)
    for handler in await handlers(context, problem):
        audit.looked(context, context.actor.id, "name", subject(problem), viewer=handler)
    await tell_handlers(context, problem, told, urgent=problem.sla == "P1")


async def merged_children(context: Context, problem: Problem) -> list[Problem]:
    """Every problem merged into this one, also through another."""
    found: list[Problem] = []
    parents = [problem.id]
    while parents:
        children = list(await context.session.scalars(sa.select(Problem).where(col(Problem.merged_into_id).in_(parents))))
        parents = [child.id for child in children]
        found += children
    return found


async def keep_addresses(context: Context, problem: Problem) -> None:
    """Set when the sealed addresses that hear of this problem are destroyed: 30 days after closing, never before."""
    until = None if problem.state in (*PROBLEM.open, "MERGED") or problem.closed_at is None else problem.closed_at + ADDRESS_KEPT
    for one in (problem, *await merged_children(context, problem)):
        if one.token_id is not None and (token := await context.session.get(AnonymousToken, one.token_id)) is not None:
            token.purge_at = until
            context.session.add(token)


async def seal(context: Context, problem: Problem) -> None:
    """Forget who acts when it is the anonymous reporter: nothing of this turn ties person or chat to the problem.

    The answer goes by the sealed address, and the history has no name (domain.md §0.5).
    """
    if problem.reporter_id is None and problem.token_id is not None and await moves.is_reporter(context, problem):
        context.facts["sealed"] = problem.token_id
        context.actor = Actor(None)


def talk_button(problem: Problem) -> list[Button]:
    """The button that answers a message about the problem."""
    return [Button("button.reply", Do.talk(problem.id))]
