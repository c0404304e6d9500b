"""The life of claims against a model in plain Python: whatever is done in whatever order, places and queue stay right."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from work_stage import NOW, SATURDAY, staged

from models import Claim, Occurrence, Task
from models.database import migrate
from services import checkins, claims, verifying
from services.context import Refusal
from services.hours import SHORT_OFFER

PEOPLE = ("M01", "M02", "M03", "M04", "ST02")
HELD = ("ACTIVE", "OFFERED", "CHECKED_IN", "DONE", "VERIFIED")
GONE = ("WITHDRAWN", "LATE_WITHDRAWN", "EXPIRED")


@cache
def empty_database():
    """The bytes of an SQLite file with every table and no row."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        asyncio.run(migrate(f"sqlite+aiosqlite:///{file}"))
        return file.read_bytes()


@dataclass
class Model:
    """What should be true: each person's state, and the queue in its order."""

    capacity: int
    states: dict[str, str] = field(default_factory=dict)
    queue: list[str] = field(default_factory=list)
    until: dict[str, object] = field(default_factory=dict)
    closed: bool = False
    arrived: dict[str, object] = field(default_factory=dict)

    def held(self):
        return sum(state in HELD for state in self.states.values())

    def offer(self, now):
        while self.queue and self.held() < self.capacity and now < SATURDAY:
            code = self.queue.pop(0)
            self.states[code] = "OFFERED"
            late = SATURDAY - now < timedelta(hours=24)
            self.until[code] = min(now + (SHORT_OFFER if late else timedelta(hours=2)), SATURDAY)

    def claim(self, code, now):
        state = self.states.get(code, "WITHDRAWN")
        if state == "OFFERED":
            return self.accept(code, now)
        if state not in GONE or now >= SATURDAY or self.closed:
            return False
        if self.held() < self.capacity:
            self.states[code] = "ACTIVE"
        else:
            self.states[code] = "WAITLISTED"
            self.queue.append(code)
        return True

    def accept(self, code, now):
        if self.states.get(code) != "OFFERED" or now >= self.until[code]:
            return False
        self.states[code] = "ACTIVE"
        return True

    def withdraw(self, code, now):
        state = self.states.get(code)
        if state not in ("ACTIVE", "WAITLISTED", "OFFERED") or (state == "ACTIVE" and now >= SATURDAY + timedelta(hours=2)):
            return False
        late = state == "ACTIVE" and SATURDAY - now < timedelta(hours=24)
        self.states[code] = "LATE_WITHDRAWN" if late else "WITHDRAWN"
        if code in self.queue:
            self.queue.remove(code)
        self.offer(now)
        return True

    def expire(self, now):
        for code in [c for c, s in self.states.items() if s == "OFFERED" and now >= self.until[c]]:
            self.states[code] = "EXPIRED"
            self.offer(now)

    def check_in(self, code, now):
        if self.states.get(code) != "ACTIVE" or not SATURDAY - timedelta(minutes=30) <= now <= SATURDAY + timedelta(hours=2):
            return False
        self.states[code] = "CHECKED_IN"
        self.arrived[code] = now
        return True

    def check_out(self, code, now):
        if self.states.get(code) != "CHECKED_IN" or now <= max(SATURDAY, self.arrived[code]):
            return False
        self.states[code] = "DONE"
        return True

    def step(self, code, source, target):
        if self.states.get(code) != source:
            return False
        self.states[code] = target
        return True


class ClaimLife(RuleBasedStateMachine):
    """Five people and one task on SQLite; the clock only goes forward."""

    @initialize(capacity=st.integers(1, 3), first=st.permutations(PEOPLE), number=st.integers(2, 5))
    def begin(self, capacity, first, number):
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        file = Path(self.folder.name) / "life.db"
        file.write_bytes(empty_database())
        self.model = Model(capacity)
        self.runner.run(self._begin(f"sqlite+aiosqlite:///{file}", capacity))
        for code in first[:number]:
            self.claim(code)

    async def _begin(self, url, capacity):
        self.staged = staged(url)
        self.stage = await self.staged.__aenter__()
        self.stage.now = NOW
        self.number = await self.stage.task(capacity=capacity)

    def teardown(self):
        if hasattr(self, "runner"):
            self.runner.run(self.staged.__aexit__(None, None, None))
            self.runner.close()
            self.folder.cleanup()

    def tries(self, code, verb, *arguments):
        """Whether it was done, and nothing but a Refusal stopped it."""

        async def turn():
            try:
                async with self.stage.turn(code) as context:
                    await verb(context, *arguments)
            except Refusal:
                return False
            return True

        return self.runner.run(turn())

    def latest(self):
        async def read():
            return await self.stage.claims(self.number)

        return self.runner.run(read())

    def id_of(self, code):
        row = self.latest().get(code)
        return row.id if row else "nothing"

    @rule(code=st.sampled_from(PEOPLE))
    def claim(self, code):
        assert self.tries(code, claims.claim, self.number) == self.model.claim(code, self.stage.now)

    @rule(code=st.sampled_from(PEOPLE))
    def withdraw(self, code):
        assert self.tries(code, claims.withdraw, self.number, "") == self.model.withdraw(code, self.stage.now)

    @rule(code=st.sampled_from(PEOPLE))
    def accept(self, code):
        assert self.tries(code, claims.accept_offer, self.id_of(code)) == self.model.accept(code, self.stage.now)

    @rule(code=st.sampled_from(PEOPLE))
    def decline(self, code):
        ours = self.model.states.get(code) in ("OFFERED", "WAITLISTED")
        done = self.tries(code, claims.decline_offer, self.id_of(code))
        assert done == (ours and self.model.withdraw(code, self.stage.now))

    @rule(code=st.sampled_from(PEOPLE))
    def check_in(self, code):
        done = self.tries(code, checkins.by_code, self.number, "8246")
        assert done == self.model.check_in(code, self.stage.now)

    @rule(code=st.sampled_from(PEOPLE))
    def check_out(self, code):
        assert self.tries(code, checkins.check_out, self.number) == self.model.check_out(code, self.stage.now)

    @rule(code=st.sampled_from(PEOPLE))
    def verify(self, code):
        done = self.tries("ST05", verifying.verify, self.id_of(code))
        assert done == self.model.step(code, "DONE", "VERIFIED")
        if self.task().state == "VERIFIED":
            for waiting in self.model.queue:
                self.model.states[waiting] = "CANCELLED"
            self.model.queue.clear()
            self.model.closed = True

    @rule()
    def come_to_the_start(self):
        self.wait(6 * 24 * 60)

    @rule(minutes=st.sampled_from([10, 31, 120, 121, 24 * 60]))
    def wait(self, minutes):
        then = self.stage.now + timedelta(minutes=minutes)
        if then > SATURDAY - timedelta(minutes=20):  # the last steps before and after the start are small
            then = max(SATURDAY - timedelta(minutes=20), self.stage.now + timedelta(minutes=10))
        elif not 8 <= then.hour <= 18:  # quiet hours have a test of their own; here every moment is in the day
            then = (then + timedelta(hours=6 if then.hour > 18 else 0)).replace(hour=9)
        self.stage.now = min(then, SATURDAY + timedelta(hours=1))
        self.runner.run(self._ring())
        self.model.expire(self.stage.now)

    async def _ring(self):
        while True:
            async with self.stage.turn(None) as context:
                due = await context.session.scalars(
                    sa.select(Occurrence).where(
                        Occurrence.job == "expire_offer", Occurrence.state == "due", Occurrence.due <= self.stage.now
                    )
                )
                row = due.first()
                if row is None:
                    return
                row.state = "done"
                await claims.expire_offer(context, row.subject)

    def task(self) -> Task:
        async def read():
            return await self.stage.find(self.number)

        return self.runner.run(read())

    @invariant()
    def the_same_as_the_model(self):
        if not hasattr(self, "stage"):
            return
        rows: dict[str, Claim] = self.latest()
        assert {code: row.state for code, row in rows.items()} == self.model.states
        assert sum(row.state in HELD for row in rows.values()) <= self.model.capacity
        queue = sorted((row.waitlist_pos, code) for code, row in rows.items() if row.state == "WAITLISTED")
        assert queue == list(enumerate(self.model.queue, 1))
        task = self.task()
        if task.state in ("OPEN", "CLAIMED"):
            assert (task.state == "CLAIMED") == (self.model.held() >= self.model.capacity)


@pytest.mark.parametrize("examples", [10, pytest.param(30, marks=pytest.mark.slow)])
def test_any_sequence_keeps_to_the_table(examples):
    run_state_machine_as_test(
        ClaimLife,
        settings=settings(
            max_examples=examples, stateful_step_count=20, deadline=None, database=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )  # fmt: skip
