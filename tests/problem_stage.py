"""Problems made by hand on the stage of tests/work_stage.py, and what was posted about them."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from work_stage import Stage

from models import (
    AnonymousToken,
    Chat,
    ChatAccount,
    OutboxMessage,
    Person,
    Problem,
    ProblemSupporter,
    StateLog,
    keyring,
)
from models.types import new_id
from services import problems, tickets
from services.context import Context
from services.workdays import ZONE, deadlines
from texts.render import Capabilities, Rendered, render
from texts.screen import Screen

MORNING = datetime(2026, 11, 23, 10, 0, tzinfo=ZONE)
NIGHT = datetime(2026, 11, 23, 22, 0, tzinfo=ZONE)
RESULT = "已经更换灯泡,晚上正常亮了"
_numbers = itertools.count(1)


async def report(stage: Stage, reporter: str | None = "R101", *, announce: bool = False, **fields: Any) -> str:
    """A submitted problem in grid G1; its code. `anonymous="R102"` seals it for that person's chat."""
    hidden = fields.pop("anonymous", None)
    async with stage.turn(None) as context:
        code = f"WT-20261123-{next(_numbers) % 9999 + 1:04d}"
        sla = fields.pop("sla", "P3")
        contact, resolve = deadlines(sla, stage.now, context.calendar)
        token = await _token(context, hidden) if hidden else None
        values: dict[str, Any] = {
            "grid_code": "G1", "category": "E01", "text": "9幢门口路灯不亮,我电话13800001234",
            "text_public": "9幢门口路灯不亮",
            "place_name": "青禾苑9幢", "submitted_at": stage.now, "contact_due": contact, "resolve_due": resolve,
            "original_resolve_due": resolve, "lat": 31.200612, "lon": 120.151512,
            "level": "grid" if fields.get("grid_code", "G1") else "community",
            "reporter_id": None if hidden or reporter is None else (await person(context, reporter)).id,
            "anonymous": bool(hidden), "token_id": token.id if token else None,
        } | fields  # fmt: skip
        problem = Problem(id=new_id(), community_id=context.ground.community_id, code=code, sla=sla, **values)
        context.session.add(problem)
        await context.session.flush()
        if announce:
            await tickets.announce(context, problem)
    return code


async def _token(context: Context, code: str) -> AnonymousToken:
    chat = await context.session.scalar(sa.select(Chat).where(Chat.key_hash == code))
    assert chat is not None
    token = AnonymousToken(
        salt="salt",
        chat_hash=keyring.hash("salt", chat.platform, chat.address),
        return_address=f"memory\nmain\n{code}\nzh_CN",
    )
    context.session.add(token)
    await context.session.flush()
    return token


async def person(context: Context, code: str) -> Person:
    """The person with this code."""
    return (await context.session.scalars(sa.select(Person).where(Person.code == code))).one()


async def find(stage: Stage, code: str) -> Problem:
    """The problem as it is stored."""
    async with stage.turn(None) as context:
        return await problems.find(context, code)


async def support(stage: Stage, code: str, who: str) -> None:
    """This person has the same problem."""
    async with stage.turn(None) as context:
        problem = await problems.find(context, code)
        context.session.add(ProblemSupporter(problem_id=problem.id, person_id=(await person(context, who)).id, at=stage.now))


async def to(stage: Stage, who: str, *, kind: str = "send", state: str = "pending") -> list[OutboxMessage]:
    """The outbox rows for this person's private chat, oldest first."""
    async with stage.turn(None) as context:
        rows = await context.session.scalars(
            sa.select(OutboxMessage)
            .join(ChatAccount, ChatAccount.private_chat_id == OutboxMessage.chat_id)
            .join(Person, Person.id == ChatAccount.person_id)
            .where(Person.code == who, OutboxMessage.kind == kind, OutboxMessage.state == state)
            .order_by(OutboxMessage.id)
        )
        return list(rows)


async def sealed(stage: Stage) -> list[OutboxMessage]:
    """The outbox rows that name a token."""
    async with stage.turn(None) as context:
        rows = await context.session.scalars(sa.select(OutboxMessage).where(OutboxMessage.token_id.is_not(None)).order_by(OutboxMessage.id))
        return list(rows)


async def group(stage: Stage, purpose: str) -> list[OutboxMessage]:
    """The outbox rows for the groups of this purpose."""
    async with stage.turn(None) as context:
        rows = await context.session.scalars(
            sa.select(OutboxMessage).join(Chat, Chat.id == OutboxMessage.chat_id).where(Chat.purpose == purpose)
        )
        return list(rows)


async def deliver(stage: Stage) -> None:
    """Let every row be sent, with a message id."""
    async with stage.turn(None) as context:
        for row in await context.session.scalars(sa.select(OutboxMessage).where(OutboxMessage.state == "pending")):
            row.state, row.message_id = "sent", f"m{row.id}"


async def history(stage: Stage, code: str) -> list[StateLog]:
    """The history of a problem, oldest first."""
    problem = await find(stage, code)
    async with stage.turn(None) as context:
        rows = await context.session.scalars(sa.select(StateLog).where(StateLog.object_id == problem.id).order_by(StateLog.id))
        return list(rows)


def shown(row: OutboxMessage) -> Rendered:
    """What a row says, on a platform with buttons."""
    return render(Screen.from_json(row.body), row.language, Capabilities())


def drawn(screen: Screen) -> Rendered:
    """What a screen says, on a platform with buttons."""
    return render(screen, "zh_CN", Capabilities())


def text(screen: Screen, language: str = "zh_CN") -> str:
    """What a screen says."""
    return render(screen, language, Capabilities()).text


def labels(rendered: Rendered) -> list[str]:
    """The labels of its buttons."""
    return [button.label for row in rendered.buttons for button in row]
