"""After an urgent report: for half an hour what the reporter sends belongs to it.

resident: 着火了!                     bot: safety, numbers, the code; where is it?
resident: 青禾苑6幢三楼                bot: passed on (and the grid leader has it now)
A location or a photo is passed on the same way; something plainly else, or another danger, is a report of its own.
"""

from __future__ import annotations

from bot.events import Location, Photo, Text
from bot.router import Ask, End, Reply, Router
from handlers.report_steps import AFTER_TEXT, Report, ask_next, begins_another
from services import Context, intake, tickets, understanding, urgent_reports
from services.intake import Problem
from texts.screen import screen

router = Router("urgent")


@router.message(Report.urgent, to=AFTER_TEXT)
async def pass_words_on(message: Text, context: Context) -> Reply:
    problem, understood = await urgent_reports.urgent_one(context), understanding.understand(message.text)
    other = problem is None or (understood.kind == "problem" and not understood.urgent and understood.confident)
    if problem is not None and not other and await urgent_reports.add_words(context, problem, message.text):
        return _passed_on(problem)
    if begins_another(context, message.text):
        return await ask_next(context)
    intake.begin(context)
    intake.say(context, message.text)
    return await ask_next(context)


@router.location(Report.urgent, to=(Report.urgent, Report.what))
async def pass_point_on(location: Location, context: Context) -> Reply:
    problem = await urgent_reports.urgent_one(context)
    if problem is None:
        intake.begin(context)
        intake.put_point(context, location.lat, location.lon)
        return Ask(Report.what, screen("report.ask_what"))
    await urgent_reports.add_point(context, problem, location.lat, location.lon)
    return _passed_on(problem)


@router.photo(Report.urgent, to=Report.urgent)
async def pass_photo_on(photo: Photo, context: Context) -> Reply:
    problem = await urgent_reports.urgent_one(context)
    if photo.problem or problem is None:
        return End(screen(f"photo.{photo.problem or 'unavailable'}"))
    await urgent_reports.add_picture(context, problem, photo.data)
    return _passed_on(problem)


def _passed_on(problem: Problem) -> Reply:
    return Ask(Report.urgent, screen("urgent.passed_on", code=problem.code), subject=tickets.subject(problem))
