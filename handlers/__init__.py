"""The conversations, in the order they are asked. A sentence of the grammar is heard before any dialog step (bot.router)."""

from bot.router import Router
from handlers import (
    checkin,
    claims,
    mine,
    orders,
    relay,
    report,
    report_changes,
    staff,
    start,
    tasks,
    tickets,
    urgent,
)

root = Router("root")
root.include(
    start.router,
    staff.router,
    tickets.router,
    relay.router,
    mine.router,
    orders.router,
    tasks.router,
    claims.router,
    checkin.router,
    urgent.router,
    report_changes.router,
    report.router,
    start.last,
)
root.check()
