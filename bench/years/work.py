"""Orders, tasks and claims; members who report in; posts: what residents, coordinators and members do week by week."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from bench.years.town import Town
from demo.people import PARTY, read
from models import Claim, Task
from services.workdays import ZONE

ORDER, NUMBER = re.compile(r"DD-\d{8}-\d{4}"), re.compile(r"#(\d+)")
ASKED = (
    "给我妈量个血压",
    "帮忙修一下水龙头",
    "想请人教手机怎么用",
    "帮忙清一下楼道",
    "想学书法",
    "陪我去医院拿药",
    "帮忙看看电路",
    "请人讲讲反诈",
)
NEWCOMERS = ("安", "白", "车", "段", "樊", "甘", "洪", "焦", "柯", "黎", "梅", "倪", "庞", "戚", "阮", "盛", "童", "魏", "辛", "闫")


@dataclass
class Work:
    """What is done for each other in this town."""

    town: Town
    members: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = read("community")
        self.leaders = {entry["code"]: entry["leader"] for entry in self.data["grids"]}
        now = self.town.now.date().isoformat()
        self.members = [m["id"] for m in self.data["members"] if m["state"] == "ACTIVE" and (m["enrolled"] or "9") <= now]
        self.to_enrol = [m for m in self.data["members"] if m["kind"] == "in_service" and (m["enrolled"] or "") > now]
        self.grid_of = {m["id"]: m["grid"] for m in self.data["members"]}
        self.houses = {grid: [b["name"] for b in self.data["buildings"] if b["grid"] == grid] for grid in self.leaders}

    def plan(self, day: date) -> None:
        """The work of a workday: who reports in, and on Mondays the week's orders; posts once a quarter."""
        town = self.town
        for member in [m for m in self.to_enrol if m["enrolled"] <= day.isoformat()]:
            self.to_enrol.remove(member)
            self._enrol_later(day, member["id"], member["name"], member["unit"], member["grid"], (member["skill"] or "助餐").split("/")[0])
        if day.year > 2026 and day.day <= 7 and day.weekday() == 1:
            grid = town.random.choice(sorted(self.leaders))
            name = f"{NEWCOMERS[day.month]}{town.random.choice('晓文明慧')}{town.random.choice('东宁远岚')}"
            code = f"N{day.year % 100}{day.month:02d}"
            self.grid_of[code] = grid
            self._enrol_later(day, code, name, f"U{town.random.randint(1, 12):02d}", grid, "维修")
        if day.weekday() == 0:
            for _ in range(2):
                town.later(town.work_moment(day), self.order)
        if day.weekday() == 1 and day.day <= 7 and day.month % 3 == 2:
            town.later(town.work_moment(day), self.set_up_post)

    # -- reporting in -------------------------------------------------------------------------------------------------
    def _enrol_later(self, day: date, code: str, name: str, unit: str, grid: str, skill: str) -> None:
        line = f"双报到 {name} {unit} {self.town.random.choice(self.houses[grid])} {skill} 周六"
        self.town.later(self.town.work_moment(day), lambda: self.enrol(code, name, grid, line))

    async def enrol(self, code: str, name: str, grid: str, line: str) -> None:
        """A member reports in; the grid leader confirms within two workdays."""
        town = self.town
        await town.says(code, line)
        await town.presses(code, "同意")
        heard = await town.presses(code, "提交")
        if town.expect(heard, "确认", doing="enrol"):
            town.later(town.workday_after(town.now, town.random.choice((0, 1, 1, 2))), lambda: self.confirm(code, name, grid))

    async def confirm(self, code: str, name: str, grid: str) -> None:
        """The grid leader confirms who reported in."""
        if self.town.expect(await self.town.says(self.leaders[grid], f"确认报到 {name}"), name, doing="confirm enrolment"):
            self.members.append(code)
            self.town.counts["enrolled"] += 1

    # -- orders and tasks ---------------------------------------------------------------------------------------------
    async def order(self) -> None:
        """A resident asks for something; the coordinator dispatches it."""
        town, choose = self.town, self.town.random
        who = choose.choice([entry["id"] for entry in self.data["residents"] if entry["grid"]])
        heard = await town.says(who, f"我要点单:{choose.choice(ASKED)},周六上午")
        if "提交" in heard.buttons:
            heard = await town.presses(who, "提交")
        found = ORDER.search(heard.text)
        if town.expect(heard, "DD-", doing="order") and found:
            town.counts["ordered"] += 1
            town.later(town.workday_after(town.now, choose.choice((0, 1))), lambda: self.dispatch(found[0], who))

    async def dispatch(self, order: str, resident: str) -> None:
        """The coordinator makes a task of it for the coming Saturday; members see it in the group."""
        town, choose = self.town, self.town.random
        today = town.now.date()
        day = today + timedelta(days=(5 - today.weekday()) % 7 or 7)
        at = datetime.combine(day, time(choose.randint(9, 15)), ZONE)
        line = f"派单 {order} {choose.randint(1, 2)}人 {day.year}年{day.month}月{day.day}日{at:%H}:00"
        heard = await town.says("ST02", line)
        found = NUMBER.search(heard.text)
        if not town.expect(heard, "RW-", doing="dispatch") or found is None:
            return
        number = found[1]
        town.counts["dispatched"] += 1
        for who in choose.sample(self.members, min(len(self.members), choose.choice((0, 1, 2, 3)))):
            town.later(town.now + timedelta(hours=choose.randrange(1, 20)), lambda who=who: self.claim(who, number, resident))

    async def _task(self, number: str) -> Task:
        found = await self.town.row(Task, Task.short_no == int(number))
        assert isinstance(found, Task)
        return found

    async def claim(self, who: str, number: str, resident: str) -> None:
        """A member claims in the party group, and comes, or withdraws, or does not come."""
        town, choose = self.town, self.town.random
        task = await self._task(number)
        if task.state not in ("OPEN", "CLAIMED", "UNFILLED"):
            return
        await town.says(who, f"接单{number}", chat=PARTY, silent=True)
        town.counts["claims tried"] += 1
        lot = choose.random()
        if lot < 0.08:
            town.later(town.now + timedelta(hours=choose.randrange(1, 60)), lambda: self.withdraw(who, number))
        elif lot < 0.9:
            town.later(task.start_at - timedelta(minutes=choose.randrange(2, 25)), lambda: self.check_in(who, number, resident))

    async def _claims(self, number: str, *states: str) -> list[Claim]:
        task = await self._task(number)
        return list(await self.town.rows(Claim, Claim.task_id == task.id, Claim.state.in_(states)))

    async def withdraw(self, who: str, number: str) -> None:
        """A member cannot come after all."""
        if await self._claims(number, "ACTIVE") and (await self._task(number)).start_at > self.town.now:
            await self.town.says(who, f"退单 {number} 临时加班")

    async def check_in(self, who: str, number: str, resident: str) -> None:
        """A member is there: by the leader's code or by location."""
        town, choose = self.town, self.town.random
        task = await self._task(number)
        if not await self._claims(number, "ACTIVE"):
            return
        if choose.random() < 0.6 or task.lat is None or task.lon is None:
            await town.says(who, f"签到 {number} {task.check_in_code}")
        else:
            await town.says(who, f"签到 {number}")
            await town.stands_at(who, task.lat + 0.0002, task.lon)
        if choose.random() < 0.85:
            town.later(task.end_at + timedelta(minutes=choose.randrange(-30, 10)), lambda: self.check_out(who, number))
        if choose.random() < 0.7:
            town.later(town.workday_after(task.end_at, 1), lambda: self.verify(number, resident))

    async def check_out(self, who: str, number: str) -> None:
        """A member goes home."""
        if await self._claims(number, "CHECKED_IN"):
            await self.town.says(who, f"签退 {number}")

    async def verify(self, number: str, resident: str) -> None:
        """The coordinator verifies who was there and rates the task, the resident too."""
        town = self.town
        waiting = len(await self._claims(number, "DONE"))
        if waiting:
            await town.says("ST02", f"核验 {number}")
            for _ in range(waiting):
                if town.can_press("ST02", "核验 "):
                    await town.presses("ST02", "核验 ")
        if (await self._task(number)).state in ("DONE", "VERIFIED", "RATED") or not await self._claims(number, "DONE"):
            await town.says("ST02", f"评单 {number} {town.random.choice((4, 5, 5))}")
            if town.can_press(resident, "满意"):
                await town.presses(resident, "满意")

    # -- posts --------------------------------------------------------------------------------------------------------
    async def set_up_post(self) -> None:
        """A grid leader sets up a post for half a year; a member of the grid takes it on."""
        town, choose = self.town, self.town.random
        grid = choose.choice(sorted(self.leaders))
        until = town.now.date() + timedelta(days=180)
        term = f"{town.now:%Y年%m月%d日}到{until:%Y年%m月%d日}"
        heard = await town.says(self.leaders[grid], f"设岗 民情收集岗 {choose.choice(self.houses[grid])} 1人 {term} 职责：每周巡楼道")
        found = re.search(r"(\d+)号", heard.text)
        if town.expect(heard, "已设岗", doing="set up a post") and found:
            who = choose.choice([m for m in self.members if self.grid_of.get(m) == grid] or self.members)
            town.later(town.workday_after(town.now, 1), lambda: self.take_post(who, found[1], self.leaders[grid]))

    async def take_post(self, who: str, number: str, leader: str) -> None:
        """A member takes a post on, and is confirmed."""
        if self.town.expect(await self.town.says(who, f"认岗 {number}"), "申请", doing="take a post") and self.town.can_press(
            leader, "确认"
        ):
            await self.town.presses(leader, "确认")
            self.town.counts["posts taken"] += 1
