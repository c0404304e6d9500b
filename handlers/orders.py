"""Ordering a service (点单).

resident: 我要点单:给我妈量个血压,周六上午    bot: the card: service, time, place; 提交 / 取消
resident: [提交]                             bot: the receipt with its code and 撤回
resident: 我的点单, DD-…                      bot: how it stands: when somebody comes, whether anybody has taken it on
Asked only when missing: what is wanted, and where. A coordinator: [不受理] or 不受理 DD-… with a reason that the resident reads.
"""

from __future__ import annotations

from bot.events import Do, Press, Scan, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from handlers.dispatch import to_private
from services import orders
from services.context import Context
from services.drafts import keep, kept
from texts.answers import plain_answer
from texts.screen import screen
from texts.utterances import recognise

router = Router("orders")
REFUSING = "refuse_order"
# An answer to a question is not a sentence that means something by itself: who asks for help gets help.
ANSWER = F.text.func(lambda said: recognise(said) is None)
TO_REFUSE = F.payload.startswith("refuse-")


class Order(Steps):
    """The dialog of an order, and of refusing one."""

    what = State()
    where = State()
    confirm = State()
    refuse = State()


AFTER_TEXT = (Order.where, Order.confirm)


def ask_next(context: Context, text: str, place: str = "") -> Reply:
    """The card to confirm, or the question where."""
    card = orders.begin_order(context, text, place)
    return Ask(Order.where, screen("order.ask_where")) if card is None else Ask(Order.confirm, card)


@router.message(Phrase("order"), to=AFTER_TEXT)
async def take_order(message: Text, context: Context, text: str) -> Reply:
    return ask_next(context, text)


@router.message(Phrase("order_start"), to=Order.what)
async def ask_what(message: Text, context: Context) -> Reply:
    return Ask(Order.what, screen("order.ask_what"))


@router.press(Do.order, to=Order.what, where="private")
async def ask_what_pressed(press: Press, context: Context) -> Reply:
    return Ask(Order.what, screen("order.ask_what"))


@router.message(Order.what, ANSWER, to=AFTER_TEXT)
async def take_what(message: Text, context: Context) -> Reply:
    return ask_next(context, message.text)


@router.message(Order.where, ANSWER, to=AFTER_TEXT)
async def take_where(message: Text, context: Context) -> Reply:
    return ask_next(context, "", message.text)


@router.message(Order.confirm, ANSWER, to=AFTER_TEXT)
async def take_addition(message: Text, context: Context) -> Reply:
    more = "" if plain_answer(message.text) else message.text
    return ask_next(context, f"{kept(context, orders.DRAFT).get('text', '')} {more}".strip())


@router.press(Do.submit_order, where="private")
async def give_receipt(press: Press, context: Context, draft: str) -> Reply:
    order = await orders.submit(context, draft)
    return End(orders.receipt(order), clear=True, subject=f"order:{order.id}")


@router.press(Do.discard_order, where="private")
async def forget(press: Press, context: Context, draft: str) -> Reply:
    await orders.discard(context, draft)
    return End(screen("order.discarded"), clear=True)


@router.message(Phrase("withdraw_order"))
async def take_back(message: Text, context: Context, order: str) -> Reply:
    taken = await orders.withdraw(context, order)
    return Say(screen("order.withdrawn", code=taken.code))


@router.press(Do.withdraw_order, where="private")
async def take_back_pressed(press: Press, context: Context, order: str) -> Reply:
    taken = await orders.withdraw(context, order)
    return Say(screen("order.withdrawn", code=taken.code), clear=True)


@router.message(Phrase("order_progress"))
async def show(message: Text, context: Context, order: str) -> Reply:
    return Say(await orders.look(context, order), subject=f"order:{order}")


@router.message(Phrase("my_orders"))
async def list_mine(message: Text, context: Context) -> Reply:
    return Say(await orders.mine(context))


@router.message(Phrase("reject_order"))
async def refuse(message: Text, context: Context, order: str, reason: str) -> Reply:
    refused = await orders.reject(context, order, reason)
    return Say(screen("order.reject_done", code=refused.code))


@router.press(Do.reject_order, to=Order.refuse, where="any")
async def ask_why(press: Press, context: Context, order: str) -> Reply:
    found = await orders.to_reject(context, order)
    if not context.private:
        return to_private(f"refuse-{found.code}")
    keep(context, REFUSING, order=found.id)
    return Ask(Order.refuse, screen("order.reject_why", code=found.code))


@router.scan(TO_REFUSE, to=Order.refuse)
async def ask_why_scanned(scan: Scan, context: Context) -> Reply:
    found = await orders.to_reject(context, scan.payload.partition("-")[2])
    keep(context, REFUSING, order=found.id)
    return Ask(Order.refuse, screen("order.reject_why", code=found.code))


@router.message(Order.refuse, ANSWER)
async def refuse_with_reason(message: Text, context: Context) -> Reply:
    refused = await orders.reject(context, kept(context, REFUSING).get("order", ""), message.text)
    return End(screen("order.reject_done", code=refused.code))
