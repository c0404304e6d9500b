"""One's own 双报到 once it is there.

member: 我的报到                          bot: the record; skills, times, unit and opt-ins have buttons
member: 我的时长                          bot: the year, the quarter, the target; to the person alone
member: 搬家 / 转出 / 取消报到 / 注销报到  bot: as the table of lives has it (domain.md §5 Enrollment)
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say
from handlers.enrolment_steps import ANSWER, FORM, Enrolment, ask_next
from services import Context, drafts, enrolments, members, targets

router = Router("my_enrolment")
LEAVING = "leave_enrolment"


# -- looking and changing
@router.message(Phrase("my_enrolment"))
async def show_mine(message: Text, context: Context) -> Reply:
    return Say(await members.mine(context))


@router.press(Do.my_enrolment, where="private")
async def show_mine_pressed(press: Press, context: Context) -> Reply:
    return Say(await members.mine(context))


@router.message(Phrase("my_hours"))
async def show_hours(message: Text, context: Context) -> Reply:
    return Say(await targets.mine(context))


@router.press(Do.my_hours, where="private")
async def show_hours_pressed(press: Press, context: Context) -> Reply:
    return Say(await targets.mine(context))


@router.press(Do.enrolment_edit, to=FORM, where="private")
async def edit(press: Press, context: Context, field: str) -> Reply:
    await members.begin_edit(context, field)
    return await ask_next(context)


@router.press(Do.enrolment_switch, where="private")
async def switch(press: Press, context: Context, field: str) -> Reply:
    return Say(await members.switch(context, field), edit=True)


# -- moving and leaving
@router.message(Phrase("move_home"), to=FORM)
async def move_home(message: Text, context: Context, text: str) -> Reply:
    await enrolments.open_move(context, text)
    return await ask_next(context)


@router.message(Phrase("move_away"))
async def ask_away(message: Text, context: Context) -> Reply:
    return Say(await members.ask_leaving(context, "away"))


@router.message(Phrase("cancel_enrolment"))
async def cancel(message: Text, context: Context) -> Reply:
    return Say(await members.cancel(context))


@router.message(Phrase("leave_enrolment"), to=Enrolment.reason)
async def leave(message: Text, context: Context, reason: str) -> Reply:
    await members.refuse_other(context, reason)
    if not reason:
        return await ask_why(context)
    return Say(await members.withdraw(context, reason))


async def ask_why(context: Context) -> Reply:
    """Why somebody leaves; a draft of its own keeps others' drafts from ending with this question."""
    shown = await members.ask_leaving(context, "withdraw")
    drafts.keep(context, LEAVING)
    return Ask(Enrolment.reason, shown)


@router.message(Enrolment.reason, ANSWER)
async def leave_because(message: Text, context: Context) -> Reply:
    return End(await members.withdraw(context, message.text))


@router.press(Do.enrolment_leave, to=(*FORM, Enrolment.reason), where="private")
async def leave_pressed(press: Press, context: Context, how: str) -> Reply:
    match how:
        case "move":
            await enrolments.open_move(context)
            return await ask_next(context)
        case "withdraw":
            return await ask_why(context)
        case "cancel":
            return Say(await members.cancel(context), clear=True)
        case "away_sure":
            return Say(await members.move_away(context), clear=True)
    return Say(await members.ask_leaving(context, "away"))
