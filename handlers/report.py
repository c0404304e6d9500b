"""Reporting a problem.

resident: 4幢后面有人倒建筑垃圾            bot: the card, 提交 / 改类别 / 改位置 / 加照片 / 匿名提交 / 取消
resident: [提交]                             bot: the receipt with code and dates
Asked only when missing: what it is about, which category, where, whether it is the one already known. Urgent words skip the card.
A photo, an album, a voice message or a location may begin it too. A draft stays for 7 days while other things are said.
"""

from __future__ import annotations

from bot.events import Do, Edited, Location, Photo, Press, Text, Voice
from bot.router import Ask, Phrase, Reply, Router, Say, Silence
from handlers.report_steps import AFTER_TEXT, Report, ask_next, begins_another
from services import Context, intake, understanding
from texts import report_screens
from texts.answers import plain_answer
from texts.screen import screen

router = Router("report")


@router.message(Phrase("report"), to=Report.what)
async def ask_what(message: Text, context: Context) -> Reply:
    intake.begin(context)
    return Ask(Report.what, screen("report.ask_what"))


@router.message(Phrase("anonymous_start"), to=AFTER_TEXT)
async def ask_what_anonymously(message: Text, context: Context, step: str) -> Reply:
    if step in {state.name for state in AFTER_TEXT} and intake.make_anonymous(context):
        return await ask_next(context)
    intake.begin(context, anonymous=True)
    return Ask(Report.what, screen("report.ask_what_anonymous"))


@router.press(Do.report, to=Report.what)
async def ask_what_pressed(press: Press, context: Context) -> Reply:
    intake.begin(context)
    return Ask(Report.what, screen("report.ask_what"))


@router.message(Phrase("anonymous"), to=AFTER_TEXT)
async def take_anonymous(message: Text, context: Context, text: str) -> Reply:
    intake.begin(context, anonymous=True)
    intake.say(context, text)
    return await ask_next(context)


@router.message(Phrase("report_text"), to=AFTER_TEXT)
async def take_prefixed(message: Text, context: Context, text: str) -> Reply:
    intake.begin(context)
    intake.say(context, text)
    return await ask_next(context)


@router.message(Report.what, to=AFTER_TEXT)
async def take_what(message: Text, context: Context) -> Reply:
    understood = intake.say(context, message.text)
    if understood.kind == "chatter" and not context.draft.data.get("photos"):  # type: ignore[union-attr]
        context.draft.data["text"] = ""  # type: ignore[union-attr]
        return Ask(Report.what, screen("report.say_more"))
    return await ask_next(context)


@router.message(Report.where, to=AFTER_TEXT)
async def take_where(message: Text, context: Context) -> Reply:
    if begins_another(context, message.text):
        return await ask_next(context)
    if plain_answer(message.text) or intake.choose_among(context, message.text):
        return await ask_next(context)
    data = context.draft.data  # type: ignore[union-attr]
    offered = data.get("candidates")
    found = intake.find_place(context, message.text)
    if found in ("none", "unknown_building") or (found == "ambiguous" and data["candidates"] == offered):
        if not data.get("asked_where"):
            data["asked_where"] = True
            return Ask(Report.where, report_screens.ask_where(data | {"unknown_building": data.get("unknown_building", "")}))
        intake.put_words(context, message.text)
    return await ask_next(context)


@router.message(Report.confirm, to=AFTER_TEXT)
async def take_addition(message: Text, context: Context) -> Reply:
    """More about the same problem, another place for it, or, when it is plainly about something else, a new one.

    A plain no, or 改, is no part of the report: the card says again what can be changed.
    """
    if plain_answer(message.text):
        return await ask_next(context)
    if begins_another(context, message.text):
        return await ask_next(context)
    kind, found = understanding.understand(message.text).kind, intake.find_place(context, message.text)
    if kind == "problem" or (kind == "unclear" and found == "none"):
        intake.say(context, message.text)
    return await ask_next(context)


@router.edited(Report.confirm, to=AFTER_TEXT)
async def take_correction(message: Edited, context: Context) -> Reply:
    if context.draft is None or context.draft.data.get("message") != message.message_id:
        return Silence()
    context.draft.data["text"] = ""
    intake.say(context, message.text)
    return await ask_next(context)


@router.edited()
async def leave_correction(message: Edited, context: Context) -> Reply:
    return Silence()


@router.photo(to=(*AFTER_TEXT, Report.what))
async def take_photo(photo: Photo, context: Context, step: str) -> Reply:
    if photo.problem:
        return Say(screen(f"photo.{photo.problem}"))
    album = photo.album and context.draft is not None and context.draft.data.get("album") == photo.album
    if context.draft is None or context.draft.kind != "report" or not (step or album):
        intake.begin(context)
    await intake.add_photo(context, photo.data)
    data = context.draft.data  # type: ignore[union-attr]
    if photo.caption:
        intake.say(context, photo.caption)
    if album and not photo.caption and not data.get("text"):
        return Silence()
    data["album"] = photo.album
    if not data.get("text") and not data.get("voice"):
        return Ask(Report.what, screen("report.photo_kept", photos=data["photos"]))
    return await ask_next(context, live=bool(album))


@router.voice(to=(*AFTER_TEXT, Report.what))
async def take_voice(voice: Voice, context: Context, step: str) -> Reply:
    if voice.problem:
        return Say(screen(f"voice.{voice.problem}"))
    if context.draft is None or context.draft.kind != "report" or not step:
        intake.begin(context)
    await intake.add_recording(context, voice.data, voice.file.mime or "audio/ogg")
    return await ask_next(context)


@router.location(to=(*AFTER_TEXT, Report.what))
async def take_location(location: Location, context: Context) -> Reply:
    if context.draft is None or context.draft.kind != "report":
        intake.begin(context)
    intake.put_point(context, location.lat, location.lon)
    data = context.draft.data  # type: ignore[union-attr]
    if not data.get("text") and not data.get("voice"):
        return Ask(Report.what, report_screens.place_kept(data, context.ground.grid_name(data["grid"]), context.ground.name))
    return await ask_next(context)
