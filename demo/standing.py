"""What stands beside the loaded rows: the tasks' cards, delivered already, and the alarms of what is still to come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Chat, DigestRun, Enrollment, LocalMessage, Occurrence, OutboxMessage, Problem, StateLog, Task, keyring
from services import digests, dispatching, due_alarms, echo_wall, enrolments, ledgers, problems, promise_calendar, ratings, reviews, tasks
from services.alarms import set_alarm
from services.context import Context
from services.post import Urgency
from services.spans import Span
from services.workdays import DAY_END, ZONE, local
from texts.render import Capabilities, Rendered, render
from texts.screen import Screen
from texts.work_screens import task_card

PLATFORM, BOT = "local", "main"


async def post_card(context: Context, task: Task, party: Chat) -> None:
    """The task's one card in the party group, delivered at its publishing, so that services.post.edit_card finds it."""
    await deliver(context, party, task_card(await tasks.view(context, task)), tasks.card_of(task), task.created_at)


async def post_application(context: Context, enrolment: Enrollment, chats: Mapping[str, Chat]) -> None:
    """The application that waits, delivered to those who confirm it when it was made. `chats`: private ones by person."""
    shown = await enrolments.application(context, enrolment)
    for person in await enrolments.confirmers(context, enrolment):
        await deliver(context, chats[person.id], shown, enrolments.card(enrolment), enrolment.applied_at)


async def deliver(context: Context, chat: Chat, screen: Screen, card: str, at: datetime) -> None:
    """The card stands in the chat, sent at that moment; the web chat names a private chat by its hash."""
    shown = render(screen, chat.language, Capabilities())
    address = keyring.hash("local", chat.address) if chat.kind == "private" else chat.address
    message = LocalMessage(chat=address, body=_body(shown), at=at)
    context.session.add(message)
    await context.session.flush()
    posted = OutboxMessage(
        dedupe_key=f"demo:{card}:{chat.id}",
        cause="demo",
        platform=PLATFORM,
        bot=BOT,
        chat_id=chat.id,
        card=card,
        urgency=Urgency.NORMAL,
        send_after=at,
        state="sent",
        attempts=1,
        message_id=f"m{message.id}",
        sent_at=at,
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


def past_digests(context: Context) -> list[DigestRun]:
    """The last digest up to now, and the month's ledger where its day has come: taken as made, so that only what is new is told."""
    today = local(context.now).date()
    day = today if context.now >= _at(today, digests.AT) else today - timedelta(days=1)
    day = context.calendar.previous_workday(day)
    last = _at(day, digests.AT)
    before = _at(context.calendar.add(day, -1), digests.AT)
    evening = day if context.now >= _at(day, DAY_END) else context.calendar.add(day, -1)
    wall = DigestRun(
        kind=echo_wall.ECHO_WALL,
        period_key=evening.isoformat(),
        covers_from=_at(context.calendar.add(evening, -1), DAY_END),
        covers_to=_at(evening, DAY_END),
    )
    runs = [wall, DigestRun(kind=digests.DAILY, period_key=day.isoformat(), covers_from=before, covers_to=last)]
    if context.now >= _at(context.calendar.next_workday(today.replace(day=1)), ledgers.MONTHLY_AT):
        month = Span.month(today)
        span = month.before
        runs.append(DigestRun(kind=ledgers.MONTHLY, period_key=month.code, covers_from=span.begin, covers_to=span.end))
    return runs


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, ZONE)


async def set_coming_alarms(
    context: Context, loaded: Iterable[Problem], published: Iterable[Task], applied: Iterable[Enrollment] = ()
) -> None:
    """The alarms the rules would have set for these that are due after now; the earlier ones are taken as done."""
    due = context.calendar.due
    for problem in loaded:
        await due_alarms.keep(context, problem, fresh=True)
        await _set_secretary_contact(context, problem)
        if problem.state == "SUSPENDED" and problem.suspended_until is not None:
            await set_alarm(context, "resume_problem", problem.id, problem.suspended_until)
            await reviews.expect(context, problem)
        if problem.state == "RESOLVED" and problem.resolved_at is not None:
            await set_alarm(context, "rating_reminder", problem.id, due(problem.resolved_at, problems.REMIND_AFTER_WORKDAYS))
            await set_alarm(context, "rating_expiry", problem.id, due(problem.resolved_at, problems.EXPIRE_AFTER_WORKDAYS))
    for enrolment in applied:
        if enrolment.confirm_due is not None:
            await set_alarm(context, enrolments.REMINDER, enrolment.id, enrolments.remind_at(enrolment.confirm_due))
    for task in published:
        await dispatching.set_alarms(context, task)
    await promise_calendar.plan(context, "")
    await context.session.execute(sa.delete(Occurrence).where(col(Occurrence.due) <= context.now))


async def _set_secretary_contact(context: Context, problem: Problem) -> None:
    """The reminder of the talk that the secretary owes where this was sent back a second time."""
    if problem.state != "IN_PROGRESS" or problem.reopen_count != ratings.SECRETARY_AT:
        return
    query = sa.select(sa.func.max(col(StateLog.at))).where(col(StateLog.object_id) == problem.id, col(StateLog.event) == "reopen")
    since = await context.session.scalar(query)
    if since is not None:
        await set_alarm(context, "secretary_contact", problem.id, ratings.contact_by(context, since) - ratings.REMIND_BEFORE)
