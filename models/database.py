"""Engines and sessions for SQLite and PostgreSQL, and the migrations."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import traceback
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from models.inline_sqlite import InlineConnection, InlineSession, InlineStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


_ROOT = f"{Path(__file__).resolve().parent.parent}/"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def is_sqlite(url: str) -> bool:
    """Whether the address names an SQLite file."""
    return make_url(url).get_backend_name() == "sqlite"


class Database:
    """The store: `transaction()` is one unit of work, one commit. SQLite runs in this thread (`InlineStore`), PostgreSQL on a pool."""

    engine: Any  # an AsyncEngine on PostgreSQL; on SQLite an Engine, which only `InlineStore` uses

    def __init__(self, url: str) -> None:
        self.url = url
        self.sqlite = is_sqlite(url)
        if self.sqlite:
            self._inline = InlineStore(make_url(url), json_serializer=_json, hide_parameters=True)
            self.engine = self._inline.engine
        else:
            self.engine = create_async_engine(
                url, json_serializer=_json, hide_parameters=True, pool_size=12, max_overflow=8, pool_pre_ping=True
            )

    @asynccontextmanager
    async def connection(self, durable: bool = True) -> AsyncIterator[AsyncConnection]:
        """One transaction on a bare connection; commits at the end, rolls back when the block raises.

        When it ends, everything that was committed or seen in it is on the disk. With `durable=False` only a power cut can take it back,
        until somebody waited for `durable()`: nobody outside may hear of it before.
        """
        if not self.sqlite:
            async with self._pooled() as connection:
                yield connection
            return
        async with self._inline.transaction() as inline:
            yield inline  # type: ignore[misc]
        if durable:
            await self._inline.durable()

    @asynccontextmanager
    async def _pooled(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            if _away(error):
                raise Away(describe(error)) from error
            raise

    async def durable(self) -> None:
        """Return when everything that was committed before is on the disk. Raises OSError when the disk fails."""
        if self.sqlite:
            await self._inline.durable()

    @asynccontextmanager
    async def transaction(self, durable: bool = True) -> AsyncIterator[AsyncSession]:
        """One transaction with a session; commits at the end, rolls back when the block raises. `durable`: see `connection`."""
        async with self.connection(durable) as connection, session_on(connection) as session:
            yield session

    async def close(self) -> None:
        """Close every connection."""
        if self.sqlite:
            await self._inline.close()
        else:
            await self.engine.dispose()


@asynccontextmanager
async def session_on(connection: AsyncConnection | InlineConnection, savepoint: bool = False) -> AsyncIterator[AsyncSession]:
    """A session inside the connection's transaction, whose owner commits.

    With `savepoint` the session's work stands or falls by itself: when the block raises, what others did on the connection stays.
    """
    options: Any = {"expire_on_commit": False, "join_transaction_mode": "create_savepoint" if savepoint else "rollback_only"}
    made = InlineSession(connection, **options) if isinstance(connection, InlineConnection) else AsyncSession(bind=connection, **options)
    async with made as session:
        yield session
        await session.flush()
        if savepoint:
            await session.commit()


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


async def migrate(url: str) -> None:
    """Bring the schema at `url` to the newest revision, on an engine of its own."""
    if is_sqlite(url) and (database := make_url(url).database):
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(command.upgrade, _config(url), "head")


def describe(error: BaseException) -> str:
    """One line for a log: the kind, and the driver's own words or the place in our code; never a value: it may be what somebody wrote."""
    original = getattr(error, "orig", None) or error
    if isinstance(error, sa.exc.OperationalError | sa.exc.IntegrityError | sqlite3.Error | Away | OSError):
        return f"{type(original).__name__}: {str(original).splitlines()[0] if str(original) else ''}"[:300]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_ROOT) and "site-packages" not in frame.filename] or frames
    return f"{type(original).__name__} at {ours[-1].filename.removeprefix(_ROOT)}:{ours[-1].lineno}" if ours else type(original).__name__


class Away(Exception):
    """The server ended the connection, takes none now, or gave this transaction up for another's sake: the same again later may work."""


def _away(error: sa.exc.DBAPIError) -> bool:
    # asyncpg's own classes all arrive as the plain DBAPIError: connection, rollback, resources, state, operator, system.
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or state[:2] in ("08", "40", "53", "57", "58") or state in ("55000", "25006")


STORAGE_ERRORS = (sa.exc.OperationalError, sa.exc.InterfaceError, sqlite3.OperationalError, Away, OSError, TimeoutError)
"""What a database that is down, full or locked raises."""
