"""SQLite in the event loop's own thread: a statement costs microseconds there, handing it to another thread a tenth of a millisecond.

A COMMIT hands its pages to the operating system and is over (WAL, synchronous=NORMAL): whoever kills the process loses nothing of it.
That it also survives a power cut takes an fsync of the write-ahead log, which is what synchronous=FULL would do in every COMMIT; here
`InlineStore.durable` does it, in another thread, once for all commits before it, and the next transaction need not wait for it.
Nothing leaves the house before it returned (`models.database.Database.connection` waits for it unless told otherwise).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncSession

Result = TypeVar("Result")

DRIVER = "sqlite+inline"
BUSY_SECONDS = 20.0
CHECKPOINT_COMMITS = 128
_FIRST_WAIT, _LONGEST_WAIT = 0.002, 0.05
_PRAGMAS = (
    "journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=0", "foreign_keys=ON", "secure_delete=ON", "busy_timeout=0",
)  # fmt: skip
_sync_data = getattr(os, "fdatasync", os.fsync)


class InlineSQLite(SQLiteDialect_pysqlite):
    """The dialect `sqlite+inline`: every transaction is a writer from its first statement on, no read-modify-write is ever lost."""

    driver = "inline"
    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """BEGIN IMMEDIATE, which does not wait: `InlineStore` asks again."""
        dbapi_connection.execute("BEGIN IMMEDIATE")


registry.register("sqlite.inline", __name__, "InlineSQLite")


class InlineConnection:
    """A connection in a transaction, awaited like SQLAlchemy's `AsyncConnection`; nothing in it waits."""

    def __init__(self, connection: sa.Connection) -> None:
        self.sync_connection = connection
        self.dialect = connection.dialect

    async def execute(self, statement: Any, parameters: Any = None, **options: Any) -> sa.CursorResult[Any]:
        """The result of a statement."""
        return self.sync_connection.execute(statement, parameters, **options)

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> sa.CursorResult[Any]:
        """The result of a statement in SQLite's own words."""
        return self.sync_connection.exec_driver_sql(statement, parameters)

    async def run_sync(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """What a function makes of the connection."""
        return function(self.sync_connection, *arguments, **named)


class InlineSession(AsyncSession):
    """A session on an `InlineConnection`: SQLAlchemy's, without a greenlet for every call."""

    def __init__(self, connection: InlineConnection, **options: Any) -> None:
        super().__init__(**options)
        self.sync_session.bind = connection.sync_connection

    async def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        return self.sync_session.execute(statement, params, **options)

    async def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        return self.sync_session.scalar(statement, params, **options)

    async def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        return self.sync_session.scalars(statement, params, **options)

    async def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        return self.sync_session.get(entity, ident, **options)

    async def refresh(self, instance: object, attribute_names: Iterable[str] | None = None, with_for_update: Any = None) -> None:
        self.sync_session.refresh(instance, attribute_names, with_for_update)

    async def delete(self, instance: object) -> None:
        self.sync_session.delete(instance)

    async def flush(self, objects: Sequence[Any] | None = None) -> None:
        self.sync_session.flush(objects)

    async def commit(self) -> None:
        self.sync_session.commit()

    async def close(self) -> None:
        self.sync_session.close()

    async def __aexit__(self, *_: object) -> None:
        self.sync_session.close()


class InlineStore:
    """One SQLite file with the one connection to it. One, because SQLite before 3.51.3 has a WAL-reset race between connections."""

    def __init__(self, url: URL, **options: Any) -> None:
        self._path = url.database or ""
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        inline = url.set(drivername=DRIVER)
        self.engine = sa.create_engine(inline, poolclass=pool.StaticPool, creator=self._open, **options)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._free = asyncio.Lock()
        self._connection: sa.Connection | None = None
        self._log = -1
        self._written = self._synced = 0  # commits, counted
        self._since_checkpoint = 0
        self._syncing: asyncio.Future[None] | None = None
        self._lost: OSError | None = None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    # -- one transaction --------------------------------------------------------------------------------------
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[InlineConnection]:
        """One transaction after another: commits at the end, rolls back when the block raises. Not yet safe from a power cut.

        Raises OperationalError when another process writes for more than 20 seconds, and OSError from the moment on at which the disk
        failed to keep what was committed: then nobody knows what is on it, and only a new start reads what is.
        """
        async with self._free:
            if self._lost is not None:
                raise OSError("the disk has failed before: start again") from self._lost
            connection = self._connection
            if connection is None:
                connection = self._connection = await _finish(self._in_thread(self.engine.connect))
            driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
            transaction = await self._begin(connection)
            before = driver.total_changes
            try:
                yield InlineConnection(connection)
                if driver.total_changes == before:
                    transaction.commit()
                else:
                    await self._commit(transaction)
            except BaseException:
                # A session whose flush failed has rolled back already; a commit that failed must not stand in the way of the next.
                if connection.get_transaction() is not None:
                    transaction.rollback()
                if driver.in_transaction:
                    driver.rollback()
                raise

    async def _begin(self, connection: sa.Connection) -> sa.RootTransaction:
        deadline, wait = asyncio.get_running_loop().time() + BUSY_SECONDS, _FIRST_WAIT
        while True:
            try:
                return connection.begin()
            except sa.exc.OperationalError as error:
                code = getattr(error.orig, "sqlite_errorcode", 0)
                if code & 0xFF != sqlite3.SQLITE_BUSY or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _commit(self, transaction: sa.RootTransaction) -> None:
        self._written += 1  # before: whoever is cancelled during the commit has committed
        self._since_checkpoint += 1
        # Now and then the log is copied into the file, and the commit after that begins the log anew: both wait for the disk.
        if 1 < self._since_checkpoint <= CHECKPOINT_COMMITS:
            transaction.commit()
        else:
            await _finish(self._in_thread(transaction.commit))
        if self._since_checkpoint > CHECKPOINT_COMMITS:
            self._since_checkpoint = 0
            await _finish(self._in_thread(self._checkpoint))

    def _checkpoint(self) -> None:
        assert self._connection is not None
        self._connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # type: ignore[union-attr]

    # -- the disk ---------------------------------------------------------------------------------------------
    async def durable(self) -> None:
        """Return when everything committed before is on the disk; one fsync serves all who wait. Raises OSError when it fails."""
        wanted = self._written
        while self._synced < wanted:
            if self._lost is not None:
                raise OSError("the disk did not keep what was committed") from self._lost
            if self._syncing is None:
                # What is ready to run may commit first, and shares this fsync.
                await asyncio.sleep(0)
                if self._syncing is None and self._synced < wanted:
                    self._syncing = self._in_thread(self._sync_log)
                    self._syncing.add_done_callback(lambda running, upto=self._written: self._on_synced(running, upto))  # type: ignore[misc]
                continue
            await asyncio.wait([self._syncing])

    def _sync_log(self) -> None:
        if self._log < 0:
            self._log = os.open(f"{self._path}-wal", os.O_RDWR)
        _sync_data(self._log)

    def _on_synced(self, running: asyncio.Future[None], upto: int) -> None:
        self._syncing = None
        error = running.exception()
        if error is None:
            self._synced = max(self._synced, upto)
        else:  # whether a second fsync tells the truth after the first one failed, no system promises
            self._lost = error if isinstance(error, OSError) else OSError(str(error))

    def _in_thread(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._worker, call)

    async def close(self) -> None:
        """Let everything reach the disk, and close the file; closing it twice is harmless."""
        async with self._free:
            if self._connection is not None:
                if self._lost is None:
                    await self.durable()
                self._connection.close()
                self._connection = None
            self.engine.dispose()
            if self._log >= 0:
                os.close(self._log)
                self._log = -1


async def _finish(running: asyncio.Future[Result]) -> Result:
    """The result of a call in the worker thread. Whoever is cancelled meanwhile leaves when the call is over, never before."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
