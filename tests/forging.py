"""The stage of the forged presses: every kind of person, every object in a state in which something may be done to it, and a turn that is
looked at and taken back.

A turn here is `bot.converse.converse`, which a real turn is too; `Forge.press` runs it in a transaction that is rolled back, so that
thousands of presses meet the same community. Every person has words that nobody else has: who reads another's is found out.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from test_holidays import NEXT
from world import World

from bot.converse import converse
from bot.delivery import Outgoing
from handlers import root
from models import (
    ActionItem,
    AgendaItem,
    Announcement,
    AnonymousToken,
    Attendance,
    AuditLog,
    Chat,
    ChatAccount,
    CheckIn,
    Claim,
    Commitment,
    Draft,
    DutyShift,
    Enrollment,
    Meeting,
    Minutes,
    Order,
    PartnerUnit,
    PartyMember,
    Person,
    Place,
    Post,
    PostClaim,
    Problem,
    ProblemSupporter,
    RoleAssignment,
    StateLog,
    Task,
    Team,
    TeamMember,
    keyring,
)
from models.database import session_on
from services.context import Refusal
from services.meeting_times import next_talk
from services.workdays import Calendar
from texts.render import render
from texts.screen import Screen

# The machine's own rows, which every turn writes; whatever else is written is the community's.
MACHINE = {"inbox", "outbox", "conversation", "chat", "chat_account", "draft"}
WRITES = re.compile(r"\s*(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM)\s+\"?(\w+)", re.IGNORECASE)

# name: (roles with their scope, state of the enrolment, language). The stranger has never been here.
PEOPLE: dict[str, tuple[str, str, str]] = {
    "reporter": ("resident", "", "zh_CN"),
    "neighbour": ("resident", "", "zh_CN"),
    "foreigner": ("resident", "", "en"),
    "supporter": ("resident", "", "zh_CN"),
    "sealed": ("resident", "", "zh_CN"),
    "stranger": ("", "", "zh_CN"),
    "rider": ("rider_reporter", "", "zh_CN"),
    "volunteer": ("volunteer", "", "zh_CN"),
    "claimer": ("party_member", "ACTIVE", "zh_CN"),
    "member": ("party_member", "ACTIVE", "zh_CN"),
    "captain": ("party_member", "ACTIVE", "zh_CN"),
    "head": ("party_member", "ACTIVE", "zh_CN"),
    "applicant": ("resident", "APPLIED", "zh_CN"),
    "gone": ("resident", "WITHDRAWN", "zh_CN"),
    "leader": ("grid_leader:G1", "", "zh_CN"),
    "other": ("grid_leader:G2", "", "zh_CN"),
    "branch": ("branch_secretary:G1", "", "zh_CN"),
    "helper": ("grid_member:G1 building_leader:G1", "", "zh_CN"),
    "coordinator": ("coordinator", "", "zh_CN"),
    "clerk": ("community_clerk", "", "zh_CN"),
    "secretary": ("community_secretary", "", "zh_CN"),
    "admin": ("admin", "", "zh_CN"),
    "street": ("street_organizer", "", "en"),
    "duty": ("duty", "", "zh_CN"),
    "liaison": ("unit_liaison:U01", "", "zh_CN"),
    "liaison2": ("unit_liaison:U02", "", "zh_CN"),
    "ended": ("community_secretary<", "", "zh_CN"),
    "ended_leader": ("grid_leader:G1<", "", "zh_CN"),
    "coming": ("coordinator>", "", "zh_CN"),
}


@dataclass
class Outcome:
    """What came of one press or sentence: the screens by chat address, what was written, and what a rule said."""

    shown: list[tuple[str, str, str]] = field(default_factory=list)  # address, key, everything it reads
    wrote: set[str] = field(default_factory=set)
    refused: str = ""
    error: BaseException | None = None

    def trace(self, statement: str) -> None:
        """Note the table that a statement writes."""
        if found := WRITES.match(statement):
            self.wrote.add(found[1])

    def at(self, address: str) -> list[tuple[str, str]]:
        """(key, text) of what stands in this chat, toasts included."""
        return [(key, text) for where, key, text in self.shown if where == address]

    def keys(self, address: str) -> set[str]:
        return {key for key, _ in self.at(address)}


class Forge:
    """A community with everybody in it, and turns that leave nothing behind."""

    def __init__(self, world: World) -> None:
        self.world, self.app = world, world.app
        self.now: datetime = world.clock.now()
        self.ids: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.secrets: dict[str, tuple[str, ...]] = {}
        self._addresses: dict[str, str] = {}
        self._drafts: list[Any] = []
        self._numbers = 0

    # -- the turn ---------------------------------------------------------------------------------------------
    async def press(self, who: str, action: str, chat: str = "", day: str = "") -> Outcome:
        """Somebody's client sends this as the data of a button, whatever button there was. `day`: another one than the stage's."""
        return await self._turn(who, chat, kind="press", day=day, action=action, press_id="p1", message_id="m1")

    async def say(self, who: str, text: str, chat: str = "", day: str = "") -> Outcome:
        return await self._turn(who, chat, kind="text", day=day, text=text, message_id="m1")

    async def open(self, who: str, payload: str) -> Outcome:
        """Somebody opens a deep link, or types /start with what they like."""
        return await self._turn(who, "", kind="scan", payload=payload, message_id="m1")

    async def _turn(self, who: str, chat: str, kind: str, day: str = "", **fields: Any) -> Outcome:
        platform, now = self.world.platform, datetime.combine(date.fromisoformat(day), time(2), UTC) if day else self.now
        event = platform.parse(platform.arrival("e", kind, who, chat or f"private:{who}", **fields).raw)
        refusal: Refusal | None = None
        self._numbers += 1
        for _ in range(2):
            found = Outcome(refused=refusal.key if refusal else "")
            try:
                async with self.app.database.connection(durable=False) as connection:
                    driver = connection.sync_connection.connection.driver_connection
                    driver.set_trace_callback(found.trace)
                    try:
                        async with session_on(connection) as session:
                            context = await converse(session, event, platform, root, f"f{self._numbers}", now, refusal)
                            await session.flush()
                            driver.set_trace_callback(None)
                            await self._look(session, context, who, found)
                            raise _Undone
                    finally:
                        driver.set_trace_callback(None)
            except Refusal as said:
                assert refusal is None, f"a rule refuses the answer to a refusal: {said}"
                refusal = said
            except _Undone:
                break
            except Exception as error:  # what a turn would try three times and put aside
                found.error = error
                break
        return found

    async def _look(self, session: Any, context: Any, who: str, found: Outcome) -> None:
        for row in context.posted:
            body = row.body
            if not isinstance(body, dict):
                continue
            screen = body.get("screen") if "press" in body else body
            if screen is None:
                continue
            if row.chat_id is None:
                address = row.address if isinstance(row, Outgoing) and row.address else f"private:{who}"
            elif row.chat_id not in self._addresses:
                address = self._addresses[row.chat_id] = (await session.get(Chat, row.chat_id)).address
            else:
                address = self._addresses[row.chat_id]
            shown = render(Screen.from_json(screen), row.language, self.world.platform.capabilities)
            labels = [button.label for line in shown.buttons for button in line]
            found.shown.append((address, screen["key"], "\n".join([shown.text, *labels])))
        found.wrote -= MACHINE if who in self.ids else MACHINE | {"person"}  # whom nobody knows yet becomes known
        own = self.accounts.get(who, "")
        rows = await session.execute(sa.text("SELECT id, account_id, data FROM draft ORDER BY id"))
        now = {row.id: tuple(row) for row in rows}
        if any(now.get(row[0]) != row for row in self._drafts if row[1] != own):
            found.wrote.add("draft of another")

    # -- the stage --------------------------------------------------------------------------------------------
    async def build(self) -> Forge:
        """Everybody, and everything in its state."""
        async with self.app.database.transaction() as session:
            self.ids["place"] = (await session.scalars(sa.select(Place.id).where(Place.name == "青禾苑3幢"))).one()
            self.community = (await session.scalars(sa.text("SELECT id FROM community"))).one()
            for number, name in enumerate(PEOPLE):
                if name != "stranger":
                    await self._person(session, number, name)
            unbound = Person(community_id=self.community, code="UNBOUND", display_name="未绑定", home_grid="G1", person_kind="member")
            session.add(PartyMember(person_id=await self._add(session, unbound)))
            for name in ("problems", "work", "posts", "administration", "meetings", "promises"):
                await getattr(self, f"_{name}")(session)
                await session.flush()
            rows = await session.execute(sa.text("SELECT id, account_id, data FROM draft ORDER BY id"))
            self._drafts = [tuple(row) for row in rows]
        return self

    async def _person(self, session: Any, number: int, name: str) -> None:
        roles, enrolled, language = PEOPLE[name]
        phone, home = f"139{number:08d}", f"青禾苑4幢{number}单元{number:03d}室"
        person = Person(
            community_id=self.community, code=name.upper(), display_name=f"证{name}", phone=phone, phone_hash=keyring.hash("phone", phone),
            building=home, home_grid="G1", language=language, consent_version=2, consent_at=self.now, person_kind="resident",
        )  # fmt: skip
        chat = Chat(
            platform="memory", bot="main", key_hash=keyring.hash("chat", "memory", "main", f"private:{name}"), address=f"private:{name}"
        )
        session.add_all([person, chat])
        await session.flush()
        account = ChatAccount(
            platform="memory", bot="main", user_hash=keyring.hash("user", "memory", "main", name), user_address=name, person_id=person.id,
            private_chat_id=chat.id,
        )  # fmt: skip
        session.add(account)
        for said in roles.split():
            role, _, scope = said.rstrip("<>").partition(":")
            since = self.now + timedelta(days=1) if said.endswith(">") else self.now - timedelta(days=90)
            session.add(
                RoleAssignment(
                    person_id=person.id, role=role, grid_code=scope if scope.startswith("G") else None, valid_from=since,
                    unit_code=scope if scope.startswith("U") else None, valid_to=self.now - timedelta(days=1) if said.endswith("<") else None,
                )
            )  # fmt: skip
        if enrolled:
            session.add(PartyMember(person_id=person.id, kind="in_service", unit_code="U01", skills=["护理"], exempt_reason=f"病{name}"))
            self.ids[f"enrolment_{name}"] = await self._add(
                session,
                Enrollment(
                    community_id=self.community, person_id=person.id, grid_code="G1", state=enrolled, applied_at=self.now - timedelta(days=9),
                    confirm_due=self.now + timedelta(days=1), confirmed_at=self.now if enrolled == "ACTIVE" else None,
                ),
            )  # fmt: skip
        self.ids[name], self.accounts[name] = person.id, account.id
        self._addresses[chat.id] = chat.address
        self.secrets[name] = (person.display_name, phone, home, f"私话{name}", f"病{name}")

    async def _add(self, session: Any, row: Any) -> str:
        session.add(row)
        await session.flush()
        return str(row.id)

    async def _problems(self, session: Any) -> None:
        async def made(name: str, state: str, **fields: Any) -> None:
            values: dict[str, Any] = {
                "grid_code": "G1", "category": "E01", "sla": "P3", "place_name": "青禾苑4幢", "place_detail": self.secrets["reporter"][2],
                "text": "私话reporter", "text_public": f"公话{name}", "reporter_id": self.ids["reporter"], "level": "grid",
                "submitted_at": self.now, "contact_due": self.now + timedelta(days=1), "resolve_due": self.now + timedelta(days=5),
                "original_resolve_due": self.now + timedelta(days=5), "lat": 31.2012, "lon": 120.1505,
            } | fields  # fmt: skip
            code = f"WT-20261123-{900 + len(self.ids):04d}"
            problem = Problem(community_id=self.community, code=code, state=state, **values)
            self.ids[f"p_{name}"], self.ids[f"P_{name}"] = await self._add(session, problem), code

        salt = "salt"
        token = AnonymousToken(
            salt=salt, chat_hash=keyring.hash(salt, "memory", "private:sealed"), return_address="memory\nmain\nprivate:sealed\nzh_CN"
        )
        token_id = await self._add(session, token)
        hidden = {"reporter_id": None, "anonymous": True, "token_id": token_id, "text": "匿名的话", "place_detail": ""}
        resolved = {"resolved_at": self.now, "result": "已经更换灯泡，晚上正常亮了", "lead_handler_id": self.ids["leader"]}
        await made("new", "SUBMITTED")
        await made("urgent", "SUBMITTED", sla="P1", draft_id="spent")
        self.ids["d_report_spent"] = "spent"
        await made("taken", "ACCEPTED", lead_handler_id=self.ids["leader"])
        await made("work", "IN_PROGRESS", lead_handler_id=self.ids["leader"])
        await made("up", "ACCEPTED", level="community")
        await made("done", "RESOLVED", **resolved)
        await made("refused", "REJECTED", close_reason="invalid")
        await made("waits", "SUSPENDED", suspended_until=self.now + timedelta(days=30))
        await made("again", "IN_PROGRESS", reopen_count=2)
        await made("sealed", "RESOLVED", **hidden, **resolved)
        await made("care", "SUBMITTED", category="H05", text="私话reporter 低保")
        await made("far", "ACCEPTED", grid_code="G2", reporter_id=self.ids["supporter"], text="私话supporter", place_detail="")
        await made("next_door", "SUBMITTED", category="H05", reporter_id=self.ids["neighbour"], text="私话neighbour", place_detail="")
        session.add(ProblemSupporter(problem_id=self.ids["p_work"], person_id=self.ids["supporter"], at=self.now))
        for name, who in (("log", "leader"), ("log_ended", "ended_leader")):  # the second lost the grid a moment after
            log = StateLog(
                object_kind="problem", object_id=self.ids["p_taken"], event="accept", source="SUBMITTED", target="ACCEPTED", at=self.now,
                actor_id=self.ids[who], before={"version": 1, "fields": {"state": "SUBMITTED"}, "cause": "before"},
            )  # fmt: skip
            self.ids[name] = await self._add(session, log)
        await self._draft(session, "report", "reporter", text="4幢后面有人倒建筑垃圾 私话reporter", category="B03", category_chosen=True, lat=31.2012, lon=120.1505,
                          place="青禾苑4幢", place_id=None, grid="G1", twin=self.ids["p_far"], photos=0, anonymous=False, detail="")  # fmt: skip
        await self._draft(session, "order", "reporter", **{
            "text": "量血压 私话reporter", "service": "care", "want_time": "", "place_name": "青禾苑4幢", "place_detail": "", "grid_code": "G1",
        })  # fmt: skip

    async def _draft(self, session: Any, kind: str, owner: str, name: str = "", /, **data: Any) -> None:
        draft = Draft(account_id=self.accounts[owner], kind=kind, data=data, updated_at=self.now)
        self.ids[f"d_{name or kind}"] = await self._add(session, draft)

    async def _work(self, session: Any) -> None:
        async def order(name: str, state: str = "SUBMITTED") -> str:
            code = f"DD-20261123-{900 + len(self.ids):04d}"
            made = Order(
                community_id=self.community, code=code, resident_id=self.ids["reporter"], service="care", text="私话reporter", state=state,
                text_public="上门服务", grid_code="G1", place_name="青禾苑4幢", place_detail=self.secrets["reporter"][2], submitted_at=self.now,
            )  # fmt: skip
            self.ids[f"o_{name}"], self.ids[f"O_{name}"] = await self._add(session, made), code
            return self.ids[f"o_{name}"]

        async def task(name: str, start: timedelta, claim: str = "", **fields: Any) -> None:
            begin, number = self.now + start, 900 + len(self.ids)
            more = {key: fields.pop(key) for key in ("offered_until", "withdraw_reason", "checked_in_at", "hours") if key in fields}
            values: dict[str, Any] = {
                "title": "上门服务", "grid_code": "G1", "place_name": "青禾苑4幢", "place_private": self.secrets["reporter"][2], "capacity": 9,
                "contact": " ".join(self.secrets["reporter"][:2]), "start_at": begin, "end_at": begin + timedelta(hours=2), "check_in_code": "8246",
                "leader_id": self.ids["head"], "creator_id": self.ids["head"], "created_at": self.now, "source": "order",
            } | fields  # fmt: skip
            made = Task(community_id=self.community, code=f"RW-20261123-{number:04d}", short_no=number, **values)
            self.ids[f"t_{name}"], self.ids[f"T_{name}"] = await self._add(session, made), str(number)
            if claim:
                theirs = Claim(task_id=made.id, person_id=self.ids["claimer"], state=claim, claimed_at=self.now, **more)
                self.ids[f"c_{name}"] = await self._add(session, theirs)

        await order("new")
        day = timedelta(days=1)
        await task("open", 5 * day, source_id=await order("open", "DISPATCHED"))
        await task("free", 6 * day, source_id=await order("free", "DISPATCHED"), audience="volunteers")
        await task("held", 3 * day, "ACTIVE", source_id=await order("held", "DISPATCHED"))
        await task("offer", 4 * day, "OFFERED", offered_until=self.now + timedelta(hours=1))
        await task("soon", timedelta(minutes=20), "ACTIVE")
        await task("there", timedelta(hours=-1), "CHECKED_IN", checked_in_at=self.now - timedelta(hours=1))
        await task("missed", -day, "NO_SHOW", withdraw_reason="私话claimer")
        await task("over", -day, "DONE", hours=2.0)
        await task("rough", timedelta(minutes=10), "ACTIVE")
        await task("rated", -2 * day, "VERIFIED", source_id=await order("rated", "DISPATCHED"), state="VERIFIED", hours=2.0)
        record = CheckIn(claim_id=self.ids["c_rough"], kind="in", method="location", at=self.now, verdict="PENDING", coords="31.2,120.15")
        self.ids["check_in"] = await self._add(session, record)

    async def _posts(self, session: Any) -> None:
        for name, claim in (("free", ""), ("asked", "APPLIED"), ("held", "CONFIRMED")):
            number = 900 + len(self.ids)
            post = Post(
                community_id=self.community, number=number, name="楼道长", grid_code="G1", term_from=date(2026, 11, 1), term_to=date(2027, 11, 1),
                creator_id=self.ids["leader"], created_at=self.now,
            )  # fmt: skip
            self.ids[f"post_{name}"], self.ids[f"POST_{name}"] = await self._add(session, post), str(number)
            if claim:
                made = PostClaim(post_id=post.id, person_id=self.ids["claimer"], state=claim, applied_at=self.now)
                self.ids[f"pc_{name}"] = await self._add(session, made)
        team = Team(community_id=self.community, name="急救突击队", kind="突击队", leader_id=self.ids["captain"])
        self.ids["team"] = await self._add(session, team)
        for name in ("captain", "claimer"):
            session.add(TeamMember(team_id=team.id, person_id=self.ids[name], joined_at=self.now))

    async def _administration(self, session: Any) -> None:
        unit = Enrollment(
            community_id=self.community, kind="unit", applicant_id=self.ids["neighbour"], state="APPLIED", applied_at=self.now,
            confirm_due=self.now + timedelta(days=2), details={"name": "新单位", "kind": "其他", "liaison": "证neighbour", "phone": "13900000001"},
        )  # fmt: skip
        self.ids["enrolment_unit"] = await self._add(session, unit)
        granted = RoleAssignment(person_id=self.ids["helper"], role="duty", valid_from=self.now, granted_by=self.ids["coordinator"])
        note = json.dumps({"made": await self._add(session, granted), "ended": []})
        for name, who in (("audit", "coordinator"), ("audit_ended", "ended")):
            done = AuditLog(
                actor_id=self.ids[who], action="role.granted", person_id=self.ids["helper"], object_kind="role", object_id=granted.id,
                note=note, at=self.now,
            )  # fmt: skip
            self.ids[name] = await self._add(session, done)
        for number, (name, audience, author) in enumerate((("all", "all", "coordinator"), ("grid", "grid:G1", "leader")), 900):
            made = Announcement(
                community_id=self.community,
                number=number,
                audience=audience,
                text="停水",
                author_id=self.ids[author],
                published_at=self.now,
            )
            self.ids[f"a_{name}"], self.ids[f"A_{name}"] = await self._add(session, made), str(number)
        day = date(2026, 11, 25)
        session.add(DutyShift(community_id=self.community, day=day, person_id=self.ids["duty"]))
        role = {"verb": "grant", "name": "证member", "role": "volunteer", "grid": None, "unit": None, "since": None, "until": None,
                "person": self.ids["member"]}  # fmt: skip
        both = {"giver": [self.ids["leader"]], "taker": [self.ids["clerk"]], "grid": "", "end_roles": False}
        file = {"name": "g.geojson", "data": base64.b64encode(GRID).decode(), "crs": None}
        enrol = {
            "mode": "apply", "agreed": True, "name": "证neighbour", "kind": "community_registered", "skills": [], "times": [], "times_done": True,
            "home": {"name": "青禾苑4幢", "grid": "G1"},
        }  # fmt: skip
        formed = {
            "resources": ["会议室"], "needs": [], "name": "又一单位", "kind": "其他", "address": "", "secretary": "", "liaison": "证neighbour",
            "phone": "13900000001",
        }  # fmt: skip
        await self._draft(session, "role", "coordinator", **role)
        await self._draft(session, "handover", "coordinator", **both)
        await self._draft(session, "roster", "coordinator", days={"2026-11-26": [self.ids["duty"]]})
        swap = {"giver": self.ids["duty"], "taker": self.ids["clerk"], "day": day.isoformat(), "other": ""}
        await self._draft(session, "swap", "duty", **swap)
        announced = {"text": "停电", "audience": "all", "pinned": False, "days": "30", "until": ""}
        await self._draft(session, "announcement", "coordinator", **announced)
        await self._draft(session, "import", "coordinator", **file)
        await self._draft(session, "holidays", "coordinator", text=NEXT)
        await self._draft(session, "holidays", "ended", "holidays_ended", text=NEXT)
        await self._draft(session, "enrolment", "neighbour", **enrol)
        await self._draft(session, "enrolment", "neighbour", "enrolment_new", mode="apply", name="证neighbour")
        await self._draft(session, "unit_enrolment", "neighbour", **formed)
        # The same drafts in hands that lost, or never had, the right: an old card is still in their chat.
        for name in ("ended", "admin"):
            for kind, data in (("handover", both), ("roster", {"days": {}}), ("announcement", announced), ("import", file), ("role", role)):
                await self._draft(session, kind, name, f"{kind}_{name}", **data)

    async def _meetings(self, session: Any) -> None:
        """A meeting in each state, units U01 to U04 invited: U03 has signed in and not replied, U04 had `ended` as its liaison."""
        names = {"U01": "liaison", "U02": "liaison2", "U04": "ended"}
        for code, name in names.items():
            await session.execute(sa.update(PartnerUnit).where(PartnerUnit.code == code).values(liaison_id=self.ids[name]))
        await session.execute(sa.update(PartnerUnit).where(PartnerUnit.code == "U03").values(name=SILENT))

        async def made(name: str, state: str, **fields: Any) -> str:
            values: dict[str, Any] = {
                "kind": "big_committee", "title": "大党委会", "planned_at": self.now + timedelta(days=14), "place": "党群中心二楼", "round": 1,
                "code": f"HY-20261123-{900 + len(self.ids):04d}", "created_at": self.now,
            } | fields  # fmt: skip
            meeting = Meeting(community_id=self.community, state=state, **values)
            self.ids[f"m_{name}"], self.ids[f"M_{name}"] = await self._add(session, meeting), str(meeting.code)
            topic = AgendaItem(meeting_id=meeting.id, number=1, text="门禁更换", source="clerk", state="ADOPTED", at=self.now)
            session.add(topic)
            return meeting.id

        async def invited(name: str, *, came: bool = False) -> None:
            asked: dict[str, dict[str, Any]] = {
                "u1": {"unit_code": "U01"}, "u2": {"unit_code": "U02", "reply": "leave", "leave_reason": "私话liaison2"},
                "u3": {"unit_code": "U03"}, "u4": {"unit_code": "U04"}, "branch": {"person_id": self.ids["branch"]},
            }  # fmt: skip
            for who, fields in asked.items():
                row = Attendance(meeting_id=self.ids[f"m_{name}"], attended_at=self.now if came or who == "u3" else None, **fields)
                self.ids[f"att_{name}_{who}"] = await self._add(session, row)

        async def decided(name: str, meeting: str, state: str = "OPEN", **fields: Any) -> None:
            code = f"{self.ids[f'M_{meeting}']}-{1 + len([one for one in self.ids if one.startswith('item_')])}"
            item = ActionItem(
                meeting_id=self.ids[f"m_{meeting}"], code=code, number=len(self.ids), text="更换门禁", state=state,
                due=self.now + timedelta(days=20), **fields,
            )  # fmt: skip
            self.ids[f"item_{name}"], self.ids[f"ITEM_{name}"] = await self._add(session, item), code

        begun = {"opened_at": self.now, "noticed_at": self.now, "planned_at": self.now}
        await made("scheduled", "SCHEDULED")
        await made("topics", "TOPICS")
        await made("agenda", "AGENDA")
        await made("noticed", "NOTICED", noticed_at=self.now)
        await made("today", "NOTICED", noticed_at=self.now, planned_at=self.now + timedelta(hours=2))
        await made("session", "IN_SESSION", sign_in_code="8246", **begun)
        await made("held", "HELD", ended_at=self.now, **begun)
        await made("sent", "HELD", ended_at=self.now, **begun)
        await made("minuted", "MINUTED", ended_at=self.now, **begun)
        await made("other", "NOTICED", noticed_at=self.now)
        session.add(Attendance(meeting_id=self.ids["m_other"], unit_code="U03"))
        for name in ("noticed", "today", "session"):
            await invited(name)
        for name in ("held", "sent", "minuted"):
            await invited(name, came=True)
            until = self.now + timedelta(days=2) if name != "held" else None
            session.add(
                Minutes(
                    meeting_id=self.ids[f"m_{name}"], facts=FACTS, text="大家同意", drafted_at=self.now, sent_at=until and self.now,
                    correct_until=until,
                )
            )  # fmt: skip
        await decided("u1", "minuted", unit_code="U01")
        await decided("u4", "minuted", unit_code="U04")
        await decided("done", "minuted", "DONE", unit_code="U01", result="私话liaison", done_at=self.now)
        # The quarter's own meeting: it can be put off, and is owed then.
        owed = await session.scalar(sa.select(Meeting).where(Meeting.quarter == "2026Q4", Meeting.makes_up_for.is_(None)))
        owed.state, owed.code, owed.planned_at, owed.round = "NOTICED", "HY-20261123-0899", self.now + timedelta(days=15), 1
        self.ids["m_owed"], self.ids["M_owed"] = owed.id, owed.code
        talk = Meeting(community_id=self.community, kind="thursday_talk", planned_at=next_talk(Calendar(), self.now), created_at=self.now)
        self.ids["m_talk"] = await self._add(session, talk)
        said = AgendaItem(
            meeting_id=talk.id, number=1, text="私话reporter", source="booking", proposer_id=self.ids["reporter"], at=self.now
        )
        session.add(said)
        line = {"meeting": "big_committee", "title": "大党委会", "at": (self.now + timedelta(days=9)).isoformat(), "place": "党群中心二楼"}
        for name, who in (("", "coordinator"), ("_street", "street"), ("_ended", "ended"), ("_admin", "admin")):
            await self._draft(session, "meeting", who, f"meeting{name}", **line, how="", days=["2026-12-04"], choices=["this"])
        for name, who in (("", "secretary"), ("_coordinator", "coordinator"), ("_ended", "ended")):
            await self._draft(session, "meeting_move", who, f"move{name}", meeting=owed.id, round=1, reason="场地检修")
        enrolment = (
            await session.scalars(sa.select(Enrollment.id).where(Enrollment.unit_code == "U03", Enrollment.state == "ACTIVE"))
        ).one()
        for name, who in (("", "coordinator"), ("_ended", "ended"), ("_admin", "admin")):
            await self._draft(session, "unit_leave", who, f"unit_leave{name}", enrolment=enrolment, event="withdraw", reason="搬走")

    async def _promises(self, session: Any) -> None:
        """A promise of everybody who may promise, in each state; `far` is of a member of another branch."""
        await session.execute(sa.text("DELETE FROM commitment"))
        far = Person(community_id=self.community, code="FAR", display_name="远处党员", home_grid="G2", person_kind="member")
        session.add(PartyMember(person_id=await self._add(session, far)))
        session.add(Enrollment(community_id=self.community, person_id=far.id, grid_code="G2", state="ACTIVE", applied_at=self.now))
        item = {"what": "上门理发", "for_whom": "独居老人", "measure": "每月2次", "due": "2026-12-20"}

        async def made(name: str, kind: str, owner: str, state: str, writer: str, year: int = 2026, **fields: Any) -> None:
            code = f"CN-20260228-{900 + len(self.ids):04d}"
            promise = Commitment(
                community_id=self.community, code=code, owner_kind=kind, owner=owner, year=year, items=[item | fields.pop("item", {})],
                state=state, writer_id=self.ids.get(writer), submitted_at=self.now, **fields,
            )  # fmt: skip
            self.ids[f"pr_{name}"], self.ids[f"PR_{name}"] = await self._add(session, promise), code

        said = {"said": "not", "reason": "私话head"}
        await made("new", "member", self.ids["claimer"], "SUBMITTED", "claimer")
        await made("old", "member", self.ids["claimer"], "DRAFT", "claimer", 2025, return_reason="私话claimer")
        await made("public", "member", self.ids["member"], "PUBLISHED", "member", 2024)
        await made("judged", "member", self.ids["member"], "EVALUATED", "member", 2025, result="partly", evaluated_at=self.now)
        await made("review", "member", self.ids["captain"], "REVIEW_OPEN", "captain")
        await made("votes", "member", self.ids["head"], "IN_EVALUATION", "head", item=said)
        await made("far", "member", far.id, "SUBMITTED", "")
        await made("far_votes", "member", far.id, "IN_EVALUATION", "", 2025)
        await made("branch", "org", "G1", "SUBMITTED", "branch")
        await made("branch_votes", "org", "G1", "IN_EVALUATION", "branch", 2025)
        await made("unit", "unit", "U01", "SUBMITTED", "liaison")
        await made("unit_public", "unit", "U02", "PUBLISHED", "liaison2")
        await made("unit_ended", "unit", "U04", "REVIEW_OPEN", "ended")
        await made("community", "community", "", "SUBMITTED", "coordinator")
        # The second was kept for a side that is no longer, or never was, its writer's.
        for name, who, side in (("", "member", ["member", self.ids["member"]]), ("_forged", "applicant", ["member", self.ids["gone"]])):
            kept = {"sides": [side], "side": side, "items": [item, item], "said": "", "commitment": ""}
            await self._draft(session, "promise", who, f"promise{name}", **kept)


FACTS: dict[str, Any] = dict.fromkeys(("community", "title", "code", "planned", "place", "chair", "recorder"), "") | {
    "late": False, "came": [], "leave": [], "absent": [], "numbers": [], "topics": [], "decided": [], "resources": [0, 0], "needs": [0, 0],
    "next": "2027Q1", "made_at": "2026-11-23",
}  # fmt: skip
# The unit that has not replied: no group may read its name.
SILENT = "未复单位"
GRID = json.dumps({
    "type": "FeatureCollection",
    "features": [{
        "type": "Feature", "properties": {"code": "G1", "name": "青禾苑一区网格", "households": 413, "branch": "青禾苑一区网格党支部"},
        "geometry": {"type": "Polygon", "coordinates": [[[120.15, 31.2], [120.153, 31.2], [120.153, 31.2025], [120.15, 31.2025], [120.15, 31.2]]]},
    }],
}).encode()  # fmt: skip


class _Undone(Exception):
    """The turn was looked at; nothing of it stays."""
