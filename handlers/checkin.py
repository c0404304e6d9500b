"""Checking in and out of a task.

member: 签到 33                      bot: asks for the location, or the leader's code
member: (a location), or 8246          bot: checked in, with the distance; too far, or to the leader when it is too rough
member: 签到 33 8246, 签退 33          leader: 代签 33 何晚晴, 代签退 33 何晚晴; a rough location: [通过] [不通过]
A location sent without a word counts for the one task whose time it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.events import Button, Do, Event, Location, Press, Text, screen
from bot.router import Ask, End, Phrase, Reply, Router, Say, State, Steps
from services import checkins, tasks
from services.checkins import Arrival, Position
from services.context import Context
from services.drafts import keep, kept
from texts.screen import Screen

router = Router("checkin")
DRAFT = "check_in"


class CheckIn(Steps):
    """Where the member is asked to show that they are there."""

    proof = State()


@router.middleware
async def find_task_of_location(
    call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], event: Event, data: dict[str, Any]
) -> Reply | None:
    """For a location that no dialog waits for: look whether it is the sender's time to check in. Other events cost nothing."""
    if type(event) is Location and event.chat.kind == "private" and not data["step"]:
        found = await checkins.in_window(data["context"])
        if found is not None:
            return await call(event, data | {"present": str(found.short_no)})
    return await call(event, data)


class Present:
    """A filter: `find_task_of_location` found the one task whose time it is."""

    provides = frozenset({"task"})

    def __call__(self, event: Event, data: dict[str, Any]) -> dict[str, str] | None:
        return {"task": data["present"]} if "present" in data else None


def arrived(arrival: Arrival) -> Reply:
    """What the claimer is told; a code that is wrong may be tried again."""
    task, record = arrival.task, arrival.record
    if record.verdict == "REJECTED" and record.method == "code":
        key = "check_in.wrong_code" if arrival.tries_left else "check_in.no_tries"
        return Ask(CheckIn.proof, Screen(key, {"number": task.short_no, "left": arrival.tries_left}, ask_location=True))
    if record.verdict == "REJECTED":
        return Ask(
            CheckIn.proof,
            Screen("check_in.too_far", {"distance": record.distance_m, "radius": task.radius_m}, ask_location=True),
        )
    if record.verdict == "PENDING":
        return End(screen("check_in.pending", number=task.short_no))
    button = [Button("task.button.check_out", Do.check_out(task.id))]
    return End(screen("check_in.done", button, number=task.short_no, title=task.title, distance=record.distance_m))


async def ask_for_proof(context: Context, number: str) -> Reply:
    """Ask for the location or the code, once it is sure that they may check in now."""
    task, _ = await checkins.ready(context, number)
    keep(context, DRAFT, task=task.id)
    shown = await tasks.view(context, task)
    return Ask(CheckIn.proof, Screen("check_in.ask", shown.values, ask_location=True))


@router.message(Phrase("check_in_code"), to=CheckIn.proof)
async def take_task_and_code(message: Text, context: Context, task: str, pin: str) -> Reply:
    keep(context, DRAFT, task=task)
    return arrived(await checkins.by_code(context, task, pin))


@router.message(Phrase("check_in"), to=CheckIn.proof)
async def ask_proof(message: Text, context: Context, task: str) -> Reply:
    return await ask_for_proof(context, task)


@router.press(Do.check_in, to=CheckIn.proof, where="private")
async def ask_proof_pressed(press: Press, context: Context, task: str) -> Reply:
    return await ask_for_proof(context, task)


@router.message(Phrase("check_in_any"), to=CheckIn.proof)
async def ask_proof_of_the_one(message: Text, context: Context) -> Reply:
    found = await checkins.in_window(context)
    return await ask_for_proof(context, found.id) if found else Say(screen("check_in.which"))


@router.message(CheckIn.proof, Phrase("pin"), to=CheckIn.proof)
async def take_code(message: Text, context: Context, pin: str) -> Reply:
    return arrived(await checkins.by_code(context, kept(context, DRAFT).get("task", ""), pin))


@router.location(CheckIn.proof, to=CheckIn.proof)
async def take_location(location: Location, context: Context) -> Reply:
    return await _at(context, kept(context, DRAFT).get("task", ""), location)


@router.location(Present(), to=CheckIn.proof)
async def take_location_unasked(location: Location, context: Context, task: str) -> Reply:
    keep(context, DRAFT, task=task)
    return await _at(context, task, location)


async def _at(context: Context, number: str, location: Location) -> Reply:
    position = Position(location.lat, location.lon, location.accuracy, location.forwarded)
    return arrived(await checkins.by_location(context, number, position))


@router.message(Phrase("check_out"))
async def sign_out(message: Text, context: Context, task: str) -> Reply:
    return _gone(await checkins.check_out(context, task))


@router.message(Phrase("check_out_any"))
async def sign_out_of_the_one(message: Text, context: Context) -> Reply:
    found = await checkins.at_work(context)
    return _gone(await checkins.check_out(context, found.id)) if found else Say(screen("check_out.which"))


@router.press(Do.check_out, where="private")
async def sign_out_pressed(press: Press, context: Context, task: str) -> Reply:
    return _gone(await checkins.check_out(context, task))


def _gone(left: checkins.Departure) -> Reply:
    return Say(screen("check_out.done", number=left.task.short_no, hours=left.claim.hours))


@router.message(Phrase("proxy"))
async def sign_in_for(message: Text, context: Context, task: str, name: str) -> Reply:
    arrival = await checkins.by_proxy(context, task, name)
    return Say(screen("check_in.proxy_done", name=name, number=arrival.task.short_no))


@router.message(Phrase("proxy_out"))
async def sign_out_for(message: Text, context: Context, task: str, name: str) -> Reply:
    left = await checkins.check_out(context, task, name)
    verify = [Button("verify.press", Do.verify(left.claim.id))]
    return Say(screen("check_out.proxy_done", verify, name=name, number=left.task.short_no, hours=left.claim.hours))


@router.press(Do.approve_check_in, where="private")
async def decide(press: Press, context: Context, check_in: str, answer: str) -> Reply:
    arrival = await checkins.decide(context, check_in, answer)
    key = "check_in.decided_yes" if arrival.record.verdict == "MANUAL_OK" else "check_in.decided_no"
    return Say(screen(key, number=arrival.task.short_no), clear=True)
