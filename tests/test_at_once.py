"""Replies that leave straight from their turn (bot.outbox.Relay.begin): stored as being sent in the turn's commit, in order, never twice."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from faults import NOW, Crash, Failing, echo, until

from bot.delivery import Outgoing
from bot.outbox import insert
from bot.platforms.base import NotSent
from models import InboxMessage, OutboxMessage
from models.database import Away
from texts.render import text

ANN = "private:ann"
AGAIN = text("outbox.again", {}, "zh_CN")


@pytest.fixture
async def talking(machine):
    """A machine whose process is the relay, and has answered ann once."""
    machine.turns.relays = {(machine.platform.name, machine.platform.bot): machine.relay}
    await machine.arrive("早")
    await machine.all_turns()
    await machine.pump()
    assert machine.said() == ["早"]
    return machine


async def sent(machine):
    """Wait for what is being sent, and for its being written down."""
    while machine.relay._sending:
        await asyncio.wait(machine.relay._sending)
    await machine.relay.outcomes.write()


async def states(machine):
    return [row.state for row in await machine.outbox_rows()]


async def queue(machine, said, **fields):
    """A message to ann that another process, or the clock, has left for the next look."""
    async with machine.database.transaction() as session:
        chat_id = await session.scalar(sa.select(OutboxMessage.chat_id))
        values = {"platform": "memory", "bot": "main", "chat_id": chat_id, "body": echo(said).to_json(), "send_after": NOW}
        session.add(OutboxMessage(dedupe_key=said, **{**values, **fields}))


def hold_sends(platform):
    """From now on a send that has `begun` goes on when it is let (`go_on`)."""
    held, send = SimpleNamespace(begun=asyncio.Event(), go_on=asyncio.Event()), platform.send

    async def slow(*arguments, **options):
        held.begun.set()
        await held.go_on.wait()
        return await send(*arguments, **options)

    platform.send = slow
    return held


async def assert_both_stay_behind_and_leave_in_order(machine):
    """Neither answer has left, though only the first one failed; later both do."""
    assert (machine.said(), await states(machine)) == (["早"], ["sent", "pending", "pending"])
    machine.relay.limits._paused.clear()
    machine.relay._held.clear()
    await machine.pump()
    assert machine.said() == ["早", "一", "二"]  # and neither is marked: nobody can have had it


async def test_the_reply_is_being_sent_in_the_turns_own_commit(talking):
    seen, send = [], talking.platform.send

    async def look(*arguments, **options):
        async with talking.database.connection() as connection:
            seen.append((await connection.execute(sa.text("select state, attempts from outbox where id = 2"))).one())
            seen.append((await connection.execute(sa.text("select state from inbox where id = 2"))).one())
        return await send(*arguments, **options)

    talking.platform.send = look
    await talking.arrive("二")
    await talking.all_turns()
    await sent(talking)
    assert seen == [("sending", 1), ("done",)]
    assert (talking.said(), await states(talking)) == (["早", "二"], ["sent", "sent"])


async def test_a_process_that_dies_before_the_send_leaves_a_message_that_may_have_gone(talking):
    talking.relay.send = lambda rows: None
    await talking.arrive("二")
    await talking.all_turns()
    assert await states(talking) == ["sent", "sending"]
    talking.relay._leading_until = 0.0  # the next life
    talking.relay._lanes.clear()
    await talking.pump()
    assert talking.said() == ["早", f"二\n{AGAIN}"]


async def test_nothing_is_sent_before_it_is_on_the_disk(talking, monkeypatch):
    kept = asyncio.Event()
    monkeypatch.setattr(talking.database, "durable", kept.wait)
    await talking.inbox._store([{  # what `receive` does, without its own waiting for the disk
        "platform": "memory", "bot": "main", "event_id": "x", "lane": "ann", "received_at": NOW, "not_before": 0.0, "error": "",
        "raw": talking.platform.arrival("x", "text", "ann", ANN, text="二").raw,
    }])  # fmt: skip
    turn = asyncio.create_task(talking.turn())
    await until(lambda: talking.relay._lanes)
    for _ in range(50):
        await asyncio.sleep(0)
    assert talking.said() == ["早"]
    kept.set()
    await turn
    await sent(talking)
    assert talking.said() == ["早", "二"]


async def test_a_reply_does_not_overtake_what_waits_for_its_chat(talking):
    await queue(talking, "先")
    await talking.arrive("后")
    await talking.all_turns()
    assert await states(talking) == ["sent", "pending", "pending"]
    await talking.pump()
    assert talking.said() == ["早", "先", "后"]


async def test_a_reply_goes_behind_the_one_that_is_on_its_way(talking):
    held = hold_sends(talking.platform)
    for said in "一二三":
        await talking.arrive(said)
        await talking.all_turns()
    assert await states(talking) == ["sent", "sending", "sending", "sending"]
    assert len(talking.relay._sending) == 1
    held.go_on.set()
    await sent(talking)
    assert (talking.said(), set(await states(talking))) == (["早", "一", "二", "三"], {"sent"})


async def test_what_stands_behind_a_message_that_did_not_leave_waits_with_it(talking):
    Failing(talking.platform).next("send", ANN, NotSent("nobody there"))
    held = hold_sends(talking.platform)
    for said in "一二":
        await talking.arrive(said)
        await talking.all_turns()
    held.go_on.set()
    await sent(talking)
    await assert_both_stay_behind_and_leave_in_order(talking)


async def test_a_reply_that_is_not_on_the_disk_yet_does_not_overtake_one_that_failed_meanwhile(talking, monkeypatch):
    """The first is under way when the turn of the second takes the chat too, and fails before that turn is on the disk."""
    Failing(talking.platform).next("send", ANN, NotSent("nobody there"))
    held, kept = hold_sends(talking.platform), asyncio.Event()
    await talking.arrive("一")
    await talking.all_turns()
    await held.begun.wait()
    await talking.arrive("二")
    rows = await talking.turns.claim()
    monkeypatch.setattr(talking.database, "durable", kept.wait)
    second = asyncio.create_task(talking.turns.run_rows(rows))
    await until(lambda: any(lane.coming for lane in talking.relay._lanes.values()))
    held.go_on.set()
    await asyncio.wait(talking.relay._sending)
    kept.set()
    await second
    await sent(talking)
    await assert_both_stay_behind_and_leave_in_order(talking)


async def test_two_turns_of_one_chat_at_once_do_not_race_to_it(talking):
    """On PostgreSQL the later one may be on the disk first: it leaves to the next look what would overtake the other."""
    (known,) = await talking.outbox_rows()
    one, two = (
        Outgoing("memory", "main", "send", known.chat_id, ANN, "private", NOW, "zh_CN", dedupe_key=key, body=echo(key).to_json())
        for key in ("一", "二")
    )
    async with talking.database.connection() as connection:
        await talking.relay.begin(connection, [one])
        await talking.relay.begin(connection, [two])
        await insert(connection, [one, two])
    assert (one.state, two.state) == ("sending", "pending")
    talking.relay.send([two])
    talking.relay.send([one])
    await sent(talking)
    await talking.pump()
    assert talking.said() == ["早", "一", "二"]


async def test_a_reply_that_the_limits_do_not_let_leave_waits(talking):
    talking.relay.limits.pause(ANN, 1e12)
    await talking.arrive("二")
    await talking.all_turns()
    assert await states(talking) == ["sent", "pending"]
    assert talking.relay._lanes == {}


async def test_who_is_not_the_relay_sends_nothing(talking):
    talking.relay._leading_until = 0.0
    await talking.arrive("二")
    await talking.all_turns()
    assert await states(talking) == ["sent", "pending"]
    assert talking.said() == ["早"]


async def test_who_lost_the_lease_during_the_turn_sends_nothing(talking):
    if talking.database.sqlite:
        pytest.skip("nobody takes a lease during a transaction on SQLite")
    async with talking.database.connection() as connection:
        await connection.execute(sa.text("update lease set owner = 'somebody else'"))
    await talking.arrive("二")
    await talking.all_turns()
    assert (await states(talking), talking.relay._lanes) == (["sent", "pending"], {})


async def test_a_turn_that_is_not_committed_sends_nothing_and_frees_its_chat(talking, monkeypatch):
    failures = iter([OSError("disk full")])
    store = talking.turns._store

    async def then_fail(connection, turn):
        await store(connection, turn)
        for failure in failures:
            raise failure

    monkeypatch.setattr(talking.turns, "_store", then_fail)
    await talking.arrive("二")
    await talking.turn()
    assert (await states(talking), talking.relay._lanes, talking.said()) == (["sent"], {}, ["早"])
    await talking.change(InboxMessage, not_before=0.0)
    await talking.all_turns()
    await talking.pump()
    assert talking.said() == ["早", "二"]


def lose_the_answer(machine, monkeypatch):
    """The transaction that makes a message one that is being sent is committed, and its caller hears that the connection broke."""
    real, lost = machine.database.connection, []

    @contextlib.asynccontextmanager
    async def breaking(*given, **named):
        async with real(*given, **named) as connection:
            yield connection
        async with real() as connection:
            sending = (await connection.execute(sa.text("select count(*) from outbox where state = 'sending'"))).scalar()
        if sending and not lost:
            lost.append(sending)
            raise Away("the connection broke during COMMIT")

    monkeypatch.setattr(machine.database, "connection", breaking)
    return lost


async def test_a_reply_whose_commit_was_one_though_it_broke_off_is_sent(talking, monkeypatch):
    await talking.arrive("二")
    rows = await talking.turns.claim()
    lost = lose_the_answer(talking, monkeypatch)
    await talking.turns.run_rows(rows)
    assert lost
    await talking.pump()
    assert (talking.said(), set(await states(talking))) == (["早", f"二\n{AGAIN}"], {"sent"})


async def test_a_message_whose_look_broke_off_after_its_commit_is_sent(talking, monkeypatch):
    await queue(talking, "先")
    lost = lose_the_answer(talking, monkeypatch)
    with pytest.raises(Away):
        await talking.relay._step()
    assert lost
    await talking.pump()
    assert (talking.said(), set(await states(talking))) == (["早", f"先\n{AGAIN}"], {"sent"})


async def test_a_handler_that_dies_with_the_process_takes_no_chat_with_it(talking):
    async def hear(message, context):
        raise Crash

    talking.hear = hear
    await talking.arrive("二")
    with pytest.raises(Crash):
        await talking.turn()
    assert (talking.relay._lanes, talking.said()) == ({}, ["早"])


async def test_what_three_people_in_a_group_get_at_once_leaves_in_its_order(talking):
    people = ("ann", "bob", "eve")
    for who in people:  # the group and the three are known from now on
        await talking.arrive(who, who=who, chat="group:1")
        await talking.all_turns()
    await talking.pump()
    await asyncio.gather(*(talking.arrive(who, who=who, chat="group:1") for who in people))
    await talking.all_turns()
    await talking.pump()
    await talking.pump()
    assert await states(talking) == ["sent"] * 7
    if not talking.database.sqlite:
        return  # at the same moment there is no first and second: the numbers say who was stored first, not who left first
    order = [int(row.message_id) for row in await talking.outbox_rows()]
    assert order == sorted(order)
