"""Every life as one table: which event moves which object from which state to which, and who may do it (domain.md §5).

`by` names relations of the actor to the object (services.permissions): reporter, grid_leader (of the object's grid), coordinator (also
clerk and secretary), secretary, scheduler, claimer, leader (of the task), creator, member, resident (who ordered), applicant (whose
enrolment it is; a unit's liaison), team_leader (of a team the claimer is in), owner (of a commitment or an action; a unit's liaison),
reviewer (the secretary of the branch, or of the community), street. A secretary may do whatever a coordinator may, a coordinator whatever a
grid leader may. `needs` names guards that the service checks before it moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

NEW = "-"
SAME = "="


@dataclass(frozen=True, slots=True)
class Move:
    """One row: `event` takes an object from one of `source` to `target` (SAME: the state stays) when one of `by` does it."""

    event: str
    source: tuple[str, ...]
    target: str
    by: tuple[str, ...]
    needs: tuple[str, ...] = ()

    def ends_in(self, source: str) -> str:
        """The state after this move from `source`."""
        return source if self.target == SAME else self.target


@dataclass(frozen=True, slots=True)
class Life:
    """One kind of object: its states (open ones first), its moves, and which states are open."""

    kind: str
    states: tuple[str, ...]
    open: tuple[str, ...]
    moves: tuple[Move, ...]

    def find(self, event: str, source: str) -> Move | None:
        """The row for `event` in state `source`, or None when the table refuses it."""
        return next((move for move in self.moves if move.event == event and source in move.source), None)

    def events(self) -> Iterator[str]:
        """The events of this life, each once, in the table's order."""
        return iter(dict.fromkeys(move.event for move in self.moves))


def _m(event: str, source: str, target: str, by: str, needs: str = "") -> Move:
    return Move(event, tuple(source.split("|")), target, tuple(by.split("|")), tuple(needs.split()) if needs else ())


_STAFF = "grid_leader|coordinator"
_PROBLEM_OPEN = "SUBMITTED|ACCEPTED|IN_PROGRESS|RESOLVED|SUSPENDED"

# fmt: off
PROBLEM = Life(
    "problem",
    states=("SUBMITTED", "ACCEPTED", "IN_PROGRESS", "RESOLVED", "SUSPENDED", "CLOSED", "MERGED", "REJECTED", "WITHDRAWN"),
    open=("SUBMITTED", "ACCEPTED", "IN_PROGRESS", "RESOLVED", "SUSPENDED"),
    moves=(
        _m("submit",      NEW,                              "SUBMITTED",   "reporter|" + _STAFF,  "place"),
        _m("accept",      "SUBMITTED",                      "ACCEPTED",    _STAFF),
        _m("contact",     _PROBLEM_OPEN,                    SAME,          _STAFF),
        _m("reject",      "SUBMITTED",                      "REJECTED",    "coordinator",         "listed_reason secretary_after_appeal"),
        _m("appeal",      "REJECTED",                       "SUBMITTED",   "reporter",            "first_appeal"),
        _m("merge",       "SUBMITTED|ACCEPTED",             "MERGED",      _STAFF,                "open_parent"),
        _m("withdraw",    "SUBMITTED|ACCEPTED",             "WITHDRAWN",   "reporter",            "not_urgent"),
        _m("false_alarm", "SUBMITTED|ACCEPTED",             "WITHDRAWN",   "reporter",            "urgent ten_minutes"),
        _m("detach",      "SUBMITTED|ACCEPTED|IN_PROGRESS", SAME,          "reporter",            "urgent"),
        _m("assign",      "ACCEPTED",                       "IN_PROGRESS", _STAFF),
        _m("assign",      "IN_PROGRESS",                    SAME,          _STAFF),
        _m("escalate",    "ACCEPTED|IN_PROGRESS",           SAME,          _STAFF + "|scheduler", "reason not_at_top"),
        _m("escalate",    "SUBMITTED",                      SAME,          "scheduler",           "overdue not_at_top"),
        _m("return",      "SUBMITTED|ACCEPTED|IN_PROGRESS", SAME,          "coordinator",         "reason above_grid first_return"),
        _m("extend",      "IN_PROGRESS",                    SAME,          "secretary",           "extendable before_due first_extension"),
        _m("suspend",     "SUBMITTED|ACCEPTED|IN_PROGRESS", "SUSPENDED",   "secretary",           "reason six_months"),
        _m("resume",      "SUSPENDED",                      "IN_PROGRESS", "coordinator|scheduler"),
        _m("resolve",     "SUBMITTED|ACCEPTED|IN_PROGRESS", "RESOLVED",    _STAFF,                "result_text"),
        _m("answer",      "RESOLVED",                       SAME,          "reporter"),
        _m("close",       "RESOLVED",                       "CLOSED",      "reporter",            "both_answers"),
        _m("reopen",      "RESOLVED",                       "IN_PROGRESS", "reporter"),
        _m("explain",     "IN_PROGRESS",                    "CLOSED",      "secretary",           "reason second_reopening"),
        _m("expire",      "RESOLVED",                       "CLOSED",      "scheduler"),
    ),
)

ORDER = Life(
    "order",
    states=("SUBMITTED", "DISPATCHED", "DONE", "REJECTED", "WITHDRAWN"),
    open=("SUBMITTED", "DISPATCHED"),
    moves=(
        _m("submit",   NEW,          "SUBMITTED",  "resident"),
        _m("approve",  "SUBMITTED",  "DISPATCHED", "coordinator"),
        _m("reject",   "SUBMITTED",  "REJECTED",   "coordinator", "reason"),
        _m("withdraw", "SUBMITTED",  "WITHDRAWN",  "resident"),
        _m("finish",   "DISPATCHED", "DONE",       "scheduler"),
        _m("reoffer",  "DISPATCHED", "SUBMITTED",  "scheduler"),
    ),
)

TASK = Life(
    "task",
    states=("OPEN", "CLAIMED", "UNFILLED", "VERIFIED", "RATED", "CLOSED", "CANCELLED"),
    open=("OPEN", "CLAIMED", "UNFILLED", "VERIFIED", "RATED"),
    moves=(
        _m("publish",  NEW,                     "OPEN",      _STAFF),
        _m("fill",     "OPEN|UNFILLED",         "CLAIMED",   "scheduler",           "full"),
        _m("free",     "CLAIMED",               "OPEN",      "scheduler",           "not_full"),
        _m("widen",    "OPEN",                  SAME,        "scheduler"),
        _m("unfilled", "OPEN",                  "UNFILLED",  "scheduler"),
        _m("verified", "OPEN|CLAIMED|UNFILLED", "VERIFIED",  "scheduler",           "all_verified"),
        _m("rate",     "VERIFIED",              SAME,        "resident|coordinator|grid_leader"),
        _m("rated",    "VERIFIED",              "RATED",     "scheduler",           "both_ratings"),
        _m("close",    "RATED",                 "CLOSED",    "scheduler"),
        _m("cancel",   "OPEN|CLAIMED|UNFILLED", "CANCELLED", "creator|coordinator", "reason not_held"),
        _m("lapse",    "OPEN|UNFILLED",         "CANCELLED", "scheduler",           "nobody order"),
    ),
)

CLAIM = Life(
    "claim",
    states=(
        "ACTIVE",
        "WAITLISTED",
        "OFFERED",
        "CHECKED_IN",
        "DONE",
        "VERIFIED",
        "WITHDRAWN",
        "LATE_WITHDRAWN",
        "EXPIRED",
        "CANCELLED",
        "NO_SHOW",
        "EXCUSED",
    ),
    open=("ACTIVE", "WAITLISTED", "OFFERED", "CHECKED_IN", "DONE"),
    moves=(
        _m("claim",     NEW,                                    "ACTIVE",         "member|team_leader",                     "audience skill free_then capacity"),
        _m("queue",     NEW,                                    "WAITLISTED",     "member",                                 "audience skill free_then"),
        _m("offer",     "WAITLISTED",                           "OFFERED",        "scheduler"),
        _m("accept",    "OFFERED",                              "ACTIVE",         "claimer",                                "in_time"),
        _m("expire",    "OFFERED",                              "EXPIRED",        "scheduler"),
        _m("decline",   "OFFERED|WAITLISTED",                   "WITHDRAWN",      "claimer"),
        _m("withdraw",  "ACTIVE",                               "WITHDRAWN",      "claimer",                                "a_day_before"),
        _m("late",      "ACTIVE",                               "LATE_WITHDRAWN", "claimer"),
        _m("check_in",  "ACTIVE",                               "CHECKED_IN",     "claimer|leader|grid_leader|coordinator", "window"),
        _m("check_out", "CHECKED_IN",                           "DONE",           "claimer|leader|grid_leader|coordinator|scheduler"),
        _m("no_show",   "ACTIVE",                               "NO_SHOW",        "scheduler"),
        _m("excuse",    "NO_SHOW",                              "EXCUSED",        "leader|grid_leader|coordinator",         "explained"),
        _m("came",      "NO_SHOW",                              "DONE",           "leader|grid_leader|coordinator",         "three_workdays"),
        _m("verify",    "DONE",                                 "VERIFIED",       "leader|grid_leader|coordinator|scheduler"),
        _m("cancel",    "ACTIVE|WAITLISTED|OFFERED|CHECKED_IN", "CANCELLED",      "scheduler"),
    ),
)

ENROLLMENT = Life(
    "enrollment",
    states=("INVITED", "APPLIED", "ACTIVE", "TRANSFERRED", "WITHDRAWN", "DECLINED", "CANCELLED"),
    open=("INVITED", "APPLIED", "ACTIVE"),
    moves=(
        _m("invite",   NEW,                "INVITED",     "coordinator"),
        _m("apply",    NEW,                "APPLIED",     "applicant|coordinator", "consent not_enrolled"),
        _m("apply",    "INVITED",          "APPLIED",     "applicant|coordinator", "consent"),
        _m("confirm",  "APPLIED|INVITED",  "ACTIVE",      _STAFF),
        _m("decline",  "APPLIED",          "DECLINED",    _STAFF,                  "reason"),
        _m("cancel",   "INVITED|APPLIED",  "CANCELLED",   "applicant|coordinator"),
        _m("transfer", "ACTIVE",           "TRANSFERRED", "applicant|coordinator"),
        _m("withdraw", "ACTIVE",           "WITHDRAWN",   "applicant|coordinator", "reason"),
        _m("return",   "WITHDRAWN",        "ACTIVE",      "coordinator"),
    ),
)

POST_CLAIM = Life(
    "post_claim",
    states=("APPLIED", "CONFIRMED", "ENDED"),
    open=("APPLIED", "CONFIRMED"),
    moves=(
        _m("apply",     NEW,         "APPLIED",   "member",                        "capacity in_term"),
        _m("confirm",   "APPLIED",   "CONFIRMED", _STAFF),
        _m("decline",   "APPLIED",   "ENDED",     _STAFF + "|scheduler",           "reason"),
        _m("take_back", "APPLIED",   "ENDED",     "claimer"),
        _m("end",       "CONFIRMED", "ENDED",     "claimer|coordinator|scheduler"),
    ),
)

MEETING = Life(
    "meeting",
    states=("PLACEHOLDER", "SCHEDULED", "TOPICS", "AGENDA", "NOTICED", "IN_SESSION", "HELD", "MINUTED", "CLOSED", "MISSED", "CANCELLED"),
    open=("PLACEHOLDER", "SCHEDULED", "TOPICS", "AGENDA", "NOTICED", "IN_SESSION", "HELD", "MINUTED"),
    moves=(
        _m("placeholder", NEW,                               "PLACEHOLDER", "scheduler"),
        _m("schedule",    NEW + "|PLACEHOLDER",              "SCHEDULED",   "coordinator|street",    "workday in_quarter"),
        _m("topics",      "SCHEDULED",                       "TOPICS",      "scheduler"),
        _m("agenda",      "SCHEDULED|TOPICS",                "AGENDA",      "scheduler|coordinator"),
        _m("notice",      "SCHEDULED|TOPICS|AGENDA",         "NOTICED",     "scheduler|coordinator"),
        _m("announce",    "PLACEHOLDER",                     "NOTICED",     "scheduler",             "talk"),
        _m("reschedule",  "SCHEDULED|TOPICS|AGENDA",         "SCHEDULED",   "coordinator",           "workday in_quarter"),
        _m("postpone",    "NOTICED",                         "SCHEDULED",   "secretary",             "reason workday in_quarter"),
        _m("put_off",     "SCHEDULED|TOPICS|AGENDA|NOTICED", "PLACEHOLDER", "secretary",             "reason quarterly"),
        _m("open",        "SCHEDULED|TOPICS|AGENDA|NOTICED", "IN_SESSION",  "coordinator",           "on_the_day"),
        _m("end",         "IN_SESSION",                      "HELD",        "coordinator"),
        _m("confirm",     "HELD",                            "MINUTED",     "secretary",             "drafted"),
        _m("close",       "MINUTED",                         "CLOSED",      "scheduler|coordinator", "actions_done"),
        _m("collect",     "PLACEHOLDER|NOTICED",             "CLOSED",      "scheduler",             "talk"),
        _m("miss",        "PLACEHOLDER",                     "MISSED",      "scheduler",             "quarter_over"),
        _m("miss",        "SCHEDULED|TOPICS|AGENDA|NOTICED", "MISSED",      "scheduler",             "quarter_over quarterly"),
        _m("cancel",      "SCHEDULED|TOPICS|AGENDA|NOTICED", "CANCELLED",   "secretary",             "reason not_quarterly"),
    ),
)

ACTION_ITEM = Life(
    "action_item",
    states=("OPEN", "DONE", "TRANSFERRED", "CANCELLED"),
    open=("OPEN",),
    moves=(
        _m("decide",   NEW,    "OPEN",        "coordinator"),
        _m("done",     "OPEN", "DONE",        "owner|coordinator", "result"),
        _m("reopen",   "DONE", "OPEN",        "coordinator",       "reason"),
        _m("extend",   "OPEN", SAME,          "secretary",         "reason"),
        _m("transfer", "OPEN", "TRANSFERRED", "coordinator",       "reason"),
        _m("cancel",   "OPEN", "CANCELLED",   "secretary",         "reason"),
    ),
)

COMMITMENT = Life(
    "commitment",
    states=(
        "DRAFT", "SUBMITTED", "PUBLISHED", "IN_PROGRESS", "REVIEW_OPEN", "SELF_REPORTED", "IN_EVALUATION", "EVALUATED",
        "OBJECTED", "ARCHIVED", "NOT_REPORTED", "WITHDRAWN",
    ),
    open=("DRAFT", "SUBMITTED", "PUBLISHED", "IN_PROGRESS", "REVIEW_OPEN", "SELF_REPORTED", "IN_EVALUATION", "EVALUATED", "OBJECTED"),
    moves=(
        _m("write",       NEW,                     "DRAFT",         "owner|coordinator",   "window one_to_five"),
        _m("rewrite",     "DRAFT",                 SAME,            "owner|coordinator"),
        _m("rewrite",     "WITHDRAWN",             "DRAFT",         "owner|coordinator",   "window"),
        _m("submit",      "DRAFT",                 "SUBMITTED",     "owner|coordinator",   "complete"),
        _m("return",      "SUBMITTED",             "DRAFT",         "reviewer",            "reason"),
        _m("publish",     "SUBMITTED",             "PUBLISHED",     "reviewer"),
        _m("withdraw",    "DRAFT|SUBMITTED",       "WITHDRAWN",     "owner"),
        _m("progress",    "PUBLISHED|IN_PROGRESS", "IN_PROGRESS",   "owner"),
        _m("open_review", "PUBLISHED|IN_PROGRESS", "REVIEW_OPEN",   "scheduler"),
        _m("self_report", "REVIEW_OPEN",           "SELF_REPORTED", "owner",               "in_time"),
        _m("self_report", "SELF_REPORTED",         SAME,            "owner",               "in_time"),
        _m("no_report",   "REVIEW_OPEN",           "NOT_REPORTED",  "scheduler"),
        _m("open_votes",  "SELF_REPORTED",         "IN_EVALUATION", "scheduler"),
        _m("evaluate",    "IN_EVALUATION",         "EVALUATED",     "reviewer",            "votes_closed"),
        _m("object",      "EVALUATED|ARCHIVED",    "OBJECTED",      "owner",               "five_workdays"),
        _m("decide",      "OBJECTED",              "EVALUATED",     "reviewer"),
        _m("archive",     "EVALUATED",             "ARCHIVED",      "scheduler|coordinator|reviewer"),
    ),
)

# fmt: on

_LIVES = (PROBLEM, ORDER, TASK, CLAIM, ENROLLMENT, POST_CLAIM, MEETING, ACTION_ITEM, COMMITMENT)
LIVES: dict[str, Life] = {life.kind: life for life in _LIVES}


def mermaid(life: Life) -> str:
    """The life as a Mermaid state diagram; `docs/` holds exactly this text and a test compares them."""
    lines = ["stateDiagram-v2"]
    for move in life.moves:
        label = f"{move.event} ({', '.join(move.by)})"
        for source in move.source:
            lines.append(f"    {'[*]' if source == NEW else source} --> {move.ends_in(source)}: {label}")
    lines += [f"    {state} --> [*]" for state in life.states if state not in life.open]
    return "\n".join(lines)
