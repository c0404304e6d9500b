"""The people of an import: who is who, staff with their roles, members with their enrolment, hours served before (domain.md §3 People)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlmodel import col

from models import Enrollment, PartyMember, Person, RoleAssignment, ServiceRecord, keyring
from services.context import Context
from services.people import plain
from services.plans import Plan
from services.spreadsheets import Row
from services.workdays import ZONE
from texts import membership

if TYPE_CHECKING:
    from services.importing_ground import Ground

# Whoever grants these decides who runs the community.
HIGH_ROLES = ("admin", "community_secretary")
_OF_A_GRID, _OF_A_UNIT = ("grid_leader", "grid_member"), ("unit_liaison",)
_KINDS = ("resident", "rider", "member", "liaison", "staff")
_CONFIRMED_AT = time(9)
_LIVE = ("INVITED", "APPLIED", "ACTIVE")


@dataclass
class Known:
    """Somebody, stored or to be stored; `scopes` are the grids and units they are known in, `said` the name this file gives them."""

    person: Person
    scopes: set[str] = field(default_factory=set)
    said: str = ""


class People:
    """Staff and members as they are and as the plan will make them. Residents are never found by name: a nickname proves nothing."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self.context, self.plan = context, plan
        self.known: dict[str, Known] = {}
        self._by_code: dict[str, Known] = {}
        self._by_phone: dict[str, Known] = {}
        self._by_name: dict[str, list[Known]] = defaultdict(list)
        self.roles: dict[str, list[RoleAssignment]] = defaultdict(list)
        self.members: dict[str, PartyMember] = {}
        self.enrollments: dict[str, list[Enrollment]] = defaultdict(list)
        self.rows_of_members: set[str] = set()
        self.liaisons: dict[str, list[str]] = defaultdict(list)
        self._granted: set[tuple[str, str, str | None, str | None]] = set()

    @classmethod
    async def of(cls, context: Context, plan: Plan) -> People:
        """Whoever the community knows by code, role, membership or telephone."""
        made, session = cls(context, plan), context.session
        for role in await session.scalars(sa.select(RoleAssignment).order_by(col(RoleAssignment.id))):
            made.roles[role.person_id].append(role)
        made.members = {member.person_id: member for member in await session.scalars(sa.select(PartyMember))}
        for enrollment in await session.scalars(sa.select(Enrollment).where(col(Enrollment.person_id).is_not(None))):
            made.enrollments[enrollment.person_id or ""].append(enrollment)
        reachable = sa.or_(col(Person.code).is_not(None), col(Person.person_kind) != "resident", col(Person.phone_hash).is_not(None))
        office = col(Person.id).in_(sa.select(col(RoleAssignment.person_id)).where(col(RoleAssignment.role) != "resident"))
        member = col(Person.id).in_(sa.select(col(PartyMember.person_id)))
        for person in await session.scalars(sa.select(Person).where(sa.or_(reachable, office, member)).order_by(col(Person.id))):
            made._register(Known(person))
        return made

    def _register(self, known: Known) -> None:
        person = known.person
        self.known[person.id] = known
        known.scopes |= {scope for role in self.roles[person.id] for scope in (role.grid_code, role.unit_code) if scope}
        known.scopes |= {scope for scope in (person.home_grid, *(one.grid_code for one in self.enrollments[person.id])) if scope}
        if (member := self.members.get(person.id)) is not None and member.unit_code:
            known.scopes.add(member.unit_code)
        if person.code:
            self._by_code[person.code] = known
        if person.deleted_at is not None:
            return
        proven = person.code or person.id in self.members or any(role.role != "resident" for role in self.roles[person.id])
        if person.phone_hash and (proven or person.phone_hash not in self._by_phone):
            self._by_phone[person.phone_hash] = known
        if proven or person.person_kind != "resident":
            self._by_name[plain(person.display_name)].append(known)

    # -- who is who ---------------------------------------------------------------------------------------------
    def find(self, row: Row, kind: str, *scopes: str | None) -> Person | None:
        """The person of the row: by code, else telephone, else name and grid or unit; a new one where nobody fits. None after a fault."""
        found = self._find(row, {scope for scope in scopes if scope})
        if row.broken:
            return None
        code, phone, name = row["code"], row["phone"], row["name"]
        hashed = keyring.hash("phone", phone) if phone else None
        if found is None:
            person = Person(
                community_id=self.context.ground.community_id,
                code=code,
                display_name=name,
                phone=phone,
                phone_hash=hashed,
                person_kind=kind,
            )
            found = Known(person)
            self.plan.add(person, main=True)
            self._register(found)
            self._by_name[plain(name)] = [one for one in self._by_name[plain(name)] if one is not found] + [found]
        else:
            person = found.person
            self.plan.set(person, code=code, display_name=name, phone=phone, phone_hash=hashed)
            if _KINDS.index(kind) > _KINDS.index(self.plan.value(person, "person_kind")):
                self.plan.set(person, person_kind=kind)
            if code:
                self._by_code[code] = found
            if hashed:
                self._by_phone[hashed] = found
        found.said = name
        found.scopes |= {scope for scope in scopes if scope}
        return found.person

    def _find(self, row: Row, scopes: set[str]) -> Known | None:
        code, name = row["code"], row["name"]
        hashed = keyring.hash("phone", row["phone"]) if row["phone"] else None
        owner = self._by_phone.get(hashed) if hashed else None
        coded = self._by_code.get(code) if code else None
        if coded is not None:
            if coded.person.deleted_at is not None or (coded.said and coded.said != name):
                self.plan.fault(row, "code_of_another", "code", said=code)
            elif owner is not None and owner is not coded:
                self.plan.fault(row, "phone_twice", "phone")
            return coded
        if owner is not None:
            same = plain(self.plan.value(owner.person, "display_name")) == plain(name)
            if same and not (code and self.plan.value(owner.person, "code")):
                return owner
            if owner.person.person_kind != "resident" or owner.person.code or owner.said:
                self.plan.fault(row, "phone_twice", "phone")
                return None
        namesakes = [
            one
            for one in self._by_name[plain(name)]
            if not (code and self.plan.value(one.person, "code"))
            if not (hashed and self.plan.value(one.person, "phone_hash") not in (None, hashed))
        ]
        fitting = [one for one in namesakes if not one.scopes or not scopes or one.scopes & scopes]
        if len(fitting) > 1 or (namesakes and not fitting and not code and not hashed):
            self.plan.fault(row, "ambiguous_person", "name")
            return None
        return fitting[0] if fitting else None

    def refer(self, row: Row, column: str) -> Person | None:
        """The person whom a cell names by code, or by a name that only one has; a fault where there is none."""
        said = row[column]
        if said is None:
            return None
        coded = self._by_code.get(said.upper())
        found = [coded] if coded else self._by_name.get(plain(said), [])
        if len(found) != 1 or found[0].person.deleted_at is not None:
            self.plan.fault(row, "ambiguous_reference" if len(found) > 1 else "unknown_person", column)
            return None
        return found[0].person

    # -- staff --------------------------------------------------------------------------------------------------
    def staff(self, row: Row, ground: Ground) -> None:
        """One role of one person, with its scope and term; the end day is inside."""
        role, grid, since, until = row["role"], row["grid"], row["since"], row["until"]
        if row.broken:
            return
        unit = ground.unit_of(row)
        ground.knows_grid(row)
        if role in _OF_A_GRID and grid is None:
            self.plan.fault(row, "role_needs_grid", "grid")
        if role in _OF_A_UNIT and row["unit"] is None:
            self.plan.fault(row, "role_needs_unit", "unit")
        if since is not None and until is not None and until < since:
            self.plan.fault(row, "bad_term", "until")
        if row.broken:
            return
        begins = datetime.combine(since, time(), ZONE) if since else None
        ends = datetime.combine(until + timedelta(days=1), time(), ZONE) if until else None
        unit_code = unit.code if unit else None
        with self.plan.entry(row):
            person = self.find(row, "liaison" if role in _OF_A_UNIT else "staff", grid, unit_code)
            if person is not None and self.grant(row, person, role, grid, unit_code, begins, ends):
                if role in _OF_A_UNIT and unit_code is not None:
                    self.liaisons[unit_code].append(person.id)

    def grant(
        self, row: Row, person: Person, role: str, grid: str | None, unit: str | None,
        begins: datetime | None, ends: datetime | None, main: bool = True,
    ) -> bool:  # fmt: skip
        """The role as of now or as of its term; whether it may stand. `main`: it is what the row is about."""
        if (person.id, role, grid, unit) in self._granted:
            self.plan.fault(row, "duplicate_row", "role")
            return False
        self._granted.add((person.id, role, grid, unit))
        held = [one for one in self.roles[person.id] if (one.role, one.grid_code, one.unit_code) == (role, grid, unit)]
        changing = not held or (begins and held[-1].valid_from != begins) or (ends and held[-1].valid_to != ends)
        if changing and role in HIGH_ROLES and not self.context.actor.has(*HIGH_ROLES):
            self.plan.fault(row, "role_not_yours", "role")
            return False
        if held:
            self.plan.set(held[-1], valid_from=begins, valid_to=ends)
            return True
        granted = RoleAssignment(
            person_id=person.id,
            role=role,
            grid_code=grid,
            unit_code=unit,
            valid_from=begins,
            valid_to=ends,
            granted_by=self.context.actor.id,
        )
        self.plan.add(granted, main)
        self.roles[person.id].append(granted)
        return True

    def settle_liaisons(self, ground: Ground) -> None:
        """A unit's liaison is the one in the file, unless the one it has is in the file too."""
        for code, persons in self.liaisons.items():
            if self.plan.value(ground.units[code], "liaison_id") not in persons:
                self.plan.set(ground.units[code], liaison_id=persons[0])

    def lead(self, row: Row) -> None:
        """The leader whom a grid of a GeoJSON file names holds the role for that grid."""
        person = None if row.broken else self.refer(row, "leader")
        if person is not None and not any(one.role == "grid_leader" and one.grid_code == row["code"] for one in self.roles[person.id]):
            with self.plan.entry(row):
                self.grant(row, person, "grid_leader", row["code"], None, None, None, main=False)

    # -- members ------------------------------------------------------------------------------------------------
    def member(self, row: Row, ground: Ground) -> None:
        """One party member: with a date an ACTIVE enrolment as of that day, without one INVITED."""
        unit = None if row.broken else ground.unit_of(row)
        if row.broken or not ground.knows_grid(row):
            return
        home = ground.places.get(row["building"] or "")
        if row["building"] and home is None and row["grid"] is None:
            self.plan.fault(row, "unknown_building", "building", said=row["building"])
            return
        grid = row["grid"] or (self.plan.value(home, "grid_code") if home is not None else None)
        unit_code = unit.code if unit else None
        with self.plan.entry(row):
            person = self.find(row, "member", grid, unit_code)
            if person is None:
                return
            if person.id in self.rows_of_members:
                self.plan.fault(row, "duplicate_row", "name")
                return
            self.rows_of_members.add(person.id)
            self.plan.set(person, home_grid=grid, building=row["building"])
            member = self.members.get(person.id)
            if member is None:
                member = self.members[person.id] = PartyMember(person_id=person.id, kind=row["kind"])
                self.plan.add(member, main=True)
            self.plan.set(
                member,
                kind=row["kind"],
                status=row["status"],
                unit_code=unit_code,
                home_org=row["home_org"],
                skills=row["skills"],
                availability=row["availability"],
                service_kinds=row["services"],
                health_exempt=row["exempt"],
                emergency_opt_in=row["emergency"],
                backbone=row["backbone"],
            )
            self._enrol(row, person, grid, ground)

    def _enrol(self, row: Row, person: Person, grid: str | None, ground: Ground) -> None:
        """The member's 双报到. One that was withdrawn or transferred is history: only the clerk's own commands bring it back."""
        every = self.enrollments[person.id]
        live = next((one for one in every if one.state in _LIVE), None)
        at = datetime.combine(row["enrolled"], _CONFIRMED_AT, ZONE) if row["enrolled"] else None
        if live is None:
            if every:
                return
            branch = row["branch"] or (self.plan.value(ground.grids[grid], "branch_name") if grid in ground.grids else "")
            live = Enrollment(
                community_id=person.community_id,
                kind=membership.rule(row["kind"]).enrolment,
                person_id=person.id,
                grid_code=grid,
                branch=branch,
                source="import",
                applied_at=at or self.context.now,
            )
            every.append(live)
            self.plan.begin(live)
            if at is not None:
                self.plan.confirmed(live, at)
        else:
            self.plan.set(live, grid_code=grid, branch=row["branch"])
            if at is not None and live.state != "ACTIVE":
                self.plan.confirmed(live, at)
            elif at is not None and live.source == "import" and _day(live.confirmed_at) != row["enrolled"]:
                self.plan.set(live, applied_at=at, confirmed_at=at)
        if (at is not None or live.state == "ACTIVE") and not any(one.role == "party_member" for one in self.roles[person.id]):
            begins = datetime.combine(row["enrolled"], time(), ZONE) if row["enrolled"] else live.confirmed_at
            granted = RoleAssignment(person_id=person.id, role="party_member", valid_from=begins, granted_by=self.context.actor.id)
            self.plan.add(granted)
            self.roles[person.id].append(granted)


def _day(at: datetime | None) -> object:
    return at.astimezone(ZONE).date() if at else None


async def records(context: Context, plan: Plan, people: People, rows: list[Row]) -> None:
    """Service of a year from before the program."""
    known = {(one.person_id, one.year): one for one in await context.session.scalars(sa.select(ServiceRecord))}
    said: set[tuple[str, int]] = set()
    for row in rows:
        person = None if row.broken else people.refer(row, "person")
        if person is None:
            continue
        if not 2000 <= row["year"] <= 2100:
            plan.fault(row, "bad_number", "year", said=str(row["year"]))
            continue
        if (person.id, row["year"]) in said:
            plan.fault(row, "duplicate_row", "person")
            continue
        said.add((person.id, row["year"]))
        with plan.entry(row):
            record = known.get((person.id, row["year"]))
            if record is None:
                made = ServiceRecord(person_id=person.id, year=row["year"], times=row["times"], hours=row["hours"], source="import")
                plan.add(made, main=True)
            else:
                plan.set(record, times=row["times"], hours=row["hours"])
