"""SQLite in the event loop's thread: what waits does not stop the loop, what was cancelled leaves no half, and every commit is on the disk."""

import asyncio
import contextlib
import sqlite3
import threading

import pytest
import sqlalchemy as sa

from models import inline_sqlite
from models.database import Database

COUNT = sa.text("select count(*) from thing")
INSERT = sa.text("insert into thing values (1)")


@pytest.fixture
async def database(tmp_path):
    made = Database(f"sqlite+aiosqlite:///{tmp_path}/inline.db")
    async with made.connection() as connection:
        await connection.execute(sa.text("create table thing (number integer)"))
    yield made
    await made.close()


@pytest.fixture
def writer(tmp_path, database):
    """Another process, as far as SQLite can tell."""
    with contextlib.closing(sqlite3.connect(tmp_path / "inline.db", isolation_level=None, timeout=0)) as connection:
        yield connection


async def count(database):
    async with database.connection() as connection:
        return (await connection.execute(COUNT)).scalar()


@pytest.mark.parametrize(("pragma", "value"), [("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1), ("secure_delete", 1)])
async def test_the_file_is_opened_as_promised(database, pragma, value):
    async with database.connection() as connection:
        assert (await connection.exec_driver_sql(f"pragma {pragma}")).scalar() == value


async def test_every_transaction_is_a_writer_from_its_first_statement_on(database, writer):
    async with database.connection() as connection:
        await connection.execute(COUNT)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            writer.execute("begin immediate")


async def test_while_another_process_writes_the_loop_goes_on_and_the_transaction_follows(database, writer):
    writer.execute("begin immediate")
    writer.execute("insert into thing values (7)")
    waiting = asyncio.create_task(count(database))
    for _ in range(20):  # the loop turns: nothing in it is blocked by the lock
        await asyncio.sleep(0)
    assert not waiting.done()
    writer.execute("commit")
    assert await waiting == 1


async def test_after_its_time_the_lock_is_an_error_that_says_so(database, writer, monkeypatch):
    monkeypatch.setattr(inline_sqlite, "BUSY_SECONDS", 0.0)
    writer.execute("begin immediate")
    with pytest.raises(sa.exc.OperationalError, match="locked"):
        await count(database)
    writer.execute("rollback")
    assert await count(database) == 0


async def test_a_commit_waits_for_the_disk_in_another_thread_and_only_when_it_wrote(database, monkeypatch):
    threads = []
    real = inline_sqlite._in_thread

    async def seen(worker, call):
        return await real(worker, lambda: (threads.append(threading.current_thread()), call())[1])

    monkeypatch.setattr(inline_sqlite, "_in_thread", seen)
    await count(database)
    assert threads == []
    async with database.connection() as connection:
        await connection.execute(INSERT)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_who_is_cancelled_during_the_commit_leaves_when_it_is_over(database, monkeypatch):
    inside, go_on = threading.Event(), threading.Event()
    real = inline_sqlite._in_thread

    async def slow(worker, call):
        return await real(worker, lambda: (inside.set(), go_on.wait(30), call())[2])

    monkeypatch.setattr(inline_sqlite, "_in_thread", slow)

    async def write():
        async with database.connection() as connection:
            await connection.execute(INSERT)

    task = asyncio.create_task(write())
    await asyncio.to_thread(inside.wait, 30)
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()  # the connection is not given to anybody else while its commit runs
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database) == 1


async def test_what_raises_leaves_nothing(database):
    with pytest.raises(ZeroDivisionError):
        async with database.connection() as connection:
            await connection.execute(INSERT)
            raise ZeroDivisionError
    assert await count(database) == 0


def test_the_connection_is_the_one_in_use(tmp_path):
    assert Database(f"sqlite+aiosqlite:///{tmp_path}/x.db").engine.dialect.driver == "inline"
