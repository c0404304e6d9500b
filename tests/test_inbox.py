"""The durable door (design.md §2): nothing acknowledged is lost, nothing is stored twice, whatever the database does."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from faults import NOW, machines

from bot.inbox import Inbox
from bot.platforms.base import StorageDown
from models import InboxMessage, inline_sqlite
from models.database import Database


async def test_the_same_event_again_is_one_row_and_one_turn(machine):
    first = await machine.arrive("一", event="e1")
    assert await machine.arrive("一", event="e1") == first
    await machine.all_turns()
    assert await machine.arrive("一", event="e1") == first
    await machine.all_turns()
    assert machine.heard == ["一"]
    assert len(await machine.inbox_rows()) == 1
    assert machine.inbox.duplicates == 2


async def test_the_same_event_many_times_at_once_is_one_row(machine):
    ids = await asyncio.gather(*(machine.arrive("一", event="e1") for _ in range(20)))
    await machine.all_turns()
    assert len(set(ids)) == 1
    assert machine.heard == ["一"]


async def test_the_same_event_at_two_processes_at_once_is_one_row_and_one_turn(two_machines):
    one, two = two_machines
    events = [f"e{number}" for number in range(30)]
    pairs = await asyncio.gather(*(machine.arrive(event, event=event) for event in events for machine in (one, two)))
    assert pairs[::2] == pairs[1::2]
    while sum(await asyncio.gather(one.turn(), two.turn())):
        pass
    assert sorted(one.heard + two.heard) == sorted(events)


async def test_the_same_event_id_of_another_bot_is_another_event(machine):
    arrival = machine.platform.arrival("e1", "text", "ann", "private:ann", text="一")
    assert await machine.inbox.receive("memory", "main", arrival) != await machine.inbox.receive("memory", "other", arrival)


async def test_without_the_unique_constraint_the_same_event_is_taken_twice(machine):
    """The negative control: look first, insert then, as one would without the constraint."""
    inbox, everybody = machine.inbox, asyncio.Barrier(2)
    if machine.database.sqlite:
        pytest.skip("SQLite has one writer")
    async with machine.database.connection() as connection:
        await connection.execute(sa.text("ALTER TABLE inbox DROP CONSTRAINT inbox_platform_bot_event_id_key"))

    async def exists_then_insert(rows):
        async with inbox.database.connection() as connection:
            known = (await connection.execute(sa.select(sa.func.count()).select_from(InboxMessage))).scalar()
            await everybody.wait()
            if not known:
                await connection.execute(sa.insert(InboxMessage).values(**rows[0]))
        return [1]

    other = Inbox(machine.database, machine.clock)
    inbox._store = other._store = exists_then_insert
    arrival = machine.platform.arrival("e1", "text", "ann", "private:ann", text="一")
    await asyncio.gather(*(each.receive("memory", "main", arrival) for each in (inbox, other)))
    await machine.all_turns()
    assert machine.heard == ["一", "一"]


class Commits:
    """Counts the transactions of a database."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, whole = 0, database.connection

        @asynccontextmanager
        async def counted(durable=True):
            self.count += 1
            async with whole(durable) as connection:
                yield connection

        monkeypatch.setattr(database, "connection", counted)


async def test_arrivals_at_the_same_time_share_a_commit(machine, monkeypatch):
    commits = Commits(machine.database, monkeypatch)
    ids = await asyncio.gather(*(machine.arrive(f"{number}", who=f"p{number}") for number in range(60)))
    assert len(set(ids)) == 60
    assert commits.count <= 2  # the first may leave alone, everybody who came meanwhile goes together


async def test_nothing_is_acknowledged_before_the_commit(machine, monkeypatch):
    gate, entered = asyncio.Event(), asyncio.Event()
    whole = machine.database.connection

    @asynccontextmanager
    async def slow(durable=True):
        async with whole(durable) as connection:
            yield connection
            entered.set()
            await gate.wait()

    monkeypatch.setattr(machine.database, "connection", slow)
    receiving = asyncio.create_task(machine.arrive("一"))
    await entered.wait()
    monkeypatch.undo()
    if not machine.database.sqlite:  # the one connection of SQLite is taken
        assert await machine.inbox_rows() == []
    assert not receiving.done()
    gate.set()
    assert await receiving == (await machine.inbox_rows())[0].id


async def test_nothing_is_acknowledged_before_it_is_on_the_disk(machine_sqlite, monkeypatch):
    kept = asyncio.Event()
    monkeypatch.setattr(machine_sqlite.database, "durable", kept.wait)
    receiving = asyncio.create_task(machine_sqlite.arrive("一"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert [row.state for row in await machine_sqlite.inbox_rows()] == ["pending"]  # committed, and still not acknowledged
    assert not receiving.done()
    kept.set()
    await receiving


async def test_a_disk_that_fails_takes_nothing_and_says_so(machine_sqlite, monkeypatch):
    async def fail():
        raise OSError("input/output error")

    monkeypatch.setattr(machine_sqlite.database, "durable", fail)
    with pytest.raises(StorageDown):
        await machine_sqlite.arrive("一")


async def test_a_database_that_is_down_takes_nothing_and_says_so(machine, monkeypatch):
    @asynccontextmanager
    async def down(durable=True):
        raise ConnectionRefusedError("no database")
        yield

    with monkeypatch.context() as broken:
        broken.setattr(machine.database, "connection", down)
        results = await asyncio.gather(*(machine.arrive(str(n), event=f"e{n}") for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [StorageDown] * 3
    assert await machine.inbox_rows() == []
    await machine.arrive("1", event="e1")
    await machine.all_turns()
    assert machine.heard == ["1"]


async def test_a_locked_file_takes_nothing_and_says_so(databases, monkeypatch):
    monkeypatch.setattr(inline_sqlite, "BUSY_SECONDS", 0.01)
    with databases.fresh("sqlite") as url:
        async with machines(url) as (machine,):
            holder = sqlite3.connect(url.partition(":///")[2], isolation_level=None)
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageDown):
                await machine.arrive("一", event="e1")
            holder.execute("ROLLBACK")
            holder.close()
            await machine.arrive("一", event="e1")
            assert len(await machine.inbox_rows()) == 1


async def test_a_full_disk_takes_nothing_says_so_and_recovers(databases):
    with databases.fresh("sqlite") as url:
        async with machines(url) as (machine,):
            stored = await machine.arrive("一", event="e1")
            async with machine.database.connection() as connection:
                pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
            async with machine.database.connection() as connection:
                await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            big = "长" * 4000
            results = await asyncio.gather(*(machine.arrive(big, event=f"f{n}") for n in range(30)), return_exceptions=True)
            assert StorageDown in map(type, results)
            refused = [f"f{n}" for n, result in enumerate(results) if isinstance(result, StorageDown)]
            assert {row.event_id for row in await machine.inbox_rows()} == {"e1", *(f"f{n}" for n in range(30))} - {*refused}
            async with machine.database.connection() as connection:
                await connection.exec_driver_sql("PRAGMA max_page_count=1000000")
            assert await machine.arrive("一", event="e1") == stored
            await asyncio.gather(*(machine.arrive(big, event=event) for event in refused))
            await machine.all_turns()
            assert len(machine.heard) == 31


async def test_a_row_that_cannot_be_stored_harms_no_other(machine):
    results = await asyncio.gather(
        machine.arrive("一", event="e1"), machine.arrive("二", event="e2", unstorable=object()), machine.arrive("三", event="e3"),
        return_exceptions=True,
    )  # fmt: skip
    assert isinstance(results[1], sa.exc.StatementError)
    assert [row.event_id for row in await machine.inbox_rows()] == ["e1", "e3"]
    assert results[0] == (await machine.inbox_rows())[0].id


async def test_one_who_stops_waiting_stops_nothing(machine):
    waiting = asyncio.create_task(machine.arrive("一"))
    await asyncio.sleep(0)
    waiting.cancel()
    other = await machine.arrive("二")
    assert [row.id for row in await machine.inbox_rows()][-1] == other
    await machine.inbox.close()
    assert len(await machine.inbox_rows()) == 2


async def test_what_was_said_is_unreadable_in_the_file_and_gone_when_the_turn_is_over(machine):
    number = await machine.arrive("我的秘密", who="ann")
    async with machine.database.connection() as connection:
        query = sa.text("SELECT raw, lane FROM inbox WHERE id = :id")
        raw, lane = (await connection.execute(query, {"id": number})).one()
        assert "秘密".encode() not in raw
        assert "ann" not in lane
    await machine.all_turns()
    row = (await machine.inbox_rows())[0]
    assert (row.state, row.raw, row.lane, row.event_id) == ("done", None, "", "e1")
    assert row.received_at == NOW


async def test_half_a_surrogate_pair_is_replaced_and_stops_nobody(machine_sqlite):
    machine = machine_sqlite
    await asyncio.gather(machine.arrive("一"), machine.arrive("灯\ud83d坏了"), machine.arrive("三"))
    await machine.all_turns()
    assert machine.heard == ["一", "灯?坏了", "三"]
