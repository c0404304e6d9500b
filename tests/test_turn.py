"""One turn (design.md §2): order per person, everybody else at the same time, three tries, one commit, no zombie."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa
from faults import Crash, Failing, echo, time_by_hand, until

from bot import lanes
from bot import turn as turn_module
from bot.events import Photo, Text
from bot.lanes import LEASE_SECONDS
from bot.platforms.base import NotSent
from bot.router import Say, Silence
from bot.turn import ATTEMPTS
from models import Chat, ChatAccount, InboxMessage, OutboxMessage, Person, StateLog, keyring
from services.owners import is_dead


@pytest.fixture
def seconds(monkeypatch):
    """Time by hand for leases and back-off."""
    return time_by_hand(monkeypatch, turn_module)


async def test_a_persons_messages_run_in_order_and_other_peoples_at_the_same_time(two_machines):
    everybody = [f"p{number}" for number in range(12)]
    for number in range(6):
        await asyncio.gather(*(two_machines[number % 2].arrive(f"{who}:{number}", who=who) for who in everybody))
    running, most, order = set(), 0, []

    async def hear(message, context):
        nonlocal most
        assert message.sender.id not in running
        running.add(message.sender.id)
        most = max(most, len(running))
        await asyncio.sleep(0)
        order.append(message.text)
        running.remove(message.sender.id)
        return Say(echo("好"))

    for machine in two_machines:
        machine.hear = hear
    while sum(await asyncio.gather(*(machine.turn() for machine in two_machines))):
        pass
    for who in everybody:
        assert [said for said in order if said.startswith(f"{who}:")] == [f"{who}:{number}" for number in range(6)]
    if not two_machines[0].database.sqlite:
        assert most > 1


async def test_nobody_waits_for_another_persons_download(machine_sqlite):
    machine, release = machine_sqlite, asyncio.Event()

    async def slow(file):
        await release.wait()
        return b"not a picture"

    async def take(photo: Photo, context):
        machine.heard.append(photo.problem)
        return Say(echo("照片"))

    machine.router.photo()(take)
    machine.platform.fetch = slow
    arrival = machine.platform.arrival("photo", "photo", "ann", "private:ann", file="f1")
    await machine.inbox.receive("memory", "main", arrival)
    await machine.arrive("安的下一句")
    await machine.arrive("别人", who="bob")
    await machine.all_turns()
    assert machine.heard == ["别人"]
    release.set()
    await until(lambda: not machine.turns._fetching)
    await machine.all_turns()
    assert machine.heard == ["别人", "not_an_image", "安的下一句"]


async def test_a_download_that_fails_is_tried_three_times_and_then_the_person_is_told(machine_sqlite, seconds):
    machine, failing = machine_sqlite, Failing(machine_sqlite.platform)
    failing.next("fetch", "f1", *(NotSent("away") for _ in range(ATTEMPTS)))

    async def take(photo: Photo, context):
        machine.heard.append(photo.problem)
        return Say(echo("照片"))

    machine.router.photo()(take)
    await machine.inbox.receive("memory", "main", machine.platform.arrival("e", "photo", "ann", "private:ann", file="f1"))
    for _ in range(ATTEMPTS):
        assert machine.heard == []
        seconds.now += 10
        await machine.turn()
        await until(lambda: not machine.turns._fetching)
    assert machine.heard == ["unavailable"]


async def test_a_turn_that_raises_leaves_nothing_behind(machine):
    async def hear(message, context):
        context.session.add(Person(community_id=context.ground.community_id, code="HALF"))
        await context.session.flush()
        raise ValueError("a fault")

    machine.hear = hear
    await machine.arrive("一")
    await machine.turn()
    async with machine.database.transaction() as session:
        for model in (Person, ChatAccount, Chat, OutboxMessage, StateLog):
            assert (await session.scalars(sa.select(model))).all() == []
    row = (await machine.inbox_rows())[0]
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.error.startswith("ValueError at tests/test_turn.py:")


async def test_a_poison_message_is_tried_three_times_apologised_for_once_and_others_go_on(machine, seconds):
    async def hear(message, context):
        if message.text == "毒":
            raise ValueError("a fault")
        return Say(echo("好"))

    machine.hear = hear
    poison = await machine.arrive("毒")
    await machine.arrive("安的下一句")
    await machine.arrive("别人", who="bob")
    for _ in range(6):
        await machine.all_turns()
        seconds.now += 5
    await machine.pump()
    rows = {row.id: row for row in await machine.inbox_rows()}
    assert (rows[poison].state, rows[poison].attempts) == ("quarantined", 3)
    assert rows[poison].raw is not None  # for `doctor --retry`
    assert machine.heard.count("毒") in (3, 4)  # on SQLite one more: a turn that fails among others is run again by itself
    assert [row.state for row in rows.values()] == ["quarantined", "done", "done"]
    assert str(poison) in machine.said()[0]
    assert machine.said()[1:] == ["好"]
    assert machine.said("private:bob") == ["好"]


async def test_a_poison_message_in_a_group_is_not_apologised_for(machine_sqlite, seconds):
    machine = machine_sqlite

    async def hear(message, context):
        raise ValueError("a fault")

    machine.hear = hear
    await machine.arrive("毒", chat="group:1")
    for _ in range(4):
        await machine.all_turns()
        seconds.now += 5
    await machine.pump()
    assert (await machine.inbox_rows())[0].state == "quarantined"
    assert machine.platform.messages == []


@pytest.mark.parametrize("error", [OSError("no such file"), TimeoutError(), KeyError("x")])
async def test_no_fault_of_a_handler_is_tried_for_ever(machine_sqlite, seconds, error):
    machine = machine_sqlite

    async def hear(message, context):
        raise error

    machine.hear = hear
    await machine.arrive("毒")
    for _ in range(8):
        await machine.all_turns()
        seconds.now += 5
    assert len(machine.heard) == ATTEMPTS
    assert (await machine.inbox_rows())[0].state == "quarantined"


async def test_an_update_that_cannot_be_read_is_put_aside_and_others_go_on(machine_sqlite, seconds):
    machine, parse = machine_sqlite, machine_sqlite.platform.parse

    def broken(raw):
        if raw["sender"] == "ann":
            raise KeyError("a field nobody expected")
        return parse(raw)

    machine.platform.parse = broken
    await machine.arrive("毒")
    await machine.arrive("别人", who="bob")
    for _ in range(6):
        await machine.all_turns()
        seconds.now += 5
    assert [row.state for row in await machine.inbox_rows()] == ["quarantined", "done"]


async def test_an_update_whose_key_is_lost_is_put_aside_and_others_go_on(machine_sqlite, seconds):
    machine = machine_sqlite
    await machine.arrive("毒")
    keyring.use({"new": b"1" * 32}, b"0" * 32)
    await machine.arrive("别人", who="bob")
    for _ in range(6):
        await machine.all_turns()
        seconds.now += 5
    keyring.use({"new": b"1" * 32, "t": b"0" * 32}, b"0" * 32)
    assert [row.state for row in await machine.inbox_rows()] == ["quarantined", "done"]


async def test_where_the_apology_fails_too_the_row_is_put_aside_without_it(machine_sqlite, seconds, monkeypatch):
    machine = machine_sqlite

    async def nobody(*_):
        raise ValueError("who is this?")

    monkeypatch.setattr(turn_module.identity, "recognise", nobody)
    await machine.arrive("毒")
    for _ in range(4):
        await machine.all_turns()
        seconds.now += 5
    assert [row.state for row in await machine.inbox_rows()] == ["quarantined"]


class DeadProcess:
    """Makes a machine's turn die as a kill would: the claim is committed, nothing after it."""

    def __init__(self, machine, text="毒"):
        self.machine, self.text, self.survivors = machine, text, list[str]()
        machine.hear = self._hear

    async def _hear(self, message: Text, context):
        if message.text == self.text:
            raise Crash
        self.survivors.append(message.text)
        return Say(echo("好"))

    async def life(self) -> bool:
        """One life of the process; whether it came through."""
        try:
            await self.machine.all_turns()
        except Crash:
            return False
        return True


async def test_a_message_that_kills_the_process_is_put_aside_after_three_lives_and_harms_nobody(machine, seconds):
    process = DeadProcess(machine)
    for who in "abcdef":
        await machine.arrive("毒" if who == "c" else who, who=who)
    lives = 0
    while not await process.life():
        lives += 1
        assert lives < 8
        seconds.now += LEASE_SECONDS + 1
    assert lives == ATTEMPTS
    assert set(process.survivors) == {"a", "b", "d", "e", "f"}
    states = {row.event_id: row.state for row in await machine.inbox_rows()}
    assert list(states.values()).count("quarantined") == 1
    assert list(states.values()).count("done") == 5
    await machine.pump()
    assert [len(machine.said(f"private:{who}")) for who in "abcdef"] == [1] * 6


async def test_when_everybody_is_tried_together_again_the_innocent_fall_with_the_guilty(machine_sqlite, seconds, monkeypatch):
    """The negative control: without running by itself what died before."""
    machine = machine_sqlite
    monkeypatch.setattr(lanes.itertools, "takewhile", lambda _, heads: heads)
    process = DeadProcess(machine)
    for who in "abcdef":
        await machine.arrive("毒" if who == "c" else who, who=who)
    while not await process.life():
        seconds.now += LEASE_SECONDS + 1
    assert [row.state for row in await machine.inbox_rows()].count("quarantined") > 1


async def test_what_a_dead_process_held_is_free_at_once_on_its_host(machine, monkeypatch):
    await machine.arrive("一")
    assert len(await machine.turns.claim()) == 1
    await machine.turns._look_after()
    assert await machine.turns.claim() == []  # this process lives
    host, _, boot = machine.turns.owner.split("|")
    dead = f"{host}|{2**22 + 1}|{boot}|x"
    await machine.change(InboxMessage, lease_token=dead)
    machine.turns._next_look = 0.0
    await machine.turns._look_after()
    await machine.all_turns()
    assert machine.heard == ["一"]


def test_whose_process_is_dead(machine_sqlite):
    owner = machine_sqlite.turns.owner
    host, pid, _ = owner.split("|")
    assert not is_dead(owner)
    assert not is_dead(f"{owner}|abcd")
    assert is_dead(f"{host}|{pid}|0123456789ab")  # the same number in an earlier life
    assert is_dead(f"{host}|{2**22 + 1}|0123456789ab")
    assert not is_dead(f"{host}|1|0123456789ab")
    assert not is_dead("elsewhere|7|0123456789ab")
    assert not is_dead("")


class Newcomers:
    """A handler whose effect nothing but the fence keeps from happening twice."""

    async def __call__(self, message, context):
        context.session.add(Person(community_id=context.ground.community_id, person_kind="newcomer"))
        return Silence()

    @staticmethod
    async def count(machine) -> int:
        async with machine.database.transaction() as session:
            return len(list(await session.scalars(sa.select(Person.id).where(Person.person_kind == "newcomer"))))


async def test_a_zombies_turn_is_not_committed(two_machines, seconds):
    """A process that slept past its lease runs its turn when another has taken it over."""
    zombie, other = two_machines
    zombie.hear = other.hear = Newcomers()
    await zombie.arrive("一")
    rows = await zombie.turns.claim()
    seconds.now += LEASE_SECONDS + 1
    assert await other.turn() == 1
    await zombie.turns.run_rows(rows)
    assert zombie.heard == other.heard == ["一"]
    assert await Newcomers.count(other) == 1
    assert [row.state for row in await other.inbox_rows()] == ["done"]


async def test_without_the_fence_a_zombie_does_it_again(two_machines, seconds):
    """The negative control of the test above: the zombie knows the token of the one who took over, whose turn is not over yet."""
    zombie, other = two_machines
    zombie.hear = other.hear = Newcomers()
    await zombie.arrive("一")
    rows = await zombie.turns.claim()
    seconds.now += LEASE_SECONDS + 1
    assert await other.turn() == 1
    token = (await other.inbox_rows())[0].lease_token
    await other.change(InboxMessage, state="working")
    await zombie.turns.run_rows([turn_module.dataclasses.replace(row, token=token) for row in rows])
    assert await Newcomers.count(other) == 2


async def test_a_zombie_puts_nothing_aside_or_back(two_machines, seconds):
    zombie, other = two_machines
    await zombie.arrive("一")
    rows = await zombie.turns.claim()
    seconds.now += LEASE_SECONDS + 1
    await other.all_turns()
    await zombie.turns._put_aside(rows[0], None, ValueError())
    await zombie.turns._postpone(rows[0], "late", 0.0)
    assert [row.state for row in await other.inbox_rows()] == ["done"]


async def test_a_lease_is_kept_as_long_as_it_lasts(two_machines, seconds):
    one, other = two_machines
    await one.arrive("一")
    assert await one.turns.claim()
    seconds.now += LEASE_SECONDS - 1
    assert await other.turns.claim() == []
    seconds.now += 2
    assert await other.turns.claim()


async def test_a_refusal_is_said_and_changes_nothing(machine):
    from services.context import Refusal

    async def hear(message, context):
        context.session.add(Person(community_id=context.ground.community_id, code="HALF"))
        await context.session.flush()
        raise Refusal("test.echo", said="不行")

    machine.hear = hear
    await machine.arrive("一")
    await machine.arrive("二", who="bob")
    await machine.all_turns()
    await machine.pump()
    assert machine.said() == machine.said("private:bob") == ["不行"]
    async with machine.database.transaction() as session:
        assert (await session.scalars(sa.select(Person).where(Person.code == "HALF"))).all() == []


async def test_the_same_turn_cannot_post_twice(machine):
    """Whatever the code does, an outbox row is unique by its cause and its place in it."""
    await machine.arrive("一")
    await machine.all_turns()
    row = (await machine.outbox_rows())[0]
    with pytest.raises(sa.exc.IntegrityError):
        async with machine.database.connection() as connection:
            values = {**row._mapping, "id": None}
            values.pop("id")
            await connection.execute(sa.insert(OutboxMessage).values(**values))


async def test_a_failed_turn_among_others_does_not_take_them_with_it(machine):
    async def hear(message, context):
        context.session.add(Person(community_id=context.ground.community_id, code=message.text))
        await context.session.flush()
        if message.text == "bad":
            raise ValueError("a fault")
        return Say(echo("好"))

    machine.hear = hear
    for who in ("a", "bad", "c"):
        await machine.arrive(who, who=who)
    await machine.turn()
    async with machine.database.transaction() as session:
        codes = set(await session.scalars(sa.select(Person.code).where(Person.code.is_not(None))))
    assert codes == {"a", "c"}


async def test_who_asks_after_the_turn_hears_what_it_posted(machine_sqlite):
    """`done` means delivered, also for the one who asks only after a restart (the web chat's protocol)."""
    machine = machine_sqlite
    number = await machine.arrive("一")
    await machine.all_turns()
    posted = [row.id for row in await machine.outbox_rows()]
    assert await machine.turns.finished(number) == posted
    assert len(posted) == 1


async def test_a_database_that_was_away_for_a_moment_costs_no_try(machine, seconds, monkeypatch):
    machine.start()
    heard = 0

    async def hear(message, context):
        nonlocal heard
        heard += 1
        if heard <= 5:
            raise sa.exc.OperationalError("SELECT", {}, Exception("the server went away"))
        return Say(echo("好"))

    machine.hear = hear
    number = await machine.arrive("一")
    waiting = asyncio.create_task(machine.turns.finished(number))
    while not waiting.done():
        seconds.now += 1
        machine.turns.look()
        await asyncio.sleep(0.005)
    row = (await machine.inbox_rows())[0]
    assert (row.state, heard) == ("done", 6)
    await until(lambda: machine.said() == ["好"])


async def test_the_loops_outlive_a_database_that_restarts(databases, seconds):
    """PostgreSQL ends every connection and refuses new ones for a while: nothing is acknowledged, nothing dies, all is done after."""
    from databases import _execute, _run
    from faults import machines

    server = databases.started()
    with databases.fresh("postgresql") as url:
        name = url.partition("@/")[2].partition("?")[0]
        end = f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        async with machines(url) as (machine,):
            machine.start()
            await machine.arrive("一")
            await until(lambda: machine.said() == ["一"])
            _run(_execute(server, f"alter database {name} allow_connections false"))
            _run(_execute(server, end))
            from bot.platforms.base import StorageDown

            for _ in range(3):
                with pytest.raises(StorageDown):
                    await machine.arrive("二", event="again")
                machine.turns.look()
                machine.relay.wake.set()
                await asyncio.sleep(0)
            assert not any(task.done() for task in machine._tasks)
            _run(_execute(server, f"alter database {name} allow_connections true"))
            await machine.arrive("二", event="again")
            machine.clock.put(machine.clock.now() + timedelta(seconds=1))
            await until(lambda: machine.said() == ["一", "二"])


async def test_stopping_waits_for_the_turn_in_flight(machine_sqlite):
    machine, begun, release = machine_sqlite, asyncio.Event(), asyncio.Event()

    async def hear(message, context):
        begun.set()
        await release.wait()
        return Say(echo("好"))

    machine.hear = hear
    running = asyncio.create_task(machine.turns.run())
    machine.inbox.on_stored = machine.turns.look
    await machine.arrive("一")
    await begun.wait()
    stopping = asyncio.create_task(machine.turns.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    release.set()
    await stopping
    await running
    assert (await machine.inbox_rows())[0].state == "done"


# -- what the inbox hands over at once (SQLite) ----------------------------------------------------------------------------
async def test_what_comes_while_it_runs_is_run_in_order_once_each(machine):
    machine.start()
    everybody = [f"p{number}" for number in range(8)]
    numbers = []
    for number in range(10):
        numbers += await asyncio.gather(
            *(machine.arrive(f"{who}:{number}", who=who, event=f"{who}:{number}") for who in everybody for _ in (1, 2))
        )
    await asyncio.gather(*(machine.turns.finished(number) for number in set(numbers)))
    for who in everybody:
        assert [said for said in machine.heard if said.startswith(f"{who}:")] == [f"{who}:{number}" for number in range(10)]
    assert {row.state for row in await machine.inbox_rows()} == {"done"}


async def test_who_waits_gets_a_turn_also_while_others_never_stop_writing(machine_sqlite, seconds):
    machine, turns = machine_sqlite, machine_sqlite.turns
    waiting = await machine.arrive("先来的")
    given = turn_module.Row(99, "memory", "main", None, 1, "t")
    turns._given = [given] * 1000
    seen = []
    for _ in range(10):
        seen += await turns._next()
        seconds.now += 0.05
    assert seen.count(given) > 100
    assert [row.id for row in seen if row is not given] == [waiting]


async def test_poison_that_is_handed_over_is_put_aside_as_any_other(machine_sqlite, monkeypatch):
    machine = machine_sqlite
    monkeypatch.setattr(turn_module, "BACKOFF", (0.0, 0.0, 0.0, 0.0))

    async def hear(message, context):
        if message.text == "毒":
            raise ValueError("a fault")
        return Say(echo("好"))

    machine.hear = hear
    machine.start()
    poison, after, other = await asyncio.gather(machine.arrive("毒"), machine.arrive("下一句"), machine.arrive("别人", who="bob"))
    await asyncio.gather(*(machine.turns.finished(number) for number in (poison, after, other)))
    rows = {row.id: row for row in await machine.inbox_rows()}
    assert (rows[poison].state, rows[poison].attempts) == ("quarantined", ATTEMPTS)
    assert (rows[after].state, rows[other].state) == ("done", "done")


async def test_what_was_handed_over_is_run_before_the_end(machine_sqlite):
    machine = machine_sqlite
    machine.start()
    async with machine.turns.paused():
        number = await machine.arrive("一")
        stopping = asyncio.create_task(machine.turns.stop())
        await asyncio.sleep(0)
    await stopping
    await machine._tasks[0]
    assert [(row.id, row.state) for row in await machine.inbox_rows()] == [(number, "done")]
    assert await machine.arrive("二")  # and what comes then waits for the next life
    assert [row.state for row in await machine.inbox_rows()] == ["done", "pending"]


async def test_what_is_handed_over_does_not_overtake_a_download_of_the_same_person(machine_sqlite):
    machine, release = machine_sqlite, asyncio.Event()

    async def slow(file):
        await release.wait()
        return b"not a picture"

    async def take(photo: Photo, context):
        machine.heard.append("照片")
        return Say(echo("照片"))

    machine.router.photo()(take)
    machine.platform.fetch = slow
    machine.start()
    await machine.inbox.receive("memory", "main", machine.platform.arrival("photo", "photo", "ann", "private:ann", file="f1"))
    mine = [await machine.arrive("安的下一句"), await machine.arrive("再下一句")]
    await machine.turns.finished(await machine.arrive("别人", who="bob"))
    assert machine.heard == ["别人"]
    release.set()
    await asyncio.gather(*(machine.turns.finished(number) for number in mine))
    assert machine.heard == ["别人", "照片", "安的下一句", "再下一句"]
