"""Workdays and deadlines: the examples of domain.md and of the demo community, and what holds for every date."""

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.workdays import (
    SERVICE_LEVELS,
    ZONE,
    Calendar,
    Day,
    Term,
    after_quiet,
    deadlines,
    due_hours,
    local,
    quiet,
)

PROBLEMS = json.loads((Path(__file__).parents[1] / "demo" / "problems.json").read_text("utf-8"))
CALENDAR = Calendar()
MOMENTS = st.datetimes(datetime(1949, 1, 1), datetime(2100, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize("problem", PROBLEMS, ids=[problem["code"] for problem in PROBLEMS])
def test_the_demo_deadlines_follow_from_submission_and_class(problem: dict[str, str]) -> None:
    contact_due, resolve_due = deadlines(problem["class"], datetime.fromisoformat(problem["submitted"]), CALENDAR)
    assert contact_due.isoformat() == problem["contact_due"]
    assert resolve_due.isoformat() == problem["resolve_due"]


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-02-28", True),  # a Saturday that makes up for the Spring Festival
        ("2026-09-20", True),
        ("2026-09-25", False),
        ("2026-09-26", False),
        ("2026-09-27", False),
        ("2026-10-01", False),
        ("2026-10-07", False),
        ("2026-10-08", True),
        ("2026-10-10", True),
        ("2026-10-11", False),
        ("2026-11-23", True),
        ("2005-12-31", True),  # the list of 2006 moved a weekend of 2005
        ("2027-01-01", False),
        ("2027-10-01", False),
    ],
)
def test_days_of_the_official_list(day: str, works: bool) -> None:
    assert CALENDAR.is_workday(date.fromisoformat(day)) is works


def test_only_years_with_an_official_list_are_certain() -> None:
    certain = [year for year in range(1949, 2101) if not CALENDAR.is_provisional(date(year, 6, 1))]
    assert certain[0] == 2001
    assert certain == list(range(2001, certain[-1] + 1))
    assert certain[-1] >= 2026


def by_law(year: int) -> dict[date, bool]:
    """The holidays of the law as a list of that year has them."""
    return dict.fromkeys(holidays.country_holidays("CN", years=year, expand=False, observed=False), False)


def test_an_entered_year_is_certain_and_goes_first() -> None:
    last = date(2099, 12, 31)
    calendar = Calendar(by_law(2099) | {date(2099, 1, 3): True, date(2099, 3, 4): False})
    assert CALENDAR.is_provisional(last)
    assert not calendar.is_provisional(last)
    assert calendar.is_provisional(date(2098, 12, 31))
    assert (CALENDAR.is_workday(date(2099, 1, 3)), calendar.is_workday(date(2099, 1, 3))) == (False, True)
    assert (CALENDAR.is_workday(date(2099, 3, 4)), calendar.is_workday(date(2099, 3, 4))) == (True, False)
    assert not calendar.is_workday(date(2099, 10, 1))


@pytest.mark.parametrize("gone", [None, *sorted(by_law(2027))])
def test_a_year_is_certain_with_its_whole_list_alone(gone: date | None) -> None:
    """A few days of a year (a typhoon's, a half-entered list) count as days, and the rest of it stays provisional (domain.md §1)."""
    entered = {day: works for day, works in by_law(2027).items() if day != gone} | {date(2027, 3, 4): False}
    weekend = gone is not None and gone.weekday() >= 5
    assert Calendar(entered).is_provisional(date(2027, 7, 1)) is (gone is not None and not weekend)
    alone = Calendar({date(2027, 3, 4): False})
    assert (alone.is_provisional(date(2027, 3, 4)), alone.is_workday(date(2027, 3, 4))) == (True, False)


def test_an_entered_day_moves_a_deadline() -> None:
    start = at("2026-11-23T10:00")
    assert CALENDAR.due(start, 1) == at("2026-11-24T17:30")
    assert Calendar({date(2026, 11, 24): False}).due(start, 1) == at("2026-11-25T17:30")
    assert Calendar({date(2026, 11, 28): True}).due(start, 5) == at("2026-11-28T17:30")


def test_a_day_is_described() -> None:
    holiday = CALENDAR.day(date(2026, 10, 1))
    assert holiday == Day(date(2026, 10, 1), is_workday=False, name="国庆节", provisional=False)
    assert CALENDAR.day(date(2026, 2, 28)) == Day(date(2026, 2, 28), is_workday=True, name="", provisional=False)
    assert CALENDAR.day(date(2099, 10, 1)).provisional


@pytest.mark.parametrize("year", [1, 1900, 1949, 1950, 2000, 2098, 2100, 2101, 9998])
def test_no_year_raises(year: int) -> None:
    assert not CALENDAR.is_workday(date(year, 10, 1))
    assert CALENDAR.is_provisional(date(year, 10, 1))
    assert CALENDAR.add(date(year, 6, 1), 30) > date(year, 7, 1)


def test_years_without_a_list_still_have_weekends_and_fixed_holidays() -> None:
    assert not CALENDAR.is_workday(date(2101, 5, 2))
    assert not CALENDAR.is_workday(date(2101, 1, 8))  # a Saturday
    assert CALENDAR.is_workday(date(2101, 1, 10))


def test_a_provisional_year_is_noticed_only_when_counted_through() -> None:
    assert not CALENDAR.provisional_between(at("2026-09-01T08:00"), at("2026-12-31T17:30"))
    entered = Calendar(by_law(2097))
    assert not entered.provisional_between(date(2097, 1, 1), date(2097, 12, 31))
    assert entered.provisional_between(date(2097, 12, 31), date(2098, 1, 4))
    assert entered.provisional_between(date(2098, 1, 4), date(2097, 12, 31))


def test_the_date_that_counts_is_the_local_one() -> None:
    # 16:30 UTC on Monday is half past midnight on Tuesday.
    assert CALENDAR.due(datetime(2026, 11, 23, 16, 30, tzinfo=UTC), 1) == at("2026-11-25T17:30")
    assert local(datetime(2026, 11, 23, 16, 30, tzinfo=UTC)).isoformat() == "2026-11-24T00:30:00+08:00"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        local(datetime(2026, 11, 23))  # noqa: DTZ001


def test_counting_back_and_shifting() -> None:
    assert CALENDAR.add(date(2026, 11, 22), 0) == date(2026, 11, 22)
    assert CALENDAR.add(date(2026, 12, 15), -3) == date(2026, 12, 10)  # the commitment reminder of domain.md §5
    assert CALENDAR.add(date(2026, 2, 28), -3) == date(2026, 2, 25)
    assert CALENDAR.previous_workday(date(2026, 10, 5)) == date(2026, 9, 30)
    assert CALENDAR.next_workday(date(2026, 10, 5)) == date(2026, 10, 8)
    assert CALENDAR.previous_workday(date(2026, 10, 10)) == CALENDAR.next_workday(date(2026, 10, 10))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-20T17:30", 0),
        ("2026-11-20T23:00", 0),
        ("2026-11-22T20:00", 0),
        ("2026-11-23T17:29:59", 0),
        ("2026-11-23T17:30", 1),
        ("2026-11-24T09:00", 1),
        ("2026-11-24T17:30", 2),
        ("2026-11-19T17:30", 0),
    ],
)
def test_overdue_workdays(now: str, expected: int) -> None:
    assert CALENDAR.overdue_workdays(at("2026-11-20T17:30"), at(now)) == expected


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-11-23T09:00", "2026-11-23T17:30", 7),
        ("2026-11-23T11:00", "2026-11-23T14:00", 1.5),
        ("2026-11-23T12:00", "2026-11-23T13:30", 0),
        ("2026-11-20T16:30", "2026-11-23T10:00", 2),
        ("2026-09-30T17:00", "2026-10-08T09:30", 1),
        ("2026-11-23T10:00", "2026-11-23T09:00", 0),
        ("2026-11-24T10:00", "2026-11-23T10:00", 0),
    ],
)
def test_work_hours(start: str, end: str, hours: float) -> None:
    assert CALENDAR.work_hours_between(at(start), at(end)) == timedelta(hours=hours)


def test_quiet_hours() -> None:
    assert [quiet(at(f"2026-11-23T{clock}")) for clock in ("20:59:59", "21:00", "00:00", "07:59:59", "08:00")] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert after_quiet(at("2026-11-23T21:00")) == at("2026-11-24T08:00")
    assert after_quiet(at("2026-11-24T07:59")) == at("2026-11-24T08:00")
    noon = datetime(2026, 11, 24, 4, tzinfo=UTC)
    assert after_quiet(noon) is noon


def test_the_service_levels_are_those_of_the_contract() -> None:
    promised = {
        code: (level.contact, level.resolve, level.reopen, level.acknowledge, level.extendable) for code, level in SERVICE_LEVELS.items()
    }
    day, three, five = Term(1, "workdays"), Term(3, "workdays"), Term(5, "workdays")
    assert promised == {
        "P1": (Term(2, "hours"), Term(24, "hours"), Term(24, "hours"), timedelta(minutes=30), False),
        "P2": (Term(24, "hours"), three, three, None, False),
        "P3": (day, five, three, None, True),
        "P4": (day, Term(15, "workdays"), five, None, True),
        "P5": (day, day, day, None, False),
    }
    assert all(code == level.code for code, level in SERVICE_LEVELS.items())


@given(start=MOMENTS, workdays=st.integers(1, 40))
def test_a_due_is_half_past_five_of_a_workday_and_counts_exactly(start: datetime, workdays: int) -> None:
    due = CALENDAR.due(start, workdays)
    assert due.tzinfo is ZONE
    assert due.time() == time(17, 30)
    assert CALENDAR.is_workday(due.date())
    day, counted = local(start).date(), 0
    while day < due.date():
        day += timedelta(days=1)
        counted += CALENDAR.is_workday(day)
    assert counted == workdays


@given(start=MOMENTS, workdays=st.integers(1, 40))
def test_counting_back_undoes_counting_forward_between_workdays(start: datetime, workdays: int) -> None:
    first = CALENDAR.next_workday(local(start).date())
    assert CALENDAR.add(CALENDAR.add(first, workdays), -workdays) == first


@given(start=MOMENTS, hours=st.integers(0, 200))
def test_natural_hours_are_time_that_passes(start: datetime, hours: int) -> None:
    assert due_hours(start, hours).astimezone(UTC) - start == timedelta(hours=hours)


@given(now=MOMENTS)
def test_nothing_waits_longer_than_the_quiet_hours(now: datetime) -> None:
    later = after_quiet(now)
    assert not quiet(later)
    assert timedelta() <= later.astimezone(UTC) - now <= timedelta(hours=12)


@given(now=MOMENTS, days=st.integers(0, 60))
def test_overdue_agrees_with_its_definition(now: datetime, days: int) -> None:
    due = now - timedelta(days=days)
    today = local(now).date()
    passed = [local(due).date() + timedelta(days=offset) for offset in range(1, days + 2)]
    expected = sum(CALENDAR.is_workday(day) for day in passed if day < today)
    if days and CALENDAR.is_workday(today) and local(now).time() >= time(17, 30):
        expected += 1
    assert CALENDAR.overdue_workdays(due, now) == expected
