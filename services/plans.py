"""What an import would change: rows to be stored and fields to be set, counted by sheet; nothing is touched before `carry_out`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from models import AuditLog, Enrollment, RoleAssignment
from services import moves
from services.context import Context
from services.faults import Fault
from services.spreadsheets import Row


@dataclass
class Count:
    """How many rows of a sheet are new, change something, or are as they were."""

    new: int = 0
    changed: int = 0
    same: int = 0


@dataclass
class Plan:
    """The plan of one import. `enrol`: enrolments to begin; `confirm`: those to be confirmed as of a moment."""

    faults: list[Fault] = field(default_factory=list)
    rows: list[SQLModel] = field(default_factory=list)
    fields: list[tuple[SQLModel, str, Any]] = field(default_factory=list)
    enrol: list[Enrollment] = field(default_factory=list)
    confirm: list[tuple[Enrollment, datetime]] = field(default_factory=list)
    _known: dict[tuple[int, str], Any] = field(default_factory=dict)
    _touched: set[str] = field(default_factory=set)
    _status: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, Count]:
        """By sheet, how many rows of the file do what."""
        found: dict[str, Count] = defaultdict(Count)
        for sheet, status in self._status.values():
            setattr(found[sheet], status, getattr(found[sheet], status) + 1)
        return found

    @property
    def changes(self) -> int:
        """How many rows of the file change anything."""
        return sum(count.new + count.changed for count in self.counts.values())

    @contextmanager
    def entry(self, row: Row) -> Iterator[None]:
        """Everything done in the block belongs to this row and counts as one."""
        self._touched = set()
        yield
        before = self._status.get(id(row), ("", "same"))[1]
        now = before if before == "new" else "new" if "new" in self._touched else "changed" if self._touched else before
        self._status[id(row)] = row.sheet.key, now

    def fault(self, row: Row, reason: str, column: str = "", **values: Any) -> None:
        """Note what is wrong with the row; nothing is made of it."""
        row.broken = True
        self.faults.append(row.fault(reason, column, **values))

    def add(self, thing: SQLModel, main: bool = False) -> None:
        """A row to store. `main`: it is what the row of the file is about."""
        self.rows.append(thing)
        self._touched.add("new" if main else "changed")

    def begin(self, enrollment: Enrollment) -> None:
        """An enrolment to begin."""
        self.enrol.append(enrollment)
        self._touched.add("changed")

    def confirmed(self, enrollment: Enrollment, at: datetime) -> None:
        """An enrolment to confirm as of `at`."""
        self.confirm.append((enrollment, at))
        self._touched.add("changed")

    def set(self, thing: SQLModel, **values: Any) -> None:
        """Set what differs; None means that the file says nothing."""
        for name, value in values.items():
            if value is not None:
                self.put(thing, name, value)

    def put(self, thing: SQLModel, name: str, value: Any) -> None:
        """Set the field where it differs; None too."""
        if self.value(thing, name) != value:
            self.fields.append((thing, name, value))
            self._known[id(thing), name] = value
            self._touched.add("changed")

    def value(self, thing: SQLModel, name: str) -> Any:
        """The field as it will be."""
        return self._known.get((id(thing), name), getattr(thing, name))

    async def carry_out(self, context: Context) -> None:
        """Store it all, in the order in which tables refer to each other; enrolments begin and move as their life says."""
        order = {table: place for place, table in enumerate(SQLModel.metadata.sorted_tables)}
        by_table: dict[int, list[SQLModel]] = defaultdict(list)
        for thing in self.rows:
            by_table[order[sa.inspect(type(thing)).local_table]].append(thing)
        for place in sorted(by_table):
            context.session.add_all(by_table[place])
            await context.session.flush()
        for thing, name, value in self.fields:
            setattr(thing, name, value)
        await context.session.flush()
        for enrollment in self.enrol:
            await moves.begin(context, enrollment, "invite")
        for enrollment, at in self.confirm:
            log = await moves.move(context, enrollment, "confirm", confirmed_at=at, confirmed_by=context.actor.id)
            log.before = None  # an import is not taken back row by row
        for thing in self.rows:
            if isinstance(thing, RoleAssignment):
                granted = AuditLog(
                    actor_id=context.actor.id,
                    action="role.granted",
                    person_id=thing.person_id,
                    object_kind="role",
                    object_id=thing.id,
                    note=thing.role,
                    at=context.now,
                )
                context.session.add(granted)
