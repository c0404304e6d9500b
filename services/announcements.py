"""Announcements: written by staff, pushed to the bound groups or waiting to be asked for; nobody counts who read them (domain.md §0.1)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Announcement, Chat, Community, Enrollment
from services import audit, drafts, masking, post, problems
from services.context import Context, Refusal
from services.post import held
from services.workdays import ZONE, local
from texts import administration_screens as screens
from texts.actions import Do
from texts.administration import tables
from texts.screen import Button, Key, Screen, Value

DRAFT = "announcement"
AUTHORS = ("coordinator", "community_clerk", "community_secretary")
PURPOSES = {"all": "public", "members": "party", "staff": "coordinators"}


def card(announcement: Announcement) -> str:
    """The name of its living message in the groups."""
    return f"announcement:{announcement.id}"


def audiences(context: Context) -> list[str]:
    """For whom the actor may announce: everybody's for coordinator, clerk and secretary; a grid leader for the own grids."""
    led = sorted({grant.grid for grant in context.actor.grants if grant.role == "grid_leader" and grant.grid})
    whole = list(PURPOSES) if context.actor.has(*AUTHORS) else []
    return [*whole, *(f"grid:{code}" for code in (context.ground.grids if whole and not led else led))][:9]


def _require(context: Context) -> list[str]:
    found = audiences(context)
    if not found:
        raise Refusal("refused.only.coordinator")
    return found


# -- writing one ----------------------------------------------------------------------------------------------------
async def begin(context: Context, said: str, until: str = "") -> Screen:
    """The preview of an announcement with its choices. Raises Refusal: not entitled, empty, too long, or an identity number in it."""
    choices, text, limit = _require(context), said.strip(), tables()["announcements"]["longest"]
    if not text:
        raise Refusal("announcement.empty")
    if masking.holds_identity_number(text):
        raise Refusal("announcement.identity_number")
    if len(text) > limit:
        raise Refusal("announcement.long", most=limit)
    last = problems.parse_day(until, local(context.now).date()) if until else None
    if until and last is None:
        raise Refusal("refused.date")
    draft = await drafts.beside(
        context, DRAFT, text=text, audience=choices[0], pinned=False, days="" if last else "30", until=last.isoformat() if last else ""
    )
    return _preview(context, draft.id, draft.data)


async def set_choice(context: Context, draft_id: str, what: str, value: str) -> Screen:
    """The preview with one choice changed. Raises Refusal: the button was forged or is old."""
    choices, draft = _require(context), await drafts.opened(context, DRAFT, draft_id)
    if what == "audience" and value.replace(".", ":") in choices:
        await drafts.put(context, draft, audience=value.replace(".", ":"))
    elif what == "days" and value in {"0", *map(str, tables()["announcements"]["days"])}:
        await drafts.put(context, draft, days=value, until="")
    elif what == "pinned":
        await drafts.put(context, draft, pinned=not draft.data["pinned"])
    elif what == "masked":
        await drafts.put(context, draft, text=masking.mask(draft.data["text"]))
    else:
        raise Refusal("dialog.gone")
    return _preview(context, draft.id, draft.data)


def _expires(context: Context, data: dict[str, Any]) -> datetime | None:
    """The end of its last day."""
    today = local(context.now).date()
    if data["until"]:
        last = date.fromisoformat(data["until"])
    elif data["days"] != "0":
        last = today + timedelta(days=int(data["days"]))
    else:
        return None
    return datetime.combine(last + timedelta(days=1), time(), ZONE)


def _preview(context: Context, draft_id: str, data: dict[str, Any]) -> Screen:
    expires = _expires(context, data)
    masked = masking.mask(data["text"])
    values: dict[str, Value] = {
        "text": data["text"], "audience": screens.audience(data["audience"]),
        "until": (expires - timedelta(days=1)).date() if expires else None,
        "pinned": Key("announcement.is_pinned") if data["pinned"] else None,
        "warning": Key("announcement.warning", {"masked": masked}) if masked != data["text"] else None,
    }  # fmt: skip
    shown = data | {"audience": data["audience"].replace(":", ".")}
    return screens.announcement_card(draft_id, values, audiences(context), shown)


async def publish(context: Context, draft_id: str, how: str) -> Screen:
    """Publish it: `push` to the bound groups (quiet hours held to 08:00), or `hang` it up to be asked for. Raises Refusal."""
    choices, draft = _require(context), await drafts.opened(context, DRAFT, draft_id)
    data = dict(draft.data)
    if data["audience"] not in choices or how not in ("push", "hang"):
        raise Refusal("dialog.gone")
    await context.session.delete(draft)
    made = Announcement(
        community_id=context.ground.community_id, number=await _next_number(context), audience=data["audience"], text=data["text"],
        pinned=data["pinned"], author_id=context.actor.id, published_at=context.now, expires_at=_expires(context, data),
    )  # fmt: skip
    context.session.add(made)
    await context.session.flush()
    rows = []
    if how == "push":
        for purpose in await _purposes(context, made.audience):
            rows += await post.to_purpose(context, purpose, shown(context, made), card=card(made))
        made.pushed = bool(rows)
    values: dict[str, Value] = {
        "number": made.number, "groups": len(rows) or None, "audience": screens.audience(made.audience),
        "later": rows[0].send_after if rows and held(rows[0], context.now) else None,
        "unbound": Key("announcement.unbound") if how == "push" and not rows else None,
    }  # fmt: skip
    return Screen("announcement.done", values, ((Button("announcement.button.withdraw", Do.announcement_withdraw(made.id)),),))


async def _purposes(context: Context, audience: str) -> list[str]:
    """The groups of an audience: everybody's is the public one, or where none is bound every grid's."""
    purpose = PURPOSES.get(audience, audience)
    if purpose != "public":
        return [purpose]
    bound = await context.session.scalar(sa.select(col(Chat.id)).where(col(Chat.purpose) == purpose, col(Chat.blocked).is_(False)).limit(1))
    return [purpose] if bound else [f"grid:{code}" for code in context.ground.grids]


async def _next_number(context: Context) -> int:
    # The community's row is held, so that two who publish at once get two numbers.
    await context.session.execute(sa.select(col(Community.id)).where(col(Community.id) == context.ground.community_id).with_for_update())
    newest = sa.select(sa.func.max(col(Announcement.number))).where(col(Announcement.community_id) == context.ground.community_id)
    return int(await context.session.scalar(newest) or 0) + 1


def shown(context: Context, made: Announcement) -> Screen:
    """The announcement as everybody reads it."""
    return Screen("announcement.card", _values(context, made))


def _values(context: Context, made: Announcement) -> dict[str, Value]:
    return {
        "number": made.number, "text": made.text, "community": context.ground.name, "day": local(made.published_at).date(),
        "pinned": Key("announcement.is_pinned") if made.pinned else None,
        "until": (local(made.expires_at) - timedelta(days=1)).date() if made.expires_at else None,
    }  # fmt: skip


# -- taking it back -------------------------------------------------------------------------------------------------
async def withdraw(context: Context, number: str) -> Screen:
    """Take announcement `number` (or that with this id) back: the groups' messages read 已撤回. Raises Refusal."""
    where = col(Announcement.number) == int(number) if number.isdecimal() and len(number) < 7 else col(Announcement.id) == number
    here = col(Announcement.community_id) == context.ground.community_id
    made: Announcement | None = await context.session.scalar(sa.select(Announcement).where(here, where).with_for_update())
    if made is None:
        raise Refusal("announcement.unknown", number=number)
    if made.audience not in audiences(context) and not context.actor.has(*AUTHORS):
        raise Refusal("refused.permission")
    if made.withdrawn_at is not None:
        raise Refusal("announcement.withdrawn_already", number=made.number)
    made.withdrawn_at = context.now
    audit.changed(context, "announcement.withdrawn", None, f"announcement:{made.id}")
    await post.retire_card(context, card(made), Screen("announcement.gone", {"number": made.number}))
    return Screen("announcement.withdrawn", {"number": made.number})


# -- reading --------------------------------------------------------------------------------------------------------
async def current(context: Context) -> Screen:
    """What is announced to whoever asks here: pinned first, then the newest; what is over or withdrawn is not shown."""
    readable = await _readable(context)
    query = sa.select(Announcement).where(
        col(Announcement.community_id) == context.ground.community_id, col(Announcement.withdrawn_at).is_(None),
        sa.or_(col(Announcement.expires_at).is_(None), col(Announcement.expires_at) > context.now), readable,
    )  # fmt: skip
    order = (col(Announcement.pinned).desc(), col(Announcement.published_at).desc(), col(Announcement.number).desc())
    most = tables()["announcements"]["shown"]
    found = list(await context.session.scalars(query.order_by(*order).limit(most + 1)))
    if not found:
        return Screen("announcement.none", {"community": context.ground.name})
    lines = screens.listed([_values(context, one) for one in found[:most]], "announcement.line")
    more = Key("announcement.more") if len(found) > most else None
    return Screen("announcement.list", {"community": context.ground.name, "lines": lines, "more": more})


async def _readable(context: Context) -> sa.ColumnElement[bool]:
    """The audiences of the one who asks; in a group those of the group alone, whoever asks (domain.md §0.6)."""
    audience = col(Announcement.audience)
    if not context.private:
        purpose = context.chat.purpose if context.chat else ""
        known = {"all"} | {"party": {"members"}, "coordinators": {"members", "staff"}}.get(purpose, set())
        return audience.in_({*known, purpose} if purpose.startswith("grid:") else known)
    if context.actor.staff:
        return sa.true()
    known = {"all"} | ({"members"} if context.actor.member_state == "ACTIVE" else set())
    person = context.actor.person
    enrolled = sa.select(col(Enrollment.grid_code)).where(col(Enrollment.person_id) == context.actor.id, col(Enrollment.state) == "ACTIVE")
    grids = {person.home_grid if person else None, await context.session.scalar(enrolled.limit(1))}
    return audience.in_(known | {f"grid:{code}" for code in grids if code})
