"""Rows that the inbox stores as claimed (bot.inbox): the lane is free, the attempt is counted, and nobody else takes them."""

import asyncio

import pytest
import sqlalchemy as sa
from faults import NOW, machines, until

import bot.inbox
import bot.lanes
import bot.outbox
import scheduler.clock


def give(machine):
    """Let the inbox hand what it stores to the machine's turns, as the application does."""
    handed = []
    machine.inbox.lease = machine.turns.lease
    machine.inbox.on_taken = handed.extend
    return handed


@pytest.fixture
async def processes(databases):
    with databases.fresh("sqlite") as url:
        async with machines(url, 2) as made:
            yield made


async def test_an_arrival_in_a_free_lane_is_claimed_with_its_attempt_counted(machine_sqlite):
    handed = give(machine_sqlite)
    number = await machine_sqlite.arrive("一")
    (row,) = await machine_sqlite.inbox_rows()
    assert (row.state, row.attempts, row.lease_token) == ("working", 1, handed[0].token)
    assert [taken.id for taken in handed] == [number]
    assert await machine_sqlite.turns.claim() == []


async def test_what_comes_behind_it_waits_for_its_turn(machine_sqlite):
    handed = give(machine_sqlite)
    await asyncio.gather(*(machine_sqlite.arrive(text) for text in ("一", "二")))
    await machine_sqlite.arrive("三")
    assert [row.state for row in await machine_sqlite.inbox_rows()] == ["working", "pending", "pending"]
    assert len(handed) == 1
    assert await machine_sqlite.turns.claim() == []  # the head of the lane is being worked on


async def test_a_second_process_takes_nothing_of_a_lane_that_is_taken(processes):
    one, two = processes
    handed, other = give(one), give(two)
    await one.arrive("一")
    await two.arrive("二")
    assert (len(handed), len(other)) == (1, 0)
    assert await two.turns.claim() == []


async def test_the_same_event_again_is_not_handed_over_again(machine_sqlite):
    handed = give(machine_sqlite)
    first = await machine_sqlite.arrive("一", event="e1")
    assert await machine_sqlite.arrive("一", event="e1") == first
    machine_sqlite.start()
    machine_sqlite.turns.take(handed)
    await until(lambda: machine_sqlite.heard)
    assert await machine_sqlite.arrive("一", event="e1") == first
    assert len(handed) == 1
    assert machine_sqlite.heard == ["一"]


async def test_every_message_of_a_person_is_heard_once_and_in_order(machine_sqlite):
    machine_sqlite.start()
    machine_sqlite.inbox.lease, machine_sqlite.inbox.on_taken = machine_sqlite.turns.lease, machine_sqlite.turns.take
    said = [str(number) for number in range(40)]
    for text in said:
        await machine_sqlite.arrive(text)
    await until(lambda: len(machine_sqlite.heard) == len(said))
    assert machine_sqlite.heard == said


async def test_where_others_may_store_for_the_same_lane_every_row_is_claimed(machine):
    handed = give(machine)
    await machine.arrive("一")
    assert bool(handed) == machine.database.sqlite
    assert await machine.turn() == (0 if machine.database.sqlite else 1)


async def test_what_was_handed_over_is_run_to_its_end_when_the_turns_stop(machine_sqlite):
    handed = give(machine_sqlite)
    await machine_sqlite.arrive("一")
    machine_sqlite.turns.take(handed)
    await machine_sqlite.turns.stop()
    assert machine_sqlite.turns.lease() is None
    await machine_sqlite.turns.run()
    assert machine_sqlite.heard == ["一"]


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (bot.lanes.HEADS, {"now": 0.0, "fetching": [], "most": 32}, "ix_inbox_open"),
        (bot.inbox._HELD, {"lanes": ["a"]}, "ix_inbox_open"),
        (bot.outbox._DUE, {"platform": "memory", "bot": "main", "now": NOW, "closed": ["a"]}, "ix_outbox_due"),
        (bot.outbox._QUEUED, {"platform": "memory", "bot": "main", "now": NOW}, "ix_outbox_due"),
        (bot.outbox._ANY, {"platform": "memory", "bot": "main", "now": NOW}, "ix_outbox_due"),
        (scheduler.clock._NEXT, {"now": 0.0, "moment": NOW}, "ix_occurrence_due"),
        (scheduler.clock._HELD, {}, "ix_occurrence_due"),
    ],
)
async def test_what_is_asked_all_the_time_reads_open_rows_alone(machine_sqlite, statement, values, index):
    """SQLite takes an index on some of the rows only for the very condition that it was made with."""
    seen = []
    engine = machine_sqlite.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *_event: seen.append(_event[2:4]))
    async with machine_sqlite.database.connection() as connection:
        await connection.execute(statement, values)
        query, parameters = seen[-1]
        plan = [row[3] for row in await connection.exec_driver_sql(f"explain query plan {query}", parameters)]
    table = index.split("_")[1]
    assert any(index in line for line in plan)
    assert [line for line in plan if line.startswith("SCAN") and table in line and index not in line] == [], plan
