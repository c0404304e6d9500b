"""Setting the community up by chat, for coordinator, clerk, secretary and administrator.

anybody of the office: (sends a workbook, or grids as GeoJSON)    bot: so many new, changed, unchanged → [导入] [取消]; or every fault
the same: (sends a notice of holidays, .txt or .docx)              bot: the calendar as it was understood (handlers.holidays)
the same: [导入]                                                   bot: done, and what comes next
the same: 导入模板, 导出社区资料                                     bot: the file
anybody else: (sends a file)                                      bot: what to do instead
"""

from __future__ import annotations

from bot.events import Do, Document, Press, Text
from bot.router import End, Phrase, Reply, Router, Say, Silence
from services import Context, Refusal, setup
from texts.screen import screen

router = Router("setup")


@router.document()
async def look_at_file(document: Document, context: Context) -> Reply:
    if document.problem:
        raise Refusal(f"document.{document.problem}")
    return End(await setup.look_at(context, document.name, document.data, document.caption))


@router.document(where="group")
async def leave_alone(document: Document, context: Context) -> Reply:
    return Silence()


@router.press(Do.import_file, where="private")
async def bring_in(press: Press, context: Context, draft: str) -> Reply:
    return Say(await setup.bring_in(context, draft), clear=True)


@router.press(Do.drop_file, where="private")
async def drop(press: Press, context: Context, draft: str) -> Reply:
    await setup.drop(context, draft)
    return Say(screen("setup.dropped"), clear=True)


@router.message(Phrase("workbook_template"))
async def send_template(message: Text, context: Context) -> Reply:
    return Say(await setup.template(context))


@router.message(Phrase("community_export"))
async def send_community(message: Text, context: Context) -> Reply:
    return Say(await setup.export(context))
