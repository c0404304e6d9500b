"""Changing the card before it is sent: the category, the place, more photos; and going on with a draft left lying."""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Ask, Reply, Router
from handlers.report_steps import AFTER_TEXT, Report, ask_next
from services import Context, intake, understanding
from texts import report_screens
from texts.answers import plain_answer
from texts.screen import screen

router = Router("report_changes")


@router.press(Do.change_category, to=Report.category)
async def ask_category(press: Press, context: Context, draft: str) -> Reply:
    data = (await intake.open_draft(context, draft)).data
    return Ask(Report.category, report_screens.choose_category(draft, data.get("guesses") or ()))


@router.press(Do.more_categories, to=Report.category)
async def ask_group(press: Press, context: Context, draft: str, group: str) -> Reply:
    await intake.open_draft(context, draft)
    if group not in report_screens.GROUPS:
        return Ask(Report.category, report_screens.choose_group(draft), edit=True)
    codes = [code for code, category in understanding.categories().items() if category.group == group]
    return Ask(Report.category, report_screens.choose_in_group(draft, codes), edit=True)


@router.press(Do.pick_category, to=AFTER_TEXT)
async def take_category(press: Press, context: Context, draft: str, category: str) -> Reply:
    await intake.open_draft(context, draft)
    intake.choose_category(context, category)
    return await ask_next(context, clear=True)


@router.message(Report.category, to=AFTER_TEXT)
async def take_category_words(message: Text, context: Context) -> Reply:
    """Instead of pressing, the person says more."""
    return await _say_more(context, message.text)


@router.message(Report.same, to=AFTER_TEXT)
async def take_same_words(message: Text, context: Context) -> Reply:
    return await _say_more(context, message.text)


async def _say_more(context: Context, text: str) -> Reply:
    """A plain answer (提交吧) to a question that it does not answer is no part of the report; the question is asked again."""
    if not plain_answer(text):
        intake.say(context, text)
    return await ask_next(context)


@router.press(Do.change_place, to=Report.where)
async def ask_place(press: Press, context: Context, draft: str) -> Reply:
    data = (await intake.open_draft(context, draft)).data
    data.update(place_id=None, place="", lat=None, lon=None, grid=None, outside=False, asked_where=False, twin=None, different=False)
    return Ask(Report.where, report_screens.ask_where({}))


@router.press(Do.pick_place, to=AFTER_TEXT)
async def take_place(press: Press, context: Context, draft: str, place: str) -> Reply:
    await intake.open_draft(context, draft)
    intake.choose_place(context, place)
    return await ask_next(context, clear=True)


@router.press(Do.add_photo, to=Report.confirm)
async def ask_photo(press: Press, context: Context, draft: str) -> Reply:
    await intake.open_draft(context, draft)
    return Ask(Report.confirm, screen("report.ask_photo", most=intake.MOST_PHOTOS))


@router.press(Do.resume_draft, to=AFTER_TEXT)
async def resume(press: Press, context: Context, draft: str) -> Reply:
    await intake.open_draft(context, draft)
    return await ask_next(context)
