"""What somebody has just sent and can still take back."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import col

from models import Order
from models.lifecycle import ORDER
from services import mine, moves, ratings
from services.context import Context
from texts import problem_screens
from texts.actions import Do
from texts.screen import Screen, screen


async def nothing_to_cancel(context: Context) -> Screen:
    """The answer to 取消 where nothing was being written: what was sent and can still be taken back, a button each."""
    own = sa.select(Order).where(col(Order.resident_id) == context.actor.id, col(Order.state).in_(ORDER.open))
    found = [(one.code, Do.withdraw(one.id)) for one in await ratings.own(context, mine.EARLY) if one.reporter_id is not None]
    orders = await context.session.scalars(own.order_by(col(Order.submitted_at).desc()))
    found += [(one.code, Do.withdraw_order(one.id)) for one in orders if await moves.allowed(context, one, "withdraw")]
    return problem_screens.choice(screen("cancel.which"), found[: mine.LISTED]) if found else screen("cancel.nothing")
