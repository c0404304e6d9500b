"""A unit's 单位报到, and what units give and need.

liaison: 单位报到              bot: asks address, secretary, telephone, resources and needs; what is known is not asked
liaison: [提交] on the card    bot: the coordinator confirms within two workdays
clerk: 注销单位报到 名称 原因 / 转出单位 名称 原因 → the card → [确认]; 取消注销单位 名称
liaison: 登记资源:会议室 / 登记需求:义诊; liaisons and staff: 资源清单 / 需求清单
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import End, Phrase, Reply, Router, Say
from handlers.enrolment_steps import ANSWER, UNIT_FORM, UnitEnrolment, ask_next_of_unit
from services import Context, unit_enrolments, unit_form, units
from texts.screen import screen

router = Router("units")


@router.message(Phrase("unit_enrol"), to=UNIT_FORM)
async def begin(message: Text, context: Context, text: str) -> Reply:
    await units.begin(context, text)
    return await ask_next_of_unit(context)


@router.message(UnitEnrolment.name, ANSWER, to=UNIT_FORM)
@router.message(UnitEnrolment.kind, ANSWER, to=UNIT_FORM)
@router.message(UnitEnrolment.address, ANSWER, to=UNIT_FORM)
@router.message(UnitEnrolment.secretary, ANSWER, to=UNIT_FORM)
@router.message(UnitEnrolment.liaison, ANSWER, to=UNIT_FORM)
@router.message(UnitEnrolment.phone, ANSWER, to=UNIT_FORM)
@router.message(UnitEnrolment.items, ANSWER, to=UNIT_FORM)
async def take_answer(message: Text, context: Context, step: str) -> Reply:
    await unit_form.take(context, message.text, step.partition(":")[2])
    return await ask_next_of_unit(context)


@router.message(UnitEnrolment.confirm, ANSWER, to=UNIT_FORM)
async def take_correction(message: Text, context: Context) -> Reply:
    await unit_form.take(context, message.text, "confirm")
    return await ask_next_of_unit(context)


@router.press(Do.unit_pick, to=UNIT_FORM, where="private")
async def take_choice(press: Press, context: Context, draft: str, field: str, value: str) -> Reply:
    await unit_form.open_draft(context, draft)
    await unit_form.choose(context, field, value)
    return await ask_next_of_unit(context, clear=True)


@router.press(Do.unit_change, to=UNIT_FORM, where="private")
async def change(press: Press, context: Context, draft: str, field: str) -> Reply:
    await unit_form.open_draft(context, draft)
    unit_form.reopen(context, field)
    return await ask_next_of_unit(context, clear=True)


@router.press(Do.unit_submit, where="private")
async def submit(press: Press, context: Context, draft: str) -> Reply:
    return End(await units.submit(context, draft), clear=True)


@router.press(Do.unit_discard, where="private")
async def discard(press: Press, context: Context, draft: str) -> Reply:
    await unit_form.discard(context, draft)
    return End(screen("report.discarded"), clear=True)


# -- at the desk: how it ends and comes back
@router.message(Phrase("unit_withdraw"))
async def ask_withdraw(message: Text, context: Context, who: str, reason: str) -> Reply:
    return Say(await unit_enrolments.ask_end(context, "withdraw", who, reason))


@router.message(Phrase("unit_transfer"))
async def ask_transfer(message: Text, context: Context, who: str, reason: str) -> Reply:
    return Say(await unit_enrolments.ask_end(context, "transfer", who, reason))


@router.press(Do.unit_leave, where="private")
async def end(press: Press, context: Context, draft: str) -> Reply:
    return Say(await unit_enrolments.end(context, draft), edit=True)


@router.message(Phrase("unit_return"))
async def bring_back(message: Text, context: Context, who: str) -> Reply:
    return Say(await unit_enrolments.bring_back(context, who))


@router.message(Phrase("resources"))
async def list_resources(message: Text, context: Context) -> Reply:
    return Say(await units.items(context, "resource"))


@router.message(Phrase("needs"))
async def list_needs(message: Text, context: Context) -> Reply:
    return Say(await units.items(context, "need"))


@router.message(Phrase("add_resource"))
async def add_resource(message: Text, context: Context, text: str) -> Reply:
    return Say(await units.add_item(context, "resource", text))


@router.message(Phrase("add_need"))
async def add_need(message: Text, context: Context, text: str) -> Reply:
    return Say(await units.add_item(context, "need", text))
