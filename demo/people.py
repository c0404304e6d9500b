"""The ground and the people of the demo community as rows: grids, places, units, persons, roles, accounts, chats."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

from sqlmodel import SQLModel

from demo.standing import BOT, PLATFORM
from models import (
    Chat,
    ChatAccount,
    Community,
    Enrollment,
    Grid,
    PartnerUnit,
    PartyMember,
    Person,
    Place,
    RoleAssignment,
    ServiceRecord,
    keyring,
)
from services.enrolments import CONFIRM_WORKDAYS
from services.workdays import ZONE, Calendar

PARTY = "party"
# The record has no dates for these: the units reported in at the start of the year, the application came on the last workday.
UNITS_REPORTED = datetime(2026, 1, 5, 9, tzinfo=ZONE)
APPLIED_AT = datetime(2026, 11, 20, 16, 30, tzinfo=ZONE)
_MEMBER_FACTS = (
    "wishes_fulfilled",
    "emergencies",
    "no_shows",
    "late_withdrawals",
    "commitment_items",
    "commitment_items_kept",
)


@cache
def read(name: str) -> Any:
    """The data of demo/NAME.json; not to be changed."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text("utf-8"))


@dataclass
class Cast:
    """Who and what is there at `now`: the `rows` to store, and where the problems and tasks find them by code.

    `data`: a community in the form of community.json (the demo's when None). `on_web_chat`: whether everybody and every group is on
    the web chat already; a real community's people come by their own links instead.
    """

    now: datetime
    data: Mapping[str, Any] | None = None
    on_web_chat: bool = True
    rows: list[SQLModel] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    first_roles: dict[str, str] = field(default_factory=dict)
    leaders: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    applied: list[Enrollment] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = self._data = read("community") if self.data is None else self.data
        config = {name: data.get(name, "") for name in ("city", "district", "street", "crs")}
        self.community = Community(name=data["community"], config=config, next_task_number=data.get("next_task_number", 1))
        self.rows.append(self.community)
        self._grids()
        self._places()
        self._staff()
        self._members()
        for entry in data["residents"]:
            person = self._person(entry, "resident", home_grid=entry["grid"], building=entry["building"])
            self._grant(person, "resident")
        for entry in data["chats"] if self.on_web_chat else ():
            purpose = entry["key"].replace("grid-", "grid:")
            self._chat(entry["key"], kind="group", title=entry["title"], purpose=purpose)

    # -- ground -------------------------------------------------------------------------------------------------
    def _grids(self) -> None:
        for entry in self._data["grids"]:
            self.leaders[entry["code"]] = entry["leader"]
            grid = Grid(
                community_id=self.community.id,
                code=entry["code"],
                name=entry["name"],
                household_count=entry["households"],
                polygon=entry["polygon_lat_lon"],
                branch_name=entry["branch"],
            )
            self.rows.append(grid)

    def _places(self) -> None:
        """The buildings and the other places; one that is both is one row."""
        aliases = defaultdict(list)
        for alias, name in self._data["aliases"].items():
            aliases[name].append(alias)
        for kind in ("building", "place"):
            for entry in self._data[f"{kind}s"]:
                if entry["name"] in self.places:
                    continue
                self.places[entry["name"]] = Place(
                    community_id=self.community.id,
                    grid_code=entry["grid"],
                    name=entry["name"],
                    aliases=aliases[entry["name"]],
                    lat=entry["lat"],
                    lon=entry["lon"],
                    kind=kind,
                )
        self.rows += self.places.values()

    # -- people -------------------------------------------------------------------------------------------------
    def _staff(self) -> None:
        """Staff and liaisons, and the units that the liaisons speak for."""
        for entry in self._data["staff"]:
            person = self._person(entry, "liaison" if "unit_liaison" in entry["roles"] else "staff")
            for role in entry["roles"]:
                self._grant(person, role, grid_code=entry.get("grid"), unit_code=entry.get("unit"))
        for entry in self._data["units"]:
            unit = PartnerUnit(
                community_id=self.community.id,
                code=entry["id"],
                name=entry["name"],
                kind=entry["kind"],
                liaison_id=self.people[entry["liaison"]].id,
            )
            self.rows.append(unit)
            if self.now >= UNITS_REPORTED:
                self.rows.append(
                    Enrollment(
                        community_id=self.community.id,
                        kind="unit",
                        unit_code=unit.code,
                        applicant_id=unit.liaison_id,
                        details={"name": unit.name, "kind": unit.kind},
                        state="ACTIVE",
                        source="import",
                        applied_at=UNITS_REPORTED,
                        confirmed_at=UNITS_REPORTED,
                    )
                )

    def _members(self) -> None:
        """The party members enrolled by now, and those who have applied."""
        for entry in self._data["members"]:
            enrolled = date.fromisoformat(entry["enrolled"]) if entry["enrolled"] else None
            if enrolled is not None and enrolled > self.now.date():
                continue
            person = self._person(entry, "member", home_grid=entry["grid"])
            member = PartyMember(
                person_id=person.id,
                kind=entry["kind"],
                unit_code=entry["unit"],
                skills=entry["skill"].split("/") if entry["skill"] else [],
                health_exempt=entry["health_exempt"],
                facts={name: entry[name] for name in _MEMBER_FACTS},
            )
            self.rows.append(member)
            self._enrol(person, entry, enrolled)
            if entry["state"] == "ACTIVE" and enrolled is not None:
                since = datetime.combine(enrolled, time(), ZONE)
                self._grant(person, "party_member", valid_from=since)
                if entry["kind"] == "new_employment":
                    self._grant(person, "rider_reporter", valid_from=since)

    def _enrol(self, person: Person, entry: Mapping[str, Any], enrolled: date | None) -> None:
        """The member's 双报到, and what was served in the clock's year before the program."""
        since = None if enrolled is None else datetime.combine(enrolled, time(9), ZONE)
        applied = since or min(self.now, APPLIED_AT)
        enrollment = Enrollment(
            community_id=self.community.id,
            kind="new_employment" if entry["kind"] == "new_employment" else "member",
            person_id=person.id,
            grid_code=entry["grid"],
            branch=next((grid["branch"] for grid in self._data["grids"] if grid["code"] == entry["grid"]), ""),
            state=entry["state"],
            source="import",
            applied_at=applied,
            confirm_due=None if since else Calendar().due(applied, CONFIRM_WORKDAYS),
            confirmed_at=since,
        )
        self.rows.append(enrollment)
        if since is None:
            self.applied.append(enrollment)
        if entry["services"] or entry["hours"]:
            self.rows.append(
                ServiceRecord(person_id=person.id, year=self.now.astimezone(ZONE).year, times=entry["services"], hours=entry["hours"])
            )

    def _person(self, entry: Mapping[str, Any], kind: str, **fields: Any) -> Person:
        """The person with an account and a private chat, known by the hashes of services/identity.py."""
        code, name = entry["id"], entry["name"]
        person = Person(community_id=self.community.id, code=code, display_name=name, person_kind=kind, **fields)
        self.people[code] = person
        self.rows.append(person)
        if self.on_web_chat:
            account = ChatAccount(
                platform=PLATFORM,
                bot=BOT,
                user_hash=keyring.hash("user", PLATFORM, BOT, code),
                user_address=code,
                person_id=person.id,
                private_chat_id=self._chat(f"private:{code}").id,
            )
            self.rows.append(account)
        return person

    def _grant(self, person: Person, role: str, **scope: Any) -> None:
        self.first_roles.setdefault(person.id, role)
        self.rows.append(RoleAssignment(person_id=person.id, role=role, **scope))

    def _chat(self, address: str, **fields: Any) -> Chat:
        key_hash = keyring.hash("chat", PLATFORM, BOT, address)
        chat = self.chats[address] = Chat(platform=PLATFORM, bot=BOT, key_hash=key_hash, address=address, **fields)
        self.rows.append(chat)
        return chat
