"""When the year of promises happens (domain.md §5 Commitment), and the one job that sets its alarms.

Every moment follows from the workdays of the year; when they change (a year's official list is entered) `plan` sets what follows anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import Occurrence
from services.alarms import set_alarm
from services.context import Context, Refusal
from services.promise_lines import words
from services.workdays import DAY_END, ZONE, Calendar, local

AT = time(9)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PromiseYear:
    """The moments of one year of promises."""

    calendar: Calendar
    year: int

    @property
    def opens(self) -> datetime:
        """09:00 of the first workday of January."""
        return self._at(self.calendar.next_workday(date(self.year, 1, 1)))

    @property
    def closes(self) -> datetime:
        """17:30 of the last workday of February."""
        return datetime.combine(self.calendar.previous_workday(date(self.year, 3, 1) - _DAY), DAY_END, ZONE)

    @property
    def reminders(self) -> list[datetime]:
        """09:00, three and one workdays before the last day."""
        return [self._at(self.calendar.add(self.closes, -days)) for days in words()["year"]["remind_workdays"]]

    @property
    def nudges(self) -> list[datetime]:
        """One in each of the later quarters."""
        return [self._at(self.calendar.previous_workday(date(self.year, month, day))) for month, day in words()["year"]["nudges"]]

    @property
    def review(self) -> datetime:
        """When the year-end round opens."""
        return self._at(self._day("review"))

    @property
    def report_due(self) -> datetime:
        """The last moment of self reports."""
        return datetime.combine(self._day("report"), DAY_END, ZONE)

    @property
    def report_reminder(self) -> datetime:
        """09:00 three workdays before that."""
        return self._at(self.calendar.add(self._day("report"), -words()["year"]["report_remind_workdays"]))

    @property
    def votes_open(self) -> datetime:
        """From when promises are voted on."""
        return self._at(self._day("votes_open"))

    @property
    def votes_end(self) -> datetime:
        """The first moment after the last day of votes."""
        return datetime.combine(self._day("votes_close") + _DAY, time(), ZONE)

    @property
    def proposals(self) -> datetime:
        """When those who confirm hear what to confirm: the first workday after the votes."""
        return self._at(self.calendar.next_workday(self._day("votes_close") + _DAY))

    @property
    def confirm_due(self) -> datetime:
        """By when results are confirmed."""
        return datetime.combine(self._day("confirm"), DAY_END, ZONE)

    @property
    def confirm_reminder(self) -> datetime:
        """The morning of that day, or of the workday before."""
        return self._at(self.calendar.previous_workday(self._day("confirm")))

    @property
    def publish(self) -> datetime:
        """When results are published."""
        return self._at(self._day("publish"))

    @property
    def alarms(self) -> Mapping[str, list[datetime]]:
        """Each job of the year with its moments."""
        return {
            "commitment_window": [self.opens], "commitment_reminder": self.reminders, "commitment_window_end": [self.closes],
            "commitment_nudge": self.nudges, "commitment_review": [self.review], "commitment_report_reminder": [self.report_reminder],
            "commitment_report_end": [self.report_due], "commitment_votes": [self.votes_open], "commitment_proposals": [self.proposals],
            "commitment_confirm_reminder": [self.confirm_reminder], "commitment_results": [self.publish],
        }  # fmt: skip

    def _day(self, name: str) -> date:
        month, day = words()["year"][name]
        return date(self.year, month, day)

    @staticmethod
    def _at(day: date) -> datetime:
        return datetime.combine(day, AT, ZONE)


def year_of(context: Context, year: int | None = None) -> PromiseYear:
    """The moments of a year, this one by default."""
    return PromiseYear(context.calendar, year or local(context.now).year)


def require_window(context: Context, *, late_allowed: bool = False) -> PromiseYear:
    """This year's moments while promises may be written. Raises Refusal before and after; `late_allowed`: until the year-end round."""
    year = year_of(context)
    if context.now < datetime.combine(year.opens.date(), time(), ZONE):
        raise Refusal("promise.too_early", day=year.opens.date())
    if context.now > (year.review if late_allowed else year.closes):
        raise Refusal("promise.too_late", year=str(year.year), due=year.closes)
    return year


async def plan(context: Context, _subject: str) -> str:
    """Every night: the alarms of this year and the next stand at the moments that the calendar gives now; nothing is set that is over."""
    this = local(context.now).year
    years = [year_of(context, year) for year in (this, this + 1)]
    wanted = {(job, str(year.year), due.astimezone(UTC)) for year in years for job, moments in year.alarms.items() for due in moments}
    jobs = sorted({job for job, _, _ in wanted})
    here = (col(Occurrence.job).in_(jobs), col(Occurrence.subject).in_([str(year.year) for year in years]))
    query = sa.select(col(Occurrence.job), col(Occurrence.subject), col(Occurrence.due), col(Occurrence.state)).where(*here)
    known = {(row.job, row.subject, row.due): row.state for row in await context.session.execute(query)}
    for (job, subject, due), state in known.items():
        stands = "due" if (job, subject, due) in wanted else "dropped"
        if state in ("due", "dropped") and state != stands and due > context.now:
            it = (
                col(Occurrence.job) == job,
                col(Occurrence.subject) == subject,
                col(Occurrence.due) == due,
                col(Occurrence.state) == state,
            )
            moved = sa.update(Occurrence).where(*it).values(state=stands, outcome="" if stands == "due" else stands)
            await context.session.execute(moved.execution_options(synchronize_session=False))
    fresh = sorted(alarm for alarm in wanted if alarm not in known and alarm[2] > context.now)
    for job, subject, due in fresh:
        await set_alarm(context, job, subject, due)
    return f"{len(fresh)} set"
