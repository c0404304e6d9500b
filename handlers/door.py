"""The door of a building: whoever scans its sheet is greeted with the place, and a report begun there has it.

resident: (scans the sheet)                  bot: 您在青禾苑3幢。有什么问题直接说……
resident: 楼道灯不亮                           bot: the card, with this place
Scanned in the middle of a report that has no place yet, the door answers that question.
staff: 海报 G1                                 bot: the sheets of that grid's buildings, as a file to print
"""

from __future__ import annotations

from bot.events import Scan, Text
from bot.router import Ask, Phrase, Reply, Router, Say
from handlers.report_steps import AFTER_TEXT, Report, ask_next
from services import Context, building_doors, intake, posters
from texts import menu_screens
from texts.screen import screen

router = Router("door")


@router.scan(lambda event, data: event.payload.startswith("door-"), to=(Report.what, *AFTER_TEXT))
async def greet_at_door(scan: Scan, context: Context) -> Reply:
    place = building_doors.place_of(context.ground, scan.payload.removeprefix("door-"))
    if place is None:
        return Say(menu_screens.welcome(context.ground.name, context.actor.hats))
    if intake.waits_for_place(context):
        intake.put_place(context, place)
        return await ask_next(context)
    intake.begin(context, at=place)
    return Ask(Report.what, screen("door.greeting", place=place.name))


@router.message(Phrase("posters"))
async def print_sheets(message: Text, context: Context, grid: str) -> Reply:
    return Say(await posters.printed(context, grid))
