"""双报到 at the desk: confirming, declining, enrolling from paper, exempting, bringing back; the lists a community chooses.

leader: [确认] / [不通过]        bot: the applicant is told; 不通过 asks why
leader: 待确认报到               bot: what waits, a button each; 确认报到 姓名 / 不通过报到 姓名 原因
clerk: 代报到 何晚晴 138… U05 …  bot: the form of the paper, which stands at once
clerk: 代注销 姓名 原因, 代转出 姓名 原因, 取消注销 姓名, 健康豁免 姓名 原因, 取消豁免 姓名
coordinator: 清单, 清单 团队类别 加 突击队, 清单 预设 双队伍三报到四服务
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say
from handlers.enrolment_steps import ANSWER, FORM, DecliningEnrolment, ask_next
from services import Context, drafts, enrolment_form, enrolments, lists, members, units
from services.dialogs import Answer
from texts.screen import screen

router = Router("enrolment_desk")
DECLINING = "decline_enrolment"


# -- confirming and declining
@router.message(Phrase("pending_enrolments"))
async def list_pending(message: Text, context: Context) -> Reply:
    return Say((await members.pending(context)).screen)


@router.press(Do.enrolment_show, where="private")
async def show(press: Press, context: Context, enrolment: str) -> Reply:
    shown, card = await members.look(context, enrolment)
    return Say(shown, card=card)


@router.press(Do.enrolment_answer, to=DecliningEnrolment.reason, where="private")
async def answer(press: Press, context: Context, enrolment: str, answer: str) -> Reply:
    if answer == "yes":
        return Say((await _confirm(context, enrolment)).screen)
    found = await members.to_decline(context, enrolment)
    drafts.keep(context, DECLINING, enrolment=found.id)
    return Ask(DecliningEnrolment.reason, screen("enrolment.decline_why"))


@router.message(Phrase("confirm_enrolment"))
async def confirm(message: Text, context: Context, who: str) -> Reply:
    return Say((await _confirm(context, (await members.waiting_called(context, who)).id)).screen)


@router.message(Phrase("decline_enrolment"), to=DecliningEnrolment.reason)
async def decline(message: Text, context: Context, who: str, reason: str) -> Reply:
    found = await members.waiting_called(context, who)
    if reason:
        return Say((await _decline(context, found.id, reason)).screen)
    drafts.keep(context, DECLINING, enrolment=found.id)
    return Ask(DecliningEnrolment.reason, screen("enrolment.decline_why"))


@router.message(DecliningEnrolment.reason, ANSWER)
async def decline_because(message: Text, context: Context) -> Reply:
    return End((await _decline(context, drafts.kept(context, DECLINING).get("enrolment", ""), message.text)).screen)


async def _confirm(context: Context, number: str) -> Answer:
    """Confirm a member's or a unit's application."""
    found = await enrolments.get(context, number)
    return await (enrolments.confirm if found.person_id else units.confirm)(context, number)


async def _decline(context: Context, number: str, reason: str) -> Answer:
    found = await enrolments.get(context, number)
    return await (enrolments.decline if found.person_id else units.decline)(context, number, reason)


# -- from paper, and back
@router.message(Phrase("enrol_for"), to=FORM)
async def enrol_for(message: Text, context: Context, text: str) -> Reply:
    enrolments.require_desk(context)
    await enrolment_form.begin(context, "behalf")
    await enrolment_form.take(context, text)
    return await ask_next(context)


@router.message(Phrase("bring_back"))
async def bring_back(message: Text, context: Context, who: str) -> Reply:
    return Say(await members.bring_back(context, who))


@router.message(Phrase("withdraw_for"))
async def withdraw_for(message: Text, context: Context, who: str, reason: str) -> Reply:
    return Say(await members.end_for(context, "withdraw", who, reason))


@router.message(Phrase("transfer_for"))
async def transfer_for(message: Text, context: Context, who: str, reason: str) -> Reply:
    return Say(await members.end_for(context, "transfer", who, reason))


@router.message(Phrase("exempt"))
async def exempt(message: Text, context: Context, who: str, reason: str) -> Reply:
    return Say(await members.exempt(context, who, reason))


@router.message(Phrase("exempt_off"))
async def count_again(message: Text, context: Context, who: str) -> Reply:
    return Say(await members.exempt(context, who, "", on=False))


@router.message(Phrase("member_kinds"))
async def show_kinds(message: Text, context: Context) -> Reply:
    return Say(await members.kinds_sheet(context))


# -- lists
@router.message(Phrase("list_preset"))
async def use_preset(message: Text, context: Context, preset: str) -> Reply:
    return Say(await lists.use_preset(context, preset))


@router.message(Phrase("list_add"))
async def add_entry(message: Text, context: Context, listname: str, entry: str) -> Reply:
    return Say(await lists.change(context, listname, "add", entry))


@router.message(Phrase("list_remove"))
async def remove_entry(message: Text, context: Context, listname: str, entry: str) -> Reply:
    return Say(await lists.change(context, listname, "remove", entry))


@router.message(Phrase("list_rename"))
async def rename_entry(message: Text, context: Context, listname: str, entry: str, renamed: str) -> Reply:
    return Say(await lists.change(context, listname, "rename", entry, renamed))


@router.message(Phrase("lists"))
async def show_lists(message: Text, context: Context, listname: str) -> Reply:
    return Say(await lists.show(context, listname))
