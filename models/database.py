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
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from models.inline_sqlite import DRIVER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


_ROOT = f"{Path(__file__).resolve().parent.parent}/"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def is_sqlite(url: str) -> bool:
    """Whether the address names an SQLite file."""
    return make_url(url).get_backend_name() == "sqlite"


def create_engine(url: str) -> AsyncEngine:
    """The engine for an address. SQLite: one connection, WAL, synchronous=FULL, BEGIN IMMEDIATE (models.inline_sqlite); its folder is made.

    One connection because SQLite before 3.51.3 has a WAL-reset race between connections, and one process writes anyway.
    """
    if not is_sqlite(url):
        return create_async_engine(url, json_serializer=_json, hide_parameters=True, pool_size=12, max_overflow=8, pool_pre_ping=True)
    if database := make_url(url).database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    inline = make_url(url).set(drivername=DRIVER)
    return create_async_engine(inline, json_serializer=_json, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=60)


class Database:
    """The store: `transaction()` is one unit of work, one commit."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(url)

    @property
    def sqlite(self) -> bool:
        """Whether the store is the embedded one."""
        return self.engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """One transaction on a bare connection; commits at the end, rolls back when the block raises."""
        try:
            async with self.engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            if _away(error):
                raise Away(describe(error)) from error
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction with a session; commits at the end, rolls back when the block raises."""
        async with self.connection() as connection, session_on(connection) as session:
            yield session

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


@asynccontextmanager
async def session_on(connection: AsyncConnection, savepoint: bool = False) -> AsyncIterator[AsyncSession]:
    """A session inside the connection's transaction, whose owner commits.

    With `savepoint` the session's work stands or falls by itself: when the block raises, what others did on the connection stays.
    """
    mode: Any = "create_savepoint" if savepoint else "rollback_only"
    async with AsyncSession(bind=connection, expire_on_commit=False, join_transaction_mode=mode) as session:
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
