"""The conversations, in the order they are asked. A sentence of the grammar is heard before any dialog step (bot.router)."""

from bot.router import Router
from handlers import (
    checkin,
    claims,
    dispatch,
    mine,
    orders,
    posts,
    ratings,
    relay,
    report,
    report_changes,
    staff,
    start,
    tasks,
    tickets,
    urgent,
    verifying,
)

root = Router("root")
root.include(
    start.router,
    staff.router,
    tickets.router,
    relay.router,
    mine.router,
    ratings.router,
    orders.router,
    dispatch.router,
    posts.router,
    tasks.router,
    claims.router,
    verifying.router,
    checkin.router,
    urgent.router,
    report_changes.router,
    report.router,
    start.last,
)
root.check()
