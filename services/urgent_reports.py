"""What the reporter of an urgent problem says in the half hour after it goes to its handlers at once (domain.md §5, P1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from models import Draft, Problem
from services import due_alarms, media, moves, tickets, understanding
from services.context import Context
from services.geography import grid_at
from services.intake import MOST_TEXT
from services.near_duplicates import OPEN
from texts.screen import Screen, screen

MORE_WITHIN = timedelta(minutes=30)
OF_NO_KIND = "J09"


def await_more(context: Context, problem: Problem) -> None:
    """What the reporter of an urgent problem says next belongs to it. Nothing is kept for an anonymous one."""
    if context.account is not None and problem.reporter_id is not None:
        data = {"problem": problem.id, "since": context.now.isoformat()}
        context.draft = Draft(account_id=context.account.id, kind="urgent", data=data, updated_at=context.now)
        context.session.add(context.draft)


async def urgent_one(context: Context) -> Problem | None:
    """The urgent problem that what is said now belongs to: the dialog's, reported in the last half hour and still open."""
    draft = context.draft
    if draft is None or draft.kind != "urgent" or context.now - datetime.fromisoformat(draft.data["since"]) > MORE_WITHIN:
        return None
    problem = await context.session.get(Problem, draft.data["problem"])
    return problem if problem is not None and problem.state in OPEN else None


async def add_words(context: Context, problem: Problem, text: str) -> bool:
    """More words about an urgent problem go to its handlers at once; they may say where it is.

    False when they are about another place or another danger, which has its own safety words.
    """
    if understanding.urgent_category(text) not in (None, OF_NO_KIND, problem.category):
        return False
    home = context.actor.person.building if context.actor.person else None
    match = context.ground.gazetteer.find(text, home)
    if match.kind == "place" and problem.place_id and match.places[0].id != problem.place_id:
        return False
    if match.kind == "place" and problem.place_id is None:
        place = match.places[0]
        await _locate(
            context, problem, place.grid, place_id=place.id, place_name=place.name, place_detail=match.detail, lat=place.lat, lon=place.lon
        )
    await tickets.tell_handlers(context, problem, screen("urgent.more", code=problem.code, text=text[:MOST_TEXT]), urgent=True)
    return True


async def add_point(context: Context, problem: Problem, lat: float, lon: float) -> None:
    """The urgent problem is at this point."""
    await _locate(context, problem, grid_at(lat, lon, context.ground.shapes), lat=lat, lon=lon)


async def add_picture(context: Context, problem: Problem, data: bytes) -> None:
    """A photo of the urgent problem goes to its handlers at once."""
    kept = await media.keep(context, f"problem:{problem.id}", data)
    shown = Screen("urgent.photo", {"code": problem.code}, media=(kept.id,))
    await tickets.tell_handlers(context, problem, shown, urgent=True)


async def _locate(context: Context, problem: Problem, grid: str | None, **fields: Any) -> None:
    """Where it is became known: the ticket is changed, and a grid that it did not have hears of it."""
    fresh = problem.grid_code is None and grid is not None
    for name, value in fields.items():
        setattr(problem, name, value)
    if fresh:
        problem.grid_code, problem.level = grid, "grid"
    problem.version += 1
    moves.remark(context, problem, "located")
    await context.session.flush()
    await due_alarms.keep(context, problem)
    if fresh:
        await tickets.announce(context, problem)
    await tickets.refresh(context, problem)
