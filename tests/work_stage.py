"""A small community for tests of orders and tasks: a few people, two groups, tasks made by hand, and what was posted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from models import (
    Chat,
    ChatAccount,
    Claim,
    Community,
    Enrollment,
    Grid,
    Occurrence,
    OutboxMessage,
    PartyMember,
    Person,
    Place,
    RoleAssignment,
    Task,
    keyring,
)
from models.database import Database
from services import post, tasks
from services.context import SCHEDULER, Actor, Context, ground
from services.identity import roles_of
from services.workdays import ZONE
from texts.render import Capabilities, Rendered, render
from texts.screen import Screen
from texts.work_screens import task_card

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=ZONE)
SATURDAY = datetime(2026, 11, 28, 9, 30, tzinfo=ZONE)

# code: (name, role, grid, skill of a member, building)
PEOPLE: dict[str, tuple[str, str | None, str | None, str | None, str | None]] = {
    "R101": ("王桂英", None, None, None, "青禾苑4幢"),
    "R102": ("罗可欣", None, None, None, None),
    "ST01": ("沈砚秋", "community_secretary", None, None, None),
    "ST02": ("顾明溪", "coordinator", None, None, None),
    "ST04": ("许知远", "grid_leader", "G1", None, None),
    "ST05": ("苏念安", "grid_leader", "G2", None, None),
    "M01": ("陈书禾", None, None, "环境整治", None),
    "M02": ("何晚晴", None, None, "护理急救", None),
    "M03": ("林一舟", None, None, "骑手/急救", None),
    "M04": ("周亦安", None, None, "", None),
}


def enrolled(community_id: str, person: Person, grid: str | None = None) -> Enrollment:
    """The person's confirmed 双报到."""
    return Enrollment(community_id=community_id, person_id=person.id, grid_code=grid, state="ACTIVE", applied_at=NOW, confirmed_at=NOW)


@dataclass
class Stage:
    """The store, a clock moved by hand, and the people in it."""

    database: Database
    now: datetime = NOW
    turns: int = 0
    last: Context | None = field(default=None)

    @asynccontextmanager
    async def turn(self, code: str | None, group: str = "") -> AsyncIterator[Context]:
        """One turn of this person, in private or in the group of this purpose; of the program itself for None."""
        self.turns += 1
        number = self.turns
        async with self.database.transaction() as session:
            land = await ground(session)
            context = Context(session, self.now, SCHEDULER, land, f"t{number}")
            if code is not None:
                person = (await session.scalars(sa.select(Person).where(Person.code == code))).one()
                member = await session.get(PartyMember, person.id)
                grants = await roles_of(session, person.id, self.now)
                state = await session.scalar(sa.select(Enrollment.state).where(Enrollment.person_id == person.id))
                context.actor = Actor(person, grants, state, tuple(member.skills) if member else ())
                account = await session.scalar(sa.select(ChatAccount).where(ChatAccount.person_id == person.id))
                context.account = account
                where = Chat.purpose == group if group else Chat.id == (account.private_chat_id if account else "")
                context.chat = await session.scalar(sa.select(Chat).where(where))
            yield context
            await session.flush()
        self.last = context

    async def task(self, capacity: int = 1, **fields: Any) -> str:
        """A task with its card in the party group; its short number."""
        async with self.turn(None) as context:
            number = 31 + len(list(await context.session.scalars(sa.select(Task.id))))
            start = fields.pop("start_at", SATURDAY)
            leader = (await context.session.scalars(sa.select(Person).where(Person.code == fields.pop("leader", "ST05")))).one()
            values: dict[str, Any] = {
                "title": "上门量血压", "place_name": "青禾苑9幢", "place_private": "1单元502室", "contact": "王桂英 13800001234",
                "lat": 31.2012, "lon": 120.1515, "start_at": start, "end_at": start + timedelta(hours=2), "check_in_code": "8246",
                "grid_code": "G2", "leader_id": leader.id, "creator_id": leader.id, "created_at": self.now,
            } | fields  # fmt: skip
            task = Task(
                community_id=context.ground.community_id, code=f"RW-20261120-{number:04d}", short_no=number, capacity=capacity, **values
            )
            context.session.add(task)
            await context.session.flush()
            shown = await tasks.view(context, task)

            await post.to_purpose(context, "party", task_card(shown), card=tasks.card_of(task))
        return str(number)

    async def claims(self, number: str) -> dict[str, Claim]:
        """The latest claim of each person in the task, by code."""
        async with self.turn(None) as context:
            rows = await context.session.execute(
                sa.select(Person.code, Claim)
                .join(Claim, Claim.person_id == Person.id)
                .join(Task, Task.id == Claim.task_id)
                .where(Task.short_no == int(number))
                .order_by(Claim.claimed_at, Claim.id)
            )
            return dict(rows.all())

    async def states(self, number: str) -> dict[str, str]:
        """The state of the latest claim of each person, by code."""
        return {code: claim.state for code, claim in (await self.claims(number)).items()}

    async def find(self, number: str) -> Task:
        """The task as it is stored."""
        async with self.turn(None) as context:
            return await tasks.find(context, number)

    async def card(self, number: str) -> Rendered:
        """What the task's card in the party group says now."""
        task = await self.find(number)
        return (await self.posted(card=tasks.card_of(task)))[-1]

    async def posted(self, *, to: str = "", card: str = "", group: str = "") -> list[Rendered]:
        """What was sent, oldest first: to this person, to the group of this purpose, or as this card."""
        async with self.turn(None) as context:
            query = sa.select(OutboxMessage).join(Chat, Chat.id == OutboxMessage.chat_id).order_by(OutboxMessage.id)
            if to:
                query = query.join(ChatAccount, ChatAccount.private_chat_id == Chat.id).join(Person, Person.id == ChatAccount.person_id)
                query = query.where(Person.code == to)
            if card:
                query = query.where(OutboxMessage.card == card)
            if group:
                query = query.where(Chat.purpose == group)
            rows = await context.session.scalars(query)
            return [render(Screen.from_json(row.body), row.language, Capabilities()) for row in rows]

    async def alarms(self) -> list[tuple[str, str, datetime]]:
        """The alarms that wait: (job, subject, due)."""
        async with self.turn(None) as context:
            rows = await context.session.scalars(sa.select(Occurrence).where(Occurrence.state == "due"))
            return [(row.job, row.subject, row.due) for row in rows]


@asynccontextmanager
async def staged(url: str) -> AsyncIterator[Stage]:
    """The community on the database at `url`, which has its tables."""
    keyring.use({"t": b"0" * 32}, b"0" * 32)
    database = Database(url)
    try:
        async with database.transaction() as session:
            community = Community(name="青禾里社区", next_task_number=31)
            session.add(community)
            await session.flush()
            for code, name in (("G1", "一区网格"), ("G2", "二区网格")):
                session.add(Grid(community_id=community.id, code=code, name=name))
            for name, lat in (("青禾苑4幢", 31.2004), ("青禾苑9幢", 31.2006)):
                place = Place(community_id=community.id, grid_code="G1", name=name, lat=lat, lon=120.1515, kind="building")
                session.add(place)
            for purpose in ("party", "coordinators"):
                session.add(Chat(platform="memory", bot="main", key_hash=purpose, address=purpose, kind="group", purpose=purpose))
            for code, (name, role, grid, skill, building) in PEOPLE.items():
                person = Person(community_id=community.id, code=code, display_name=name, building=building, phone="13800001234")
                chat = Chat(platform="memory", bot="main", key_hash=code, address=code)
                session.add_all([person, chat])
                await session.flush()
                account = ChatAccount(
                    platform="memory", bot="main", user_hash=code, user_address=code, person_id=person.id, private_chat_id=chat.id
                )
                session.add(account)
                if role:
                    session.add(RoleAssignment(person_id=person.id, role=role, grid_code=grid))
                if skill is not None:
                    session.add(PartyMember(person_id=person.id, skills=[skill] if skill else []))
                    session.add(enrolled(community.id, person, "G1"))
        yield Stage(database)
    finally:
        await database.close()
