"""Roles, and handing over work.

coordinator: 授权 何晚晴 网格长 G2 到2027年12月31日   bot: (which of two?) → the card → [授权] → done, the person is told [撤销]
coordinator: 收回 何晚晴 网格长 G2                     bot: the card, with what is still open → [收回] | [交接]
staff: 角色 何晚晴, 工作人员                           bot: who holds what
coordinator: 交接 周禾生 给 吴小满 [G1]                bot: what is open → [同时收回角色] [交接] → done
coordinator: 交接 周禾生, or [交接] under a taken role   bot: to whom? → a name → the card
"""

from __future__ import annotations

from bot.events import Press, Text
from bot.router import Ask, End, Phrase, Reply, Router, Say, State, Steps
from services import Context, Refusal, administration_help, handover, roles
from texts.actions import Do
from texts.screen import screen

router = Router("administration")


class HandOver(Steps):
    """The name of the new owner is awaited."""

    to = State()


@router.message(Phrase("grant"))
async def ask_grant(message: Text, context: Context, worker: str, role: str, line: str) -> Reply:
    return Say(await roles.ask_grant(context, worker, role, line))


@router.message(Phrase("take_role"))
async def ask_take(message: Text, context: Context, worker: str, role: str, line: str) -> Reply:
    return Say(await roles.ask_take(context, worker, role, line))


@router.press(Do.role_pick, where="private")
async def pick(press: Press, context: Context, draft: str, choice: str) -> Reply:
    return Say(await roles.choose(context, draft, choice), edit=True)


@router.press(Do.role_confirm, where="private")
async def confirm(press: Press, context: Context, draft: str) -> Reply:
    return Say(await roles.confirm(context, draft), edit=True)


@router.press(Do.role_undo, where="private")
async def undo(press: Press, context: Context, log: str) -> Reply:
    return Say(await roles.undo(context, log), edit=True)


@router.message(Phrase("roles_of"))
async def show_roles(message: Text, context: Context, name: str) -> Reply:
    return Say(await roles.of(context, name))


@router.message(Phrase("staff_list"))
async def show_staff(message: Text, context: Context) -> Reply:
    return Say(await roles.staff(context))


@router.message(Phrase("grant_loosely"))
async def name_the_roles(message: Text, context: Context) -> Reply:
    administration_help.require_staff(context)
    raise Refusal("role.unknown")


@router.message(Phrase("roles_help"))
async def explain(message: Text, context: Context) -> Reply:
    administration_help.require_staff(context)
    return Say(screen("admin.how"))


# -- handing over
@router.message(Phrase("hand_over"))
async def ask_hand_over(message: Text, context: Context, name: str, other: str, grid: str) -> Reply:
    return Say(await handover.ask(context, name, other, grid))


@router.message(Phrase("hand_over_whose"), to=HandOver.to)
async def ask_owner_of(message: Text, context: Context, name: str) -> Reply:
    return Ask(HandOver.to, await handover.ask_whose(context, name))


@router.press(Do.hand_over, where="private", to=HandOver.to)
async def ask_new_owner(press: Press, context: Context, person: str) -> Reply:
    return Ask(HandOver.to, await handover.ask_to(context, person))


@router.message(HandOver.to)
async def take_new_owner(message: Text, context: Context) -> Reply:
    return End(await handover.answer_to(context, message.text))


@router.press(Do.hand_over_pick, where="private")
async def pick_owner(press: Press, context: Context, draft: str, side: str, person: str) -> Reply:
    return Say(await handover.pick(context, draft, side, person), edit=True)


@router.press(Do.hand_over_roles, where="private")
async def toggle_roles(press: Press, context: Context, draft: str) -> Reply:
    return Say(await handover.toggle_roles(context, draft), edit=True)


@router.press(Do.hand_over_confirm, where="private")
async def hand_over(press: Press, context: Context, draft: str) -> Reply:
    return Say(await handover.confirm(context, draft), edit=True)


@router.press(Do.drop_card, where="private")
async def drop(press: Press, context: Context, draft: str) -> Reply:
    await administration_help.drop(context, draft)
    return Say(screen("cancelled"), edit=True)
