"""What an operator asks on the command line: links, the doctor, the map of conversations, the diagrams of lives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import col

from bot.router import Route
from bot.settings import Settings
from bot.setup import links_of
from demo.people import Cast
from handlers import root
from models import Community, InboxMessage, OutboxMessage, Person, keyring
from models.database import Database, migrate
from models.lifecycle import LIVES, mermaid
from services.clock import SystemClock
from services.invitations import PREFIX, invite
from texts.render import text


async def one_time_link(settings: Settings, said: str) -> int:
    """Print a one-time link, good for 7 days, that binds the chat account which opens it to the person of this code, id or name.

    Where the person's telephone is known, whoever opens it must give that. Earlier links of the person are void.
    """
    keyring.use(settings.encryption_keys, settings.hash_key)
    database = Database(settings.DATABASE_URL)
    try:
        await migrate(settings.DATABASE_URL)
        async with database.transaction() as session:
            people = await session.scalars(sa.select(Person).where(col(Person.deleted_at).is_(None)))
            found = [one for one in people if said in (one.code, one.id) or (one.display_name == said and one.person_kind != "resident")]
            if len(found) != 1:
                print(f"{'several people have' if found else 'nobody has'} the code, id or name {said!r}", file=sys.stderr)
                return 1
            token = await invite(session, found[0], SystemClock().now())
    finally:
        await database.close()
    for address in await links_of(settings, token):
        print(address)
    print(f"/start {PREFIX}{token}")
    return 0


async def load_community(settings: Settings, file: str) -> int:
    """Store a community (its grids, places, units, staff, members, residents) from a JSON file in the form of demo/community.json."""
    keyring.use(settings.encryption_keys, settings.hash_key)
    try:
        cast = Cast(SystemClock().now(), json.loads(Path(file).read_text("utf-8")), on_web_chat=False)
    except (OSError, ValueError) as error:
        print(f"{file} cannot be read: {error}", file=sys.stderr)
        return 1
    except KeyError as error:
        print(f"{file} lacks {error}: compare it with demo/community.json", file=sys.stderr)
        return 1
    database = Database(settings.DATABASE_URL)
    try:
        await migrate(settings.DATABASE_URL)
        async with database.transaction() as session:
            if await session.scalar(sa.select(col(Community.name)).limit(1)) is not None:
                print("there is a community in this database already; nothing was changed", file=sys.stderr)
                return 1
            for row in cast.rows:
                session.add(row)
                await session.flush()
    finally:
        await database.close()
    print(f"{cast.community.name}: {len(cast.people)} people. Next: python -m bot link CODE for each of the staff")
    return 0


async def examine(settings: Settings, retry: bool = False) -> int:
    """List what was put aside, what died, what waits; with `retry` put the first two back in line. 1 when something is wrong."""
    keyring.use(settings.encryption_keys, settings.hash_key)
    database = Database(settings.DATABASE_URL)
    inbox: sa.Table = InboxMessage.__table__  # type: ignore[attr-defined]
    outbox: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]
    try:
        async with database.connection() as connection:
            aside = (await connection.execute(sa.select(inbox).where(inbox.c.state == "quarantined").order_by(inbox.c.id))).all()
            dead = (await connection.execute(sa.select(outbox).where(outbox.c.state == "dead").order_by(outbox.c.id))).all()
            waiting = (await connection.execute(sa.select(sa.func.count()).where(inbox.c.state.in_(("pending", "working"))))).scalar()
            due = (await connection.execute(sa.select(sa.func.count()).where(outbox.c.state.in_(("pending", "sending"))))).scalar()
            for row in aside:
                print(f"put aside  in:{row.id}  {row.platform}/{row.bot}  {row.attempts} tries  {row.error}")
            for row in dead:
                print(f"dead       out:{row.id}  {row.platform}/{row.bot}  {row.kind} {row.subject or row.card}  {row.error}")
            if retry:
                await connection.execute(
                    sa.update(inbox)
                    .where(inbox.c.state == "quarantined")
                    .values(state="pending", attempts=0, lease_until=0.0, not_before=0.0)
                )
                revived = sa.update(outbox).where(outbox.c.state == "dead", outbox.c.body.is_not(None))
                await connection.execute(revived.values(state="pending", attempts=0, uncertain=False, error=""))
    finally:
        await database.close()
    print(f"{len(aside)} put aside, {len(dead)} dead, {waiting} waiting for a turn, {due} waiting to be sent")
    return 1 if (aside or dead) and not retry else 0


def conversation_map() -> str:
    """Every conversation as a tree: router, event, condition → handler → the steps it leads to."""
    lines: list[str] = []
    for route in root.walk():
        if route.router not in lines:
            lines.append(route.router)
        lines.append(f"  {_describe(route)}")
    return "\n".join(lines)


def _describe(route: Route) -> str:
    conditions = " ".join(_condition(condition) for condition in route.filters) or "any"
    place = "" if route.where == "private" else f" [{route.where}]"
    to = f" → {', '.join(map(repr, route.to))}" if route.to else ""
    return f"{route.event.__name__.lower():9}{conditions}{place}: {route.handler.__name__}{to}"


def _condition(condition: object) -> str:
    intent = getattr(condition, "intent", None)
    if intent:
        return f"“{intent}”"
    return f"({condition!r})" if not callable(condition) or hasattr(condition, "parse") or hasattr(condition, "name") else "(filter)"


def write_diagrams(write: bool) -> int:
    """Print the lives as Mermaid, or write docs/lives.md."""
    document = lives_document()
    if write:
        (Path(__file__).resolve().parent.parent / "docs" / "lives.md").write_text(document, "utf-8")
    else:
        print(document)
    return 0


def lives_document() -> str:
    """docs/lives.md: every life as a diagram, with the words people see for its states."""
    parts = ["# Lives\n\nPrinted from `models/lifecycle.py` by `python -m bot diagrams --write`; a test compares them.\n"]
    for life in LIVES.values():
        words = " · ".join(f"{state} {text(f'state.{life.kind}.{state}', {}, 'zh_CN')}" for state in life.states)
        parts.append(f"## {life.kind}\n\n{words}\n\n```mermaid\n{mermaid(life)}\n```\n")
    return "\n".join(parts)
