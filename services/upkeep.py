"""What the machine tells the people who look after it: messages that could not be delivered."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import OutboxMessage, Setting
from services import post
from services.alarms import set_alarm
from services.context import Context
from services.identity import persons_with
from texts.screen import screen

REPORT_EVERY = timedelta(minutes=10)


async def expect_report(context: Context) -> None:
    """See to it that dead letters are reported, at most one message in ten minutes."""
    slot = context.now.replace(minute=context.now.minute - context.now.minute % 10, second=0, microsecond=0)
    await set_alarm(context, "dead_letters", "", slot + REPORT_EVERY)


async def report_dead_letters(context: Context, _subject: str) -> str:
    """Tell the coordinators in private how many messages died since the last report (people who blocked the bot apart)."""
    seen = await context.session.get(Setting, "dead_letters")
    last = seen.value["last"] if seen else 0
    dead = (
        await context.session.execute(
            sa.select(sa.func.count(), sa.func.max(OutboxMessage.id)).where(
                col(OutboxMessage.state) == "dead", col(OutboxMessage.id) > last, ~col(OutboxMessage.error).startswith("blocked")
            )
        )
    ).one()  # fmt: skip
    if not dead[0]:
        return "none"
    if seen is None:
        seen = Setting(name="dead_letters")
    seen.value = {"last": dead[1]}
    context.session.add(seen)
    for person in await persons_with(context, "coordinator", "admin"):
        await post.to_person(context, person.id, screen("upkeep.dead_letters", count=dead[0]))
    return f"{dead[0]} reported"
