# ruff: noqa: F401, F811 (fixtures are imported, and asked for by name)
"""The whole application while Telegram, the network or the database fails: everything arrives, in order, marked where doubled."""

from __future__ import annotations

import logging
import re
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
import structlog
from fake_telegram import FakeTelegram, Fault
from faults import until
from sqlmodel import col
from telegram_world import picture, prepared, prepared_url, soon, telegram_world, town

from bot.main import set_up_logging
from bot.platforms.telegram import TelegramPlatform
from models import OutboxMessage
from services import intake

AGAIN = "（补发）"
LAMP = "青禾苑3幢楼下路灯不亮三天了"
CODE = "WT-20261123-0001"

# What goes wrong with the first answer, how often it is seen, and how often of these marked as sent again.
FAULTS = {
    "429": (Fault.too_many(1), 1, 0),
    "500": (Fault.server_error(), 1, 0),
    "502 before the effect": (Fault.bad_gateway(), 1, 1),
    "502 after the effect": (Fault.bad_gateway(commit=True), 2, 1),
    "hang before the effect": (Fault.hang(), 1, 1),
    "hang after the effect": (Fault.hang(commit=True), 2, 1),
    "reset before the effect": (Fault.reset(), 1, 1),
    "reset after the effect": (Fault.reset(commit=True), 2, 1),
    "half an answer": (Fault.truncated(), 2, 1),
    "403": (Fault.blocked(), 0, 0),
}


def numbers(texts):
    """The tasks that the answers are about, in order, what came twice in a row once."""
    found = [int(re.search(r"#(\d+)", text)[1]) for text in texts]
    return [number for place, number in enumerate(found) if place == 0 or found[place - 1] != number]


@pytest.mark.parametrize("town", ["polling", "webhook"], indirect=True)
async def test_every_fault_at_once(town):
    telegram, transport = town.telegram, town.platform._transport
    transport.read_seconds = 1.0
    people = {name: town.stranger(name) for name in (*FAULTS, "calm")}
    for name, (fault, *_) in FAULTS.items():
        telegram.fail("sendMessage", fault, chat=people[name].user.id)
    for number in (31, 32, 33):
        for somebody in people.values():
            telegram.user_says(somebody.user, f"任务 {number}")
    await town.settle()
    assert numbers(people["calm"].texts) == [31, 32, 33]
    for name, (_, seen, marked) in FAULTS.items():
        texts = people[name].texts
        assert numbers(texts) == ([31, 32, 33] if seen else [32, 33]), name
        assert sum("#31" in text for text in texts) == seen, name
        assert sum(AGAIN in text for text in texts) == marked, name
        assert not any(AGAIN in text for text in texts if "#31" not in text), name
        assert len(texts) == seen + 2, name
    finished = {name: [message.raw["date"] for message in somebody.shown] for name, somebody in people.items()}
    for waiting in ("429", "502 before the effect", "hang before the effect"):
        assert min(finished["calm"]) < min(finished[waiting]), waiting  # nobody waited for them
    dead = await town.rows(OutboxMessage, col(OutboxMessage.state) == "dead")
    assert [row.error.partition(":")[0] for row in dead] == ["blocked"]


@pytest.mark.parametrize("town", ["polling", pytest.param("webhook", marks=pytest.mark.slow)], indirect=True)
async def test_edits_and_answers_to_presses_under_faults(town):
    resident = town.stranger()
    (card,) = await resident.says(LAMP)
    town.telegram.fail("editMessageReplyMarkup", Fault.reset(commit=True))
    town.telegram.fail("answerCallbackQuery", Fault.too_many(1))
    town.telegram.fail("sendMessage", Fault.server_error(), times=3)
    await resident.presses("提交", card)
    assert sum(CODE in text for text in resident.texts) == 1
    assert resident.with_id(card.message_id).labels == ()
    assert len([call for call in town.telegram.called("answerCallbackQuery") if call.status == 429]) == 1


async def test_a_file_that_cannot_be_fetched_at_first(town):
    resident = town.stranger()
    town.telegram.fail("getFile", Fault.server_error())
    town.telegram.sends_photo(resident.user, picture(), caption=LAMP)
    town.telegram.user_says(resident.user, "查进度")
    await town.settle()
    assert "照片：1张" in resident.texts[0]
    assert len(resident.texts) == 2


@asynccontextmanager
async def database_down(town):
    """No connection to the database can be had."""
    database = town.app.database

    @asynccontextmanager
    async def down(durable=True):
        raise sa.exc.OperationalError("connect", {}, OSError("connection refused"))
        yield

    database.connection = down
    try:
        yield
    finally:
        del database.connection


@pytest.mark.parametrize("town", ["polling", "webhook"], indirect=True)
async def test_while_the_database_is_down_telegram_keeps_the_updates(town):
    resident = town.stranger()
    await resident.says("任务 31")
    before = len(town.telegram.calls)
    async with database_down(town):
        town.telegram.user_says(resident.user, "任务 32")
        town.telegram.user_says(resident.user, "任务 33")
        if town.telegram.webhook:
            await until(lambda: town.telegram.webhook_statuses.count(503) >= 3)
        else:
            await until(lambda: len([c for c in town.telegram.calls[before:] if c.method == "getUpdates"]) >= 2)
        assert len(town.telegram.updates) >= 1
        assert len(resident.shown) == 1
    await town.settle()
    assert numbers(resident.texts) == [31, 32, 33]
    assert len(resident.texts) == 3


async def test_telegram_cannot_be_reached_at_the_start(prepared_url, tmp_path):
    async with telegram_world(prepared_url, tmp_path) as town:
        await town.stop()
        town.telegram.fail("getMe", Fault.reset(), times=1)
        resident = town.stranger()
        town.telegram.user_says(resident.user, "任务 31")
        await town.start()
        await town.settle()
        assert numbers(resident.texts) == [31]


async def test_a_press_whose_turn_fails_is_answered_all_the_same(town, monkeypatch):
    resident = town.stranger()
    (card,) = await resident.says(LAMP)

    async def broken(*_, **__):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(intake, "submit", broken)
    (apology,) = await resident.presses("提交", card)
    assert "抱歉" in apology.text
    assert town.telegram.spinning() == set()


async def test_both_sides_keep_telegrams_limits(prepared_url, tmp_path):
    async with telegram_world(prepared_url, tmp_path, limits=True) as town:
        people = [town.stranger(f"p{number}") for number in range(12)]
        for number in (31, 32, 33):
            for somebody in people:
                town.telegram.user_says(somebody.user, f"任务 {number}")
        await town.settle()
        assert all(numbers(somebody.texts) == [31, 32, 33] for somebody in people)
        assert [call for call in town.telegram.calls if call.status == 429] == []


async def test_no_name_phone_word_or_secret_is_logged(prepared_url, tmp_path, caplog, capsys, monkeypatch):
    submit = intake.submit
    failures = iter([ZeroDivisionError("13912345678 王小明"), None])

    async def failing(*arguments, **options):
        if (error := next(failures, None)) is not None:
            raise error
        return await submit(*arguments, **options)

    caplog.set_level(logging.DEBUG)
    async with telegram_world(prepared_url, tmp_path, webhook=True) as town:
        before = structlog.get_config()
        set_up_logging(town.settings.model_copy(update={"LOG_LEVEL": "DEBUG"}))
        monkeypatch.setattr(intake, "submit", failing)
        try:
            resident = town.stranger("王小明")
            await town.person("ST04")
            town.telegram.fail("sendMessage", Fault.refuse("Bad Request: message is too long"), chat=resident.user.id)
            await resident.opens()
            await resident.says("青禾苑3幢路灯不亮,电话13912345678,请联系王小明")
            town.telegram.fail("sendMessage", Fault.reset(commit=True))
            await resident.presses("提交")
            town.telegram.raw_update({"update_id": 1, "message": {"text": "王小明 13912345678"}})
            town.telegram.raw_update({"text": "王小明 13912345678"})
            async with database_down(town):
                town.telegram.user_says(resident.user, "王小明的电话是13912345678")
                await until(lambda: 503 in town.telegram.webhook_statuses)
            await town.settle()
            said = town.telegram.private(town.people["ST04"].user).messages.values()
            link = next(message for message in said if "link-" in message.get("text", ""))
        finally:
            structlog.configure(**before)  # the tests' own: structlog's draws a picture of every traceback of the tests that follow
    printed = capsys.readouterr()
    logged = caplog.text + printed.out + printed.err
    assert "turn.failed" in logged
    for secret in (
        "王小明", "13912345678", "路灯不亮", "周禾生", town.telegram.token, town.telegram.token.partition(":")[2],
        link["text"].partition("link-")[2], town.settings.webhook_secret, str(resident.user.id) + " ",
    ):  # fmt: skip
        assert secret not in logged, [line for line in logged.splitlines() if secret in line][:3]


async def test_a_refusal_after_a_late_start_is_not_the_end():
    """The service runs already when Telegram answers at last: there is nobody to hear of a refusal, so it is tried again."""

    async def receive(arrival):
        raise AssertionError("nothing was sent")

    async with FakeTelegram() as telegram:
        telegram.fail("getMe", Fault.reset())
        telegram.fail("setWebhook", Fault.refuse("Bad Request: bad webhook: Failed to resolve host"))
        address = f"{telegram.base_url}/hook"
        platform = TelegramPlatform(
            telegram.token, telegram.base_url, webhook_url=address, webhook_secret="s", start_seconds=0.0, sleep=soon
        )
        await platform.start(receive)
        await telegram.until(lambda: telegram.webhook)
        assert len(telegram.called("setWebhook")) == 2
        await platform.stop()
