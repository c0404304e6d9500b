"""The promises of the demo's record as rows with the history that their dates imply.

The record knows the day of each code and of its publication, and which items were kept at its clock. So: handed in on the day of the code
from 09:00 on, published in the same order from 15:00 on; what is kept was noted as done on the last workday before the item's date, or
before the clock of the record where that is earlier; on 1 December the year-end round opened, on the 15th it closed. Whom an item
serves is not in every text of the record: then it is 社区居民.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from demo.people import Cast, read
from demo.steps import moved
from models import Commitment, StateLog
from models.lifecycle import NEW
from services.promise_calendar import PromiseYear
from services.promise_lines import read_item
from services.workdays import ZONE, Calendar, local

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBMITTED_FROM, PUBLISHED_FROM, NOTED_AT = time(9), time(15), time(16)
_KINDS = {"branch": "org"}
_EVERYBODY = "社区居民"


def add(cast: Cast, clock: datetime) -> tuple[list[StateLog], list[str]]:
    """The promises made by the cast's `now`, into its rows; their history, and their codes. `clock`: the moment of the record."""
    logs: list[StateLog] = []
    codes: list[str] = []
    for number, entry in enumerate(read("commitments")):
        owner = _owner(cast, entry)
        if owner is not None and _at(_day(entry), SUBMITTED_FROM, number) <= cast.now:
            logs += _promise(cast, entry, owner, number, clock)
            codes.append(entry["code"])
    return logs, codes


def _owner(cast: Cast, entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """(the owner as Commitment has it, who wrote); None for a member who has not come yet."""
    data = read("community")
    match entry["owner_kind"]:
        case "member":
            person = cast.people.get(entry["owner"])
            return (person.id, person.id) if person else None
        case "unit":
            liaison = next(unit["liaison"] for unit in data["units"] if unit["id"] == entry["owner"])
            return entry["owner"], cast.people[liaison].id
    grid = next(grid for grid in data["grids"] if grid["branch"] == entry["owner"])
    return grid["code"], cast.people[grid["leader"]].id


def _day(entry: Mapping[str, Any]) -> str:
    return str(entry["code"]).split("-")[1]


def _at(day: str, start: time, number: int) -> datetime:
    """The moment on a day, a minute for each promise before this one."""
    return datetime.combine(date.fromisoformat(day), start, ZONE) + timedelta(minutes=number)


def _promise(cast: Cast, entry: Mapping[str, Any], owner: tuple[str, str], number: int, clock: datetime) -> list[StateLog]:
    calendar, year = Calendar(), entry["year"]
    submitted, published = _at(_day(entry), SUBMITTED_FROM, number), _at(entry["published"], PUBLISHED_FROM, number)
    roles = cast.first_roles
    secretary = next(person for person, role in roles.items() if role == "community_secretary")
    home = next((one["grid"] for one in read("community")["members"] if one["id"] == entry["owner"]), None)
    reviewer = cast.people[cast.leaders[home]].id if home else secretary
    promise = Commitment(
        community_id=cast.community.id,
        code=entry["code"],
        owner_kind=_KINDS.get(entry["owner_kind"], entry["owner_kind"]),
        owner=owner[0],
        writer_id=owner[1],
        year=year,
        items=[_item(item["text"], year) for item in entry["items"]],
        state=NEW,
        version=0,
    )
    cast.rows.append(promise)
    steps: list[tuple[datetime, str, str | None, str]] = [
        (submitted, "write", owner[1], ""),
        (submitted, "submit", owner[1], ""),
        (published, "publish", reviewer, ""),
    ]
    for place, item in enumerate(entry["items"]):
        if item["kept"]:
            due = date.fromisoformat(promise.items[place]["due"])
            day = calendar.previous_workday(min(due, local(clock).date() - timedelta(days=1)))
            steps.append((datetime.combine(day, NOTED_AT, ZONE), "progress", owner[1], str(place)))
    rounds = PromiseYear(calendar, year)
    steps += [(rounds.review, "open_review", None, ""), (rounds.report_due, "no_report", None, "")]
    return [_step(promise, step, roles) for step in sorted(steps, key=lambda step: step[0]) if step[0] <= cast.now]


def _item(text: str, year: int) -> dict[str, str]:
    item = read_item(text, year, date(year, 1, 1))
    return item | {
        "what": item["what"] or text.split(",")[0],
        "for_whom": item["for_whom"] or _EVERYBODY,
        "due": item["due"] or f"{year}-12-31",
    }


def _step(promise: Commitment, step: tuple[datetime, str, str | None, str], roles: Mapping[str, str]) -> StateLog:
    """Take one step as the table of lives has it. Raises LookupError for one that it does not have."""
    at, event, who, place = step
    log = moved(promise, event, at, (who, roles[who] if who else "scheduler"))
    if event == "submit":
        promise.submitted_at = at
    if event == "publish":
        promise.published_at, promise.reviewed_by = at, who
    if event == "progress":
        promise.items[int(place)]["done_on"] = local(at).date().isoformat()
    return log
