"""Exports (domain.md §9): the ledgers as files for who may have them, masked unless a coordinator says why not, kept for seven days."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import partial

import sqlalchemy as sa
from sqlmodel import col

from models import DigestRun, ExportFile, Person
from services import audit, documents, drafts, metrics, post
from services.codes import next_number
from services.context import Context, Refusal
from services.hours import pattern
from services.identity import persons_with
from services.ledger_files import Heading, comma_separated, xlsx
from services.ledger_rows import LEDGERS, Reader
from services.spans import Span, read_span, words
from services.workdays import QUIET_FROM, ZONE, local
from texts import digest_screens as screens
from texts.render import show, text
from texts.screen import Key, Screen, Value

WHOLE = ("coordinator", "community_clerk", "community_secretary")
CSV = "text/csv"
DRAFT, MONTHLY = "export", "monthly"
SHORTEST_REASON, LONGEST_REASON = 4, 200
MONTHLY_AT = time(9)
# What was missed for longer than this is not handed out by itself any more: it is asked for.
CATCH_UP = timedelta(days=10)
MONTHLY_LEDGERS = ("problems", "orders")


# -- who may ------------------------------------------------------------------------------------------------------------
def scope(context: Context, *, open_names: bool = False) -> str | None:
    """The grid whose rows the actor may have, None for the whole community. Raises Refusal: nobody who has ledgers, or not unmasked."""
    if context.actor.has(*WHOLE):
        return None
    if open_names:
        raise Refusal("export.masked_only")
    led = sorted(grant.grid for grant in context.actor.grants if grant.role == "grid_leader" and grant.grid)
    if led:
        return led[0]
    raise Refusal("export.numbers_only" if context.actor.has("street_organizer") else "export.own_only")


def _kinds(grid: str | None) -> Sequence[str]:
    return screens.LEDGERS if grid is None else screens.GRID_LEDGERS


# -- on request --------------------------------------------------------------------------------------------------------
async def ask(context: Context, said: str) -> Screen:
    """导出 问题墙台账 2026年第四季度 [CSV] [不打码 原因:…]: the file, or which ledger, or (unmasked without a reason) why.

    Raises Refusal: not theirs, no such ledger, a span that is still to come.
    """
    forms = words()["export"]
    found = pattern(forms["reason"]).search(said)
    reason = found["reason"].strip() if found else ""
    rest = said[: found.start()] if found else said
    open_names, as_csv = (pattern(forms[name]).search(rest) is not None for name in ("unmasked", "csv"))
    grid = scope(context, open_names=open_names)
    span, _ = read_span(rest, local(context.now).date())
    kind = _named(rest)
    if kind is None:
        return screens.which_ledger(span.code, span.word, _kinds(grid))
    if open_names and len(reason) < SHORTEST_REASON:
        return ask_reason(context, kind, span.code)
    return await deliver(context, kind, span.code, reason if open_names else "", as_csv=as_csv)


def _named(said: str) -> str | None:
    names = sorted(((name, kind) for kind, known in words()["ledgers"].items() for name in known), key=lambda pair: -len(pair[0]))
    return next((kind for name, kind in names if name in said.lower()), None)


def ask_reason(context: Context, kind: str, code: str) -> Screen:
    """Why the names are needed: asked before anything is made. Raises Refusal: not theirs to have."""
    scope(context, open_names=True)
    _checked(context, kind, code, None)
    drafts.keep(context, DRAFT, ledger=kind, period=code)
    return Screen("export.ask_reason", {"ledger": Key(f"ledger.{kind}")})


def waiting(shown: Screen) -> bool:
    """Whether the screen asks for the reason."""
    return shown.key in ("export.ask_reason", "export.reason_short")


async def because(context: Context, said: str) -> Screen:
    """Go on with the export that waits for its reason. Raises Refusal: none waits."""
    data = drafts.kept(context, DRAFT)
    if not data:
        raise Refusal("dialog.gone")
    if len(said.strip()) < SHORTEST_REASON:
        return Screen("export.reason_short", {"least": SHORTEST_REASON})
    return await deliver(context, data["ledger"], data["period"], said.strip())


async def deliver(context: Context, kind: str, code: str, reason: str = "", *, as_csv: bool = False) -> Screen:
    """The ledger of the span as a file for the actor; with a reason unmasked, which is recorded for everybody in it. Raises Refusal."""
    grid = scope(context, open_names=bool(reason))
    span = _checked(context, kind, code, grid)
    person = context.actor.person
    assert person is not None
    reader = Reader(context, grid, bool(reason))
    made, number, rows = await _make(context, reader, (kind,), span, person, as_csv=as_csv)
    if reason:
        audit.changed(context, "export.unmasked", None, f"export_file:{made.id}", reason[:LONGEST_REASON])
        for person_id in sorted(reader.looked):
            audit.looked(context, person_id, "export", f"export_file:{made.id}")
    values: dict[str, Value] = {
        "ledger": Key(f"ledger.{kind}"), "period": span.word, "rows": rows, "number": number, "days": documents.KEPT.days,
        "masked": Key("export.open" if reason else "export.masked"), "grid": context.ground.grid_name(grid) or None,
    }  # fmt: skip
    return screens.exported(values, kind, code, made.media_id, unmask=grid is None and not reason)


def _checked(context: Context, kind: str, code: str, grid: str | None) -> Span:
    span = Span.parse(code)
    if kind not in LEDGERS or span is None:
        raise Refusal("export.unknown")
    if kind not in _kinds(grid):
        raise Refusal("export.not_for_grids", ledger=Key(f"ledger.{kind}"))
    if span.begin > context.now:
        raise Refusal("figures.to_come", period=span.word)
    return span


async def _make(
    context: Context, reader: Reader, kinds: Sequence[str], span: Span, person: Person, *, as_csv: bool = False
) -> tuple[ExportFile, str, int]:  # fmt: skip
    """The stored file, its number, and how many rows it has."""
    sheets = [sheet for kind in kinds for sheet in await LEDGERS[kind](reader, span)]
    number = f"TZ-{local(context.now):%Y%m%d}-{await next_number(context, f'ledger:{local(context.now):%Y%m%d}'):04d}"
    say = partial(text, language=person.language)
    title = say("export.title", {"who": context.ground.grid_name(reader.grid) or context.ground.name, "ledger": Key(f"ledger.{kinds[0]}"),
                                 "period": span.word})  # fmt: skip
    mark = say("export.watermark", {
        "community": context.ground.name, "by": person.display_name, "at": f"{local(context.now):%Y-%m-%d %H:%M}", "number": number,
        "masked": Key("export.open" if reader.open_names else "export.masked"),
    })  # fmt: skip
    heading = Heading(title, mark, context.ground.name, context.now, person.language)
    data = await asyncio.to_thread(comma_separated if as_csv else xlsx, heading, sheets)
    name = f"{show(Key(f'ledger.{kinds[0]}'), person.language)}-{span.code}-{number}.{'csv' if as_csv else 'xlsx'}"
    made = await documents.keep(context, data, name, CSV if as_csv else documents.XLSX, f"ledger.{kinds[0]}", span.code)
    made.requested_by = person.id
    return made, number, sum(len(sheet.rows) for sheet in sheets)


# -- by the clock ------------------------------------------------------------------------------------------------------
async def monthly(context: Context, _subject: str) -> str:
    """From 09:00 of the first workday of a month: the month before as a ledger to the clerk, once (domain.md §6).

    Runs on each day; whichever is too early or has its run does nothing, so a downtime only delays it.
    """
    now = local(context.now)
    first = datetime.combine(context.calendar.next_workday(now.date().replace(day=1)), MONTHLY_AT, ZONE)
    if context.now < first or not context.calendar.is_workday(now.date()) or not MONTHLY_AT <= now.time() < QUIET_FROM:
        return "not now"
    month = Span.month(now.date())
    known = sa.select(col(DigestRun.id)).where(col(DigestRun.kind) == MONTHLY, col(DigestRun.period_key) == month.code)
    if await context.session.scalar(known) is not None:
        return "already"
    span = month.before
    run = DigestRun(kind=MONTHLY, period_key=month.code, covers_from=span.begin, covers_to=span.end)
    context.session.add(run)
    await context.session.flush()
    if context.now - first > CATCH_UP:
        return "too late"
    sent, people = 0, await persons_with(context, "community_clerk") or await persons_with(context, "coordinator")
    counted = await metrics.cohort(context, span, context.now)
    for person in people:
        made, number, rows = await _make(context, Reader(context, None, False), MONTHLY_LEDGERS, span, person)
        values: dict[str, Value] = {
            "period": span.word, "accepted": len(counted.valid), "finished": counted.finished().shown, "in_time": counted.in_time().shown,
            "rows": rows, "number": number, "days": documents.KEPT.days,
        }  # fmt: skip
        shown = Screen("export.monthly", values, media=(made.media_id,))
        sent += await post.to_person(context, person.id, shown, key=f"digest:{MONTHLY}:{month.code}:{person.id}") is not None
    run.facts = {"accepted": len(counted.valid), "done": len(counted.done)}
    return f"sent to {sent}" + (f", {len(people) - sent} cannot be reached" if sent < len(people) else "")
