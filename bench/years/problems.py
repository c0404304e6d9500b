"""Residents who report, and those who answer for it: taken up, contacted, resolved or left too long, rated, sent back, forgotten."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.years.town import Town
from demo.people import read
from models import Problem

CODE = re.compile(r"WT-\d{8}-\d{4}")
OPEN = ("SUBMITTED", "ACCEPTED", "IN_PROGRESS")
SAID = (
    "{place}路灯不亮", "{place}楼道堆满了纸箱走不过去", "{place}有人飞线充电", "{place}门口垃圾堆了两天没人清", "{place}电梯按钮失灵",
    "{place}楼上半夜唱歌吵得睡不着", "{place}门禁坏了谁都能进", "{place}门口乱停车出不去", "{place}楼道里有人扔烟头",
    "{place}化粪池溢出来了", "{place}停水半天了没通知", "{place}老跳闸", "{place}前面路砖翘起来了", "{place}有人遛狗不牵绳",
    "{place}楼上漏水天花板湿了", "{place}绿地被人围起来种菜", "{place}墙上贴满小广告", "{place}物业费涨价没人说明",
    "{place}楼下饭店油烟直排", "{place}共享单车堵住门口", "{place}健身器材扶手断了", "{place}树枝快碰到电线了",
    "{place}晚上没有停车位", "{place}充电桩坏了好几个", "{place}装修垃圾堆在门口", "{place}有蟑螂老鼠", "{place}保洁一周才来一次",
    "{place}宽带断了两天", "{place}有人在楼上往下扔东西", "{place}小摊占了人行道", "建议{place}旁边周末开放自习室",
    "助餐点周日开不开，我住{place}", "医保异地怎么备案，我住{place}", "{place}有独居老人没人照看想请人上门看看",
)  # fmt: skip
URGENT = ("{place}电梯困人了快来人", "{place}旁边井盖没了", "{place}楼道里有很浓的煤气味", "{place}有人家里着火了")
DONE = (
    "已到现场处理完毕，恢复原样",
    "已联系物业处理，现场已经清理干净",
    "已上门说明情况，双方同意这样处理",
    "已修好，夜里再看过一次，正常",
)
GIVEN_UP = 8
WORKDAYS = {"P1": 0, "P2": 3, "P3": 5, "P4": 15, "P5": 1}


@dataclass
class Problems:
    """What becomes of problems in this town."""

    town: Town

    def __post_init__(self) -> None:
        data = read("community")
        self.residents = [entry["id"] for entry in data["residents"]]
        self.homes = {entry["id"]: entry["building"] for entry in data["residents"]}
        self.buildings = [entry["name"] for entry in data["buildings"]]
        self.leaders = {entry["code"]: entry["leader"] for entry in data["grids"]}

    # -- residents ----------------------------------------------------------------------------------------------------
    def plan(self, day: datetime, workday: bool) -> None:
        """The reports of a day: about two on a workday, some at night."""
        choose = self.town.random
        for _ in range(choose.choice((1, 2, 2, 3) if workday else (0, 0, 1, 2))):
            minutes = choose.choice((choose.randrange(7 * 60, 22 * 60),) * 9 + (choose.randrange(24 * 60),))
            self.town.later(day + timedelta(minutes=minutes), self.report)

    async def report(self) -> None:
        """Somebody reports something somewhere, and answers what is asked until there is a code."""
        town, choose = self.town, self.town.random
        who = choose.choice(self.residents)
        urgent = choose.random() < 0.03
        place = (choose.random() < 0.5 and self.homes[who]) or choose.choice(self.buildings)
        anonymous = not urgent and choose.random() < 0.08
        heard = await town.says(who, choose.choice(URGENT if urgent else SAID).format(place=place))
        duplicate = ""
        for _ in range(GIVEN_UP):
            buttons = heard.buttons
            if "同一件" in buttons:
                parent = CODE.search(heard.text)
                if choose.random() < 0.5:
                    await town.presses(who, "同一件")
                    town.counts["supported"] += 1
                    return
                duplicate = parent[0] if parent else ""
                heard = await town.presses(who, "不是")
            elif "提交" in buttons:
                heard = await town.presses(who, "匿名提交" if anonymous and "匿名提交" in buttons else "提交")
            elif CODE.search(heard.text):
                break
            elif buttons:
                heard = await town.presses(who, buttons[0])
            else:
                heard = await town.says(who, place)
        found = CODE.search(heard.text)
        if not town.expect(heard, "WT-", doing="report") or found is None:
            return
        town.counts["reported"] += 1
        self.follow(who, await self._problem(found[0]), duplicate)

    def follow(self, who: str, problem: Problem, duplicate: str) -> None:
        """What everybody means to do about it."""
        town, choose, code, at = self.town, self.town.random, problem.code, self.town.now
        lot = choose.random()
        if problem.sla == "P1":
            taken = timedelta(minutes=choose.choice((5, 12, 20, 28, 50)))
            town.later(at + taken, lambda: self.take_up(code))
            town.later(at + timedelta(hours=choose.choice((2, 5, 9, 15, 20, 30))), lambda: self.resolve(code, who))
            return
        if lot < 0.03:
            town.later(at + timedelta(minutes=40), lambda: self.withdraw(who, code))
        if lot > 0.97:
            town.later(town.workday_after(at, 0), lambda: self.reject(code))
            return
        if duplicate and choose.random() < 0.6:
            town.later(town.workday_after(at, 0), lambda: self.merge(code, duplicate))
        taken_up = town.workday_after(at, choose.choice((0, 0, 0, 1, 1, 2)))
        town.later(taken_up, lambda: self.take_up(code))
        promised = WORKDAYS[problem.sla]
        days = choose.randint(0, max(promised - 1, 0)) if choose.random() < 0.85 else promised + choose.randint(1, 6)
        town.later(town.workday_after(taken_up + timedelta(hours=1), days), lambda: self.resolve(code, who))
        if choose.random() < 0.04 and promised >= 5:
            town.later(town.workday_after(taken_up, 1), lambda: self.extend(code))
        elif choose.random() < 0.02:
            town.later(town.workday_after(taken_up, 1), lambda: self.put_aside(code, who))

    async def withdraw(self, who: str, code: str) -> None:
        """The reporter takes it back."""
        if (await self._problem(code)).state in ("SUBMITTED", "ACCEPTED") and not (await self._problem(code)).anonymous:
            self.town.expect(await self.town.says(who, f"撤回 {code}"), code, doing="withdraw")

    # -- staff --------------------------------------------------------------------------------------------------------
    async def _problem(self, code: str) -> Problem:
        found = await self.town.row(Problem, Problem.code == code)
        assert isinstance(found, Problem)
        return found

    def handler(self, problem: Problem) -> str:
        """Who answers for it at its level."""
        return self.leaders[problem.grid_code] if problem.level == "grid" and problem.grid_code else "ST02"

    async def take_up(self, code: str) -> None:
        """Accept it; an hour later the reporter is called."""
        problem = await self._problem(code)
        if problem.state != "SUBMITTED":
            return
        heard = await self.town.says(self.handler(problem), f"受理 {code}")
        if self.town.expect(heard, code, doing="accept"):
            self.town.later(self.town.now + timedelta(minutes=self.town.random.randrange(15, 120)), lambda: self.contact(code))

    async def contact(self, code: str) -> None:
        """Somebody talked to the reporter."""
        problem = await self._problem(code)
        if problem.state in OPEN and problem.first_contact_at is None:
            self.town.expect(await self.town.says(self.handler(problem), f"已联系 {code} 已电话说明"), code, doing="contact")

    async def reject(self, code: str) -> None:
        """The coordinator does not accept it."""
        if (await self._problem(code)).state == "SUBMITTED":
            self.town.expect(await self.town.says("ST02", f"不受理 {code} 内容无效"), code, doing="reject")

    async def merge(self, code: str, parent: str) -> None:
        """The coordinator merges a duplicate into the one that was shown to its reporter."""
        if (await self._problem(code)).state in OPEN[:2] and (await self._problem(parent)).state in OPEN:
            self.town.expect(await self.town.says("ST02", f"并案 {code} 到 {parent}"), code, doing="merge")

    async def extend(self, code: str) -> None:
        """The secretary gives it more time."""
        problem = await self._problem(code)
        if problem.state != "IN_PROGRESS" and problem.state == "ACCEPTED":
            await self.town.says(self.handler(problem), f"办理 {code}")
        if (problem := await self._problem(code)).state == "IN_PROGRESS" and problem.resolve_due > self.town.now:
            day = self.town.calendar.add(problem.resolve_due, 5)
            heard = await self.town.says("ST01", f"延期 {code} {day.year}年{day.month}月{day.day}日 需要采购配件")
            self.town.expect(heard, code, doing="extend")

    async def put_aside(self, code: str, who: str) -> None:
        """The secretary suspends it for two months; it is resolved a week after the review."""
        problem = await self._problem(code)
        if problem.state in OPEN:
            day = self.town.calendar.next_workday((self.town.now + timedelta(days=60)).date())
            heard = await self.town.says("ST01", f"挂账 {code} {day.year}年{day.month}月{day.day}日 等待街道专项资金")
            if self.town.expect(heard, code, doing="suspend"):
                self.town.later(self.town.workday_after(self.town.work_moment(day), 5), lambda: self.resolve(code, who))

    async def resolve(self, code: str, who: str) -> None:
        """Say what was done; then the reporter may rate it."""
        problem = await self._problem(code)
        if problem.state not in OPEN:
            return
        heard = await self.town.says(self.handler(problem), f"办结 {code} {self.town.random.choice(DONE)}")
        if self.town.expect(heard, code, doing="resolve") and self.town.random.random() < 0.65:
            after = self.town.now + timedelta(hours=self.town.random.randrange(1, 90))
            evening = after.replace(hour=self.town.random.randrange(8, 21))
            self.town.later(max(evening, self.town.now), lambda: self.rate(code, who))

    async def rate(self, code: str, who: str) -> None:
        """The reporter says how it was; what is not solved is done again."""
        problem = await self._problem(code)
        if problem.state != "RESOLVED":
            return
        lot = self.town.random.random()
        grade = "满意" if lot < 0.7 else "基本满意" if lot < 0.88 else "不满意"
        self.town.expect(await self.town.says(who, f"评价 {code} {grade}"), code, doing="rate")
        if grade == "基本满意":
            await self.town.says(who, f"{code} 解决了")
        if (await self._problem(code)).state == "IN_PROGRESS":
            again = self.town.workday_after(self.town.now, self.town.random.randint(1, 4))
            self.town.later(again, lambda: self.resolve(code, who))
