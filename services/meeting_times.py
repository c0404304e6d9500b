"""When what happens around a meeting, counted in workdays from its date; pure functions (domain.md §1 Reminder shift, §5 Meeting)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.periods import Quarter
from services.workdays import DAY_END, ZONE, Calendar, local

MORNING = time(9)
TOPICS_DAYS_BEFORE = 15
CLOSE_WORKDAYS, NOTICE_WORKDAYS, SECOND_ASK_WORKDAYS = 4, 3, 1
DAY_OF_BEFORE = timedelta(hours=2)
AT_WORK_AFTER = timedelta(hours=1)
UNSCHEDULED_WORKDAYS = (20, 10, 3)
DRAFT_WORKDAYS, CONFIRM_WORKDAYS, CORRECT_WORKDAYS = 3, 5, 2
ACTION_WORKDAYS = 3
TALK_NOTICE, TALK_COLLECTION = time(17), time(20)
_THURSDAY = 3


@dataclass(frozen=True, slots=True)
class MeetingTimes:
    """The moments of one planned meeting."""

    topics: datetime
    agenda: datetime
    notice: datetime
    second_ask: datetime
    day_of: datetime


def at(day: date, clock: time = MORNING) -> datetime:
    """The moment on the community's clock."""
    return datetime.combine(day, clock, ZONE)


def of_meeting(calendar: Calendar, planned: datetime) -> MeetingTimes:
    """Topics from 15 calendar days before (a day off goes back to a workday), closed at 17:30 of T-4, notice T-3, asked again T-1."""
    day = local(planned).date()
    return MeetingTimes(
        topics=at(calendar.previous_workday(day - timedelta(days=TOPICS_DAYS_BEFORE))),
        agenda=at(calendar.add(day, -CLOSE_WORKDAYS), DAY_END),
        notice=at(calendar.add(day, -NOTICE_WORKDAYS)),
        second_ask=at(calendar.add(day, -SECOND_ASK_WORKDAYS)),
        day_of=local(planned) - DAY_OF_BEFORE,
    )


def unopened_at(calendar: Calendar, planned: datetime) -> datetime:
    """When to ask about a meeting that nobody opened: 17:30 of its day, or 09:00 of the next workday for one that began late in it.

    Never in the quarter after, in which nothing can be entered any more: then an hour after it was to begin.
    """
    day, asked = local(planned).date(), local(planned) + AT_WORK_AFTER
    if asked <= at(day, DAY_END):
        return at(day, DAY_END)
    following = calendar.add(day, 1)
    return at(following) if Quarter.of(following) == Quarter.of(day) else asked


def last_day(quarter: Quarter) -> date:
    """The last date of the quarter."""
    return (quarter.end - timedelta(days=1)).date()


def days_between(first: date, last: date) -> list[date]:
    """Every date from first to last, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def to_schedule(calendar: Calendar, quarter: Quarter) -> tuple[datetime, ...]:
    """When to remind that the quarter has no date yet: first workday of its second month, then 20, 10 and 3 workdays before its end."""
    first = quarter.begin.date()
    second_month = date(first.year, first.month + 1, 1)
    days = [calendar.next_workday(second_month), *(calendar.add(last_day(quarter), -number) for number in UNSCHEDULED_WORKDAYS)]
    return tuple(at(day) for day in days)


def missed_at(calendar: Calendar, quarter: Quarter) -> datetime:
    """When a quarter without its meeting is called missed: 09:00 of the first workday after it."""
    return at(calendar.next_workday(quarter.end.date()))


def alternatives(calendar: Calendar, day: date, quarter: Quarter | None, today: date) -> tuple[date, ...]:
    """The nearest workdays before and after a day off: not before today, and never outside the quarter (None: any)."""
    near = (calendar.previous_workday(day), calendar.next_workday(day))
    return tuple(one for one in near if one >= today and (quarter is None or Quarter.of(one) == quarter))


def action_times(calendar: Calendar, due: datetime) -> tuple[datetime, datetime, datetime]:
    """When the owner of a decision is reminded: three workdays before (a workday by itself), that morning, and the workday after.

    A due date that is a day off is reminded of on the workday before it (domain.md §1, Reminder shift).
    """
    day = local(due).date()
    return at(calendar.add(day, -ACTION_WORKDAYS)), at(calendar.previous_workday(day)), at(calendar.add(day, 1))


def next_talk(calendar: Calendar, now: datetime) -> datetime:
    """The collection of the next every-Thursday talk that can still be booked: 20:00 of a Thursday that is a workday."""
    today = local(now).date()
    day = today + timedelta(days=(_THURSDAY - today.weekday()) % 7)
    while not calendar.is_workday(day) or at(day, TALK_COLLECTION) <= now:
        day += timedelta(days=7)
    return at(day, TALK_COLLECTION)


def talk_notice(collection: datetime) -> datetime:
    """When a talk is announced: at 17:00 of the day before."""
    return at(local(collection).date() - timedelta(days=1), TALK_NOTICE)
