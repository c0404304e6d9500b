"""Numbers on request (第四季度指标): the table, a picture, and the buttons to ledgers and to the span before (domain.md §8)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlmodel import col

from models import Problem
from models.lifecycle import PROBLEM
from services import charts, documents, metrics, metrics_people
from services.context import Context, Refusal
from services.hours import pattern
from services.replay import Standing, problems_at
from services.spans import Span, read_moment, read_span, words
from services.workdays import local
from texts import digest_screens as screens
from texts.render import show as words_of
from texts.render import text
from texts.screen import Screen, Value
from texts.utterances import normalise

WHOLE = ("coordinator", "community_clerk", "community_secretary", "street_organizer")
PNG = "image/png"
MOST_WEEKS, LEAST_WEEKS, MOST_GRIDS = 14, 8, 12


def own_grid(context: Context, named: str = "") -> str | None:
    """The grid whose numbers the actor may see: None for the whole community, a grid leader's own; `named` must be one of them.

    Raises Refusal: nobody who is shown numbers, or another's grid.
    """
    grid = named.upper()
    if grid and grid not in context.ground.grids:
        raise Refusal("figures.no_grid", grid=grid)
    if context.actor.has(*WHOLE):
        return grid or None
    led = sorted(grant.grid for grant in context.actor.grants if grant.role == "grid_leader" and grant.grid)
    if not led:
        raise Refusal("figures.not_yours")
    if grid and grid not in led:
        raise Refusal("figures.other_grid")
    return grid or led[0]


async def ask(context: Context, said: str) -> Screen:
    """The numbers of the span that the sentence means, as of now or of 截至 …; of one grid when it names one. Raises Refusal."""
    said = normalise(said)
    at, rest = read_moment(said, context.now)
    span, rest = read_span(rest, local(context.now).date())
    named = pattern(words()["span"]["grid"]).search(rest)
    return await show(context, span, at, named[0] if named else "")


async def pressed(context: Context, code: str, grid: str) -> Screen:
    """The numbers behind a button. Raises Refusal: an unknown span."""
    span = Span.parse(code)
    if span is None:
        raise Refusal("figures.no_span")
    return await show(context, span, context.now, "" if grid == "-" else grid)


async def show(context: Context, span: Span, at: datetime, named: str = "") -> Screen:
    """The table with its picture. Raises Refusal: not theirs, or the span has not begun."""
    grid = own_grid(context, named)
    if at <= span.begin:
        raise Refusal("figures.to_come", period=span.word)
    values = await metrics.of_problems(context, span, at, grid) | await metrics_people.of_people(context, span, at, grid)
    values |= {"who": _who(context, grid), "period": span.word, "at": at}
    street = not context.actor.has("coordinator", "community_clerk", "community_secretary", "grid_leader")
    shown = screens.figures(values, span.code, span.before.code, grid or "-", ledgers=not street, whole=grid is None)
    return screens.with_media(shown, await picture(context, span, at, grid))


def _who(context: Context, grid: str | None) -> str:
    return context.ground.grid_name(grid) if grid is not None else context.ground.name


# -- the picture -------------------------------------------------------------------------------------------------------
async def picture(context: Context, span: Span, at: datetime, grid: str | None, language: str = "") -> str:
    """The id of the stored picture: new and done by week, open by grid, as of `at`; forgotten after seven days."""
    language = language or context.language
    say = partial(text, language=language)
    weeks = _weeks(span, at)
    where = [col(Problem.grid_code) == grid] if grid is not None else []
    lately = sa.or_(
        col(Problem.state).in_(PROBLEM.open), col(Problem.closed_at) > at, col(Problem.submitted_at) >= weeks[0].begin,
        col(Problem.resolved_at) >= weeks[0].begin,
    )  # fmt: skip
    found = await problems_at(context, at, lately, *where)
    values: dict[str, Value] = {"who": _who(context, grid), "period": span.word, "at": at}
    said = charts.Words(
        title=say("chart.title", values), subtitle=say("chart.subtitle", values), trend=say("chart.trend", {}), new=say("chart.new", {}),
        done=say("chart.done", {}), grids=say("chart.grids", {}), open=say("chart.open", {}), overdue=say("chart.overdue", {}),
        nothing=say("chart.nothing", {}),
    )  # fmt: skip
    trend = [
        charts.Week(
            f"{local(week.begin).month}/{local(week.begin).day}",
            sum(one.valid and week.begin <= one.problem.submitted_at < week.end for one in found),
            sum(one.finished and one.resolved_at is not None and week.begin <= one.resolved_at < week.end for one in found),
        )
        for week in weeks
    ]
    drawn = await asyncio.to_thread(charts.png, charts.draw(said, trend, _by_grid(context, found, at, grid, language)))
    name = f"{say('chart.file', {})}-{span.code}.png"
    return (await documents.keep(context, drawn, name, PNG, "chart", span.code)).media_id


def _weeks(span: Span, at: datetime) -> list[Span]:
    """The weeks of the picture: those of the span up to `at`, at least eight, at most fourteen."""
    last = Span.week(local(min(at, span.end - timedelta(microseconds=1))).date())
    weeks = [last]
    while len(weeks) < MOST_WEEKS and (len(weeks) < LEAST_WEEKS or weeks[0].begin > span.begin):
        weeks.insert(0, weeks[0].before)
    return weeks


def _by_grid(context: Context, found: list[Standing], at: datetime, grid: str | None, language: str) -> list[charts.Open]:
    rows = []
    for code in [grid] if grid is not None else [*context.ground.grids, None]:
        here = [one for one in found if one.waits and one.problem.grid_code == code]
        if code is not None or here:
            label = context.ground.grid_name(code) or words_of(context.ground.name, language)
            rows.append(charts.Open(label, len(here), sum(one.overdue(at) for one in here)))
    return sorted(rows, key=lambda one: -one.count)[:MOST_GRIDS] if len(rows) > MOST_GRIDS else rows
