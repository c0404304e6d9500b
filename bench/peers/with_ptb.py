"""The conversation in python-telegram-bot: an Application with a ConversationHandler.

Promises: the report is committed before the receipt is sent. Does not promise: dialog state lives in memory and is lost with
the process, an update delivered twice is worked twice, a reply whose sending fails is not sent again. The library asks for
updates one by one where a ConversationHandler is used; here they run concurrently all the same, which is quicker and safe
because no person of the benchmark speaks before the answer has come.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    MessageHandler,
    filters,
)
from telegram.warnings import PTBUserWarning

from bench.peers import script
from bench.peers.store import Store

WHAT, WHERE, CATEGORY, CONFIRM = range(4)
Context = ContextTypes.DEFAULT_TYPE


class Contender:
    """The bot as `bench.conversation` runs it."""

    def __init__(self, url: str, folder: Path) -> None:
        warnings.simplefilter("ignore", PTBUserWarning)
        self.store = Store(folder)
        builder = Application.builder().token(script.TOKEN).base_url(f"{url}/bot").concurrent_updates(256).updater(None)
        self.application = builder.build()
        self.application.add_handler(
            ConversationHandler(
                entry_points=[CommandHandler("bao", self.begin)],
                states={
                    WHAT: [MessageHandler(filters.TEXT & ~filters.COMMAND, self.take_text)],
                    WHERE: [MessageHandler(filters.LOCATION, self.take_location)],
                    CATEGORY: [CallbackQueryHandler(self.take_category, pattern=r"^category:")],
                    CONFIRM: [CallbackQueryHandler(self.submit, pattern=r"^submit$")],
                },
                fallbacks=[CommandHandler("cancel", self.cancel)],
            )
        )

    async def begin(self, update: Update, context: Context) -> int:
        await update.message.reply_text(script.ASK_WHAT)
        return WHAT

    async def take_text(self, update: Update, context: Context) -> int:
        context.user_data["text"] = update.message.text
        await update.message.reply_text(script.ASK_WHERE)
        return WHERE

    async def take_location(self, update: Update, context: Context) -> int:
        place = update.message.location
        context.user_data["place"] = (place.latitude, place.longitude)
        buttons = [InlineKeyboardButton(name, callback_data=f"category:{code}") for code, name in script.CATEGORIES.items()]
        rows = [buttons[start : start + 2] for start in range(0, len(buttons), 2)]
        await update.message.reply_text(script.ASK_CATEGORY, reply_markup=InlineKeyboardMarkup(rows))
        return CATEGORY

    async def take_category(self, update: Update, context: Context) -> int:
        query = update.callback_query
        await query.answer()
        category = context.user_data["category"] = query.data.partition(":")[2]
        row = [InlineKeyboardButton(script.SUBMIT, callback_data="submit"), InlineKeyboardButton(script.DISCARD, callback_data="discard")]
        await query.edit_message_text(script.card(context.user_data["text"], category), reply_markup=InlineKeyboardMarkup([row]))
        return CONFIRM

    async def submit(self, update: Update, context: Context) -> int:
        query, data = update.callback_query, context.user_data
        await query.answer()
        code = await self.store.save(query.from_user.id, data["text"], *data["place"], data["category"])
        await query.edit_message_text(script.receipt(code, data["category"]))
        data.clear()
        return ConversationHandler.END

    async def cancel(self, update: Update, context: Context) -> int:
        context.user_data.clear()
        return ConversationHandler.END

    # -- what bench.conversation asks for -------------------------------------------------------------------------------
    async def start(self) -> None:
        await self.application.initialize()
        await self.application.start()

    async def feed(self, raw: dict[str, Any]) -> None:
        await self.application.process_update(Update.de_json(raw, self.application.bot))

    def category(self, user: int, code: str) -> str:
        return f"category:{code}"

    def submission(self, user: int) -> str:
        return "submit"

    async def reports(self) -> int:
        return self.store.reports()

    async def between(self) -> None:
        """Nothing to tidy up."""

    async def stop(self) -> None:
        await self.application.stop()
        await self.application.shutdown()
