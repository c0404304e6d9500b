"""SQLite in the event loop's own thread: a statement costs microseconds there, handing it to another thread a tenth of a millisecond.

Only what waits for the disk or for another process is kept out of the loop: opening, COMMIT of a transaction that wrote, and
BEGIN, which is asked again and again without blocking. Addresses are those of aiosqlite; `models.database` makes its engines
with this dialect instead.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, AdaptedConnection
from sqlalchemy.util.concurrency import await_

Result = TypeVar("Result")

DRIVER = "sqlite+inline"
BUSY_SECONDS = 20.0
_FIRST_WAIT, _LONGEST_WAIT = 0.002, 0.05
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "busy_timeout=0")


class _Done:
    """What may be awaited and is over at once: SQLAlchemy insists that a statement awaits something."""

    def __await__(self) -> Iterator[None]:
        return iter(())


_DONE = _Done()


class _Cursor(sqlite3.Cursor):
    """The driver's cursor, whose statements run here and now."""

    def execute(self, *statement: Any) -> sqlite3.Cursor:  # type: ignore[override]
        await_(_DONE)  # type: ignore[arg-type]
        return super().execute(*statement)

    def executemany(self, *statement: Any) -> sqlite3.Cursor:  # type: ignore[override]
        await_(_DONE)  # type: ignore[arg-type]
        return super().executemany(*statement)

    async def _async_soft_close(self) -> None:
        """SQLAlchemy awaits this when a statement gave no rows: there is nothing to free."""


class InlineConnection(AdaptedConnection):
    """One connection as SQLAlchemy's asyncio engine uses it (inside its greenlets)."""

    __slots__ = ("_dirty_since", "_worker")

    def __init__(self, connection: sqlite3.Connection, worker: ThreadPoolExecutor) -> None:
        self._connection, self._worker = connection, worker  # type: ignore[assignment]
        self._dirty_since = connection.total_changes

    def cursor(self) -> sqlite3.Cursor:
        """A new cursor."""
        cursor: sqlite3.Cursor = self._connection.cursor(_Cursor)  # type: ignore[assignment]
        return cursor

    def begin(self) -> None:
        """BEGIN IMMEDIATE, while another process writes again after a while. Raises OperationalError after 20 seconds."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            await_(self._begin_later())
        self._dirty_since = self._connection.total_changes

    async def _begin_later(self) -> None:
        deadline, wait = asyncio.get_running_loop().time() + BUSY_SECONDS, _FIRST_WAIT
        while True:
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or asyncio.get_running_loop().time() > deadline:
                    raise
            else:
                return

    def commit(self) -> None:
        """COMMIT; on the disk when this returns. A transaction that wrote nothing has nothing to wait for."""
        if self._connection.total_changes == self._dirty_since:
            self._connection.commit()  # type: ignore[unused-coroutine]
        else:
            await_(_in_thread(self._worker, self._connection.commit))  # type: ignore[unused-coroutine]

    def rollback(self) -> None:
        """Undo the transaction, where there is one."""
        self._connection.rollback()  # type: ignore[unused-coroutine]

    def close(self) -> None:
        """Close the file; closing it twice is harmless."""
        self._connection.close()
        self._worker.shutdown(wait=False)


async def _in_thread(worker: ThreadPoolExecutor, call: Callable[[], Result]) -> Result:
    """The result of a call in the worker thread. Whoever is cancelled meanwhile leaves when the call is over, never before."""
    running = asyncio.get_running_loop().run_in_executor(worker, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _open(path: str, options: dict[str, Any]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS, **options)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection  # type: ignore[no-any-return]


class InlineSQLite(SQLiteDialect_pysqlite):
    """The dialect `sqlite+inline`."""

    driver = "inline"
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        """The pool of asyncio engines."""
        return pool.AsyncAdaptedQueuePool

    def connect(self, *arguments: Any, **options: Any) -> Any:
        """Open the file in a thread of its own, where later its commits wait for the disk."""
        for named in ("check_same_thread", "isolation_level", "timeout"):
            options.pop(named, None)
        worker = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        return InlineConnection(await_(_in_thread(worker, lambda: _open(arguments[0], options))), worker)

    def do_begin(self, dbapi_connection: Any) -> None:
        """Every transaction is a writer from its first statement on: no read-modify-write is ever lost."""
        dbapi_connection.begin()

    def on_connect(self) -> Callable[[Any], None]:
        """SQLAlchemy's regular expressions for SQLite."""
        prepare = super().on_connect()
        return lambda connection: prepare(getattr(connection, "driver_connection", connection))


registry.register("sqlite.inline", __name__, "InlineSQLite")
