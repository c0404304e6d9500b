"""Record cards (党员服务记录卡): handed to each unit's liaison at the end of a quarter, and made for who asks (domain.md §4, §6, §9.5)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import sqlalchemy as sa
from sqlmodel import col, select

from models import ChatAccount, Enrollment, ExportFile, OutboxMessage, PartnerUnit, PartyMember, Person
from services import audit, documents, lists, people, post, record_facts, record_files
from services.alarms import set_alarm
from services.codes import next_number
from services.context import Context, Refusal
from services.identity import persons_with, roles_of
from services.periods import Quarter, read_quarter
from services.record_facts import Facts
from services.record_files import Heading
from services.workdays import local
from texts.actions import Do
from texts.posts_screens import units_to_choose
from texts.screen import Button, Key, Screen, Value

STAFF = ("coordinator", "community_clerk", "community_secretary")
KIND, OWN = "record_cards", "record_card"
# What was missed for longer than this is not handed out by itself any more: it is asked for.
CATCH_UP = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Made:
    """The files of a unit's cards, and how many members are on them."""

    docx: ExportFile
    xlsx: ExportFile
    number: str
    members: int


# -- by the clock ---------------------------------------------------------------------------------------------------
async def quarter_end(context: Context, _subject: str) -> str:
    """At 15:00 of the last workday of a quarter: an alarm for each unit, one a quarter whatever happens (domain.md §6).

    Runs on each of the last days; whichever is not the last workday, or later, does nothing. After a downtime it catches up.
    """
    quarter = Quarter.of(local(context.now).date())
    if context.now < quarter.closing(context.calendar):
        quarter = quarter.before
    closing = quarter.closing(context.calendar)
    if context.now - closing > CATCH_UP:
        return "not yet"
    units = await context.session.scalars(select(PartnerUnit).where(col(PartnerUnit.community_id) == context.ground.community_id))
    for unit in units:
        await set_alarm(context, "unit_record_cards", f"{quarter.code}:{unit.code}", closing)
    return quarter.code


async def hand_out(context: Context, subject: str) -> str:
    """The alarm for a unit and a quarter ("2026Q4:U05"): its cards go to the liaison in private, else the coordinators hear of it."""
    code, _, unit_code = subject.partition(":")
    quarter, unit = Quarter.parse(code), await _unit(context, unit_code)
    key = f"{KIND}:{subject}"
    known = await context.session.scalar(
        select(OutboxMessage.id).where(col(OutboxMessage.dedupe_key).startswith(f"{key}:", autoescape=True)).limit(1)
    )
    if quarter is None or unit is None or known is not None:
        return "already" if known is not None else "unknown"
    cards = await record_facts.of_unit(context, unit, quarter, with_target=await _with_target(context))
    if not cards:
        return "nobody"
    liaison = await _liaison(context, unit)
    if liaison is None:
        button = ((Button(Key("record.button.make"), Do.record_card(unit.code, quarter.code)),),)
        notice = Screen("record.no_liaison", {"unit": unit.name, "period": quarter.word, "members": len(cards)}, button)
        for number, person in enumerate(await persons_with(context, "coordinator", "community_clerk")):
            await post.to_person(context, person.id, notice, key=f"{key}:untold:{number}")
        return "no liaison"
    made = await _make(context, unit, quarter, cards, liaison)
    await _send(context, unit, quarter, made, liaison, key=key)
    return f"sent {made.number}"


async def _liaison(context: Context, unit: PartnerUnit) -> Person | None:
    """The unit's liaison who can be reached in private."""
    holders = await persons_with(context, "unit_liaison")
    ids = [person.id for person in holders if await _speaks_for(context, person, unit)]
    for person_id in sorted(ids, key=lambda one: one != unit.liaison_id):
        account = sa.select(col(ChatAccount.id)).where(col(ChatAccount.person_id) == person_id, col(ChatAccount.blocked).is_(False))
        if await context.session.scalar(account.where(col(ChatAccount.private_chat_id).is_not(None)).limit(1)) is not None:
            return await context.session.get(Person, person_id)
    return None


async def _speaks_for(context: Context, person: Person, unit: PartnerUnit) -> bool:
    return any(
        grant.role == "unit_liaison" and grant.unit == unit.code for grant in await roles_of(context.session, person.id, context.now)
    )


# -- on demand ------------------------------------------------------------------------------------------------------
async def ask(context: Context, said: str) -> Screen | None:
    """服务记录卡 [2026年第四季度] [单位]: makes the cards for a liaison of the unit, a clerk or coordinator; None: they were sent.

    A coordinator who names no unit is shown all of them. Raises Refusal: no right to this unit, unknown, still to come, or nobody on it.
    """
    quarter, named = read_quarter(said, local(context.now).date())
    own = await _own_units(context)
    staff = context.actor.has(*STAFF)
    if not staff and not own:
        raise Refusal("record.not_yours")
    known = await _units(context) if staff else own
    wanted = people.plain(named)
    found = [one for one in known if wanted and (one.code.upper() == wanted or wanted in people.plain(one.name))]
    exact = [one for one in found if wanted in (one.code.upper(), people.plain(one.name))]
    if named and not found:
        raise Refusal("record.unit_unknown" if staff else "record.not_yours")
    choice = exact or found or own or known
    if len(choice) != 1:
        return units_to_choose(quarter.code, quarter.word, [(one.code, one.name) for one in choice])
    await deliver(context, choice[0].code, quarter.code)
    return None


async def deliver(context: Context, unit_code: str, period: str) -> None:
    """Make the unit's cards of the quarter and send them to the actor in private. Raises Refusal as `ask` does."""
    quarter, unit = Quarter.parse(period), await _unit(context, unit_code)
    if unit is None or quarter is None:
        raise Refusal("record.unit_unknown")
    person = context.actor.person
    if person is None or (not context.actor.has(*STAFF) and unit.code not in {one.code for one in await _own_units(context)}):
        raise Refusal("record.not_yours")
    _begun(context, quarter)
    cards = await record_facts.of_unit(context, unit, quarter, with_target=await _with_target(context))
    if not cards:
        raise Refusal("record.nobody", unit=unit.name, period=quarter.word)
    await _send(context, unit, quarter, await _make(context, unit, quarter, cards, person), person, answer=True)


def _begun(context: Context, quarter: Quarter) -> None:
    if context.now < quarter.begin:
        raise Refusal("record.to_come", period=quarter.word)


async def mine(context: Context, said: str) -> Screen:
    """The actor's own card of the quarter, with the target that nobody else is shown. Raises Refusal: never enrolled here."""
    person = context.actor.person
    query = select(Enrollment).where(col(Enrollment.person_id) == context.actor.id, col(Enrollment.state).in_(("ACTIVE", "WITHDRAWN")))
    newest_first = query.order_by(sa.case((col(Enrollment.state) == "ACTIVE", 0), else_=1), col(Enrollment.applied_at).desc())
    enrolment = (await context.session.scalars(newest_first)).first()
    record = await context.session.get(PartyMember, context.actor.id) if context.actor.id else None
    if person is None or record is None or enrolment is None:
        raise Refusal("record.members_only")
    quarter, _ = read_quarter(said, local(context.now).date())
    _begun(context, quarter)
    unit = await _unit(context, record.unit_code or "")
    facts, _ = await record_facts.of_member(context, enrolment, quarter, unit.name if unit else "")
    number = f"GR-{quarter.code}-{await next_number(context, f'{OWN}:{quarter.code}'):04d}"
    heading = Heading(
        context.ground.name, person.display_name, quarter.word, number, person.display_name, local(context.now), person.language
    )  # fmt: skip
    data = await asyncio.to_thread(record_files.docx, heading, [facts])
    made = await documents.keep(context, data, f"{heading.say('record.file', unit=number)}.docx", documents.DOCX, OWN, quarter.code)
    values: dict[str, Value] = {
        "period": quarter.word, "times": facts.quarter.times, "hours": facts.quarter.hours, "year_times": facts.year.times,
        "year_hours": facts.year.hours, "year": str(quarter.year),
    }  # fmt: skip
    return Screen("record.mine", values, media=(made.media_id,))


# -- making and sending ---------------------------------------------------------------------------------------------
async def _with_target(context: Context) -> bool:
    """Whether the community puts the yearly target on the units' cards; it is the member's own affair where nothing was chosen."""
    return bool((await lists.community(context)).config.get("record_cards", {}).get("target"))


async def _units(context: Context) -> list[PartnerUnit]:
    query = select(PartnerUnit).where(col(PartnerUnit.community_id) == context.ground.community_id)
    return list((await context.session.scalars(query.order_by(col(PartnerUnit.code)))).all())


async def _unit(context: Context, code: str) -> PartnerUnit | None:
    return next((unit for unit in await _units(context) if unit.code == code), None)


async def _own_units(context: Context) -> list[PartnerUnit]:
    """The units that the actor is liaison of."""
    granted = {grant.unit for grant in context.actor.grants if grant.role == "unit_liaison"}
    return [unit for unit in await _units(context) if unit.code in granted]


async def _make(context: Context, unit: PartnerUnit, quarter: Quarter, cards: list[Facts], reader: Person) -> Made:
    """Both files, stored; that the reader is given these members' records is written down."""
    number = f"FW-{quarter.code}-{unit.code}-{await next_number(context, f'{KIND}:{quarter.code}:{unit.code}'):02d}"
    by = context.actor.person.display_name if context.actor.person else context.ground.name
    heading = Heading(context.ground.name, unit.name, quarter.word, number, by, local(context.now), reader.language)
    files = []
    for make, mime, suffix in ((record_files.docx, documents.DOCX, "docx"), (record_files.xlsx, documents.XLSX, "xlsx")):
        data = await asyncio.to_thread(partial(make, heading, cards))
        name = f"{heading.say('record.file', unit=number)}.{suffix}"
        files.append(await documents.keep(context, data, name, mime, KIND, f"{quarter.code}:{unit.code}"))
    for facts in cards:
        audit.looked(context, facts.person_id, "record", f"export_file:{files[0].id}", viewer=reader.id)
    return Made(files[0], files[1], number, len(cards))


async def _send(
    context: Context, unit: PartnerUnit, quarter: Quarter, made: Made, reader: Person, *, key: str = "", answer: bool = False
) -> None:  # fmt: skip
    values: dict[str, Value] = {"unit": unit.name, "period": quarter.word, "members": made.members, "number": made.number}
    for name, file in (("cards", made.docx), ("table", made.xlsx)):
        screen = Screen(f"record.{name}", values, media=(file.media_id,))
        await post.to_person(context, reader.id, screen, key=f"{key}:{name}" if key else "", answer=answer)
