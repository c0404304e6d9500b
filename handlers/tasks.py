"""Looking at tasks, and calling one off.

anybody: 任务列表, 任务 31, a link to it           bot: the list with a button each, the sheet
member: 我的任务                                bot: their own, with the state of each
leader: 取消任务 31 原因                         bot: the reason where none was given; who was told
"""

from __future__ import annotations

from bot.events import Do, Press, Scan, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import claims, tasks
from services.context import Context
from services.drafts import keep, kept
from texts.screen import Button, Key, Screen, screen
from texts.utterances import recognise
from texts.work_screens import entry, numbers, stack, task_line

router = Router("tasks")
CALL_OFF = "cancel_task"
ANSWER = F.text.func(lambda said: recognise(said) is None)


class CallOff(Steps):
    """Why a task is called off."""

    reason = State()


@router.message(Phrase("my_tasks"))
async def list_mine(message: Text, context: Context) -> Reply:
    return Say(await _mine(context))


@router.press(Do.my_tasks, where="private")
async def list_mine_pressed(press: Press, context: Context) -> Reply:
    return Say(await _mine(context))


async def _mine(context: Context) -> Screen:
    found = await tasks.mine(context)
    lines = stack(task_line(view, state) for view, state in found)
    return screen("task.mine", *numbers([view for view, _ in found]), lines=lines) if found else screen("task.mine_none")


@router.message(Phrase("open_tasks"), where="any")
async def list_open(message: Text, context: Context) -> Reply:
    if not context.private:
        return Say(screen("task.list_in_private", [Button("button.private_chat", start="tasks")]))
    return Say(await _open(context))


@router.scan(F.payload == "tasks")
async def list_open_scanned(scan: Scan, context: Context) -> Reply:
    return Say(await _open(context))


async def _open(context: Context) -> Screen:
    found = await tasks.upcoming(context)
    if not found:
        return screen("task.list_none")
    key = "task.list" if await tasks.invited(context) else "task.list_members"
    return screen(key, *numbers(found), lines=stack(map(task_line, found)))


@router.message(Phrase("task_status"))
async def show(message: Text, context: Context, task: str) -> Reply:
    return Say(await tasks.sheet(context, task))


@router.press(Do.show_task, where="private")
async def show_pressed(press: Press, context: Context, task: str) -> Reply:
    return Say(await tasks.sheet(context, task))


@router.scan(F.payload.startswith(entry("")))
async def show_scanned(scan: Scan, context: Context) -> Reply:
    return Say(await tasks.sheet(context, scan.payload.partition("-")[2]))


@router.message(Phrase("cancel_task"), to=CallOff.reason)
async def call_off(message: Text, context: Context, task: str, reason: str) -> Reply:
    if not reason:
        return await ask_why(context, task)
    return _called_off(await claims.cancel_task(context, task, reason))


@router.press(Do.cancel_task, to=CallOff.reason, where="private")
async def ask_why_pressed(press: Press, context: Context, task: str) -> Reply:
    return await ask_why(context, task)


async def ask_why(context: Context, number: str) -> Reply:
    """Ask for the reason that the claimers will read."""
    task = await claims.to_cancel(context, number)
    keep(context, CALL_OFF, task=task.id)
    return Ask(CallOff.reason, screen("task.cancel_why", number=task.short_no))


@router.message(CallOff.reason, ANSWER)
async def take_why(message: Text, context: Context) -> Reply:
    return _called_off(await claims.cancel_task(context, kept(context, CALL_OFF).get("task", ""), message.text))


def _called_off(done: claims.Cancelled) -> Reply:
    """Say who was told, and only that."""
    told = Key("task.cancelled_told", {"told": done.told}) if done.told else None
    untold = Key("task.cancelled_untold", {"untold": done.untold}) if done.untold else None
    nobody = None if told or untold else Key("task.cancelled_nobody")
    return End(screen("task.cancelled", number=done.task.short_no, told=told, untold=untold, nobody=nobody))
