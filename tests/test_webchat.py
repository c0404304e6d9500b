"""The web chat's protocol, word for word, over real HTTP and WebSockets against the service in demo mode (docs/webchat.md)."""

import asyncio
import base64
import io
import json
import shutil
import sqlite3
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa
from databases import _run
from faults import until
from PIL import Image
from world import HASH, KEYS

from bot.main import Application
from bot.settings import Settings
from models import ChatAccount, InboxMessage, LocalMessage, OutboxMessage, Person, Problem

WAIT = 60
START = "2026-11-23T08:00:00+08:00"
REPORT = "4幢后面有人倒建筑垃圾"


def settings_for(folder: Path, **changes) -> Settings:
    values = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/demo.db",
        "DATA_DIR": folder,
        "HTTP_PORT": 0,
        "ENCRYPTION_KEYS": KEYS,
        "HASH_KEY": HASH,
    }
    return Settings(_env_file=None, **(values | changes))


class Socket:
    """One open chat window."""

    def __init__(self, site: "Site", socket: aiohttp.ClientWebSocketResponse, persona: str) -> None:
        self.site, self.socket, self.persona = site, socket, persona
        self.frames: list[dict] = []

    async def send(self, **frame) -> str:
        """Send a frame; its id."""
        frame = {"id": self.site.next_id(), "chat": "private", **frame}
        await self.socket.send_json(frame)
        return frame["id"]

    async def read(self) -> dict:
        frame = json.loads((await self.socket.receive(timeout=WAIT)).data)
        self.frames.append(frame)
        return frame

    async def until(self, kind: str, number: str = "") -> list[dict]:
        """Every frame up to the first of this type (and id), that one included."""
        found = []
        while True:
            found.append(await self.read())
            if found[-1]["type"] == kind and found[-1].get("id", number) == (number or found[-1].get("id", "")):
                return found

    async def does(self, **frame) -> list[dict]:
        """Send a frame and wait for its done: what came, without ack and done."""
        number = await self.send(**frame)
        found = await self.until("done", number)
        assert [part["type"] for part in found if part.get("id") == number] == ["ack", "done"]
        return [part for part in found if part["type"] in ("message", "edit", "toast")]

    async def says(self, text: str, chat: str = "private", **more) -> list[dict]:
        return await self.does(type="text", text=text, chat=chat, **more)

    async def presses(self, message: dict, button: str) -> list[dict]:
        return await self.does(type="press", chat=message["chat"], message=message["message"], button=button)

    async def fails(self, **frame) -> str:
        """Send a frame that is not taken: the error's text, without an ack."""
        number = await self.send(**frame)
        answer = await self.read()
        assert (answer["type"], answer["id"]) == ("error", number), answer
        return answer["text"]

    async def history(self, chat: str = "private") -> list[dict]:
        return await self.site.get(f"/demo/history?persona={self.persona}&chat={chat}")


class Site:
    """A running service and a browser."""

    def __init__(self, app: Application, http: aiohttp.ClientSession) -> None:
        self.app, self.http, self._ids = app, http, 0

    def next_id(self) -> str:
        self._ids += 1
        return f"c{self._ids}"

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.app.port}{path}"

    async def get(self, path: str, status: int = 200):
        async with self.http.get(self.url(path)) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None) if status == 200 else await answer.text()

    async def post(self, path: str, data, status: int = 200):
        async with self.http.post(self.url(path), json=data) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json() if status in (200, 409) else await answer.text()

    async def open(self, persona: str) -> Socket:
        return Socket(self, await self.http.ws_connect(self.url(f"/demo/ws?persona={persona}")), persona)

    async def rows(self, model, *where):
        async with self.app.database.transaction() as session:
            return list(await session.scalars(sa.select(model).where(*where).order_by(*sa.inspect(model).primary_key)))


@asynccontextmanager
async def running(folder: Path, **changes):
    """The service on this folder's data, until the block ends."""
    app = Application(settings_for(folder, **changes))
    await app.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Site(app, http)
    finally:
        await app.stop()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Path:
    """A folder with the demo community loaded, as after the first start, its clock standing."""
    folder = tmp_path_factory.mktemp("loaded")

    async def load() -> None:
        async with running(folder) as site:
            await site.post("/demo/clock", {"running": False})

    _run(load())
    return folder


@pytest.fixture
def folder(loaded, tmp_path) -> Path:
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
async def site(folder):
    async with running(folder) as made:
        yield made


def words(frames: list[dict]) -> list[str]:
    return [frame["text"] for frame in frames]


def labels(frame: dict) -> list[str]:
    return [button["label"] for row in frame["buttons"] for button in row]


def bare(frame: dict) -> dict:
    return {name: value for name, value in frame.items() if name != "type"}


# -- who there is ---------------------------------------------------------------------------------------------------------
async def test_the_personas_are_named_with_roles_and_chats(site):
    people = {person["id"]: person for person in await site.get("/demo/personas")}
    assert set(people["R101"]) >= {"id", "name", "roles", "chats"}
    assert people["R101"]["roles"] == ["resident"]
    assert people["R101"]["chats"][0] == "private"
    assert "public" in people["R101"]["chats"]
    assert "coordinators" in people["ST02"]["chats"]
    assert "coordinators" not in people["R101"]["chats"]


async def test_nobody_of_that_name_is_404(site):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await site.open("NOBODY")
    assert refused.value.status == 404
    for name in ("NOBODY", "new:", "new:" + "x" * 100, ""):
        await site.get(f"/demo/history?persona={name}", 404)
    await site.get("/demo/history?persona=R101&chat=coordinators", 404)


async def test_a_visitor_is_the_same_person_when_connecting_again_and_sees_private_and_public(site):
    visitor = await site.open("new:小明")
    assert await visitor.says("你好")
    assert "private" in await visitor.fails(type="text", text="你好", chat="party")
    await visitor.socket.close()
    again = await site.open("new:小明")
    await again.says("帮助")
    assert len(await again.history()) >= 4
    await again.history("public")
    names = [person.display_name for person in await site.rows(Person, Person.code.is_(None))]
    assert names.count("小明") == 1
    assert len(await site.rows(ChatAccount, ChatAccount.platform == "local")) == 1 + len(await site.get("/demo/personas"))


# -- frames ---------------------------------------------------------------------------------------------------------------
async def test_a_message_is_acknowledged_answered_and_done_in_this_order(site):
    resident = await site.open("R101")
    number = await resident.send(type="text", text="帮助")
    frames = await resident.until("done")
    assert [frame["type"] for frame in frames] == ["ack", "message", "done"]
    assert frames[0] == {"type": "ack", "id": number}
    assert frames[2] == {"type": "done", "id": number}
    assert "from" not in frames[1]
    assert frames[1]["chat"] == "private"


async def test_acknowledged_means_stored(site):
    resident = await site.open("R101")
    await site.app.turns.stop()
    number = await resident.send(type="text", text="帮助")
    assert (await resident.read()) == {"type": "ack", "id": number}
    assert [row.state for row in await site.rows(InboxMessage)] == ["pending"]


async def test_history_is_what_came_as_frames(site):
    resident = await site.open("R101")
    card = (await resident.says(REPORT))[0]
    await resident.presses(card, "提交")
    shown: dict[str, dict] = {}
    for frame in resident.frames:
        if frame["type"] in ("message", "edit"):
            shown[frame["message"]] = bare(frame)
    history = await resident.history()
    assert [entry for entry in history if "from" not in entry] == list(shown.values())
    own = [entry for entry in history if entry.get("from") == "R101"]
    assert words(own) == [REPORT]
    assert [entry["message"] for entry in history] == sorted((entry["message"] for entry in history), key=lambda name: int(name[1:]))


async def test_another_window_of_the_same_person_sees_what_was_said_in_the_first(site):
    one, two = await site.open("R101"), await site.open("R101")
    await one.says("帮助")
    own, answer = await two.read(), await two.read()
    assert (own["type"], own["from"], own["text"]) == ("message", "R101", "帮助")
    assert "from" not in answer


async def test_nothing_is_replayed_on_connecting(site):
    first = await site.open("R101")
    await first.says("帮助")
    await first.socket.close()
    again = await site.open("R101")
    number = await again.send(type="text", text="帮助")
    assert await again.read() == {"type": "ack", "id": number}


# -- the same id again ----------------------------------------------------------------------------------------------------
async def test_the_same_id_again_changes_nothing_and_is_acknowledged_and_done_again(site):
    resident = await site.open("R101")
    frame = {"id": "same", "type": "text", "chat": "private", "text": REPORT}
    assert len(await resident.does(**frame)) == 1
    before = await resident.history()
    for _ in range(3):
        assert await resident.does(**frame) == []
    assert await resident.does(**{**frame, "text": "别的话"}) == []
    assert await resident.history() == before
    other = await site.open("R102")
    assert await other.does(**frame)  # ids are each person's own


async def test_the_same_id_again_while_the_first_is_in_flight(site):
    resident = await site.open("R101")
    for _ in range(5):
        await resident.send(id="same", type="text", text=REPORT)
    found = []
    while [part["type"] for part in found].count("done") < 5:
        found.append(await resident.read())
    kinds = [part["type"] for part in found]
    assert kinds.count("ack") == 5
    assert kinds.count("message") == 1
    assert kinds.index("message") < kinds.index("done")
    assert len(await resident.history()) == 2


async def test_the_same_press_again_changes_nothing(site):
    resident = await site.open("R101")
    card = (await resident.says(REPORT))[0]
    before = len(await site.rows(Problem))
    press = {"id": "p", "type": "press", "message": card["message"], "button": "提交"}
    await resident.does(**press)
    assert await resident.does(**press) == []
    assert len(await site.rows(Problem)) == before + 1


async def test_the_same_id_again_after_a_restart(folder):
    frame = {"id": "same", "type": "text", "chat": "private", "text": REPORT}
    async with running(folder) as site:
        resident = await site.open("R101")
        await resident.does(**frame)
        before = await resident.history()
    async with running(folder) as site:
        resident = await site.open("R101")
        assert await resident.does(**frame) == []
        assert await resident.history() == before


async def test_done_after_a_restart_waits_for_what_was_not_delivered_before(folder):
    """Killed between the turn and the delivery: the next life delivers, and only then says done."""
    frame = {"id": "same", "type": "text", "chat": "private", "text": "帮助"}
    async with running(folder) as site:
        resident = await site.open("R101")
        await resident.does(**frame)
        body = (await site.rows(LocalMessage))[-1]
        async with site.app.database.transaction() as session:
            sent = (await session.scalars(sa.select(OutboxMessage).where(OutboxMessage.cause.like("in:%")))).one()
            sent.state, sent.body = "sending", {"key": "cancelled", "values": {}, "buttons": [], "media": [], "ask_location": False}
            await session.delete(await session.get(LocalMessage, body.id))
    async with running(folder) as site:
        site.app.relays["local", "main"]._stopping = True
        resident = await site.open("R101")
        site.app.relays["local", "main"]._stopping = False
        number = await resident.send(**frame)
        await resident.until("done", number)
        assert words([entry for entry in await resident.history() if "from" not in entry]) == ["好的，已取消。"]


async def test_after_a_kill_a_clock_that_is_a_moment_behind_holds_nothing_back(folder):
    """A running clock is stored once a second: what was posted in the last moment must not look held for later."""
    frame = {"id": "same", "type": "text", "chat": "private", "text": "帮助"}
    async with running(folder) as site:
        await site.post("/demo/clock", {"running": True})
        resident = await site.open("R101")
        await resident.does(**frame)
        async with site.app.database.transaction() as session:
            sent = (await session.scalars(sa.select(OutboxMessage).where(OutboxMessage.cause.like("in:%")))).one()
            await session.delete((await session.scalars(sa.select(LocalMessage).where(LocalMessage.key == f"out:{sent.id}"))).one())
            sent.state, sent.body = "pending", {"key": "cancelled", "values": {}, "buttons": [], "media": [], "ask_location": False}
    file = sqlite3.connect(folder / "demo.db")
    file.execute("UPDATE setting SET value = ? WHERE name = 'clock'", [json.dumps({"now": "2026-11-23T00:00:00+00:00", "running": True})])
    file.execute("UPDATE outbox SET send_after = '2026-11-23 00:00:04.000000' WHERE cause LIKE 'in:%'")
    file.commit()
    file.close()
    async with running(folder) as site:
        assert site.app.clock.now() >= datetime.fromisoformat("2026-11-23T08:00:04+08:00")
        resident = await site.open("R101")
        await resident.does(**frame)
        assert words([entry for entry in await resident.history() if "from" not in entry]) == ["好的，已取消。"]


# -- presses --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("by", ["label", "action"])
async def test_a_press_by_label_and_by_action(site, by):
    resident = await site.open("R101")
    card = (await resident.says(REPORT))[-1]
    button = next(button for row in card["buttons"] for button in row if button["label"] == "提交")
    frames = await resident.presses(card, button[by])
    receipt = next(frame for frame in frames if frame["type"] == "message")
    assert "WT-20261123-" in receipt["text"]
    taken_off = next(frame for frame in frames if frame["type"] == "edit")
    assert (taken_off["message"], taken_off["buttons"]) == (card["message"], [])


async def test_a_press_on_a_card_that_is_settled_says_so_and_changes_nothing(site):
    resident = await site.open("R101")
    card = (await resident.says(REPORT))[0]
    await resident.presses(card, "提交")
    problems = len(await site.rows(Problem))
    answer = await resident.presses(card, "提交")
    assert answer[0]["type"] in ("toast", "message")
    assert answer[0]["text"]
    assert len(await site.rows(Problem)) == problems


async def test_a_press_of_what_is_not_there_is_an_error(site):
    resident, other = await site.open("R101"), await site.open("R102")
    card = (await resident.says(REPORT))[0]
    assert "没有" not in await resident.fails(type="press", message=card["message"], button="飞")
    assert await resident.fails(type="press", message="m999999", button="提交")
    assert await resident.fails(type="press", message="17", button="提交")
    assert await resident.fails(type="press", message=card["message"])
    assert await other.fails(type="press", message=card["message"], button="提交")  # somebody else's chat
    assert await resident.fails(type="press", chat="public", message=card["message"], button="提交")


async def test_a_typed_label_is_a_press(site):
    resident = await site.open("R101")
    await resident.says(REPORT)
    assert any("WT-20261123-" in text for text in words(await resident.says("提交")))


# -- groups ---------------------------------------------------------------------------------------------------------------
async def test_what_is_said_in_a_group_reaches_its_members_before_done_and_nobody_else(site):
    speaker, member, outsider = await site.open("ST02"), await site.open("ST01"), await site.open("R101")
    number = await speaker.send(type="text", chat="coordinators", text="帮助")
    await speaker.until("done", number)
    said, answer = await asyncio.wait_for(member.read(), WAIT), await asyncio.wait_for(member.read(), WAIT)
    assert (said["type"], said["from"], said["text"], said["chat"]) == ("message", "ST02", "帮助", "coordinators")
    assert "from" not in answer
    assert bare(answer) == bare(next(frame for frame in speaker.frames if frame["type"] == "message"))
    await outsider.says("帮助")
    assert all(frame.get("chat", "private") == "private" for frame in outsider.frames)
    assert [bare(frame) for frame in member.frames] == await member.history("coordinators")


async def test_what_a_turn_sends_to_others_has_reached_them_before_done(site):
    resident = await site.open("R101")
    watchers = [await site.open(name) for name in ("ST02", "ST04")]
    standing = {entry["message"] for watcher in watchers for entry in await watcher.history()}
    card = (await resident.says("9幢有人晕倒了，快来人"))[-1]
    posted = await site.rows(OutboxMessage, OutboxMessage.cause.like("in:%"))
    assert {row.state for row in posted} <= {"sent", "superseded"}
    assert card
    for watcher in watchers:
        before = [
            entry
            for chat in ("private", "coordinators")
            if chat == "private" or watcher.persona == "ST02"
            for entry in await watcher.history(chat)
            if entry["message"] not in standing
        ]
        received = []
        while len(received) < len(before):
            received.append(await watcher.read())
        assert sorted(frame["message"] for frame in received if frame["type"] == "message") == sorted(entry["message"] for entry in before)


async def test_the_public_board_is_for_reading(site):
    resident = await site.open("R101")
    assert "read only" in await resident.fails(type="text", chat="public", text="大家好")
    assert "read only" in await resident.fails(type="sticker", chat="public")
    assert "not in chat" in await resident.fails(type="text", chat="coordinators", text="大家好")
    assert "not in chat" in await resident.fails(type="text", chat="nowhere", text="大家好")


# -- the other kinds of message ---------------------------------------------------------------------------------------------
def picture() -> str:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


async def test_a_photo_is_kept_and_shown(site):
    resident = await site.open("R101")
    card = (await resident.does(type="photo", data=picture(), caption=REPORT, album=""))[0]
    own = (await resident.history())[0]
    assert own["text"] == REPORT
    async with site.http.get(site.url(own["photo"])) as answer:
        assert answer.content_type == "image/jpeg"
        assert (await answer.read()).startswith(b"\xff\xd8\xff")
    assert "提交" in labels(card)
    async with site.http.get(site.url("/demo/media/" + "0" * 64)) as answer:
        assert answer.status == 404


async def test_a_location_a_recording_and_a_sticker_are_taken(site):
    resident = await site.open("R101")
    assert await resident.does(type="location", lat=31.2016, lon=120.1519, accuracy=15, forwarded=False)
    assert await resident.does(type="voice", data=base64.b64encode(b"OggS" + b"x" * 50).decode())
    assert await resident.does(type="sticker")
    own = [entry for entry in await resident.history() if entry.get("from")]
    assert own[0]["location"] | {"lat": 31.2016, "lon": 120.1519} == own[0]["location"]
    assert own[1]["voice"].startswith("/demo/media/")
    assert own[2]["sticker"] is True


async def test_a_reply_names_what_it_answers(site):
    resident = await site.open("R101")
    first = (await resident.says("帮助"))[0]
    await resident.says("谢谢", reply_to=first["message"])
    assert [entry for entry in await resident.history() if entry.get("reply_to") == first["message"]]


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "text", "text": ""}, {"type": "text", "text": "   "}, {"type": "text"}, {"type": "text", "text": 5}, {"type": "text", "text": "长" * 4097},
        {"type": "dance"}, {"type": 5}, {"type": "text", "text": "a", "chat": 5}, {"type": "text", "text": "a", "reply_to": 7},
        {"type": "location", "lat": "31", "lon": 120}, {"type": "location", "lat": 91.0, "lon": 120.0}, {"type": "location", "lat": True, "lon": 1.0},
        {"type": "location"}, {"type": "location", "lat": 31.2, "lon": 120.1, "accuracy": -1}, {"type": "location", "lat": 31.2, "lon": 120.1, "accuracy": "a"},
        {"type": "photo", "data": "not base64!"}, {"type": "photo", "data": ""}, {"type": "photo"}, {"type": "photo", "data": 5}, {"type": "voice"},
        {"type": "press", "message": 5, "button": "x"}, {"type": "press", "message": "m" + "9" * 30, "button": "x"},
    ],
)  # fmt: skip
async def test_a_frame_that_makes_no_sense_is_an_error_and_nothing_more(site, frame):
    resident = await site.open("R103")
    assert await resident.fails(**frame)
    assert await resident.says("帮助")
    await resident.socket.close()


@pytest.mark.parametrize(
    "data", ["", "{", "[]", "5", "null", '{"type":"text"}', '{"id":5,"type":"text"}', '{"id":"","type":"text"}', "nan"]
)
async def test_what_is_no_frame_at_all_is_an_error_without_an_id(site, data):
    resident = await site.open("R104")
    await resident.socket.send_str(data)
    answer = await resident.read()
    assert answer["type"] == "error"
    assert "id" not in answer
    assert await resident.says("帮助")
    await resident.socket.close()


@pytest.mark.parametrize("text", ["灯\ud83d坏了", "a\x00b", "\u202e反", "😀" * 2000])
async def test_strange_signs_do_no_harm(site, text):
    resident = await site.open("R105")
    await resident.socket.send_str(json.dumps({"id": site.next_id(), "type": "text", "chat": "private", "text": text}))
    assert (await resident.until("done"))[0]["type"] == "ack"
    await resident.history()
    await resident.socket.close()


# -- the clock ------------------------------------------------------------------------------------------------------------
async def test_the_clock_goes_forward_and_never_back(site):
    assert await site.get("/demo/clock") == {"now": START, "running": False}
    moved = await site.post("/demo/clock", {"now": "2026-11-25T09:31:00+08:00"})
    assert moved == {"now": "2026-11-25T09:31:00+08:00", "running": False}
    answer = await site.post("/demo/clock", {"now": "2026-11-25T09:30:59+08:00"}, 409)
    assert answer["error"]
    assert (await site.get("/demo/clock"))["now"] == "2026-11-25T09:31:00+08:00"
    assert await site.post("/demo/clock", {"now": "2026-11-25T01:31:00Z"}) == moved  # the same moment
    assert (await site.post("/demo/clock", {"running": True}))["running"] is True
    assert (await site.post("/demo/clock", {}))["running"] is True


@pytest.mark.parametrize("data", [{"now": "2026-11-25T09:31:00"}, {"now": 5}, {"now": "soon"}, {"running": "yes"}, [], 5])
async def test_a_clock_that_makes_no_sense_is_refused(site, data):
    await site.post("/demo/clock", data, 400)
    assert await site.get("/demo/clock") == {"now": START, "running": False}


async def test_a_running_clock_runs(site):
    await site.post("/demo/clock", {"running": True})

    async def later() -> bool:
        return (await site.get("/demo/clock"))["now"] > START

    await until(later)


async def test_quiet_hours_hold_a_message_and_moving_the_clock_delivers_it_at_eight(site):
    await site.post("/demo/clock", {"now": "2026-11-23T22:30:00+08:00"})
    await site.app.drain()
    async with site.app.database.transaction() as session:
        from services import post
        from services.context import SCHEDULER, Context, ground
        from texts.screen import screen

        person = (await session.scalars(sa.select(Person).where(Person.code == "R101"))).one()
        context = Context(session, site.app.clock.now(), SCHEDULER, await ground(session), "test")
        await post.to_person(context, person.id, screen("cancelled"))
    resident = await site.open("R101")
    await site.post("/demo/clock", {"now": "2026-11-24T07:59:00+08:00"})
    assert await resident.history() == []
    await site.post("/demo/clock", {"now": "2026-11-24T09:00:00+08:00"})
    message = (await resident.history())[0]
    assert message["at"] == "2026-11-24T08:00:00+08:00"
    assert bare(await resident.read()) == message


async def test_a_restart_keeps_the_clock_and_demo_clock_is_a_downtime(folder):
    async with running(folder) as site:
        await site.post("/demo/clock", {"now": "2026-11-24T10:00:00+08:00"})
    async with running(folder) as site:
        assert await site.get("/demo/clock") == {"now": "2026-11-24T10:00:00+08:00", "running": False}
    async with running(folder, DEMO_CLOCK="2026-11-26T12:00:00+08:00") as site:
        assert (await site.get("/demo/clock"))["now"] == "2026-11-26T12:00:00+08:00"
    async with running(folder, DEMO_CLOCK="2026-11-25T12:00:00+08:00") as site:
        assert (await site.get("/demo/clock"))["now"] == "2026-11-26T12:00:00+08:00"


async def test_what_fell_due_in_a_downtime_happens_after_it(folder):
    from models import Occurrence

    async with running(folder) as site:
        assert await site.rows(Occurrence, Occurrence.job == "privacy_purge", Occurrence.state == "done") == []
    async with running(folder, DEMO_CLOCK="2026-11-26T12:00:00+08:00") as site:

        async def purged():
            return await site.rows(Occurrence, Occurrence.job == "privacy_purge", Occurrence.state == "done")

        assert len(await until(purged)) == 1


# -- starting afresh --------------------------------------------------------------------------------------------------------
async def test_a_reset_starts_afresh(site):
    resident = await site.open("R101")
    first = await resident.does(id="same", type="text", text=REPORT)
    await resident.presses(first[0], "提交")
    problems = len(await site.rows(Problem))
    await site.post("/demo/clock", {"now": "2026-11-25T09:31:00+08:00"})
    assert (await site.post("/demo/reset", {}))["now"] == START
    assert await resident.history() == []
    assert len(await site.rows(Problem)) < problems
    again = await resident.does(id="same", type="text", text=REPORT)  # ids are free again, the socket stays
    assert words(again) == words(first)


async def test_a_reset_to_an_earlier_day_knows_nothing_later(site):
    everything = len(await site.rows(Problem))
    assert (await site.post("/demo/reset", {"now": "2026-09-10T09:30:00+08:00"}))["now"] == "2026-09-10T09:30:00+08:00"
    assert len(await site.rows(Problem)) < everything
    moment = site.app.clock.now()
    assert all(problem.created_at <= moment for problem in await site.rows(Problem))
    await site.post("/demo/reset", {"now": "yesterday"}, 400)
    assert (await site.post("/demo/reset", {}))["now"] == START
    assert len(await site.rows(Problem)) == everything


async def test_whatever_was_due_before_a_reset_is_taken_as_done(site):
    await site.post("/demo/reset", {"now": "2026-09-10T09:30:00+08:00"})
    await site.app.alarms.tick()
    await site.app.drain()
    assert await site.rows(LocalMessage) == []


# -- only in demo mode ------------------------------------------------------------------------------------------------------
PATHS = (
    "/demo/personas",
    "/demo/clock",
    "/demo/history?persona=R101",
    "/demo/ws?persona=R101",
    "/demo/chats?persona=R101",
    "/demo/plan",
    "/",
)


async def test_without_the_demo_none_of_it_exists(folder):
    async with running(folder, DEMO=False) as site:
        for path in PATHS:
            await site.get(path, 404)
        for path in ("/demo/clock", "/demo/reset"):
            await site.post(path, {}, 404)
        async with site.http.get(site.url("/livez")) as answer:
            assert answer.status == 200
        async with site.http.get(site.url("/readyz")) as answer:
            assert answer.status == 200


async def test_with_a_token_the_clock_is_the_real_one(folder):
    async with running(folder, DEMO=True, TELEGRAM_BOT_TOKEN="1:" + "A" * 35, TELEGRAM_API_URL="http://127.0.0.1:9") as site:
        await site.post("/demo/clock", {"now": "2099-01-01T00:00:00+08:00"}, 409)
        await site.post("/demo/reset", {"now": "2026-09-10T09:30:00+08:00"}, 409)
        assert (await site.get("/demo/clock"))["running"] is True
        resident = await site.open("R101")
        assert await resident.says("帮助")  # done comes, though another platform is there too


async def test_another_sites_page_may_not_drive_the_demo(site):
    foreign = {"Origin": "https://elsewhere.test"}
    for path in ("/demo/clock", "/demo/reset"):
        async with site.http.post(site.url(path), json={}, headers=foreign) as answer:
            assert answer.status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await site.http.ws_connect(site.url("/demo/ws?persona=R101"), headers=foreign)
    assert refused.value.status == 403


async def test_a_service_whose_database_is_away_says_so_and_takes_nothing(site, monkeypatch):
    resident = await site.open("R101")

    @asynccontextmanager
    async def down(durable=True):
        raise OSError("no disk")
        yield

    with monkeypatch.context() as broken:
        broken.setattr(site.app.database, "connection", down)
        assert "not stored" in await resident.fails(id="again", type="text", text="帮助")
        async with site.http.get(site.url("/readyz")) as answer:
            assert (answer.status, "Retry-After" in answer.headers) == (503, True)
        async with site.http.get(site.url("/livez")) as answer:
            assert answer.status == 200
    assert await resident.does(id="again", type="text", text="帮助")
