"""The way out (design.md §2): in order per chat, each failure by its own rule, at least once with the smallest window."""

import asyncio
import itertools
from datetime import timedelta

import pytest
import sqlalchemy as sa
from faults import NOW, Failing, Time, echo, time_by_hand, until

from bot import delivery as delivery_module
from bot import outbox as outbox_module
from bot.delivery import MOST_ATTEMPTS, UNWANTED
from bot.leases import SECONDS as LEASE_SECONDS
from bot.platforms.base import Blocked, ChatMoved, MessageGone, NotSent, Refused, RetryAfter, Uncertain
from models import Chat, ChatAccount, OutboxMessage, Person, keyring
from services import upkeep
from services.context import SCHEDULER, Context, ground
from services.post import Urgency
from texts.render import text
from texts.screen import Button, Key, Screen

ANN, BOB, GROUP = "private:ann", "private:bob", "group:1"
AGAIN = text("outbox.again", {}, "zh_CN")


class Desk:
    """Puts rows into the outbox by hand and lets seconds pass."""

    def __init__(self, machine, seconds: Time) -> None:
        self.machine, self.seconds, self.failing = machine, seconds, Failing(machine.platform)
        self._keys = itertools.count(1)
        self._chats: dict[str, str] = {}

    async def chat(self, address: str) -> str:
        """The chat's id; made when there is none."""
        if address not in self._chats:
            async with self.machine.database.transaction() as session:
                kind = "private" if address.startswith("private:") else "group"
                row = Chat(
                    platform="memory", bot="main", key_hash=keyring.hash("chat", "memory", "main", address), address=address, kind=kind
                )
                session.add(row)
                await session.flush()
                self._chats[address] = row.id
        return self._chats[address]

    async def post(self, address: str, *said: str, **fields) -> list[int]:
        """Rows for this chat, in this order."""
        chat = await self.chat(address)
        async with self.machine.database.transaction() as session:
            rows = [
                OutboxMessage(**{
                    "dedupe_key": f"k{next(self._keys)}", "platform": "memory", "bot": "main", "chat_id": chat,
                    "body": echo(word).to_json(), "send_after": NOW, "urgency": Urgency.ANSWER, **fields,
                })
                for word in said
            ]  # fmt: skip
            session.add_all(rows)
            await session.flush()
            return [row.id for row in rows]

    async def pump(self, passing: float = 0.0) -> None:
        """Let so many seconds pass, then send what may leave."""
        self.seconds.now += passing
        await self.machine.pump()

    async def states(self) -> list[str]:
        return [row.state for row in await self.machine.outbox_rows()]

    def said(self, chat: str = ANN) -> list[str]:
        return self.machine.said(chat)


@pytest.fixture
def seconds(monkeypatch):
    return time_by_hand(monkeypatch, outbox_module, delivery_module)


@pytest.fixture
def desk(machine_sqlite, seconds):
    return Desk(machine_sqlite, seconds)


@pytest.fixture
def desk_on_both(machine, seconds):
    return Desk(machine, seconds)


async def test_a_chats_messages_leave_in_order_though_one_fails(desk_on_both):
    desk = desk_on_both
    await desk.post(ANN, "一", "二", "三")
    await desk.post(BOB, "甲", "乙")
    desk.failing.next("send", ANN, None, NotSent("away"), NotSent("away"))
    await desk.pump()
    assert (desk.said(), desk.said(BOB)) == (["一"], ["甲", "乙"])
    await desk.pump(0.3)
    await desk.pump(0.1)
    assert desk.said() == ["一"]  # it waits longer each time
    await desk.pump(0.6)
    assert desk.said() == ["一", "二", "三"]
    assert {row.state for row in await desk.machine.outbox_rows()} == {"sent"}


async def test_what_was_sent_is_wiped_and_its_number_kept(desk_on_both):
    await desk_on_both.post(ANN, "秘密")
    await desk_on_both.pump()
    row = (await desk_on_both.machine.outbox_rows())[0]
    assert (row.state, row.body, row.message_id, row.attempts, row.sent_at) == ("sent", None, "1", 1, NOW)


async def test_a_429_delays_that_chat_alone(desk):
    await desk.post(ANN, *map(str, range(150)))
    await desk.post(BOB, "甲")
    desk.failing.next("send", ANN, RetryAfter(30.0))
    await desk.pump()
    assert (desk.said(), desk.said(BOB)) == ([], ["甲"])
    await desk.pump(29.0)
    assert desk.said() == []
    await desk.pump(1.5)
    assert desk.said() == list(map(str, range(150)))


async def test_a_429_for_everybody_delays_everybody(desk):
    await desk.post(ANN, "一")
    desk.failing.next("send", ANN, RetryAfter(30.0, everywhere=True))
    await desk.pump()
    await desk.post(BOB, "甲")
    await desk.pump(29.0)
    assert desk.said(BOB) == []
    await desk.pump(1.5)
    assert (desk.said(), desk.said(BOB)) == (["一"], ["甲"])


async def test_an_outage_of_hours_kills_no_message_and_one_of_days_does(desk):
    down = True

    def fail(method, chat):
        if down:
            raise NotSent("no network")

    desk.machine.platform.fail = fail
    await desk.post(ANN, "一")
    for _ in range(40):
        await desk.pump(31.0)
    assert await desk.states() == ["pending"]
    down = False
    await desk.pump(31.0)
    assert desk.said() == ["一"]
    down = True
    await desk.post(ANN, "二")
    desk.machine.clock.put(NOW + UNWANTED + timedelta(seconds=1))
    await desk.pump(31.0)
    assert await desk.states() == ["sent", "dead"]


async def test_an_unanswered_message_is_sent_once_more_and_marked(desk_on_both):
    desk = desk_on_both
    await desk.post(ANN, "收到", "下一句")
    desk.failing.next("send", ANN, Uncertain("no answer"))
    await desk.pump()
    assert desk.said() == []  # at once the same would break off again
    await desk.pump(2.0)
    assert desk.said() == [f"收到\n{AGAIN}", "下一句"]
    await desk.post(BOB, "收到")
    desk.failing.next("send", BOB, Uncertain("no answer"), Uncertain("no answer"), None)
    await desk.pump()
    await desk.pump(2.0)
    await desk.pump(60.0)
    assert desk.said(BOB) == []
    assert await desk.states() == ["sent", "sent", "dead"]


async def test_an_unanswered_message_of_the_policy_never_is_not_sent_again(desk):
    await desk.post(ANN, "旧闻", policy="never")
    desk.failing.next("send", ANN, Uncertain("no answer"))
    await desk.pump()
    assert (desk.said(), await desk.states()) == ([], ["dead"])


async def test_an_unanswered_edit_is_made_again_without_a_mark(desk):
    await desk.post(ANN, "卡", card="task:1")
    await desk.pump()
    await desk.post(ANN, "卡二", card="task:1", kind="edit")
    desk.failing.next("edit", ANN, Uncertain("no answer"), Uncertain("no answer"))
    await desk.pump()
    await desk.pump(2.0)
    await desk.pump(4.0)
    assert desk.said() == ["卡二"]


async def test_who_blocked_the_bot_is_marked_and_gets_nothing_more(desk_on_both):
    desk = desk_on_both
    number = await desk.machine.arrive("你好")
    await desk.machine.all_turns()
    desk.failing.next("send", ANN, Blocked("blocked"))
    await desk.pump()
    assert await desk.states() == ["dead"]
    async with desk.machine.database.transaction() as session:
        assert (await session.scalars(sa.select(ChatAccount.blocked))).one() is True
    assert await desk.machine.arrive("我回来了") > number
    await desk.machine.all_turns()
    async with desk.machine.database.transaction() as session:
        assert (await session.scalars(sa.select(ChatAccount.blocked))).one() is False


async def test_a_group_that_moved_gets_its_messages_at_the_new_address(desk_on_both):
    desk = desk_on_both
    await desk.post(GROUP, "一", "二")
    desk.failing.next("send", GROUP, ChatMoved("group:2"))
    await desk.pump()
    assert (desk.said(GROUP), desk.said("group:2")) == ([], ["一", "二"])
    async with desk.machine.database.transaction() as session:
        row = (await session.scalars(sa.select(Chat))).one()
    assert (row.address, row.key_hash) == ("group:2", keyring.hash("chat", "memory", "main", "group:2"))


async def test_a_group_that_moved_to_an_address_known_already_is_not_asked_for_ever(desk):
    old, new = await desk.chat(GROUP), await desk.chat("group:2")
    await desk.post(GROUP, "一", "二")
    desk.failing.next("send", GROUP, *(ChatMoved("group:2") for _ in range(50)))
    await desk.pump()
    assert desk.said("group:2") == ["一", "二"]
    assert [call for call in desk.machine.platform.calls if call[1] == GROUP] == [("send", GROUP)]
    assert old != new


async def test_a_card_that_is_gone_is_sent_anew_and_found_again(desk):
    await desk.post(ANN, "卡", card="task:1")
    await desk.pump()
    await desk.post(ANN, "卡二", card="task:1", kind="edit")
    desk.failing.next("edit", ANN, MessageGone("deleted"))
    await desk.pump()
    assert desk.said() == ["卡", "卡二"]
    await desk.post(ANN, "卡三", card="task:1", kind="edit")
    await desk.pump()
    assert desk.said() == ["卡", "卡三"]


async def test_buttons_of_a_message_that_is_gone_are_let_be(desk):
    await desk.post(ANN, "", kind="clear", message_id="77")
    desk.failing.next("clear", ANN, MessageGone("deleted"))
    await desk.pump()
    assert await desk.states() == ["superseded"]


async def test_edits_of_one_card_are_coalesced_the_last_state_wins(desk_on_both):
    desk = desk_on_both
    await desk.post(ANN, "卡", card="task:1")
    await desk.pump()
    await desk.post(ANN, *(f"卡{number}" for number in range(10)), card="task:1", kind="edit")
    await desk.post(ANN, "别的", card="task:2")
    await desk.pump()
    assert desk.said() == ["卡9", "别的"]
    assert desk.machine.platform.calls.count(("edit", ANN)) == 1
    assert (await desk.states()).count("superseded") == 9


async def test_an_edit_never_overtakes_the_message_it_changes(desk):
    await desk.post(ANN, "卡", card="task:1")
    await desk.post(ANN, "卡二", card="task:1", kind="edit")
    desk.failing.next("send", ANN, NotSent("away"))
    await desk.pump()
    await desk.pump(1.0)
    assert desk.said() == ["卡二"]
    assert desk.machine.platform.calls[-2:] == [("send", ANN), ("edit", ANN)]


async def test_the_urgent_overtakes(desk):
    await desk.post(ANN, "一", "二")
    await desk.post(ANN, "险情", urgency=Urgency.URGENT)
    await desk.pump()
    assert desk.said() == ["险情", "一", "二"]


async def test_what_is_held_waits_for_its_hour(desk_on_both):
    desk = desk_on_both
    await desk.post(ANN, "早安", send_after=NOW + timedelta(hours=1))
    await desk.pump()
    assert desk.said() == []
    await desk.machine.relay.delivered([1])  # what is held does not count
    desk.machine.clock.put(NOW + timedelta(hours=1))
    await desk.pump()
    assert desk.said() == ["早安"]


@pytest.mark.parametrize("error", [NotSent("away"), Uncertain("?"), Refused("query is too old"), Blocked("blocked"), MessageGone("gone")])
async def test_the_answer_to_a_press_is_never_sent_again_nor_missed(desk, error):
    body = {"press": "p1", "screen": echo("好").to_json()}
    await desk.post(ANN, "", kind="toast", body=body, policy="never", urgency=Urgency.TOAST)
    desk.failing.next("toast", ANN, error)
    dead = []
    desk.machine.relay.on_dead = dead.append
    await desk.pump()
    await desk.pump(60.0)
    assert (await desk.states(), desk.machine.platform.toasts, dead) == (["superseded"], [], [])
    assert desk.machine.platform.calls == [("toast", ANN)]


async def test_the_answer_to_a_press_waits_as_long_as_a_429_says(desk):
    await desk.post(ANN, "", kind="toast", body={"press": "p1", "screen": echo("好").to_json()}, policy="never", urgency=Urgency.TOAST)
    desk.failing.next("toast", ANN, RetryAfter(3.0))
    await desk.pump()
    await desk.pump(2.9)
    assert desk.machine.platform.toasts == []
    await desk.pump(0.2)
    assert desk.machine.platform.toasts == [(ANN, "p1", "好")]


async def test_the_answer_to_a_press_does_not_wait_behind_the_chats_messages(desk):
    desk.failing.next("send", ANN, RetryAfter(30.0))
    await desk.post(ANN, "一")
    await desk.pump()
    await desk.post(ANN, "", kind="toast", body={"press": "p1", "screen": echo("好").to_json()}, policy="never", urgency=Urgency.TOAST)
    await desk.pump()
    assert desk.machine.platform.toasts == [(ANN, "p1", "好")]


async def test_sending_is_written_down_before_the_call(desk_on_both):
    desk = desk_on_both
    states = []
    send = desk.machine.platform.send

    async def look(*arguments, **options):
        states.extend(await desk.states())
        return await send(*arguments, **options)

    desk.machine.platform.send = look
    await desk.post(ANN, "一")
    await desk.pump()
    assert states == ["sending"]


async def killed_while_sending(desk, machine) -> None:
    """Let the process die after the call was made and before its outcome is written."""
    delivered = asyncio.Event()
    send = desk.machine.platform.send

    async def then_die(*arguments, **options):
        await send(*arguments, **options)
        delivered.set()
        await asyncio.Event().wait()

    machine.platform.send = then_die
    await machine.relay._step()
    await delivered.wait()
    machine.platform.send = send
    for task in machine.relay._sending:
        task.cancel()
    await asyncio.gather(*machine.relay._sending, return_exceptions=True)


async def test_after_a_kill_in_a_send_the_message_is_sent_once_more_and_marked(two_machines, seconds):
    dying, next_life = two_machines
    desk = Desk(dying, seconds)
    await desk.post(ANN, "收到")
    await killed_while_sending(desk, dying)
    await desk.post(BOB, "", kind="toast", body={"press": "p", "screen": None}, policy="never")
    await dying.change(OutboxMessage, state="sending")
    await dying.leases.release(dying.relay._lease)
    await next_life.pump()
    assert desk.said() == ["收到", f"收到\n{AGAIN}"]
    assert [row.state for row in await next_life.outbox_rows()] == ["sent", "superseded"]


async def test_where_sending_again_is_harmless_it_is_not_marked(two_machines, seconds):
    """A platform that takes our key for the message delivers it once (the web chat)."""
    dying, next_life = two_machines
    desk = Desk(dying, seconds)
    await desk.post(ANN, "收到")
    dying.platform.sends_once = True
    for uncertain in (False, True):
        await dying.change(OutboxMessage, state="sending", uncertain=uncertain)
        dying.relay._leading_until = 0.0
        await dying.relay._lead()
        row = (await dying.outbox_rows())[0]
        assert (row.state, row.uncertain) == ("pending", False)
    await dying.pump()
    assert desk.said() == ["收到"]
    assert next_life.platform is dying.platform


async def test_marked_sent_before_the_call_a_kill_loses_the_message(two_machines, seconds):
    """The negative control: were the outcome written before the call, nobody would ever hear of it again."""
    dying, next_life = two_machines
    desk = Desk(dying, seconds)
    await desk.post(ANN, "收到")
    await dying.relay._step()
    await dying.change(OutboxMessage, state="sent")
    for task in list(dying.relay._sending):
        task.cancel()
    await asyncio.gather(*dying.relay._sending, return_exceptions=True)
    desk.machine.platform.messages.clear()
    await dying.leases.release(dying.relay._lease)
    await next_life.pump()
    assert desk.said() == []


async def test_a_second_process_does_not_send_until_the_first_is_gone(two_machines, seconds):
    one, other = two_machines
    desk = Desk(one, seconds)
    await one.pump()
    await desk.post(ANN, "一")
    await other.pump()
    assert desk.said() == []
    await one.pump()
    assert desk.said() == ["一"]
    await desk.post(ANN, "二")
    seconds.now += LEASE_SECONDS + 1  # the first said nothing for a whole lease
    await other.pump()
    assert desk.said() == ["一", "二"]
    await desk.post(ANN, "三")
    await one.pump()
    assert desk.said() == ["一", "二"]


async def test_what_a_process_sends_itself_is_no_orphan_when_it_leads_again(desk_on_both, monkeypatch):
    """After a database that was away for a whole lease: one message is in flight still, of another nobody could write down that it left."""
    desk, machine = desk_on_both, desk_on_both.machine
    write, broken, go_on, send = machine.relay.outcomes._write, True, asyncio.Event(), machine.platform.send

    async def refuse(connection, outcome):
        if broken:
            raise OSError("away")
        await write(connection, outcome)

    async def slow_to_ann(chat, *arguments, **options):
        if chat == ANN:
            await go_on.wait()
        return await send(chat, *arguments, **options)

    monkeypatch.setattr(machine.relay.outcomes, "_write", refuse)
    machine.platform.send = slow_to_ann
    await desk.post(ANN, "一")
    await desk.post(BOB, "二")
    await machine.relay._step()
    await until(lambda: machine.relay.outcomes)
    broken = False
    desk.seconds.now += LEASE_SECONDS + 1
    await machine.relay._step()
    go_on.set()
    await desk.pump()
    assert (desk.said(), desk.said(BOB), await desk.states()) == (["一"], ["二"], ["sent", "sent"])


async def test_who_wakes_after_its_lease_takes_nothing_that_another_sends(two_machines, seconds):
    """Both believe to lead; every message still leaves once."""
    one, other = two_machines
    desk = Desk(one, seconds)
    await desk.post(ANN, *map(str, range(20)))
    for number in range(10):
        await desk.post(f"private:{number}", "好")

    async def always() -> bool:
        return True

    one.relay._lead = other.relay._lead = always
    while any(row.state != "sent" for row in await one.outbox_rows()):
        await asyncio.gather(one.pump(), other.pump())
    assert sorted(desk.said()) == sorted(map(str, range(20)))
    assert all(desk.said(f"private:{number}") == ["好"] for number in range(10))


async def test_a_refused_message_is_a_dead_letter_the_next_ones_leave(desk):
    dead = []
    desk.machine.relay.on_dead = dead.append
    await desk.post(ANN, "一", "二")
    desk.failing.next("send", ANN, Refused("too long"))
    await desk.pump()
    assert (desk.said(), dead, await desk.states()) == (["二"], [1], ["dead", "sent"])


async def test_a_fault_in_sending_is_a_dead_letter_and_not_the_end(desk):
    await desk.post(ANN, "一", "二")
    desk.failing.next("send", ANN, ZeroDivisionError("a fault of the adapter"))
    await desk.pump()
    assert (desk.said(), await desk.states()) == (["二"], ["dead", "sent"])


async def test_an_outcome_that_cannot_be_written_spoils_no_other(desk, monkeypatch):
    await desk.post(GROUP, "一")
    await desk.post(ANN, "二")

    async def broken(*_):
        raise ValueError("a fault")

    monkeypatch.setattr(delivery_module.identity, "move_chat", broken)
    desk.failing.next("send", GROUP, ChatMoved("group:2"))
    await desk.pump()
    assert (desk.said(), await desk.states()) == (["二"], ["dead", "sent"])


async def test_outcomes_are_written_when_the_database_is_back(desk, monkeypatch):
    await desk.post(ANN, "一")
    machine, write, broken = desk.machine, desk.machine.relay.outcomes._write, True

    async def refuse(session, outcome):
        if broken:
            raise OSError("disk full")
        await write(session, outcome)

    monkeypatch.setattr(machine.relay.outcomes, "_write", refuse)
    await machine.relay._step()
    await asyncio.wait(machine.relay._sending)
    await machine.pump()
    assert (desk.said(), await desk.states()) == (["一"], ["sending"])
    broken = False
    await machine.relay.outcomes.write()
    await machine.pump()
    assert (desk.said(), await desk.states()) == (["一"], ["sent"])


async def test_what_reports_dead_letters_is_over_when_it_is_over(world_sqlite):
    """A service that runs for a year keeps nothing of each."""
    app, before = world_sqlite.app, list(world_sqlite.app._tasks)
    for number in range(3):
        app._dead(number)
    await asyncio.gather(*app._tasks[len(before) :])
    await asyncio.sleep(0)
    assert app._tasks == before


async def test_delivered_waits_for_its_own_platform_alone(desk):
    """With two platforms in one process, one never learns of the other's deliveries."""
    numbers = await desk.post(ANN, "一")
    await desk.machine.change(OutboxMessage, platform="telegram")
    await asyncio.wait_for(desk.machine.relay.delivered(numbers), 30)


async def test_stopping_waits_for_the_message_in_flight(desk):
    machine, release, begun = desk.machine, asyncio.Event(), asyncio.Event()
    send = machine.platform.send

    async def slow(*arguments, **options):
        begun.set()
        await release.wait()
        return await send(*arguments, **options)

    machine.platform.send = slow
    await desk.post(ANN, "一")
    running = asyncio.create_task(machine.relay.run())
    await begun.wait()
    stopping = asyncio.create_task(machine.relay.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    release.set()
    await stopping
    await running
    assert await desk.states() == ["sent"]


async def test_stopping_waits_for_the_look_that_has_begun_and_what_it_sends(desk):
    machine, release, looking = desk.machine, asyncio.Event(), asyncio.Event()
    lead = machine.relay._lead

    async def slow():
        looking.set()
        await release.wait()
        return await lead()

    machine.relay._lead = slow
    await desk.post(ANN, "一")
    running = asyncio.create_task(machine.relay.run())
    await looking.wait()
    stopping = asyncio.create_task(machine.relay.stop())
    await asyncio.sleep(0)
    release.set()
    await stopping
    calls, states = list(machine.platform.calls), await desk.states()
    assert states in (["sent"], ["pending"])  # not left half done for the next life to puzzle over
    await running
    await asyncio.gather(*machine.relay._sending)
    assert (machine.platform.calls, await desk.states()) == (calls, states)


async def test_a_menu_is_remembered_for_typed_labels(desk):
    chat = await desk.chat(ANN)
    body = Screen("test.echo", {"said": "选"}, ((Button(Key("test.echo", {"said": "好"}), action="help"),),)).to_json()
    await desk.post(ANN, "", body=body)
    await desk.pump()
    async with desk.machine.database.transaction() as session:
        row = await session.get(Chat, chat)
    assert (row.menu, row.menu_message) == ([["好", "help"]], "1")


async def test_coordinators_hear_of_dead_letters_once_in_ten_minutes(world_sqlite):
    world = world_sqlite
    resident, coordinator = world.person("R101"), "ST02"
    failing = Failing(world.platform)
    for _ in range(3):
        failing.next("send", resident.private, Refused("too long"))
        await resident.says("帮助", many=True)
    before = len(world.pushes(coordinator))
    await until(lambda: _alarm(world))
    await world.at("2026-11-23T08:09")
    assert len(world.pushes(coordinator)) == before
    await world.at("2026-11-23T08:20")
    assert [said for said in world.pushes(coordinator)[before:] if "3条消息" in said]
    told = len(world.pushes(coordinator))
    await world.at("2026-11-23T08:50")
    assert len(world.pushes(coordinator)) == told


async def _alarm(world):
    from models import Occurrence

    return await world.rows(Occurrence, Occurrence.job == "dead_letters")


async def test_the_doctor_names_what_died_and_puts_it_back(machine_sqlite, seconds, capsys):
    from world import HASH, KEYS

    from bot.operations import examine
    from bot.settings import Settings

    desk = Desk(machine_sqlite, seconds)
    await desk.post(ANN, "一", subject="problem:7")
    desk.failing.next("send", ANN, Refused("too long"))
    await desk.pump()
    settings = Settings(_env_file=None, DATABASE_URL=machine_sqlite.database.url, ENCRYPTION_KEYS=KEYS, HASH_KEY=HASH)
    assert await examine(settings) == 1
    out = capsys.readouterr().out
    assert "dead       out:1  memory/main  send problem:7  refused: too long" in out
    assert await examine(settings, retry=True) == 0
    await desk.pump()
    assert desk.said() == ["一"]
    assert await examine(settings) == 0


async def test_reports_count_each_dead_letter_once(machine_sqlite, seconds):
    desk = Desk(machine_sqlite, seconds)
    await desk.post(ANN, "一", "二", state="dead", error="refused: x")
    await desk.post(ANN, "三", state="dead", error="blocked: x")
    async with machine_sqlite.database.transaction() as session:
        context = Context(session, NOW, SCHEDULER, await ground(session), "t")
        assert await upkeep.report_dead_letters(context, "") == "2 reported"
        assert await upkeep.report_dead_letters(context, "") == "none"


async def test_an_uncertain_edit_is_not_tried_for_ever(desk):
    await desk.post(ANN, "卡", card="task:1")
    await desk.pump()
    await desk.post(ANN, "卡二", card="task:1", kind="edit")
    desk.failing.next("edit", ANN, *(Uncertain("?") for _ in range(40)))
    for _ in range(40):
        await desk.pump(30.0)
    assert await desk.states() == ["sent", "dead"]
    assert desk.machine.platform.calls.count(("edit", ANN)) == MOST_ATTEMPTS


async def test_a_message_to_nobody_is_a_dead_letter(desk):
    async with desk.machine.database.transaction() as session:
        session.add(Person(community_id=(await ground(session)).community_id))
    await desk.post(ANN, "一", chat_id=None, token_id="gone")
    await desk.pump()
    assert await desk.states() == ["dead"]
