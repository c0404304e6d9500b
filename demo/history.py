"""What happened to a demo problem, step by step, read from the few moments that its record keeps.

The steps are those of models/lifecycle.py, so that what a problem is at any moment follows from the steps up to then,
and undoing the later ones is leaving them out. Where the record has no moment for a step, these rules give a plausible
one:

* **assign**: ten minutes after acceptance, unless it was resolved by then.
* **escalate** to the community: a late problem by the program at 17:35 of the first workday after its deadline
  (domain.md §6) where that came before its result, else by the grid leader at 17:35 of the day it was due; any other by
  the grid leader half an hour after acceptance. To the street: by the coordinator at 09:30 of the next workday.
* **suspend**: by the secretary at 10:00 of the workday after the last of these.
* **reopen**: the last time as many workdays before the result as its class has for a reopened one, at 18:00 of a day on
  which it had been resolved at 16:00; the times before that in the same way. A last answer that is poor is itself a
  reopening, and the end an explanation.
* **merge, reject**: half an hour of work time at the desk after it came in.

Working deadlines stay those of the record, which has one: escalating and reopening do not move them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from services.workdays import SERVICE_LEVELS, WORK_HOURS, ZONE, Calendar, local
from texts.answers import meaning

ASSIGNED_AFTER = timedelta(minutes=10)
HANDED_UP_AFTER = timedelta(minutes=30)
AT_THE_DESK = timedelta(minutes=30)
ESCALATION = time(17, 35)
STREET_AT, SUSPENDED_AT, REVIEW_AT = time(9, 30), time(10), time(9)
RESOLVED_AT, REOPENED_AT = time(16), time(18)
BY_STAFF = ("offline", "phone")
# The record has no words for a result: what was done, as generally as the group of the category allows (domain.md §2).
RESULTS = {
    "A": "已到现场处理完毕，安全隐患已经排除",
    "B": "已到现场处理完毕，周边环境已经清理",
    "C": "已与物业核实情况，处理意见已经答复",
    "D": "已上门了解情况，与双方协调处理完毕",
    "E": "已到现场处理完毕，设施已经恢复使用",
    "F": "已到现场处理完毕，停放秩序已经恢复",
    "G": "已到现场处理完毕，并要求保持整改",
    "H": "已了解情况并协助办理，结果已经答复",
    "I": "已了解情况，意见已经采纳或者答复",
    "J": "已了解情况，处理意见已经答复",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One move; `fields` are set with it. `by`: reporter, leader (of the grid), coordinator, secretary, scheduler."""

    at: datetime
    event: str
    by: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def moment(written: str) -> datetime:
    """The aware time in a record."""
    return local(datetime.fromisoformat(written))


def _known(written: str | None) -> datetime | None:
    return None if written is None else moment(written)


def history(problem: Mapping[str, Any], calendar: Calendar, recorded_at: datetime) -> list[Step]:
    """Every step of a problem of problems.json in order. `recorded_at`: the moment at which the record was taken."""
    steps = [Step(moment(problem["submitted"]), "submit", "coordinator" if problem["channel"] in BY_STAFF else "reporter")]
    steps += _work(problem, calendar, recorded_at)
    steps += _end(problem, calendar, steps)
    return sorted(steps, key=lambda step: step.at)


def _work(problem: Mapping[str, Any], calendar: Calendar, recorded_at: datetime) -> list[Step]:
    accepted, contact = _known(problem["accepted_at"]), _known(problem["first_contact"])
    if accepted is None:
        return []
    results = _results(problem, calendar)
    steps = [Step(accepted, "accept", "leader", {"accepted_at": accepted})]
    if contact is not None:
        steps.append(Step(contact, "contact", "leader", {"first_contact_at": contact}))
    assigned = accepted + ASSIGNED_AFTER
    if not results or assigned < results[0]:
        steps.append(Step(assigned, "assign", "leader"))
    steps += _escalations(problem, accepted, calendar, recorded_at)
    for number, result in enumerate(results):
        if number:
            asked_again = datetime.combine(results[number - 1].date(), REOPENED_AT, ZONE)
            steps.append(_reopening(asked_again, number))
        unanswered = {"rating": None, "solved": None, "rated_at": None}
        said = RESULTS[problem["category"][0]]
        steps.append(Step(result, "resolve", "leader", {"resolved_at": result, "result": said, **unanswered}))
    return steps


def _grade(problem: Mapping[str, Any]) -> str | None:
    return meaning("grade", problem["rating"]) if problem["rating"] else None


def _results(problem: Mapping[str, Any], calendar: Calendar) -> list[datetime]:
    """The moments at which it was resolved, the last of which the record keeps."""
    last = _known(problem["resolved"])
    if last is None:
        return []
    results, again = [last], SERVICE_LEVELS[problem["class"]].reopen
    workdays = again.amount if again.unit == "workdays" else 1
    for _ in range(problem["reopen_count"] - (_grade(problem) == "poor")):
        results.insert(0, datetime.combine(calendar.add(results[0], -workdays), RESOLVED_AT, ZONE))
    return results


def _reopening(at: datetime, count: int) -> Step:
    return Step(at, "reopen", "reporter", {"rating": "poor", "solved": False, "rated_at": at, "reopen_count": count})


def _escalations(problem: Mapping[str, Any], accepted: datetime, calendar: Calendar, recorded_at: datetime) -> list[Step]:
    if problem["level"] == "grid":
        return []
    due, open_until = moment(problem["resolve_due"]), _known(problem["resolved"]) or recorded_at
    at, by = accepted + HANDED_UP_AFTER, "leader"
    if problem["state"] != "SUSPENDED" and open_until > due:
        at = datetime.combine(calendar.add(due, 1), ESCALATION, ZONE)
        by = "scheduler"
        if at >= open_until:
            at, by = datetime.combine(due.date(), ESCALATION, ZONE), "leader"
    steps = [Step(at, "escalate", by, {"level": "community"})]
    if problem["level"] == "street":
        at = datetime.combine(calendar.add(at, 1), STREET_AT, ZONE)
        steps.append(Step(at, "escalate", "coordinator", {"level": "street"}))
    return steps


def _end(problem: Mapping[str, Any], calendar: Calendar, before: list[Step]) -> list[Step]:
    """The steps that only this end of a problem has; `before` are the earlier ones."""
    rated, closed, at = _known(problem["rated_at"]), _known(problem["closed_at"]), _at_the_desk(before[0].at, calendar)
    match problem["state"]:
        case "CLOSED" if rated is not None and closed is not None:
            if _grade(problem) == "poor":
                ended = {"closed_at": closed, "close_reason": "explained"}
                note = problem["close_reason"] or ""
                return [_reopening(rated, problem["reopen_count"]), Step(closed, "explain", "secretary", ended, note)]
            answers = {"rating": _grade(problem), "solved": problem["solved"], "rated_at": rated}
            ended = {"closed_at": closed, "close_reason": "rated"}
            return [Step(rated, "answer", "reporter", answers), Step(closed, "close", "reporter", ended)]
        case "SUSPENDED":
            review = datetime.combine(datetime.fromisoformat(problem["suspended_until"]).date(), REVIEW_AT, ZONE)
            at = datetime.combine(calendar.add(max(step.at for step in before), 1), SUSPENDED_AT, ZONE)
            return [Step(at, "suspend", "secretary", {"suspended_until": review}, problem["note"] or "")]
        case "MERGED":
            merged = {"closed_at": at, "level": problem["level"], "merged_into": problem["merged_into"]}
            return [Step(at, "merge", "leader", merged, problem["merged_into"])]
        case "REJECTED":
            reason = meaning("reject", problem["close_reason"])
            return [Step(at, "reject", "coordinator", {"closed_at": at, "close_reason": reason}, reason or "")]
        case "WITHDRAWN":
            withdrawn = moment(problem["withdrawn_at"])
            return [Step(withdrawn, "withdraw", "reporter", {"closed_at": withdrawn, "close_reason": "withdrawn"})]
    return []


def _at_the_desk(submitted: datetime, calendar: Calendar) -> datetime:
    """Half an hour after the first work time from `submitted` on (domain.md §1)."""
    day = submitted.date()
    while True:
        if calendar.is_workday(day):
            for opens, closes in WORK_HOURS:
                at = max(submitted, datetime.combine(day, opens, ZONE)) + AT_THE_DESK
                if at <= datetime.combine(day, closes, ZONE):
                    return at
        day += timedelta(days=1)
