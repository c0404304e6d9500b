"""SQLite in the event loop's thread: what waits does not stop the loop, what was cancelled leaves no half, and what is acknowledged is on
the disk."""

import asyncio
import contextlib
import shutil
import sqlite3
import threading
from types import SimpleNamespace

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


async def count(database, durable=True):
    async with database.connection(durable) as connection:
        return (await connection.execute(COUNT)).scalar()


@pytest.mark.parametrize(
    ("pragma", "value"), [("synchronous", 1), ("wal_autocheckpoint", 0), ("journal_mode", "wal"), ("foreign_keys", 1), ("secure_delete", 1)]
)
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


@pytest.fixture
def disk(monkeypatch):
    """What reached the disk: the threads of every fsync of the log."""
    threads = []
    real = inline_sqlite._sync_data
    monkeypatch.setattr(inline_sqlite, "_sync_data", lambda file: (threads.append(threading.current_thread()), real(file)))
    return threads


@pytest.fixture
def busy_disk(disk, monkeypatch):
    """The disk takes its time: every fsync is `inside` until it may `go_on`."""
    busy, real = SimpleNamespace(inside=threading.Event(), go_on=threading.Event(), fsyncs=disk), inline_sqlite._sync_data
    monkeypatch.setattr(inline_sqlite, "_sync_data", lambda file: (busy.inside.set(), busy.go_on.wait(30), real(file)))
    yield busy
    busy.go_on.set()


async def write(database, durable=True):
    async with database.connection(durable) as connection:
        await connection.execute(INSERT)


async def test_what_was_committed_is_on_the_disk_when_the_block_ends(database, disk):
    await write(database)
    assert len(disk) == 1
    assert disk[0] is not threading.main_thread()


async def test_only_what_was_written_since_waits_for_the_disk(database, disk):
    await database.durable()
    await count(database)
    await database.durable()
    assert disk == []
    await write(database, durable=False)
    assert disk == []
    await count(database)  # has seen what is not on the disk yet
    assert len(disk) == 1


async def test_one_fsync_serves_everybody_who_waits(database, busy_disk):
    first = asyncio.create_task(write(database))
    await asyncio.to_thread(busy_disk.inside.wait, 30)
    others = [asyncio.create_task(write(database)) for _ in range(50)]
    async with asyncio.timeout(30):
        while await count(database, durable=False) < 51:  # the loop goes on, and so do the next transactions
            await asyncio.sleep(0)
    assert not any(task.done() for task in (first, *others))
    busy_disk.go_on.set()
    await asyncio.gather(first, *others)
    assert len(busy_disk.fsyncs) == 2  # what was committed while the disk was busy shares the next time


async def test_when_the_disk_fails_nobody_is_told_that_it_kept_anything(database, monkeypatch):
    real = inline_sqlite._sync_data

    def fail(file):
        raise OSError("input/output error")

    monkeypatch.setattr(inline_sqlite, "_sync_data", fail)
    with pytest.raises(OSError, match="did not keep"):
        await write(database)
    monkeypatch.setattr(inline_sqlite, "_sync_data", real)
    for again in (write, count):  # a second fsync that succeeds would say nothing about the first
        with pytest.raises(OSError, match="start again"):
            await again(database)
    with pytest.raises(OSError, match="did not keep"):
        await database.durable()


async def test_now_and_then_the_log_is_copied_into_the_file_outside_the_loop(database, monkeypatch, tmp_path):
    monkeypatch.setattr(inline_sqlite, "CHECKPOINT_COMMITS", 8)
    threads, real = [], inline_sqlite.InlineStore._checkpoint
    monkeypatch.setattr(inline_sqlite.InlineStore, "_checkpoint", lambda self: (threads.append(threading.current_thread()), real(self)))
    for _ in range(100):
        await write(database, durable=False)
    log = (tmp_path / "inline.db-wal").stat().st_size
    assert len(threads) in (10, 11, 12)
    assert threading.main_thread() not in threads
    assert log < 20 * 4200  # it begins anew instead of growing


async def test_who_is_cancelled_during_a_checkpoint_leaves_when_it_is_over(database, monkeypatch):
    inside, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(inline_sqlite, "CHECKPOINT_COMMITS", 0)
    monkeypatch.setattr(inline_sqlite.InlineStore, "_checkpoint", lambda _: (inside.set(), go_on.wait(30)))
    task = asyncio.create_task(write(database))
    await asyncio.to_thread(inside.wait, 30)
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()  # the connection is not given to anybody else while it works
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


async def test_a_commit_that_fails_leaves_nothing_and_does_not_stand_in_the_way(database, monkeypatch):
    def full(self, connection):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(inline_sqlite.InlineSQLite, "do_commit", full)
        with pytest.raises(sa.exc.OperationalError, match="full"):
            await write(database)
    assert await count(database) == 0
    await write(database)
    assert await count(database) == 1


async def test_what_is_committed_within_a_cancelled_block_reaches_the_disk_with_the_next(database, disk, monkeypatch):
    monkeypatch.setattr(inline_sqlite, "CHECKPOINT_COMMITS", 0)  # every commit in the thread
    inside, go_on, real = threading.Event(), threading.Event(), inline_sqlite.InlineSQLite.do_commit
    monkeypatch.setattr(inline_sqlite.InlineSQLite, "do_commit", lambda *given: (inside.set(), go_on.wait(30), real(*given))[2])
    task = asyncio.create_task(write(database))
    await asyncio.to_thread(inside.wait, 30)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    before = len(disk)
    assert await count(database) == 1
    assert len(disk) == before + 1


@pytest.mark.parametrize("durable", [True, False])
async def test_a_power_cut_takes_nothing_that_was_acknowledged(database, monkeypatch, tmp_path, durable):
    """Only what was there at the last fsync survives a cut; without waiting for it (the negative control) acknowledged rows are lost."""
    monkeypatch.setattr(inline_sqlite, "CHECKPOINT_COMMITS", 16)
    platter, busy, real = tmp_path / "platter", threading.Lock(), inline_sqlite._sync_data
    platter.mkdir()

    def reach_the_platter(file):
        real(file)
        with busy:
            for name in ("inline.db", "inline.db-wal"):
                shutil.copyfile(tmp_path / name, platter / name)

    def survived():
        with busy:
            for name in ("inline.db", "inline.db-wal"):
                shutil.copyfile(platter / name, tmp_path / f"after-{name}")
        with contextlib.closing(sqlite3.connect(tmp_path / "after-inline.db")) as connection:
            assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
            return {number for (number,) in connection.execute("select number from thing")}

    monkeypatch.setattr(inline_sqlite, "_sync_data", reach_the_platter)
    acknowledged, lost = set(), 0

    async def keep_writing(first):
        for number in range(first, first + 20):
            async with database.connection(durable) as connection:
                await connection.execute(sa.text("insert into thing values (:number)"), {"number": number})
            acknowledged.add(number)
            await asyncio.sleep(0)

    async def cut_the_power():
        nonlocal lost
        for _ in range(40):
            await asyncio.sleep(0)
            known = set(acknowledged)
            lost = max(lost, len(known - survived()))

    await write(database)
    await asyncio.gather(*(keep_writing(first) for first in range(100, 900, 100)), cut_the_power())
    assert (lost == 0) == durable
