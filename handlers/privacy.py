"""What is kept about a person, and its end.

anybody: 我的数据                 bot: a document with everything, and who looked at it
anybody: 删除我的数据             bot: what it means and what must end first → [确认删除] → done, or kept until it can be
anybody: 撤回同意                 bot: what it means → [撤回同意] → done
administrator: 查看记录 何晚晴     bot: who looked at whose data, when
"""

from __future__ import annotations

from bot.events import Press, Text
from bot.router import End, F, Phrase, Reply, Router, Say
from services import Context, audit, privacy
from texts.actions import Do

router = Router("privacy")


@router.message(Phrase("my_data"))
async def send_copy(message: Text, context: Context) -> Reply:
    return Say(await privacy.my_data(context))


@router.message(Phrase("delete_data"))
async def explain_deletion(message: Text, context: Context) -> Reply:
    return Say(await privacy.explain_deletion(context))


@router.press(Do.delete_data, F.action == Do.delete_data("yes"), where="private")
async def delete(press: Press, context: Context) -> Reply:
    return End(await privacy.delete(context), clear=True)


@router.message(Phrase("withdraw_consent"))
async def explain_withdrawal(message: Text, context: Context) -> Reply:
    return Say(await privacy.explain_withdrawal(context))


@router.press(Do.withdraw_consent, F.action == Do.withdraw_consent("yes"), where="private")
async def withdraw_consent(press: Press, context: Context) -> Reply:
    return End(await privacy.withdraw_consent(context), clear=True)


@router.message(Phrase("looks"))
async def show_looks(message: Text, context: Context, name: str) -> Reply:
    return Say(await audit.records(context, name))
