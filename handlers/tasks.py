"""Dispatching and looking at tasks.

coordinator: 派单 DD-… 2人 11月28日9点-11点     bot: the task with its number and check-in code; the party group gets the card
What is missing in the line is asked for, what was said is kept. [派单] on an order or a ticket asks for the line.
anybody: 任务列表, 任务 31, a link to it; member: 我的任务; leader: 取消任务 31 原因.
"""

from __future__ import annotations

from typing import Any

from bot.events import Do, Press, Scan, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps, Toast
from services import claims, dispatching, tasks
from services.context import Context
from services.dispatching import Line
from services.drafts import keep, kept
from texts.screen import Button, Key, Screen, screen
from texts.utterances import recognise
from texts.work_screens import entry, numbers, stack, task_line

router = Router("tasks")
DISPATCH, CALL_OFF = "dispatch", "cancel_task"
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Dispatch(Steps):
    """What is still missing in a 派单 line."""

    line = State()


class CallOff(Steps):
    """Why a task is called off."""

    reason = State()


async def dispatch_or_ask(context: Context, code: str, said: str, kept_line: dict[str, Any]) -> Reply:
    """Publish the task, or keep what is known and ask for exactly what is missing."""
    found = await dispatching.source(context, code)
    line, missing = await dispatching.read(context, said, Line.from_data(kept_line))
    if missing:
        keep(context, DISPATCH, code=found.code, line=line.to_data())
        known = Key("dispatch.known", line.values) if line.values else None
        return Ask(Dispatch.line, screen("dispatch.missing", code=found.code, missing=stack(missing), known=known))
    task, shown = await dispatching.dispatch(context, found.code, line)
    buttons = [Button("task.button.show", Do.show_task(task.id)), Button("task.button.cancel", Do.cancel_task(task.id))]
    return End(screen("dispatch.done", buttons, **shown.values, pin=task.check_in_code), subject=tasks.card_of(task))


@router.message(Phrase("dispatch"), to=Dispatch.line)
async def send_out(message: Text, context: Context, source: str, line: str) -> Reply:
    return await dispatch_or_ask(context, source, line, {})


@router.message(Phrase("dispatch_help"))
async def explain_dispatch(message: Text, context: Context) -> Reply:
    return Say(screen("dispatch.help"))


@router.press(Do.dispatch, to=Dispatch.line)
async def ask_line_for_problem(press: Press, context: Context, problem: str) -> Reply:
    code = await dispatching.code_of_problem(context, problem)
    return await dispatch_or_ask(context, code, "", {}) if context.private else Toast(screen("work.in_private"))


@router.press(Do.dispatch_order, to=Dispatch.line)
async def ask_line_for_order(press: Press, context: Context, order: str) -> Reply:
    code = await dispatching.code_of_order(context, order)
    return await dispatch_or_ask(context, code, "", {}) if context.private else Toast(screen("work.in_private"))


@router.scan(F.payload.startswith("dispatch-"), to=Dispatch.line)
async def ask_line_scanned(scan: Scan, context: Context) -> Reply:
    return await dispatch_or_ask(context, scan.payload.partition("-")[2], "", {})


@router.message(Dispatch.line, ANSWER, to=Dispatch.line)
async def take_line(message: Text, context: Context) -> Reply:
    data = kept(context, DISPATCH)
    return await dispatch_or_ask(context, data.get("code", ""), message.text, data.get("line", {}))


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
