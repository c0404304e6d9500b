"""The conversation in aiogram: a Dispatcher with FSM states in MemoryStorage.

Promises: the report is committed before the receipt is sent. Does not promise: dialog state lives in memory and is lost with
the process, an update delivered twice is worked twice, a reply whose sending fails is not sent again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiogram import Bot, Dispatcher, F, Router
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.memory import MemoryStorage
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from bench.peers import script
from bench.peers.store import Store


class Report(StatesGroup):
    """The steps of the dialog."""

    what = State()
    where = State()
    category = State()
    confirm = State()


class Contender:
    """The bot as `bench.conversation` runs it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.store = Store(folder)
        self.bot = Bot(script.TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))
        self.dispatcher = Dispatcher(storage=MemoryStorage())
        router = Router()
        router.message.register(self.begin, Command("bao"))
        router.message.register(self.take_text, Report.what, F.text)
        router.message.register(self.take_location, Report.where, F.location)
        router.callback_query.register(self.take_category, Report.category, F.data.startswith("category:"))
        router.callback_query.register(self.submit, Report.confirm, F.data == "submit")
        self.dispatcher.include_router(router)

    async def begin(self, message: Message, state: FSMContext) -> None:
        await state.set_state(Report.what)
        await message.answer(script.ASK_WHAT)

    async def take_text(self, message: Message, state: FSMContext) -> None:
        await state.update_data(text=message.text)
        await state.set_state(Report.where)
        await message.answer(script.ASK_WHERE)

    async def take_location(self, message: Message, state: FSMContext) -> None:
        await state.update_data(place=(message.location.latitude, message.location.longitude))
        await state.set_state(Report.category)
        buttons = [InlineKeyboardButton(text=name, callback_data=f"category:{code}") for code, name in script.CATEGORIES.items()]
        rows = [buttons[start : start + 2] for start in range(0, len(buttons), 2)]
        await message.answer(script.ASK_CATEGORY, reply_markup=InlineKeyboardMarkup(inline_keyboard=rows))

    async def take_category(self, query: CallbackQuery, state: FSMContext) -> None:
        await query.answer()
        category = query.data.partition(":")[2]
        data = await state.update_data(category=category)
        await state.set_state(Report.confirm)
        row = [
            InlineKeyboardButton(text=script.SUBMIT, callback_data="submit"),
            InlineKeyboardButton(text=script.DISCARD, callback_data="discard"),
        ]
        await query.message.edit_text(script.card(data["text"], category), reply_markup=InlineKeyboardMarkup(inline_keyboard=[row]))

    async def submit(self, query: CallbackQuery, state: FSMContext) -> None:
        await query.answer()
        data = await state.get_data()
        code = await self.store.save(query.from_user.id, data["text"], *data["place"], data["category"])
        await state.clear()
        await query.message.edit_text(script.receipt(code, data["category"]))

    # -- what bench.conversation asks for -------------------------------------------------------------------------------
    async def start(self) -> None:
        """Nothing to start."""

    async def feed(self, raw: dict[str, Any]) -> None:
        await self.dispatcher.feed_raw_update(self.bot, raw)

    def category(self, user: int, code: str) -> str:
        return f"category:{code}"

    def submission(self, user: int) -> str:
        return "submit"

    async def reports(self) -> int:
        return self.store.reports()

    async def between(self) -> None:
        """Nothing to tidy up."""

    async def stop(self) -> None:
        await self.bot.session.close()
