"""The life of a problem under any sequence of what people may try, against a model of domain.md §5 in plain Python."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from databases import Databases
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from problem_stage import MORNING, RESULT, find, report
from work_stage import Stage, staged

from models import Problem
from models.lifecycle import PROBLEM
from services import desk, mine, problems, ratings
from services.context import Refusal
from services.workdays import Calendar, local

STAFF, COMMUNITY = {"ST04", "ST02", "ST01"}, {"ST02", "ST01"}
REPORTER_VERBS = ("appeal", "withdraw", "false_alarm")
EVERYTHING = [
    (who, verb)
    for who in ("R101", "R102", "ST04", "ST05", "ST02", "ST01")
    for verb in (*desk.VERBS, "reject", *REPORTER_VERBS, "good", "fair", "poor", "yes", "no")
]
OPEN = {"SUBMITTED", "ACCEPTED", "IN_PROGRESS"}
TRIED_AFTER_THE_END = 3


@dataclass(frozen=True)
class Model:
    """What must be true of the problem."""

    sla: str
    state: str = "SUBMITTED"
    level: str = "grid"
    reporter: bool = True
    accepted: bool = False
    contacted: bool = False
    returned: bool = False
    extended: bool = False
    appealed: bool = False
    rating: str | None = None
    solved: bool | None = None
    reopened: int = 0


def seen(problem: Problem) -> Model:
    """The model as the stored problem shows it."""
    return Model(
        problem.sla, problem.state, problem.level, problem.reporter_id is not None, problem.accepted_at is not None,
        problem.first_contact_at is not None, problem.returned_at is not None, problem.extended_at is not None,
        problem.appealed_at is not None, problem.rating, problem.solved, problem.reopen_count,
    )  # fmt: skip


def staff_move(model: Model, who: str, verb: str, late: bool) -> Model | None:
    """What a staff command makes of the problem; None when it must be refused."""
    state, above = model.state, model.level != "grid"
    if who not in STAFF:
        return None
    match verb:
        case "accept" if state == "SUBMITTED":
            return replace(model, state="ACCEPTED", accepted=True)
        case "contacted" if state in OPEN | {"RESOLVED", "SUSPENDED"}:
            return replace(model, contacted=True)
        case "assign" if state in ("ACCEPTED", "IN_PROGRESS"):
            return replace(model, state="IN_PROGRESS")
        case "escalate" if state in ("ACCEPTED", "IN_PROGRESS") and model.level != "street" and (not above or who in COMMUNITY):
            return replace(model, level="street" if above else "community")
        case "return" if who in COMMUNITY and state in OPEN and above and not model.returned:
            return replace(model, level="grid", returned=True)
        case "extend" if who == "ST01" and state == "IN_PROGRESS" and model.sla in ("P3", "P4") and not (model.extended or late):
            return replace(model, extended=True)
        case "suspend" if who == "ST01" and state in OPEN:
            return replace(model, state="SUSPENDED")
        case "resume" if who in COMMUNITY and state == "SUSPENDED":
            return replace(model, state="IN_PROGRESS")
        case "resolve" if state in OPEN:
            return replace(model, state="RESOLVED", accepted=True, contacted=True, rating=None, solved=None)
        case "explain" if who == "ST01" and state == "IN_PROGRESS" and model.reopened >= 2:
            return replace(model, state="CLOSED")
        case "reject" if who in COMMUNITY and state == "SUBMITTED" and (who == "ST01" or not model.appealed):
            return replace(model, state="REJECTED")
    return None


def reporter_move(model: Model, who: str, verb: str, fresh: bool) -> Model | None:
    """What the reporter's word makes of the problem; None when it must be refused."""
    if who != "R101" or not model.reporter:
        return None
    early = model.state in ("SUBMITTED", "ACCEPTED")
    match verb:
        case "appeal" if model.state == "REJECTED" and not model.appealed:
            return replace(model, state="SUBMITTED", appealed=True)
        case "withdraw" | "false_alarm" if model.sla != "P1":
            return replace(model, state="WITHDRAWN") if early else None
        case "false_alarm" if early and fresh:
            return replace(model, state="WITHDRAWN")
        case "withdraw" | "false_alarm" if model.state in OPEN:
            return replace(model, reporter=False)
    return None


def rated(model: Model, who: str, rating: str | None, solved: bool | None) -> Model | None:
    """What an answer makes of the problem; None when it must be refused."""
    if who != "R101" or not model.reporter or model.state != "RESOLVED":
        return None
    model = replace(model, rating=rating or model.rating, solved=model.solved if solved is None else solved)
    if model.rating == "poor" or model.solved is False:
        return replace(model, state="IN_PROGRESS", reopened=model.reopened + 1)
    return replace(model, state="CLOSED") if model.rating and model.solved else model


class ProblemMachine(RuleBasedStateMachine):
    """Tries everything in any order; the stored problem and the model never differ."""

    databases: Databases
    kind: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.closing = ExitStack()
        self.manager = staged(self.closing.enter_context(self.databases.fresh(self.kind)))
        self.stage: Stage = self.run(self.manager.__aenter__())
        self.stage.now = MORNING
        self.code, self.model = "", Model("P3")
        self.known: Problem | None = None
        self.tried_after = 0

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.manager.__aexit__(None, None, None))
        self.closing.close()
        self.loop.close()

    def stored(self) -> Problem:
        if self.known is None:
            self.known = self.run(find(self.stage, self.code))
        return self.known

    def attempt(self, who: str, expected: Model | None, act: Any) -> None:
        self.known = None

        async def turn() -> None:
            async with self.stage.turn(who) as context:
                await act(context, await problems.find(context, self.code))

        if expected is None:
            with pytest.raises(Refusal):
                self.run(turn())
        else:
            self.run(turn())
            self.model = expected

    @initialize(sla=st.sampled_from(["P1", "P2", "P3", "P4", "P5"]))
    def begin(self, sla: str) -> None:
        self.code, self.model = self.run(report(self.stage, sla=sla)), Model(sla)
        self.known, self.tried_after = None, 0

    def expect(self, who: str, verb: str, model: Model | None = None) -> Model | None:
        """What this person's attempt makes of the problem; None when it must be refused."""
        problem, relaxed = self.stored(), model is not None
        model = model or self.model
        if verb in REPORTER_VERBS:
            fresh = self.stage.now - problem.submitted_at <= timedelta(minutes=10)
            return reporter_move(model, who, verb, fresh)
        if verb in ("good", "fair", "poor"):
            return rated(model, who, verb, None)
        if verb in ("yes", "no"):
            return rated(model, who, None, verb == "yes")
        return staff_move(model, who, verb, self.stage.now > problem.resolve_due and not relaxed)

    async def act(self, context: Any, problem: Problem, verb: str) -> None:
        if verb == "appeal":
            await mine.appeal(context, problem, "请再看看")
        elif verb in REPORTER_VERBS:
            await getattr(mine, verb)(context, problem)
        elif verb in ("good", "fair", "poor"):
            await ratings.rate(context, problem, verb)
        elif verb in ("yes", "no"):
            await ratings.say_solved(context, problem, verb == "yes")
        elif verb == "reject":
            await problems.reject(context, problem, "invalid")
        else:
            day = Calendar().add(problem.resolve_due, 1) if verb == "extend" else local(context.now).date() + timedelta(days=30)
            await desk.perform(context, verb, problem, RESULT, f"{day:%Y-%m-%d}")

    @rule(seed=st.integers(0, 2**32 - 1))
    def somebody_tries(self, seed: int) -> None:
        """What may be done now, or what a single guard refuses, or anything by anybody, about a third each."""
        chance = Random(seed)
        generous = replace(self.model, reopened=2, returned=False, extended=False, appealed=False, level="community")
        allowed = [one for one in EVERYTHING if self.expect(*one) is not None]
        guarded = [one for one in EVERYTHING if one not in allowed and self.expect(*one, generous) is not None]
        who, verb = chance.choice(chance.choice([allowed, guarded, EVERYTHING]) or EVERYTHING)
        self.attempt(who, self.expect(who, verb), lambda context, problem: self.act(context, problem, verb))

    @rule(minutes=st.sampled_from([1, 15, 60 * 7, 60 * 26, 60 * 24 * 8, 60 * 24 * 31]))
    def time_passes(self, minutes: int) -> None:
        self.stage.now += timedelta(minutes=minutes)
        problem = self.stored()

        async def alarms() -> None:
            async with self.stage.turn(None) as context:
                await problems.resume_due(context, problem.id)
                await ratings.expire_due(context, problem.id)

        self.run(alarms())
        self.known = None
        if self.model.state == "SUSPENDED" and problem.suspended_until is not None and problem.suspended_until <= self.stage.now:
            self.model = replace(self.model, state="IN_PROGRESS")
        since = max(filter(None, (problem.resolved_at, problem.rated_at)), default=None)
        if self.model.state == "RESOLVED" and since is not None and Calendar().due(since, 5) <= self.stage.now:
            self.model = replace(self.model, state="CLOSED")

    @invariant()
    def they_agree(self) -> None:
        if not self.code:
            return
        problem = self.stored()
        assert seen(problem) == self.model
        assert (problem.closed_at is not None) == (problem.state in ("CLOSED", "REJECTED", "WITHDRAWN", "MERGED"))
        if self.model.state not in PROBLEM.open:
            self.tried_after += 1
        if self.tried_after > TRIED_AFTER_THE_END:
            self.begin_again()

    def begin_again(self) -> None:
        """What is over stays over, which a few attempts have shown: go on with another problem of the next class."""
        sla = f"P{int(self.model.sla[1]) % 5 + 1}"
        self.code, self.model = self.run(report(self.stage, sla=sla)), Model(sla)
        self.known, self.tried_after = None, 0


@pytest.mark.parametrize(
    ("kind", "examples"),
    [
        ("sqlite", 20),
        pytest.param("postgresql", 5, marks=pytest.mark.postgres),
        pytest.param("sqlite", 60, marks=pytest.mark.slow),
        pytest.param("postgresql", 20, marks=[pytest.mark.postgres, pytest.mark.slow]),
    ],
)
def test_any_sequence_of_attempts_keeps_to_the_table(databases, kind, examples):
    machine = type("Machine", (ProblemMachine,), {"databases": databases, "kind": kind})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            phases=(Phase.generate,),
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
