"""The one table of jobs: what happens by the clock. A job without a time table happens when an alarm was set for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from services import (
    actions,
    checkins,
    claims,
    deadlines,
    digests,
    echo_wall,
    enrolments,
    holidays,
    ledgers,
    meeting_jobs,
    minutes,
    posts,
    privacy,
    problems,
    promise_calendar,
    promise_form,
    promise_jobs,
    purge,
    ratings,
    record_cards,
    recurrence,
    reviews,
    talks,
    tasks,
    upkeep,
    verifying,
    widening,
)
from services.context import Context


@dataclass(frozen=True, slots=True)
class Job:
    """`run(context, subject)` happens at each due time; `crontab` (Asia/Shanghai, 0 = Monday) or "" for alarms that services set.

    `late`: after a downtime run "once" for the latest missed time, or "every" missed time. Returns what is recorded as the outcome.
    """

    name: str
    crontab: str
    run: Callable[[Context, str], Awaitable[object]]
    late: Literal["once", "every"] = "once"


# fmt: off
_TABLE = (
    Job("privacy_purge",   "0 3 * * *", purge.nightly),
    Job("dead_letters",    "",          upkeep.report_dead_letters),
    Job("review_reminder", "",          reviews.remind_due),
    Job("resume_problem",  "",          problems.resume_due),
    Job("rating_reminder", "",          ratings.remind_due),
    Job("rating_expiry",   "",          ratings.expire_due),
    Job("report_unfilled", "",          claims.report_unfilled),
    Job("expire_offer",    "",          claims.expire_offer),
    Job("refresh_card",    "",          tasks.refresh_card),
    Job("end_of_task",     "",          claims.end_of_task),
    Job("check_out_rest",  "",          checkins.check_out_rest),
    Job("verify_alone",    "",          verifying.verify_alone),
    Job("enrolment_due",   "",          enrolments.remind_due),
    Job("end_post_term",   "",          posts.end_term),
    Job("record_cards",    "0 15 25-31 3,6,9,12 *", record_cards.quarter_end),
    Job("unit_record_cards", "",        record_cards.hand_out),
    Job("deletions",       "10 3 * * *", privacy.finish_pending),
    Job("forget_chat",     "",          privacy.forget_chat),
    Job("daily_digest",    "30 8 * * *", digests.daily),
    Job("grid_digest",     "30 8 * * *", digests.grids),
    Job("monthly_ledger",  "0 9 * * *", ledgers.monthly),
    Job("deadline_nag",    "",          deadlines.nag),
    Job("escalate_overdue", "",         deadlines.escalate_overdue),
    Job("acknowledge_urgent", "",       deadlines.acknowledge_urgent),
    Job("recurrence",      "",          recurrence.find),
    Job("secretary_contact", "",        ratings.remind_secretary),
    Job("widen_task",      "",          widening.widen),
    Job("holiday_data",    "0 9 * * *", holidays.report_missing),
    Job("echo_wall",       "30 17 * * *", echo_wall.daily),
    Job("meeting_placeholder", "5 0 * * *", meeting_jobs.open_quarter),
    Job("meeting_unscheduled", "",      meeting_jobs.remind_to_schedule),
    Job("meeting_missed",  "",          meeting_jobs.call_missed),
    Job("meeting_topics",  "",          meeting_jobs.call_topics),
    Job("meeting_agenda",  "",          meeting_jobs.close_topics),
    Job("meeting_notice",  "",          meeting_jobs.give_notice),
    Job("meeting_second_ask", "",       meeting_jobs.ask_again),
    Job("meeting_day_of",  "",          meeting_jobs.remind_today),
    Job("meeting_unopened", "",         meeting_jobs.ask_if_held),
    Job("minutes_draft",   "",          minutes.remind_draft),
    Job("minutes_confirm", "",          minutes.remind_confirm),
    Job("action_reminder", "",          actions.remind),
    Job("talk_notice",     "0 17 * * 2", talks.announce),
    Job("talk_collection", "0 20 * * 3", talks.collect),
    # Promises: one plan sets the alarms of the year (services/promise_calendar.py says when).
    Job("commitment_year",             "5 0 * * *", promise_calendar.plan),
    Job("commitment_window",           "", promise_jobs.open_window),
    Job("commitment_reminder",         "", promise_jobs.remind_writers),
    Job("commitment_window_end",       "", promise_jobs.close_window),
    Job("commitment_review_due",       "", promise_form.remind_reviewer),
    Job("commitment_nudge",            "", promise_jobs.nudge),
    Job("commitment_review",           "", promise_jobs.open_review),
    Job("commitment_report_reminder",  "", promise_jobs.remind_report),
    Job("commitment_report_end",       "", promise_jobs.end_reports),
    Job("commitment_votes",            "", promise_jobs.open_votes),
    Job("commitment_proposals",        "", promise_jobs.send_proposals),
    Job("commitment_confirm_reminder", "", promise_jobs.remind_confirming),
    Job("commitment_results",          "", promise_jobs.publish_results),
)
# fmt: on

JOBS: dict[str, Job] = {job.name: job for job in _TABLE}
