"""What a community owes itself: the quarterly joint meeting with its decisions, the year of promises, and the coming year's holidays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bench.years.town import Town
from bench.years.work import Work
from demo.people import read
from models import ActionItem, Attendance, Commitment, Meeting
from services.workdays import ZONE

MEETING, PROMISE, ACTION = re.compile(r"HY-\d{8}-\d{4}"), re.compile(r"CN-\d{8}-\d{4}"), re.compile(r"HY-\d{8}-\d{4}-\d+")
MONTHS_HELD = (3, 6, 9, 12)
NOBODY_CONVENED = (2027, 6)
TOPICS = ("西门停车秩序", "冬季用电安全", "老旧电梯更新", "暑期儿童托管", "垃圾分类点位", "商街油烟", "夜间噪音", "楼道堆物")
DECIDED = ("更换9幢门禁", "增设两处充电桩", "每月联合巡查一次商街", "办一场用电安全讲座", "清理地库杂物")
PROMISED = (
    "为独居老人上门理发,每月1次,12月20日前", "为居民办义诊,不少于4场,11月30日前", "为孩子讲故事6次,年底前", "帮老人修水电,每月1次,年底前",
    "为居民办讲座2场,10月31日前",
)  # fmt: skip
VOTES = ("兑现", "兑现", "兑现", "部分兑现", "未兑现")
NOTICE_OF_2027 = """录入节假日：国务院办公厅关于2027年部分节假日安排的通知
一、元旦：1月1日（周五）至3日（周日）放假，共3天。
二、春节：2月5日（周五）至11日（周四）放假调休，共7天。2月20日（周六）、2月21日（周日）上班。
三、清明节：4月3日（周六）至5日（周一）放假，共3天。
四、劳动节：5月1日（周六）至5日（周三）放假调休，共5天。4月25日（周日）、5月8日（周六）上班。
五、端午节：6月9日（周三）放假，共1天。
六、中秋节：9月15日（周三）放假，共1天。
七、国庆节：10月1日（周五）至7日（周四）放假调休，共7天。9月26日（周日）、10月9日（周六）上班。"""
"""Invented: the official one is published in the autumn before."""


@dataclass
class Governance:
    """Meetings, promises and calendars of this town."""

    town: Town
    work: Work

    def __post_init__(self) -> None:
        data = read("community")
        self.liaisons = {entry["id"]: entry["liaison"] for entry in data["units"]}
        self.leaders = {entry["code"]: entry["leader"] for entry in data["grids"]}
        self.residents = [entry["id"] for entry in data["residents"]]

    def plan(self, day: date) -> None:
        """What a workday brings of it."""
        town, calendar = self.town, self.town.calendar
        if (
            day.month in (2, 5, 8, 11)
            and day == calendar.next_workday(day.replace(day=20))
            and (day.year, day.month + 1) != NOBODY_CONVENED
        ):
            town.later(town.work_moment(day), lambda: self.convene(day.year, day.month + 1))
        if (day.year, day.month, day.day) == (2027, 7, 12):
            town.later(town.work_moment(day), self.make_up)
        if day == calendar.next_workday(date(day.year, 1, 12)):
            for who in self.work.members:
                if town.random.random() < 0.8:
                    town.later(town.work_moment(calendar.add(day, town.random.randrange(20))), lambda who=who: self.promise(who))
            for who in [*self.liaisons.values()][::2]:
                town.later(town.work_moment(calendar.add(day, town.random.randrange(15))), lambda who=who: self.promise(who))
        if day.month in (6, 9) and day == calendar.next_workday(day.replace(day=8)):
            for who in self.work.members[::2]:
                town.later(town.work_moment(day), lambda who=who: self.progress(who, day.year))
        if day.month == 12:
            self._plan_december(day)
        if (day.year, day.month, day.day) == (2027, 1, 12):
            town.later(town.work_moment(day), self.enter_holidays)

    # -- the calendar -------------------------------------------------------------------------------------------------
    async def enter_holidays(self) -> None:
        """The administrator enters the year's holidays: late, as it happens."""
        heard = await self.town.says("ST03", NOTICE_OF_2027)
        if self.town.expect(heard, "2027年", doing="enter holidays"):
            self.town.expect(await self.town.presses("ST03", "确认录入"), "已录入", doing="confirm holidays")
            await self.town.know_holidays()

    # -- the joint meeting --------------------------------------------------------------------------------------------
    async def convene(self, year: int, month: int) -> None:
        """The coordinator sets the quarter's meeting on a day of its last month; a day off is refused, and the other one pressed."""
        town = self.town
        day = date(year, month, 25)
        heard = await town.says("ST02", f"开会 党建联席会议 {year}年{month}月{day.day}日14:30 党群中心二楼")
        for _ in range(2):
            if not MEETING.search(heard.text) and heard.buttons:
                heard = await town.presses("ST02", next((b for b in heard.buttons if "季度的会" in b), heard.buttons[0]))
        found = MEETING.search(heard.text)
        if town.expect(heard, "HY-", doing="convene") and found:
            await self._follow(found[0])

    async def make_up(self) -> None:
        """The quarter nobody convened is made up for in the next one."""
        town = self.town
        day = town.calendar.add(town.now, 6)
        heard = await town.says("ST02", f"开会 党建联席会议 {day.year}年{day.month}月{day.day}日14:30 党群中心二楼")
        button = next((label for label in heard.buttons if "补开" in label), "")
        if button:
            heard = await town.presses("ST02", button)
        found = MEETING.search(heard.text)
        if town.expect(heard, "HY-", doing="make up") and found:
            await self._follow(found[0])

    async def _follow(self, code: str) -> None:
        town, calendar = self.town, self.town.calendar
        meeting = await town.row(Meeting, Meeting.code == code)
        at = meeting.planned_at.astimezone(ZONE)
        for liaison in town.random.sample(sorted(self.liaisons.values()), 3):
            moment = town.work_moment(calendar.add(at - timedelta(days=14), 1))
            town.later(moment, lambda liaison=liaison: self.propose(liaison))
        town.later(datetime.combine(calendar.add(at, -3), time(9, 30), ZONE), lambda: self.reply(code))
        town.later(at - timedelta(minutes=10), lambda: self.hold(code))

    async def propose(self, liaison: str) -> None:
        """A unit proposes a topic while the window is open."""
        heard = await self.town.says(liaison, f"提议题：{self.town.random.choice(TOPICS)}")
        self.town.expect(heard, "议题", doing="propose a topic")

    async def reply(self, code: str) -> None:
        """Most units answer, one or two with a leave; the rest are asked again by the program."""
        for liaison in self.liaisons.values():
            lot = self.town.random.random()
            if lot < 0.7:
                self.town.expect(await self.town.says(liaison, f"参加 {code}"), "参加", doing="join")
            elif lot < 0.85:
                self.town.expect(await self.town.says(liaison, f"请假 {code} 单位有迎检"), "请假", doing="take leave")

    async def hold(self, code: str) -> None:
        """Begin, sign in by code, decide, end, minutes."""
        town, choose = self.town, self.town.random
        if not town.expect(await town.says("ST03", f"开始会议 {code}"), "口令", doing="open the meeting"):
            return
        meeting = await town.row(Meeting, Meeting.code == code)
        for unit, liaison in self.liaisons.items():
            seat = await town.row(Attendance, Attendance.meeting_id == meeting.id, Attendance.unit_code == unit)
            if seat is not None and seat.reply != "leave" and choose.random() < 0.93:
                town.expect(await town.says(liaison, f"会议签到 {meeting.sign_in_code}"), "签到成功", doing="sign in")
        for text in choose.sample(DECIDED, 2):
            unit, due = choose.choice(sorted(self.liaisons)), town.calendar.add(town.now, choose.choice((10, 20, 30)))
            line = f"议定 {code} {unit} {due.year}年{due.month}月{due.day}日前 {text}"
            heard = await town.says("ST03", line)
            found = ACTION.search(heard.text)
            if town.expect(heard, code, doing="decide") and found:
                when = town.workday_after(town.now, choose.choice((5, 8, 12, 25, 40)))
                town.later(when, lambda unit=unit, item=found[0]: self.finish(self.liaisons[unit], item))
        town.later(town.now + timedelta(minutes=90), lambda: self.end(code))

    async def end(self, code: str) -> None:
        """The meeting is over; its minutes are sent to the units and confirmed."""
        town = self.town
        town.expect(await town.says("ST03", f"散会 {code}"), "出席", doing="end the meeting")
        await town.presses("ST03", "发各单位核对")
        moment = town.workday_after(town.now, 4)
        town.later(moment, lambda: self.confirm_minutes(code))

    async def confirm_minutes(self, code: str) -> None:
        """The secretary confirms what the units could correct."""
        self.town.expect(await self.town.says("ST01", f"确认纪要 {code}"), "已发", doing="confirm minutes")

    async def finish(self, liaison: str, item: str) -> None:
        """A unit has done what was decided."""
        action = await self.town.row(ActionItem, ActionItem.code == item)
        if action is not None and action.state == "OPEN":
            self.town.expect(await self.town.says(liaison, f"完成 {item} 已按要求完成"), item, doing="finish an action")

    # -- promises -----------------------------------------------------------------------------------------------------
    async def promise(self, who: str) -> None:
        """A member or a unit promises: vaguely first, now and then; the secretary approves."""
        town, choose = self.town, self.town.random
        if choose.random() < 0.2:
            await town.says(who, "我要承诺：多做好事")
        text = "；".join(choose.sample(PROMISED, choose.randint(1, 3)))
        await town.says(who, f"我要承诺：{text}")
        if not town.can_press(who, "提交"):
            town.refusals["promise: no draft"] += 1
            return
        heard = await town.presses(who, "提交")
        found = PROMISE.search(heard.text)
        if town.expect(heard, "已提交", doing="promise") and found:
            reader = self._secretary(who)
            town.later(town.workday_after(town.now, choose.choice((0, 1, 1, 2))), lambda: self.approve(reader, found[0]))

    def _secretary(self, who: str) -> str:
        return "ST01" if who in self.liaisons.values() else self.leaders[self.work.grid_of[who]]

    async def approve(self, secretary: str, code: str) -> None:
        """The branch's secretary reads it, and mostly approves."""
        self.town.expect(await self.town.says(secretary, f"通过承诺 {code}"), "公示", doing="approve a promise")

    async def _own(self, who: str, year: int, *states: str) -> Commitment | None:
        """The promise of a member, or of the unit that somebody speaks for."""
        unit = next((code for code, liaison in self.liaisons.items() if liaison == who), None)
        for row in await self.town.rows(Commitment, Commitment.year == year, Commitment.state.in_(states)):
            if row.owner == unit or (unit is None and row.owner_kind == "member" and row.writer_id == await self.town.person(who)):
                return row
        return None

    async def progress(self, who: str, year: int) -> None:
        """A member says how far it is."""
        own = await self._own(who, year, "PUBLISHED", "IN_PROGRESS")
        if own is not None:
            self.town.expect(await self.town.says(who, f"践诺 {own.code} 第1项 上月做了一次"), "记下", doing="progress")

    def _plan_december(self, day: date) -> None:
        town = self.town
        speakers = [*self.work.members, *self.liaisons.values()]
        if day == town.calendar.next_workday(date(day.year, 12, 2)):
            for who in speakers:
                if town.random.random() < 0.85:
                    moment = town.workday_after(town.work_moment(day), town.random.randrange(1, 8))
                    town.later(moment, lambda who=who: self.report_on(who, day.year))
        if day == town.calendar.next_workday(date(day.year, 12, 17)):
            for who in town.random.sample([*self.residents, *self.work.members, *self.leaders.values(), "ST01", "ST02", "ST03"], 40):
                town.later(town.work_moment(town.calendar.add(day, town.random.randrange(3))), lambda who=who: self.vote(who))
        if day == town.calendar.next_workday(date(day.year, 12, 28)):
            for secretary in ("ST01", *self.leaders.values()):
                town.later(datetime.combine(day, time(14), ZONE), lambda secretary=secretary: self.confirm(secretary))

    async def report_on(self, who: str, year: int) -> None:
        """The year's end: what became of each item."""
        own = await self._own(who, year, "REVIEW_OPEN")
        if own is not None:
            said = "全部完成" if self.town.random.random() < 0.7 else "第1项部分完成" + "".join(
                f"，第{number}项完成" for number in range(2, len(own.items) + 1)
            )  # fmt: skip
            self.town.expect(await self.town.says(who, f"述诺 {own.code} {said}"), "述诺已收到", doing="report on a promise")

    async def vote(self, who: str) -> None:
        """Somebody votes on the first few of the ballot."""
        heard = await self.town.says(who, "评诺")
        for code in list(dict.fromkeys(code for label in heard.buttons for code in PROMISE.findall(label)))[:4]:
            self.town.expect(await self.town.says(who, f"评诺 {code} {self.town.random.choice(VOTES)}"), "已评", doing="vote")

    async def confirm(self, secretary: str) -> None:
        """A secretary confirms what the votes propose."""
        heard = await self.town.says(secretary, "评定承诺")
        for code in list(dict.fromkeys(code for label in heard.buttons for code in PROMISE.findall(label))):
            shown = await self.town.presses(secretary, code)
            button = next((label for label in shown.buttons if label.startswith("确认")), "确认")
            if self.town.expect(shown, "确认", doing="look at a proposal"):
                self.town.expect(await self.town.presses(secretary, button), code, doing="confirm a promise")
