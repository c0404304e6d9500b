"""The inbox as turns take it: a lane is one person on one platform, and only its first open row can be claimed (design.md §2, Turn)."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.inbox import Taken
from models import InboxMessage, keyring
from services.owners import is_dead

LEASE_SECONDS = 60.0

_INBOX: sa.Table = InboxMessage.__table__  # type: ignore[attr-defined]
# Opened row by row, so that one that cannot be opened (a key is missing) does not keep the others from being read.
_SEALED = sa.type_coerce(_INBOX.c.raw, sa.LargeBinary).label("raw")
# The states as the index on open rows says them: with bound values SQLite would not use it, and read the whole table.
_OPEN = "inbox.state IN ('pending','working')"


@dataclass(frozen=True, slots=True)
class Row:
    """One claimed inbox row. `raw` is the update: sealed as it was stored, or as it came when it was taken at the door."""

    id: int
    platform: str
    bot: str
    raw: bytes | Taken | None
    attempts: int
    token: str

    @property
    def cause(self) -> str:
        return f"in:{self.id}"


def unsealed(raw: bytes | None) -> Any:
    """The stored update. Raises KeyError or InvalidTag when it cannot be decrypted."""
    return None if raw is None else json.loads(keyring.decrypt(raw))


def new_token(owner: str) -> str:
    """The token of a lease of this owner."""
    return f"{owner}|{secrets.token_hex(4)}"


async def claim(connection: AsyncConnection, owner: str, now: float, most: int, fetching: Iterable[int]) -> list[Row]:
    """The head of every free lane, leased to this owner; the attempt is counted before the work, so a crash counts too."""
    heads = (await connection.execute(HEADS, {"now": now, "fetching": list(fetching), "most": most})).all()
    if not heads:
        return []
    # What failed or died before is run by itself: it must not take others down with it.
    fresh = list(itertools.takewhile(lambda head: head.attempts == 0, heads))
    token = new_token(owner)
    rows = await connection.execute(
        sa.update(_INBOX)
        .where(_INBOX.c.id.in_([head.id for head in fresh or heads[:1]]), _INBOX.c.state.in_(("pending", "working")))
        .values(state="working", attempts=_INBOX.c.attempts + 1, lease_token=token, lease_until=now + LEASE_SECONDS)
        .returning(_INBOX.c.id, _INBOX.c.platform, _INBOX.c.bot, _SEALED, _INBOX.c.attempts)
    )
    found = [Row(row.id, row.platform, row.bot, row.raw, row.attempts, token) for row in rows]
    return sorted(found, key=lambda row: row.id)


async def free_the_dead(connection: AsyncConnection) -> None:
    """What a dead process of this host held may be claimed at once."""
    held = sa.select(_INBOX.c.lease_token).where(sa.text(_OPEN), _INBOX.c.state == "working").distinct()
    dead = [token for token in (await connection.execute(held)).scalars() if is_dead(token)]
    if dead:
        await connection.execute(
            sa.update(_INBOX).where(_INBOX.c.state == "working", _INBOX.c.lease_token.in_(dead)).values(lease_until=0.0)
        )


async def put_back(connection: AsyncConnection, row: Row, reason: str, not_before: float) -> None:
    """Let the row be claimed again from this moment (seconds since the epoch) on, if it is still ours."""
    await connection.execute(_ours(row).values(state="pending", attempts=row.attempts, error=reason[:500], not_before=not_before))


async def put_aside(connection: AsyncConnection, row: Row, reason: str) -> bool:
    """Quarantine the row; False when it is not ours any more."""
    put = await connection.execute(_ours(row).values(state="quarantined", error=reason, lease_until=0.0))
    return put.rowcount == 1


async def finish(connection: AsyncConnection, row: Row) -> bool:
    """The row is done, and what was said is wiped; False when it is not ours any more."""
    done = await connection.execute(DONE, {"row": row.id, "token": row.token})
    return done.rowcount == 1


def _ours(row: Row) -> Any:
    return sa.update(_INBOX).where(_INBOX.c.id == row.id, _INBOX.c.lease_token == row.token, _INBOX.c.state == "working")


def _heads() -> Any:
    """The first open row of every lane that may be taken."""
    other = _INBOX.alias("earlier")
    now: Any = sa.bindparam("now", type_=sa.Float)
    fetching: Any = sa.bindparam("fetching", expanding=True)
    return (
        sa.select(_INBOX.c.id, _INBOX.c.attempts)
        .where(
            sa.text(_OPEN),
            ~sa.exists().where(other.c.lane == _INBOX.c.lane, other.c.id < _INBOX.c.id, sa.text("earlier.state IN ('pending','working')")),
            sa.or_(
                sa.and_(_INBOX.c.state == "pending", _INBOX.c.not_before <= now),
                sa.and_(_INBOX.c.state == "working", _INBOX.c.lease_until < now, _INBOX.c.id.not_in(fetching)),
            ),
        )
        .order_by(sa.text("+inbox.id"))  # the plus keeps SQLite from walking through the whole table in this order
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True, of=_INBOX)
    )


# The statements of every turn, made once: making one costs more than running it.
HEADS = _heads()
DONE = (
    sa.update(_INBOX)
    .where(_INBOX.c.id == sa.bindparam("row"), _INBOX.c.lease_token == sa.bindparam("token"), _INBOX.c.state == "working")
    .values(state="done", raw=sa.null(), lane="", error="")
)
