"""The Telegram adapter against a fake Bot API over real HTTP: every answer, every fault, polling and the webhook."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import socket
import traceback
from collections.abc import AsyncIterator

import aiohttp
import pytest
import structlog
from aiohttp import web
from fake_telegram import FakeTelegram, Fault
from judge import objections

from bot.events import FileRef, Press, Scan
from bot.platforms import telegram_transport
from bot.platforms.base import (
    Arrival,
    Blocked,
    ChatMoved,
    Media,
    MessageGone,
    NotSent,
    Refused,
    RetryAfter,
    SendError,
    StorageDown,
    Uncertain,
)
from bot.platforms.telegram import TelegramPlatform
from bot.platforms.telegram_listener import SECRET_HEADER
from bot.platforms.telegram_transport import Answer, result
from texts.render import Rendered, RenderedButton

COMMANDS = {"zh_CN": [("bao", "报问题"), ("help", "帮助")], "en": [("bao", "Report a problem")]}
JPEG = b"\xff\xd8\xff\xe0jpeg"
PHOTO = Media(JPEG, "image/jpeg", "photo.jpg")


class Inbox:
    """Stores what arrives; `down` is how many of the next arrivals the database refuses."""

    def __init__(self) -> None:
        self.stored: dict[str, Arrival] = {}
        self.attempts = 0
        self.down = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self, arrival: Arrival) -> None:
        self.attempts += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            self.down -= 1
            raise StorageDown
        self.stored[arrival.event_id] = arrival


class Clock:
    """Waits for nothing and remembers for how long."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(sleep=Clock()) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@contextlib.asynccontextmanager
async def made(telegram: FakeTelegram, clock: Clock, **options) -> AsyncIterator[TelegramPlatform]:
    options = {"read_seconds": 5.0, "media_seconds": 5.0, "poll_seconds": 20, "sleep": clock} | options
    platform = TelegramPlatform(options.pop("token", telegram.token), options.pop("url", telegram.base_url), **options)
    try:
        yield platform
    finally:
        await platform.stop()


@pytest.fixture
async def platform(telegram, clock, inbox) -> AsyncIterator[TelegramPlatform]:
    async with made(telegram, clock, commands=COMMANDS, group_commands={"zh_CN": [("claim", "接单")]}) as started:
        await started.start(inbox)
        yield started


@pytest.fixture
def resident(telegram):
    person = telegram.user("王阿姨")
    telegram.opens_link(person)
    return person


def said(text="您好", *rows, **options) -> Rendered:
    return Rendered(text, tuple(tuple(RenderedButton(*button) for button in row) for row in rows), **options)


def hold(telegram: FakeTelegram, method: str, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let every call of a method wait for the event."""
    gate, original = asyncio.Event(), telegram._do

    async def slow(call):
        if call.method == method:
            await gate.wait()
        return await original(call)

    monkeypatch.setattr(telegram, "_do", slow)
    return gate


# --- sending


async def test_a_text_arrives_plain_with_its_buttons(telegram, platform, resident):
    message = said("请看 <b>*x* https://example.org", [("提交", "submit:1"), ("改", "x")], [("私聊", "", "inv_1")])
    number = await platform.send(str(resident.id), message)
    (shown,) = telegram.shown(resident)
    assert (str(shown.message_id), shown.text) == (number, message.text)
    assert shown.buttons == (("提交", "改"), ("私聊",))
    (call,) = telegram.called("sendMessage")
    assert "parse_mode" not in call.parameters
    assert "entities" not in call.parameters
    assert call.parameters["link_preview_options"] == {"is_disabled": True}
    keyboard = call.parameters["reply_markup"]["inline_keyboard"]
    assert keyboard[0][0] == {"text": "提交", "callback_data": "submit:1"}
    assert keyboard[1][0] == {"text": "私聊", "url": "https://t.me/linshao_test_bot?start=inv_1"}


FAULTS = {
    "429": (Fault.too_many(7), RetryAfter, False),
    "429 without parameters": (Fault.too_many(None), RetryAfter, False),
    "429 of a gateway": (Fault.bad_gateway(429), RetryAfter, False),
    "500": (Fault.server_error(), NotSent, False),
    "502 page": (Fault.bad_gateway(502), Uncertain, False),
    "504 page, done": (Fault.bad_gateway(504, commit=True), Uncertain, True),
    "a proxy's login page": (Fault.bad_gateway(302), NotSent, False),
    "413 page": (Fault.bad_gateway(413), Refused, False),
    "no answer": (Fault.hang(), Uncertain, False),
    "no answer, done": (Fault.hang(commit=True), Uncertain, True),
    "reset": (Fault.reset(), Uncertain, False),
    "reset, done": (Fault.reset(commit=True), Uncertain, True),
    "half an answer": (Fault.truncated(), Uncertain, True),
    "blocked": (Fault.blocked(), Blocked, False),
    "never started": (Fault.refuse("Bad Request: chat not found"), Blocked, False),
    "migrated": (Fault.refuse("Bad Request: group upgraded", migrate_to_chat_id=-1001), ChatMoved, False),
    "not allowed": (Fault.refuse("Bad Request: not enough rights to send text messages"), Refused, False),
    "unauthorized": (Fault.refuse("Unauthorized", 401), Refused, False),
}


@pytest.mark.parametrize("media", [(), (PHOTO,)], ids=["text", "photo"])
@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_says_whether_it_may_have_been_sent(telegram, clock, resident, name, media):
    fault, expected, arrived = FAULTS[name]
    telegram.fail("*", fault, chat=resident)
    if media and expected is Refused and name != "unauthorized":
        telegram.fail("*", fault, chat=resident)  # the text without the refused photo
    wait = 0.2 if fault.kind == "hang" else 30.0
    async with made(telegram, clock, read_seconds=wait, media_seconds=wait) as platform:
        with pytest.raises(SendError) as raised:
            await platform.send(str(resident.id), said(), media=media)
    assert isinstance(raised.value, expected), raised.value
    assert bool(telegram.shown(resident)) == arrived
    assert telegram.token not in str(raised.value)
    if name == "429":
        assert raised.value.seconds == 7
    if name == "429 without parameters":
        assert raised.value.seconds == 1
    if expected is ChatMoved:
        assert raised.value.new_chat_id == "-1001"


async def test_a_refused_connection_is_not_sent(telegram, clock):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with made(telegram, clock, url=f"http://127.0.0.1:{unused.getsockname()[1]}") as platform:
            with pytest.raises(NotSent):
                await platform.send("1", said())


async def test_waiting_for_a_free_connection_is_not_sent(telegram, clock, resident, monkeypatch):
    monkeypatch.setattr(telegram_transport, "_CONNECT_SECONDS", 0.1)
    monkeypatch.setattr("bot.platforms.telegram._CONNECTIONS", 1)
    gate = hold(telegram, "sendMessage", monkeypatch)
    async with made(telegram, clock) as platform:
        first = asyncio.create_task(platform.send(str(resident.id), said("一")))
        await telegram.until(lambda: telegram.called("sendMessage"))
        with pytest.raises(NotSent) as raised:
            await platform.send(str(resident.id), said("二"))
        gate.set()
        await first
    # The HTTP client's own sentence for this holds the address, and so the token.
    assert telegram.token not in "".join(traceback.format_exception(raised.value))
    assert [shown.text for shown in telegram.shown(resident)] == ["一"]


async def test_an_answer_the_library_cannot_read_is_uncertain(telegram, platform, resident, monkeypatch):
    monkeypatch.setattr(telegram, "_send_message", lambda call: {"message_id": "x", "chat": 3})
    with pytest.raises(Uncertain):
        await platform.send(str(resident.id), said())


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"ok": true}', Uncertain),
        (500, b'{"ok": true, "result": 1}', Uncertain),
        (200, b"[]", Uncertain),
        (404, b"<html>", Refused),
        (200, b'{"ok": false, "error_code": 403, "description": null}', Blocked),
        (400, b'{"ok": false, "parameters": [], "description": 3}', Refused),
        (429, b'{"ok": false, "parameters": {"retry_after": "x"}}', RetryAfter),
    ],
)
def test_answers_that_contradict_themselves(status, body, expected):
    with pytest.raises(expected):
        result(Answer(status, body))


async def test_a_topic_that_is_gone_gives_way_to_the_group(telegram, platform):
    forum = telegram.group(forum=True)
    topic = telegram.topic(forum)
    await platform.send(f"{forum.id}/{topic}", said("一"))
    await platform.send(f"{forum.id}/9999", said("二"), media=(PHOTO,))
    first, second = telegram.shown(forum)[1:]
    assert first.raw["message_thread_id"] == topic
    assert "message_thread_id" not in second.raw
    assert second.text == "二"


async def test_the_location_button_is_for_private_chats_without_other_buttons(telegram, platform, resident):
    group = telegram.group()
    await platform.send(str(resident.id), said("在哪里", ask_location=True))
    (button,) = telegram.keyboards[resident.id]["keyboard"][0]
    assert button["request_location"] is True
    await platform.send(str(group.id), said("在哪里", ask_location=True))
    assert group.id not in telegram.keyboards
    telegram.keyboards.clear()
    await platform.send(str(resident.id), said("在哪里", [("取消", "cancel")], ask_location=True))
    assert not telegram.keyboards
    assert telegram.shown(resident)[-1].labels == ("取消",)


@pytest.mark.parametrize("rows", [[], [[("提交", "submit:1")]]])
async def test_the_location_button_goes_with_the_next_message(telegram, platform, resident, rows):
    await platform.send(str(resident.id), said("在哪里", ask_location=True))
    assert resident.id in telegram.keyboards
    await platform.send(str(resident.id), said("好的", *rows))
    assert resident.id not in telegram.keyboards
    assert [shown.text for shown in telegram.shown(resident)] == ["在哪里", "好的"]
    assert telegram.shown(resident)[-1].buttons == tuple(tuple(label for label, _ in row) for row in rows)
    calls = len(telegram.called("sendMessage"))
    await platform.send(str(resident.id), said("还有", *rows))
    assert len(telegram.called("sendMessage")) == calls + 1
    assert "remove_keyboard" not in str(telegram.called("sendMessage")[-1].parameters)


async def test_a_location_button_that_stays_does_not_hold_the_message(telegram, platform, resident):
    await platform.send(str(resident.id), said("在哪里", ask_location=True))
    telegram.fail("deleteMessage", Fault.server_error())
    await platform.send(str(resident.id), said("好的", [("提交", "submit:1")]))
    assert [shown.text for shown in telegram.shown(resident)][:2] == ["在哪里", "好的"]
    await platform.send(str(resident.id), said("还有"))
    assert resident.id not in telegram.keyboards
    await platform.send(str(resident.id), said("在哪里", ask_location=True))
    assert resident.id in telegram.keyboards


async def test_a_deep_link_waits_for_the_bots_name(telegram, clock, resident):
    async with made(telegram, clock) as unstarted:
        with pytest.raises(NotSent):
            await unstarted.send(str(resident.id), said("x", [("私聊", "", "inv_1")]))


@pytest.mark.parametrize("chat", ["", "abc", "1/x"])
async def test_an_address_that_is_not_telegrams_is_refused(platform, chat):
    with pytest.raises(Refused):
        await platform.send(chat, said())


def test_a_topic_shares_its_groups_limit(telegram):
    platform = TelegramPlatform(telegram.token)
    assert platform.rate_key("-1001/7") == ("-1001", True)
    assert platform.rate_key("5001") == ("5001", False)


# --- media


async def test_one_photo_carries_the_text_and_can_be_edited(telegram, platform, resident):
    number = await platform.send(str(resident.id), said("路灯", [("接单", "claim:1")]), media=(PHOTO,))
    (shown,) = telegram.shown(resident)
    assert (shown.text, shown.labels, str(shown.message_id)) == ("路灯", ("接单",), number)
    assert telegram.files[shown.raw["photo"][-1]["file_id"]] == JPEG
    await platform.edit(str(resident.id), number, said("已接单"))
    await platform.edit(str(resident.id), number, said("已接单"))
    (shown,) = telegram.shown(resident)
    assert (shown.text, shown.labels) == ("已接单", ())
    with pytest.raises(MessageGone):
        await platform.edit(str(resident.id), number, said("字" * 1025))


async def test_a_text_too_long_for_a_caption_goes_before_its_photo(telegram, platform, resident):
    text = "😀" * 513  # 1026 units, 513 signs
    number = await platform.send(str(resident.id), said(text, [("接单", "claim:1")]), media=(PHOTO,))
    first, second = telegram.shown(resident)
    assert (first.text, str(first.message_id), first.labels) == (text, number, ("接单",))
    assert "photo" in second.raw
    assert second.text == ""


async def test_many_media_go_before_the_text_with_the_buttons(telegram, platform, resident):
    media = (PHOTO,) * 11 + (
        Media(b"OggS", "audio/ogg"),
        Media(b"ID3", "audio/mpeg"),
        Media(b"%PDF", "application/pdf", "a.pdf"),
    )
    number = await platform.send(str(resident.id), said("材料", [("好", "x")]), media=media)
    shown = telegram.shown(resident)
    assert [call.method for call in telegram.calls if call.method.startswith("send")] == [
        "sendMediaGroup", "sendPhoto", "sendVoice", "sendAudio", "sendDocument", "sendMessage",
    ]  # fmt: skip
    assert len({message.raw["media_group_id"] for message in shown[:10]}) == 1
    assert (shown[-1].text, str(shown[-1].message_id), shown[-1].labels) == ("材料", number, ("好",))


async def test_a_photo_too_large_to_be_one_is_a_file(telegram, platform, resident):
    await platform.send(str(resident.id), said(), media=(Media(bytes(10_000_001), "image/png", "a.png"),))
    assert telegram.called("sendDocument")
    assert telegram.shown(resident)[0].text == "您好"


async def test_a_refused_file_does_not_take_the_words_with_it(telegram, platform, resident):
    telegram.fail("sendPhoto", Fault.refuse("Bad Request: PHOTO_INVALID_DIMENSIONS"), times=2)
    await platform.send(str(resident.id), said("一"), media=(PHOTO,))
    await platform.send(str(resident.id), said("字" * 1025), media=(PHOTO,))
    telegram.fail("sendMediaGroup", Fault.refuse("Bad Request: IMAGE_PROCESS_FAILED"))
    await platform.send(str(resident.id), said("三"), media=(PHOTO, PHOTO))
    assert [shown.text[:1] for shown in telegram.shown(resident)] == ["一", "字", "三"]


async def test_a_limit_between_album_and_text_is_waited_for_and_nothing_doubles(telegram, platform, resident, clock):
    telegram.fail("sendMessage", Fault.too_many(9))
    telegram.fail("sendMessage", Fault.server_error())
    await platform.send(str(resident.id), said("材料"), media=(PHOTO, PHOTO))
    assert 9 in clock.waits
    assert [shown.text for shown in telegram.shown(resident)] == ["", "", "材料"]


@pytest.mark.parametrize(("fault", "tries"), [(Fault.too_many(61), 1), (Fault.server_error(), 3)])
async def test_a_text_that_never_follows_its_album_is_uncertain(telegram, platform, resident, fault, tries):
    telegram.fail("sendMessage", fault, times=9)
    with pytest.raises(Uncertain):
        await platform.send(str(resident.id), said("材料"), media=(PHOTO, PHOTO))
    assert len(telegram.called("sendMediaGroup")) == 1
    assert len(telegram.called("sendMessage")) == tries


async def test_the_first_part_is_for_the_outbox_to_repeat(telegram, platform, resident):
    telegram.fail("sendMediaGroup", Fault.too_many(2))
    with pytest.raises(RetryAfter):
        await platform.send(str(resident.id), said("材料"), media=(PHOTO, PHOTO))
    assert not telegram.shown(resident)


# --- edits, presses, files


async def test_an_edit_replaces_text_and_buttons_and_the_same_again_is_a_success(telegram, platform, resident):
    number = await platform.send(str(resident.id), said("已接0人", [("接单", "claim:1")]))
    for _ in range(2):
        await platform.edit(str(resident.id), number, said("已接1人", [("退单", "x")]))
    (shown,) = telegram.shown(resident)
    assert (shown.text, shown.labels) == ("已接1人", ("退单",))
    assert [call.status for call in telegram.called("editMessageText")] == [200, 400]


async def test_clearing_takes_the_buttons_only(telegram, platform, resident):
    number = await platform.send(str(resident.id), said("x", [("接单", "claim:1")]))
    await platform.clear(str(resident.id), number)
    await platform.clear(str(resident.id), number)
    (shown,) = telegram.shown(resident)
    assert (shown.text, shown.labels) == ("x", ())
    await platform.clear(str(resident.id), "4711")


async def test_a_message_that_cannot_be_edited_is_gone(telegram, platform, resident):
    theirs = telegram.user_says(resident, "x")
    for number in ("4711", str(theirs["message_id"]), "", "x"):
        with pytest.raises(MessageGone):
            await platform.edit(str(resident.id), number, said())


async def test_an_edit_in_a_migrated_group_says_where_it_went(telegram, platform):
    old = telegram.group(basic=True)
    number = await platform.send(str(old.id), said())
    new = telegram.migrates(old)
    with pytest.raises(ChatMoved) as raised:
        await platform.edit(str(old.id), number, said("x"))
    assert raised.value.new_chat_id == str(new.id)


async def test_a_press_is_answered_once_and_too_late_is_no_error(telegram, platform, resident, inbox):
    await platform.send(str(resident.id), said("x", [("接单", "claim:1")]))
    press = telegram.presses(resident, telegram.shown(resident)[0], "接单")
    await telegram.delivered()
    event = platform.parse(list(inbox.stored.values())[-1].raw)
    assert isinstance(event, Press)
    assert (event.press_id, event.action, event.chat.id) == (press, "claim:1", str(resident.id))
    assert telegram.spinning() == {press}
    await platform.toast(event.chat.id, event.press_id, "😀" * 101)
    assert telegram.toasts == [(press, "😀" * 100)]
    await platform.toast(event.chat.id, event.press_id, "")
    telegram.fail("answerCallbackQuery", Fault.refuse("Bad Request: BUTTON_WRONG"))
    with pytest.raises(Refused):
        await platform.toast(event.chat.id, event.press_id, "")


async def test_a_press_that_needs_the_private_chat_opens_it(telegram, platform, resident, clock):
    await platform.send(str(resident.id), said("x", [("接单", "claim:1")]))
    first, second, third = (telegram.presses(resident, telegram.shown(resident)[0], "接单") for _ in range(3))
    await platform.toast(str(resident.id), first, "请先打开与我的私聊", start="task-31")
    assert telegram.opened == [(first, "task-31")]
    assert "text" not in telegram.called("answerCallbackQuery")[-1].parameters
    telegram.fail("answerCallbackQuery", Fault.refuse("Bad Request: URL_INVALID"))
    await platform.toast(str(resident.id), second, "请先打开与我的私聊", start="task-31")
    answers = len(telegram.called("answerCallbackQuery"))
    async with made(telegram, clock) as unstarted:  # it does not know its own name yet
        await unstarted.toast(str(resident.id), third, "请先打开与我的私聊", start="task-31")
    assert len(telegram.called("answerCallbackQuery")) == answers + 1
    assert telegram.opened == [(first, "task-31")]
    assert telegram.toasts[1:] == [(second, "请先打开与我的私聊"), (third, "请先打开与我的私聊")]


async def test_a_pressed_deep_link_opens_the_private_chat(telegram, platform, resident, inbox):
    await platform.send(str(resident.id), said("x", [("私聊", "", "inv_1")]))
    telegram.presses(resident, telegram.shown(resident)[0], "私聊")
    await telegram.delivered()
    event = platform.parse(list(inbox.stored.values())[-1].raw)
    assert isinstance(event, Scan)
    assert event.payload == "inv_1"


async def test_a_file_is_fetched(telegram, platform, resident):
    photo = telegram.sends_photo(resident, JPEG)["photo"][-1]
    event = platform.parse(telegram.updates[-1][1])
    assert event.file.id == photo["file_id"]
    assert await platform.fetch(event.file) == JPEG


@pytest.mark.parametrize("fault", [Fault.server_error(), Fault.bad_gateway(), Fault.reset(), Fault.too_many()])
async def test_a_file_that_is_not_had_now_is_tried_again(telegram, platform, resident, fault):
    file = FileRef(telegram.sends_photo(resident)["photo"][-1]["file_id"])
    telegram.fail("getFile", fault)
    with pytest.raises(NotSent):
        await platform.fetch(file)
    telegram.fail("download", Fault.bad_gateway(502))
    with pytest.raises(NotSent):
        await platform.fetch(file)


async def test_a_file_too_large_is_never_had(telegram, platform, monkeypatch):
    with pytest.raises(Refused):
        await platform.fetch(FileRef("x", size=20_000_001))
    assert not telegram.called("getFile")
    telegram.files["lie"] = bytes(20_000_001)
    with pytest.raises(Refused):
        await platform.fetch(FileRef("lie"))
    telegram.files["lie"] = bytes(11)
    monkeypatch.setattr("bot.platforms.telegram.DOWNLOAD_LIMIT", 10)
    with pytest.raises(Refused):
        await platform.fetch(FileRef("lie"))


# --- starting and stopping


async def test_the_start_says_who_the_bot_is_and_lists_its_commands(telegram, platform):
    assert platform.username == "linshao_test_bot"
    both = [{"command": "bao", "description": "报问题"}, {"command": "help", "description": "帮助"}]
    english = [{"command": "bao", "description": "Report a problem"}]
    claim = [{"command": "claim", "description": "接单"}]
    private, group = "all_private_chats", "all_group_chats"
    assert telegram.commands == {(private, ""): both, (private, "en"): english, (group, ""): claim}


async def test_a_wrong_token_is_said_and_never_shown(telegram, clock, inbox):
    async with made(telegram, clock, token="123456789:AAwrongCanary") as platform:
        with pytest.raises(Refused, match="does not know this bot token") as raised:
            await platform.start(inbox)
    assert "AAwrongCanary" not in "".join(traceback.format_exception(raised.value))


async def test_a_start_without_a_network_goes_on_trying(telegram, clock, inbox, resident):
    telegram.fail("getMe", Fault.reset(), times=3)
    telegram.fail("getMe", Fault.bad_gateway())
    async with made(telegram, clock) as platform:
        await platform.start(inbox)
        await telegram.delivered()
    assert len(telegram.called("getMe")) == 5
    assert len(clock.waits) == 4
    assert clock.waits[3] > clock.waits[0]
    assert all(wait <= 30 for wait in clock.waits)


async def test_a_start_does_not_wait_for_ever(telegram, clock, inbox):
    telegram.fail("getMe", Fault.hang())
    with structlog.testing.capture_logs() as logs:
        async with made(telegram, clock, start_seconds=0.05) as platform:
            await platform.start(inbox)
    assert any("cannot be reached" in entry["event"] for entry in logs)


async def test_refused_commands_do_not_keep_the_bot_from_starting(telegram, clock, inbox):
    telegram.fail("setMyCommands", Fault.server_error(), times=9)
    async with made(telegram, clock, commands=COMMANDS) as platform:
        await platform.start(inbox)
    assert telegram.called("getUpdates")


async def test_a_stop_lets_a_send_finish_and_takes_no_new_one(telegram, clock, resident, monkeypatch):
    gate = hold(telegram, "sendMessage", monkeypatch)
    async with made(telegram, clock) as platform:
        sending = asyncio.create_task(platform.send(str(resident.id), said()))
        await telegram.until(lambda: telegram.calls)
        stopping = asyncio.create_task(platform.stop())
        await asyncio.sleep(0)
        gate.set()
        await stopping
        assert await sending == str(telegram.shown(resident)[0].message_id)
        with pytest.raises(NotSent):
            await platform.send(str(resident.id), said())


# --- polling


async def test_polling_brings_everything_once_and_in_order(telegram, platform, inbox, resident):
    for number in range(120):
        telegram.user_says(resident, f"第{number}句")
    await telegram.delivered()
    texts = [platform.parse(arrival.raw).text for arrival in list(inbox.stored.values())[1:]]
    assert texts == [f"第{number}句" for number in range(120)]
    assert inbox.attempts == 121
    asked = telegram.called("getUpdates")[0].parameters
    assert asked["allowed_updates"] == ["message", "edited_message", "callback_query", "my_chat_member"]
    assert telegram.called("deleteWebhook")[0].parameters == {"drop_pending_updates": False}


async def test_nothing_is_confirmed_before_it_is_stored(telegram, platform, inbox, resident):
    await telegram.delivered()
    inbox.gate = asyncio.Event()
    first = telegram.user_says(resident, "一")
    waiting = telegram.updates[-1][1]["update_id"]
    await telegram.until(lambda: telegram.called("getUpdates")[-1].status == 200)
    assert first
    assert [entry[1]["update_id"] for entry in telegram.updates] == [waiting]
    assert all(call.parameters["offset"] <= waiting for call in telegram.called("getUpdates"))
    inbox.gate.set()
    await telegram.delivered()
    assert str(waiting) in inbox.stored


@pytest.mark.parametrize("which", [0, 2])
async def test_polling_loses_nothing_while_the_database_is_down(telegram, clock, inbox, resident, which):
    for number in range(5):
        telegram.user_says(resident, f"第{number}句")
    ids = [str(update["update_id"]) for _, update in telegram.updates]
    refused = {ids[which]: 3}
    stored = Inbox()

    async def receive(arrival: Arrival) -> None:
        if refused.get(arrival.event_id, 0):
            refused[arrival.event_id] -= 1
            raise StorageDown
        await stored(arrival)

    with structlog.testing.capture_logs() as logs:
        async with made(telegram, clock) as platform:
            await platform.start(receive)
            await telegram.delivered()
    assert [entry["log_level"] for entry in logs if entry["log_level"] != "info"] == ["warning"] * 3
    assert set(stored.stored) == set(ids)
    assert clock.waits == [1.0, 2.0, 3.0]


async def test_an_error_of_the_inbox_loses_nothing_either(telegram, clock, resident):
    stored = Inbox()
    failed = []

    async def receive(arrival: Arrival) -> None:
        if not failed:
            failed.append(arrival)
            raise RuntimeError("a fault of the code")
        await stored(arrival)

    with structlog.testing.capture_logs() as logs:
        async with made(telegram, clock) as platform:
            await platform.start(receive)
            await telegram.delivered()
    assert len(stored.stored) == 1
    assert any(entry["log_level"] == "error" for entry in logs)


async def test_junk_between_updates_blocks_nobody(telegram, platform, inbox, resident):
    telegram.raw_update({"update_id": 700_900_000, "message": None, "surprise": [[]]})
    telegram.raw_update({"update_id": 700_900_001, "message": {"date": None}})
    last = telegram.user_says(resident, "x")
    telegram.updates[-1][1]["update_id"] = 700_900_002
    await telegram.delivered()
    assert last
    assert {"700900000", "700900001", "700900002"} <= set(inbox.stored)


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.bad_gateway(), Fault.server_error(), Fault.truncated()])
async def test_polling_outlives_a_bad_network(telegram, clock, inbox, resident, fault):
    telegram.fail("getUpdates", fault, times=4)
    async with made(telegram, clock) as platform:
        await platform.start(inbox)
        await telegram.delivered()
    assert len(inbox.stored) == 1
    assert len(clock.waits) == 4


async def test_a_second_poller_is_named_and_polling_goes_on(telegram, platform, inbox, resident, clock):
    await telegram.delivered()
    with structlog.testing.capture_logs() as logs:
        async with aiohttp.ClientSession() as session:
            url = f"{telegram.base_url}/bot{telegram.token}/getUpdates"
            async with session.post(url, json={"offset": 0, "timeout": 0}) as answer:
                assert answer.status in (200, 409)
        telegram.user_says(resident, "x")
        await telegram.delivered()
    assert 5.0 in clock.waits
    assert any("another program polls" in entry["event"] for entry in logs)
    assert len(inbox.stored) == 2


# --- the webhook


@contextlib.asynccontextmanager
async def mounted(telegram, clock, inbox, secret="s3cret_A-1") -> AsyncIterator[tuple[TelegramPlatform, str]]:
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        public = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with made(telegram, clock, webhook_url=public, webhook_secret=secret) as platform:
            app.add_routes(platform.webhook_routes())
            await runner.setup()
            await web.SockSite(runner, listening).start()
            await platform.start(inbox)
            yield platform, public + platform.webhook_path
        await runner.cleanup()


async def test_the_webhook_stores_and_then_says_so(telegram, clock, inbox, resident):
    async with mounted(telegram, clock, inbox) as (platform, url):
        telegram.user_says(resident, "路灯")
        await telegram.delivered()
        assert len(inbox.stored) == 2
        parameters = telegram.called("setWebhook")[0].parameters
        assert parameters["url"] == url
        assert parameters["drop_pending_updates"] is False
        assert parameters["allowed_updates"] == ["message", "edited_message", "callback_query", "my_chat_member"]
        assert telegram.token not in url
        assert not telegram.called("getUpdates")
        assert platform.junk == 0


async def test_while_the_database_is_down_telegram_comes_again(telegram, clock, inbox, resident):
    inbox.down = 2
    async with mounted(telegram, clock, inbox):
        telegram.user_says(resident, "路灯")
        await telegram.delivered()
    assert telegram.webhook_statuses == [503, 503, 200, 200]
    assert telegram._sleep.waits == [5.0, 5.0]
    texts = [json.dumps(arrival.raw, ensure_ascii=False) for arrival in inbox.stored.values()]
    assert "路灯" in texts[1]


FORGED = [
    {}, {SECRET_HEADER: ""}, {SECRET_HEADER: "s3cret_a-1"}, {SECRET_HEADER: "s3cret_A-"}, {SECRET_HEADER: "1"},
    {SECRET_HEADER: "s3cret_A-1x"}, {SECRET_HEADER: "秘密"}, {SECRET_HEADER: "old"}, {"Authorization": "s3cret_A-1"},
]  # fmt: skip


async def test_a_forged_call_is_refused_and_its_secret_not_logged(telegram, clock, inbox, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        async with mounted(telegram, clock, inbox) as (_, url), aiohttp.ClientSession() as session:
            for headers in FORGED[:4] + FORGED[5:]:
                async with session.post(url, json={"update_id": 1}, headers=headers) as answer:
                    assert answer.status == 403, headers
            twice = [(SECRET_HEADER, "s3cret_A-1"), (SECRET_HEADER, "s3cret_A-1")]
            async with session.post(url, json={"update_id": 1}, headers=twice) as answer:
                assert answer.status == 403
    assert not inbox.attempts
    everything = f"{logs}{caplog.text}{capfd.readouterr()}"
    assert "s3cret" not in everything


async def test_two_secrets_are_let_in_while_they_change(telegram, clock, inbox):
    async with mounted(telegram, clock, inbox, "new-1,old-1") as (_, url), aiohttp.ClientSession() as session:
        assert telegram.webhook["secret_token"] == "new-1"
        for number, (secret, status) in enumerate([("new-1", 200), ("old-1", 200), ("new-1,old-1", 403), ("x", 403)]):
            async with session.post(url, json={"update_id": number}, headers={SECRET_HEADER: secret}) as answer:
                assert answer.status == status
    assert set(inbox.stored) == {"0", "1"}


async def test_what_is_no_update_is_taken_off_telegrams_hands(telegram, clock, inbox):
    async with mounted(telegram, clock, inbox) as (platform, url), aiohttp.ClientSession() as session:
        right = {SECRET_HEADER: "s3cret_A-1", "Content-Type": "application/json"}
        for body in (b"{", b"[]", b'{"update_id": "1"}', b'{"update_id": NaN}', b"[" * 5000, b"\xff"):
            async with session.post(url, data=body, headers=right) as answer:
                assert answer.status == 200
        assert platform.junk == 6
        async with session.post(url, data=io.BytesIO(b" " * (1 << 20) + b"{}"), headers=right) as answer:
            assert answer.status == 413
        async with session.post(url, data=b"{}", headers=right | {"Content-Type": "text/plain"}) as answer:
            assert answer.status == 415
        async with session.get(url, headers=right) as answer:
            assert answer.status == 405
    assert not inbox.attempts


@pytest.mark.parametrize("secret", ["", "has space", "x" * 257, "new,"])
def test_a_webhook_needs_a_proper_secret(telegram, secret):
    with pytest.raises(ValueError, match="a webhook needs a secret"):
        TelegramPlatform(telegram.token, webhook_url="https://linshao.example", webhook_secret=secret)


# --- secrets


async def test_the_token_is_in_no_log_and_no_error(telegram, clock, inbox, resident, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    # Escaped, because a traceback shows this line.
    errors, secret = [], "\u79d8\u5bc6\u7684\u8bdd"
    with structlog.testing.capture_logs() as logs:
        async with made(telegram, clock, commands=COMMANDS, read_seconds=0.2, media_seconds=0.2) as platform:
            telegram.fail("getUpdates", Fault.reset())
            telegram.fail("getUpdates", Fault.refuse("Unauthorized", 401))
            telegram.fail("setMyCommands", Fault.bad_gateway(404))
            await platform.start(inbox)
            for fault, *_ in FAULTS.values():
                telegram.fail("sendMessage", fault)
                telegram.fail("download", Fault.bad_gateway(404))
                with pytest.raises(SendError) as raised:
                    await platform.send(str(resident.id), said(secret))
                errors.append(raised.value)
                with pytest.raises(SendError) as raised:
                    await platform.fetch(FileRef("none"))
                errors.append(raised.value)
            await telegram.delivered()
            shown = f"{platform!r}{platform}{platform.__class__}"
    texts = "".join("".join(traceback.format_exception(error)) for error in errors)
    everything = f"{logs}{caplog.text}{capfd.readouterr()}{texts}{shown}"
    assert len(errors) == 2 * len(FAULTS)
    assert "AAtokenCanary" not in everything
    assert secret not in everything


# --- the judge and the fake themselves


@pytest.mark.parametrize(
    ("method", "parameters", "objection"),
    [
        ("sendMessag", {}, "no method"),
        ("sendMessage", {"text": "x"}, "chat_id"),
        ("sendMessage", {"chat_id": 1, "text": ""}, "1 to 4096"),
        ("sendMessage", {"chat_id": 1, "text": "😀" * 2049}, "1 to 4096"),
        ("sendMessage", {"chat_id": 1, "text": "x", "colour": "red"}, "unknown parameter colour"),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_to_message_id": 3}, "deprecated"),
        ("sendMessage", {"chat_id": 1, "text": "x", "link_preview_options": {"off": True}}, "unknown field"),
        ("sendPhoto", {"chat_id": 1, "caption": "x" * 1025, "photo": "id"}, "1024"),
        ("sendMediaGroup", {"chat_id": 1, "media": "[]"}, "2 to 10"),
        ("answerCallbackQuery", {"callback_query_id": "1", "text": "x" * 201}, "200"),
        ("setMyCommands", {"commands": [{"command": "Bao", "description": "x"}]}, "not a command"),
    ],
)
def test_the_judge_objects(method, parameters, objection):
    assert objection in "\n".join(objections(method, parameters))


@pytest.mark.parametrize(
    ("button", "objection"),
    [
        ({"text": "x"}, "exactly one"),
        ({"text": "x", "callback_data": "x" * 65}, "64 bytes"),
        ({"text": "x", "url": "https://t.me/linshao_test_bot?start=a b"}, "deep link"),
        ({"text": "", "callback_data": "x"}, "label"),
    ],
)
def test_the_judge_objects_to_buttons(button, objection):
    call = {"chat_id": 1, "text": "x", "reply_markup": {"inline_keyboard": [[button]]}}
    assert objection in "\n".join(objections("sendMessage", call))


async def test_an_objection_fails_the_test():
    server = FakeTelegram()
    await server.__aenter__()
    async with aiohttp.ClientSession() as session:
        url = f"{server.base_url}/bot{server.token}/sendMessage"
        await session.post(url, json={"chat_id": 1, "text": "x", "colour": "red"})
    with pytest.raises(AssertionError, match="unknown parameter"):
        await server.__aexit__(None)


async def test_the_fake_keeps_telegrams_limits(clock):
    now = [100.0]
    async with FakeTelegram(limits=True, clock=lambda: now[0]) as server, made(server, clock) as platform:
        group = server.group()
        for _ in range(3):
            await platform.send(str(group.id), said())
        with pytest.raises(RetryAfter) as raised:
            await platform.send(str(group.id), said())
        assert raised.value.seconds == 3
        now[0] += 3
        for _ in range(17):
            now[0] += 1.1
            await platform.send(str(group.id), said())
        now[0] += 1.1
        with pytest.raises(RetryAfter) as raised:
            await platform.send(str(group.id), said())
        assert raised.value.seconds > 30


async def test_an_answer_can_be_awaited(telegram, platform, inbox, resident):
    async def answer() -> None:
        await telegram.delivered()
        await platform.send(str(resident.id), said("请说"))

    task = asyncio.create_task(answer())
    assert (await telegram.next_message(resident)).text == "请说"
    await task
