"""The door: /start, 帮助, 取消, 转人工, the language; stickers; and whatever no other conversation knows.

anyone: /start            bot: who I am, what I can do (buttons for the role)
anyone: (a sentence)      bot: a report when it sounds like a problem, else three best guesses
"""

from __future__ import annotations

from bot.events import ACTIONS, Do, Press, Scan, Sticker, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say, Silence, Toast
from handlers.report_steps import AFTER_TEXT, Report, ask_next
from services import Context, identity, intake, sent
from texts import menu_screens
from texts.answers import meaning
from texts.screen import screen
from texts.utterances import recognise

router = Router("start")
last = Router("last")


@router.scan(lambda event, data: event.payload == "")
async def welcome(scan: Scan, context: Context) -> Reply:
    return Say(menu_screens.welcome(context.ground.name, context.actor.hats))


@last.scan()
async def welcome_anyway(scan: Scan, context: Context) -> Reply:
    return Say(menu_screens.welcome(context.ground.name, context.actor.hats))


@router.message(Phrase("help"))
async def help_out(message: Text, context: Context) -> Reply:
    return Say(menu_screens.help_sheet(context.actor.hats))


@router.press(Do.help)
async def help_pressed(press: Press, context: Context) -> Reply:
    return Say(menu_screens.help_sheet(context.actor.hats))


@router.message(Phrase("help_on"))
async def help_on(message: Text, context: Context, group: str) -> Reply:
    return Say(menu_screens.help_on(meaning("helped", group) or "", context.actor.hats))


@router.press(Do.help_on)
async def help_on_pressed(press: Press, context: Context, group: str) -> Reply:
    return Say(menu_screens.help_on(group, context.actor.hats))


@router.message(Phrase("cancel"))
async def cancel(message: Text, context: Context, step: str) -> Reply:
    if not step and context.draft is None:
        return Say(await sent.nothing_to_cancel(context))
    return End(screen("cancelled"))


@router.press(Do.cancel)
async def cancel_pressed(press: Press, context: Context) -> Reply:
    return End(screen("cancelled"), clear=True)


@router.message(Phrase("human"), to=Report.what)
async def ask_for_human(message: Text, context: Context) -> Reply:
    return await human(context)


@router.press(Do.human, to=Report.what)
async def ask_for_human_pressed(press: Press, context: Context) -> Reply:
    return await human(context)


async def human(context: Context) -> Reply:
    """A question for a person becomes a problem that the coordinator answers."""
    intake.begin(context)
    intake.choose_category(context, "J09")
    return Ask(Report.what, screen("human.ask_what"))


@router.message(Phrase("later"))
async def say_not_yet(message: Text, context: Context) -> Reply:
    return Say(menu_screens.not_yet("later.answer"))


@router.message(Phrase("language"))
async def choose_language(message: Text, context: Context, language: str) -> Reply:
    identity.speak(context, language)
    return Say(screen("language.chosen"))


@router.press(Do.language)
async def choose_language_pressed(press: Press, context: Context, code: str) -> Reply:
    identity.speak(context, code)
    return Say(screen("language.chosen"))


@last.sticker()
async def smile(sticker: Sticker, context: Context) -> Reply:
    return Say(menu_screens.guesses("sticker.answer"))


@last.message(to=AFTER_TEXT)
async def take_sentence(message: Text, context: Context) -> Reply:
    """Any sentence: a problem begins a report; otherwise the three best guesses, and what was said is kept."""
    intake.go_on(context)
    understood = intake.say(context, message.text)
    if understood.kind == "problem" or understood.urgent:
        return await ask_next(context)
    if understood.kind == "chatter":
        return End(menu_screens.guesses("chatter.answer"))
    context.facts["keep_draft"] = True
    assert context.draft is not None
    await context.session.flush()
    return End(menu_screens.guesses("unclear.answer", context.draft.id))


@last.message(where="group")
async def point_to_private(message: Text, context: Context) -> Reply:
    """A command that belongs into the private chat gets the way there; chatter is never answered (domain.md §10)."""
    found = recognise(message.text)
    if found is None or found[0].where != "private" or not found[0].pointed:
        return Silence()
    return Say(menu_screens.to_private())


@last.press(lambda event, data: event.action.partition(":")[0] in ACTIONS, where="group")
async def point_press_to_private(press: Press, context: Context) -> Reply:
    """A button of a private screen, sent from a group: its answer belongs to one person alone (domain.md §0.6, §10)."""
    return Toast(menu_screens.to_private())


@last.press(where="any")
async def too_old(press: Press, context: Context) -> Reply:
    return Toast(screen("button.unknown"))
