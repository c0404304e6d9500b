"""What stands beside the loaded rows: the tasks' cards, delivered already, and the alarms of what is still to come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Chat, LocalMessage, Occurrence, OutboxMessage, Problem, Task
from services import dispatching, problems, tasks
from services.alarms import set_alarm
from services.context import Context
from services.post import Urgency
from texts.render import Capabilities, Rendered, render
from texts.work_screens import task_card

PLATFORM, BOT = "local", "main"


async def post_card(context: Context, task: Task, party: Chat) -> None:
    """The task's one card in the party group, delivered at its publishing, so that services.post.edit_card finds it."""
    shown = render(task_card(await tasks.view(context, task)), party.language, Capabilities())
    message = LocalMessage(chat=party.address, body=_body(shown), at=task.created_at)
    context.session.add(message)
    await context.session.flush()
    posted = OutboxMessage(
        dedupe_key=f"demo:{task.code}",
        cause="demo",
        platform=PLATFORM,
        bot=BOT,
        chat_id=party.id,
        card=tasks.card_of(task),
        urgency=Urgency.NORMAL,
        send_after=task.created_at,
        state="sent",
        attempts=1,
        message_id=f"m{message.id}",
        sent_at=task.created_at,
    )
    context.session.add(posted)
    await context.session.flush()


def _body(shown: Rendered) -> dict[str, Any]:
    """The message as the web chat keeps it."""
    buttons = [
        [{"label": one.label, "action": one.action} if one.action else {"label": one.label, "url": f"/?start={one.start}"} for one in row]
        for row in shown.buttons
    ]
    return {"text": shown.text, "buttons": buttons, "_menu": dict(shown.menu)}


async def set_coming_alarms(context: Context, loaded: Iterable[Problem], published: Iterable[Task]) -> None:
    """The alarms the rules would have set for these that are due after now; the earlier ones are taken as done."""
    due = context.calendar.due
    for problem in loaded:
        if problem.state == "SUSPENDED" and problem.suspended_until is not None:
            await set_alarm(context, "resume_problem", problem.id, problem.suspended_until)
        if problem.state == "RESOLVED" and problem.resolved_at is not None:
            await set_alarm(context, "rating_reminder", problem.id, due(problem.resolved_at, problems.REMIND_AFTER_WORKDAYS))
            await set_alarm(context, "rating_expiry", problem.id, due(problem.resolved_at, problems.EXPIRE_AFTER_WORKDAYS))
    for task in published:
        await dispatching.set_alarms(context, task)
    await context.session.execute(sa.delete(Occurrence).where(col(Occurrence.due) <= context.now))
