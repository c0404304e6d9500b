"""Dispatching: an order or a problem becomes a task.

coordinator: 派单 DD-… 2人 11月28日9点-11点     bot: the task with its number and check-in code; the party group gets the card
What is missing in the line is asked for, what was said is kept. [派单] on an order or a ticket asks for the line.
"""

from __future__ import annotations

from typing import Any

from bot.events import Do, Press, Scan, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps, Toast
from services import dispatching, tasks
from services.context import Context
from services.dispatching import Line
from services.drafts import keep, kept
from texts.screen import Button, Key, screen
from texts.utterances import recognise
from texts.work_screens import stack

router = Router("dispatch")
DISPATCH = "dispatch"
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Dispatch(Steps):
    """What is still missing in a 派单 line."""

    line = State()


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


def to_private(start: str) -> Reply:
    """What a press in a group is answered that needs the private chat: the way there, and on with `start`."""
    return Toast(screen("work.in_private", [Button("button.private_chat", start=start)]))


@router.message(Phrase("dispatch"), to=Dispatch.line)
async def send_out(message: Text, context: Context, source: str, line: str) -> Reply:
    return await dispatch_or_ask(context, source, line, {})


@router.message(Phrase("dispatch_help"))
async def explain_dispatch(message: Text, context: Context) -> Reply:
    return Say(screen("dispatch.help"))


@router.press(Do.dispatch, to=Dispatch.line, where="any")
async def ask_line_for_problem(press: Press, context: Context, problem: str) -> Reply:
    code = await dispatching.code_of_problem(context, problem)
    return await dispatch_or_ask(context, code, "", {}) if context.private else to_private(f"dispatch-{code}")


@router.press(Do.dispatch_order, to=Dispatch.line, where="any")
async def ask_line_for_order(press: Press, context: Context, order: str) -> Reply:
    code = await dispatching.code_of_order(context, order)
    return await dispatch_or_ask(context, code, "", {}) if context.private else to_private(f"dispatch-{code}")


@router.scan(F.payload.startswith("dispatch-"), to=Dispatch.line)
async def ask_line_scanned(scan: Scan, context: Context) -> Reply:
    return await dispatch_or_ask(context, scan.payload.partition("-")[2], "", {})


@router.message(Dispatch.line, ANSWER, to=Dispatch.line)
async def take_line(message: Text, context: Context) -> Reply:
    data = kept(context, DISPATCH)
    return await dispatch_or_ask(context, data.get("code", ""), message.text, data.get("line", {}))
