"""The steps of a report, and what is said at each: the one place that decides which question comes next."""

from __future__ import annotations

from bot.router import Ask, End, Reply, State, Steps
from services import Context, intake, tickets, understanding, urgent_reports
from services.intake import Problem
from services.problems import get
from texts import report_screens
from texts.screen import Key, screen


class Report(Steps):
    """The dialog of a report."""

    what = State()
    category = State()
    where = State()
    same = State()
    confirm = State()
    urgent = State()


MOST_PLACES = 8
AFTER_TEXT = (Report.what, Report.category, Report.where, Report.same, Report.confirm, Report.urgent)


async def ask_next(context: Context, *, clear: bool = False, edit: bool = False, live: bool = False) -> Reply:
    """Ask for what is still missing, or show the card; an urgent one is made at once."""
    draft = context.draft
    assert draft is not None
    await context.session.flush()
    draft.data["message"] = draft.data.get("message") or context.message_id
    await intake.forget_named(context)
    data, card = draft.data, f"draft:{draft.id}"
    match await intake.next_question(context):
        case "urgent":
            problem, _ = await intake.submit(context, draft.id)
            return await submitted(context, problem)
        case "what":
            return Ask(Report.what, screen("report.say_more"), clear=clear)
        case "category":
            key = "report.choose_category_voice" if data.get("voice") and not data.get("text") else "report.choose_category"
            return Ask(Report.category, report_screens.choose_category(draft.id, data.get("guesses") or (), key), clear=clear, edit=edit)
        case "which_place" if len(data["candidates"]) > MOST_PLACES:
            return Ask(Report.where, report_screens.ask_where({}), clear=clear)
        case "which_place":
            found = [context.ground.places[number] for number in data["candidates"]]
            return Ask(Report.where, report_screens.choose_place(draft.id, [(place.id, place.name) for place in found]), clear=clear)
        case "where":
            return Ask(Report.where, report_screens.ask_where(data), clear=clear)
        case "same":
            twin = await get(context, data["twin"])
            values = {
                "code": twin.code,
                "text": tickets.public_words(twin),
                "place": twin.place_name,
                "state": Key(f"state.problem.{twin.state}"),
            }
            return Ask(Report.same, report_screens.same(draft.id, twin.id, values), clear=clear)
    shown = report_screens.confirm(draft.id, data, context.ground.grid_name(data.get("grid")), context.ground.name)
    if live and await intake.refresh_card(context, card, shown):
        return Reply(None, Report.confirm)
    return Ask(Report.confirm, shown, clear=clear, edit=edit, card=card)


def begins_another(context: Context, text: str) -> bool:
    """Whether the sentence is plainly about something else than the open draft; then it has begun a draft of its own."""
    data = context.draft.data if context.draft else {}
    fresh = understanding.understand(text)
    another = fresh.urgent or (fresh.confident and fresh.best and data.get("category") and fresh.best.code != data["category"])
    if fresh.kind != "problem" or not another:
        return False
    intake.begin(context, anonymous=bool(data.get("anonymous")))
    intake.say(context, text)
    return True


async def submitted(context: Context, problem: Problem) -> Reply:
    """The receipt, over the dialog's end; a sealed one goes by the token."""
    outside = problem.lat is not None and problem.grid_code is None
    values = {
        "code": problem.code, "category": Key(f"category.{problem.category}"),
        "grid": context.ground.grid_name(problem.grid_code) or Key("report.coordinator"),
        "contact_due": problem.contact_due, "resolve_due": problem.resolve_due,
        "provisional": tickets.provisional(context, problem.contact_due, problem.resolve_due),
        "outside": Key("report.outside", {"community": context.ground.name}) if outside else None,
    }  # fmt: skip
    shown = report_screens.receipt(values, problem.id, problem.sla, problem.category, problem.anonymous, located=problem.lat is not None)
    if problem.sla == "P1" and problem.reporter_id is not None:
        urgent_reports.await_more(context, problem)
        return Ask(Report.urgent, shown, clear=True, subject=tickets.subject(problem))
    return End(shown, clear=True, subject=tickets.subject(problem))
