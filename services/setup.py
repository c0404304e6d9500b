"""Setting a community up: its first administrator, and what the office sends and fetches by chat (domain.md §3, §4)."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import xlsxwriter
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import AuditLog, Community, Draft, Person, RoleAssignment, keyring
from services import documents, exporting, holidays, importing, media
from services.cells import phone_number
from services.context import Context, Refusal
from services.crs import system_of
from services.drafts import keep
from services.importing import IMPORTERS, Source
from services.invitations import Invited
from services.masking import holds_identity_number
from services.plans import Plan
from texts import setup_screens
from texts.render import text
from texts.screen import Screen

DRAFT = "import"
# An administrator alone runs no errands: importing, binding groups, inviting and taking problems are a clerk's.
FIRST_ROLES = ("admin", "community_clerk")
LIST_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a community begins with."""

    community: str
    administrator: str
    phone: str = ""
    city: str = ""
    district: str = ""
    street: str = ""
    language: str = "zh_CN"


async def begin(session: AsyncSession, beginning: Beginning, now: Any) -> Person:
    """Make the community and its first administrator; that person. Raises Refusal: there is one already, or an answer is no good."""
    if (await session.execute(sa.select(col(Community.id)).limit(1))).first() is not None:
        raise Refusal("init.exists")
    said = (beginning.community, beginning.administrator, beginning.city, beginning.district, beginning.street)
    if any(holds_identity_number(one) for one in said):
        raise Refusal("init.id_number")
    number = phone_number(beginning.phone) if beginning.phone else None
    if beginning.phone and number is None:
        raise Refusal("init.bad_phone")
    config = {"city": beginning.city, "district": beginning.district, "street": beginning.street, "crs": "WGS84"}
    community = Community(name=beginning.community, config=config)
    session.add(community)
    await session.flush()
    person = Person(
        community_id=community.id,
        display_name=beginning.administrator,
        phone=number,
        phone_hash=keyring.hash("phone", number) if number else None,
        person_kind="staff",
        language=beginning.language,
    )
    session.add(person)
    await session.flush()
    for role in FIRST_ROLES:
        granted = RoleAssignment(person_id=person.id, role=role)
        session.add_all(
            [granted, AuditLog(action="role.granted", person_id=person.id, object_kind="role", object_id=granted.id, note=role, at=now)]
        )
    await session.flush()
    return person


def _require_importer(context: Context) -> None:
    if not context.actor.has(*IMPORTERS):
        raise Refusal("refused.permission")


def _counts(plan: Plan) -> dict[str, tuple[int, int, int]]:
    return {sheet: (count.new, count.changed, count.same) for sheet, count in plan.counts.items()}


async def look_at(context: Context, name: str, data: bytes, caption: str = "") -> Screen:
    """What this file would change, or what is wrong with it; nothing is changed. Raises Refusal: not one of the office.

    The file waits in an encrypted draft for 7 days at most; one with a fault is not kept at all.
    """
    if not context.actor.has(*IMPORTERS):
        raise Refusal("document.not_for_you")
    await media.forget_unless_ours(context, data)
    if holidays.is_notice(name):
        return await holidays.look_at(context, holidays.text_of(name, data))
    name = "" if holds_identity_number(name) else name
    plan = await importing.prepare(context, [Source(name, data, system_of(caption) if caption else None)])
    if plan.faults:
        return setup_screens.faulty(name, [fault.words() for fault in plan.faults])
    if not plan.changes:
        return setup_screens.nothing_new(name, _counts(plan))
    draft = keep(context, DRAFT, name=name, data=base64.b64encode(data).decode(), crs=system_of(caption) if caption else None)
    context.facts["keep_draft"] = True
    await context.session.flush()
    return setup_screens.preview(name, _counts(plan), draft.id)


async def bring_in(context: Context, draft_id: str) -> Screen:
    """Import the file that waits, all of it or nothing: it is looked at anew, as things may have changed. Raises Refusal."""
    _require_importer(context)
    draft = await _waiting(context, draft_id)
    name, source = draft.data["name"], Source(draft.data["name"], base64.b64decode(draft.data["data"]), draft.data["crs"])
    plan = await importing.carry_out(context, [source])
    await _forget(context, draft)
    if plan.faults:
        return setup_screens.faulty(name, [fault.words() for fault in plan.faults])
    return setup_screens.imported(name, _counts(plan)) if plan.changes else setup_screens.nothing_new(name, _counts(plan))


async def drop(context: Context, draft_id: str) -> None:
    """Forget the file that waits. Raises Refusal: nothing waits."""
    await _forget(context, await _waiting(context, draft_id))


async def _waiting(context: Context, draft_id: str) -> Draft:
    draft = await context.session.get(Draft, draft_id)
    if draft is None or draft.kind != DRAFT or context.account is None or draft.account_id != context.account.id:
        raise Refusal("setup.file_gone")
    return draft


async def _forget(context: Context, draft: Draft) -> None:
    await context.session.delete(draft)
    if context.draft is draft:
        context.draft = None
    await context.session.flush()


# -- what is sent back ------------------------------------------------------------------------------------------------
async def template(context: Context) -> Screen:
    """The empty workbook. Raises Refusal."""
    _require_importer(context)
    return await _file(context, "setup.template", exporting.template(), "setup.template_name", "import_template")


async def export(context: Context) -> Screen:
    """The community's data as the workbook that an import takes. Raises Refusal."""
    _require_importer(context)
    return await _file(context, "setup.export", await exporting.export(context), "setup.export_name", "community")


async def invitation_list(context: Context, invited: list[Invited]) -> Screen:
    """The links of several people as a sheet for the one who acts alone."""
    made = await documents.keep(
        context, _sheet(invited, context.language), text("invite.list_name", {}, context.language), documents.XLSX, "invitations"
    )
    made.expires_at = context.now + LIST_KEPT
    return setup_screens.document("invite.list", made.media_id, count=len(invited))


async def _file(context: Context, key: str, data: bytes, name: str, kind: str) -> Screen:
    made = await documents.keep(context, data, text(name, {}, context.language), documents.XLSX, kind)
    return setup_screens.document(key, made.media_id)


def _sheet(invited: list[Invited], language: str) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, exporting.AS_WRITTEN) as book:
        page, bold = book.add_worksheet(), book.add_format({"bold": True})
        titles = ["name", "code", "grid", "phone", *["address"] * max(len(one.addresses) for one in invited)]
        for index, title in enumerate(titles):
            page.write_string(0, index, text(f"invite.column.{title}", {}, language), bold)
            page.set_column(index, index, 60 if title == "address" else 12)
        for row, one in enumerate(invited, 1):
            asks = text("invite.yes" if one.person.phone_hash else "invite.no", {}, language)
            cells = (one.person.display_name, one.person.code or "", one.grid or "", asks, *one.addresses)
            for index, cell in enumerate(cells):
                page.write_string(row, index, cell)
    return buffer.getvalue()
