"""The workdays of a year from the official notice, and everything that is counted anew when they are entered (domain.md §0.3, §1, §6)."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta

import pytest
from docx import Document
from import_stage import book
from test_problem_findings import ONE, reported, stored

from bot.settings import Settings
from bot.setup import enter_holidays
from models import HolidayDay, Occurrence, OutboxMessage, Problem
from services import holidays
from services.context import SCHEDULER, Context, ground
from services.due_alarms import IN_WORK
from services.holiday_notice import read
from services.holidays import _whole_year
from services.recounting import counted_anew
from services.workdays import ZONE, Calendar, Term
from texts.render import text
from texts.screen import Screen

# As the State Council worded them.
NOTICES = {
    2026: """国务院办公厅关于2026年
部分节假日安排的通知
各省、自治区、直辖市人民政府，国务院各部委、各直属机构：
经国务院批准，现将2026年元旦、春节、清明节、劳动节、端午节、中秋节和国庆节放假调休日期的具体安排通知如下。
一、元旦：1月1日（周四）至3日（周六）放假调休，共3天。1月4日（周日）上班。
二、春节：2月15日（农历腊月二十八、周日）至23日（农历正月初七、周一）放假调休，共9天。2月14日（周六）、2月28日（周六）上班。
三、清明节：4月4日（周六）至6日（周一）放假，共3天。
四、劳动节：5月1日（周五）至5日（周二）放假调休，共5天。5月9日（周六）上班。
五、端午节：6月19日（周五）至21日（周日）放假，共3天。
六、中秋节：9月25日（周五）至27日（周日）放假，共3天。
七、国庆节：10月1日（周四）至7日（周三）放假调休，共7天。9月20日（周日）、10月10日（周六）上班。
节假日期间，各地区、各部门要妥善安排好值班和安全、保卫等工作。
国务院办公厅
2025年11月4日""",
    2024: """国务院办公厅关于2024年部分节假日安排的通知
一、元旦：1月1日放假，与周末连休。
二、春节：2月10日至17日放假调休，共8天。2月4日（星期日）、2月18日（星期日）上班。鼓励各单位结合带薪年休假等制度落实，安排职工在除夕（2月9日）休息。
三、清明节：4月4日至6日放假调休，共3天。4月7日（星期日）上班。
四、劳动节：5月1日至5日放假调休，共5天。4月28日（星期日）、5月11日（星期六）上班。
五、端午节：6月10日放假，与周末连休。
六、中秋节：9月15日至17日放假调休，共3天。9月14日（星期六）上班。
七、国庆节：10月1日至7日放假调休，共7天。9月29日（星期日）、10月12日（星期六）上班。""",
    2023: """国务院办公厅关于2023年部分节假日安排的通知
一、元旦：2022年12月31日至2023年1月2日放假调休，共3天。
二、春节：1月21日至27日放假调休，共7天。1月28日（星期六）、1月29日（星期日）上班。
三、清明节：4月5日放假，共1天。
四、劳动节：4月29日至5月3日放假调休，共5天。4月23日（星期日）、5月6日（星期六）上班。
五、端午节：6月22日至24日放假调休，共3天。6月25日（星期日）上班。
六、中秋节、国庆节：9月29日至10月6日放假调休，共8天。10月7日（星期六）、10月8日（星期日）上班。""",
}
# A year that is not published yet, as it might be: 31 December 2026 off, 2 and 9 January worked.
NEXT = """国务院办公厅关于2027年部分节假日安排的通知
一、元旦：12月31日（周四）至1月1日（周五）放假调休，共2天。1月2日（周六）、1月9日（周六）上班。
二、春节：2月5日至11日放假调休，共7天。2月20日（周六）上班。
三、清明节：4月5日放假，与周末连休。
四、劳动节：5月1日至3日放假，共3天。
五、端午节：6月9日放假。
六、中秋节：9月15日放假。
七、国庆节：10月1日至7日放假调休，共7天。10月9日（周六）上班。"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize("year", NOTICES)
def test_a_published_notice_is_the_official_calendar(year):
    notice, official = read(NOTICES[year]), Calendar()
    assert (notice.year, notice.faults) == (year, [])
    ours = Calendar({day: works for day, (works, _) in notice.days.items()})
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(365)]
    assert [day for day in days if ours.is_workday(day) != official.is_workday(day)] == []
    assert not ours.is_provisional(date(year, 1, 1))
    assert official.is_provisional(date(2031, 1, 1))
    assert Calendar({date(2030, 12, 31): False}).is_provisional(date(2030, 6, 1)), "the last days of a December tell of the next year"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("3日（周六）", "3日（周日）"), "holidays.fault.weekday"), (("共9天", "共8天"), "holidays.fault.count"),
        (("五、端午节：", "五、"), "holidays.fault.missing"), (("5月9日（周六）上班", "5月5日上班"), "holidays.fault.both"),
        (("5月9日（周六）上班", "5月7日上班"), "holidays.fault.workday"), (("4月4日", "4月31日"), "holidays.fault.date"),
        (("2026年\n部分节假日", "部分节假日"), "holidays.fault.no_year"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_not_taken(change, fault):
    assert change[0] in NOTICES[2026]
    assert fault in {one.name for one in read(NOTICES[2026].replace(*change)).faults}


async def test_entering_a_year_counts_everything_anew(world):
    changed = NOTICES[2026].replace("10月10日（周六）上班。", "10月10日（周六）上班。11月26日放假，11月28日（周六）上班。")
    await reported(world)
    leader = world.person("ST04")
    before = await stored(world)
    assert (before.sla, before.resolve_due.astimezone(ZONE)) == ("P2", at("2026-11-26T17:30"))
    await leader.says(f"受理 {ONE}", many=True)
    await leader.says("办结 WT-20261121-0001 已到现场处理完毕，恢复原样", many=True)
    pushed = len(leader.messages)
    assert "由管理员" in await world.person("R101").says("录入节假日")
    secretary = world.person("ST01")
    assert "粘贴" in await secretary.says("录入节假日")
    shown = await secretary.says(changed)
    assert shown.shows("2026年", "元旦：1月1日（周四）至1月3日（周六）共3天放假；1月4日（周日）上班", "11月26日（周四）放假")
    assert (await secretary.presses("确认录入")).shows("2026年节假日已录入", "重新推算了")
    after = await stored(world)
    assert after.resolve_due.astimezone(ZONE) == after.original_resolve_due.astimezone(ZONE) == at("2026-11-27T17:30")
    assert after.contact_due == before.contact_due
    told = [one.message.text for one in leader.messages[pushed:] if "节假日已录入" in one.message.text]
    assert len(told) == 1, "one message"
    assert f"{ONE}【路灯】原11月26日17:30，现11月27日17:30\n" in told[0] + "\n"
    alarms = [row for row in await world.rows(Occurrence, Occurrence.state == "due") if row.subject == after.id]
    assert sorted((row.job, row.due.astimezone(ZONE)) for row in alarms if row.job in ("deadline_nag", "escalate_overdue"))[-3:] == [
        ("deadline_nag", at("2026-11-27T09:00")), ("deadline_nag", at("2026-11-27T15:30")), ("escalate_overdue", at("2026-11-28T17:35"))
    ]  # fmt: skip
    (answered,) = await world.rows(Problem, Problem.code == "WT-20261121-0001")
    rows = await world.rows(Occurrence, Occurrence.state == "due", Occurrence.subject == answered.id)
    # Five workdays from Monday on: Saturday makes up for Thursday.
    assert {row.job: row.due.astimezone(ZONE) for row in rows} == {
        "rating_reminder": at("2026-11-25T17:30"), "rating_expiry": at("2026-11-30T17:30")
    }  # fmt: skip
    assert (await secretary.says(f"录入节假日 {NOTICES[2026]}")).shows("2026年")
    assert (await secretary.presses("确认录入")).shows("重新推算了")
    assert (await stored(world)).resolve_due == before.resolve_due, "a corrected notice takes the place of the earlier one"
    assert (await secretary.says(f"录入节假日 {NOTICES[2026]}")).shows("2026年")
    assert "推算" not in await secretary.presses("确认录入")


def test_what_was_counted_through_a_provisional_year_is_counted_through_the_entered_one():
    days = _whole_year(2027, read(NEXT).days)
    before, after = Calendar(), Calendar({day: works for day, (works, _) in days.items()})
    assert (days[date(2027, 5, 4)], after.is_provisional(date(2027, 6, 1))) == ((True, ""), False), "the notice alone tells of its year"
    start, term = at("2026-12-28T10:05"), Term(3, "workdays")
    assert counted_anew(at("2026-12-31T17:30"), [(start, term)], before, after) == at("2027-01-02T17:30")
    assert counted_anew(at("2026-12-31T17:30"), [], before, after) == at("2026-12-30T17:30"), "granted for a day that is off now"
    assert counted_anew(at("2026-12-30T17:30"), [], before, after) == at("2026-12-30T17:30")


async def test_a_file_is_read_as_the_pasted_words_are(world_sqlite):
    clerk, page = world_sqlite.person("ST03"), Document()
    for line in NEXT.split("\n"):
        page.add_paragraph(line)
    buffer = io.BytesIO()
    page.save(buffer)
    for name, data in (("通知.docx", buffer.getvalue()), ("通知.txt", NEXT.encode("gb18030"))):
        assert (await clerk.sends_file(data, name)).shows("2027年", "国庆节：10月1日（周五）至10月7日（周四）")
    assert (await clerk.presses("取消")).shows("取消")
    assert await world_sqlite.rows(HolidayDay) == []
    assert "没有对上" not in (said := await clerk.sends_file(b"PK\x03\x04 no archive", "通知.docx"))
    assert "读不出" in said


async def test_the_command_says_what_it_understood(tmp_path, capsys):
    for name, words, code in (("good.txt", NEXT, 0), ("bad.txt", NEXT.replace("共7天", "共6天"), 1)):
        (tmp_path / name).write_text(words, "utf-8")
        assert await enter_holidays(Settings.model_construct(), str(tmp_path / name), check=True) == code
    out, err = capsys.readouterr()
    assert "共放假22天，调休上班4天" in out
    assert "春节写的是共6天，数出来是7天" in err


async def test_holidays_of_an_imported_workbook_count_anew_too(world_sqlite):
    await reported(world_sqlite)
    clerk = world_sqlite.person("ST03")
    await clerk.sends_file(book(holidays=[{"day": "2026-11-26", "kind": "休息", "name": "停工"}]), "节假日.xlsx")
    await clerk.presses("导入", silent=False)
    assert (await stored(world_sqlite)).resolve_due.astimezone(ZONE) == at("2026-11-27T17:30")
    assert "原11月26日17:30，现11月27日17:30" in world_sqlite.pushes("ST04")[-1]


async def test_a_missing_year_is_asked_for_once_a_day_as_long_as_dates_are_counted_in_it(world_sqlite):
    world = world_sqlite

    async def missing(day: str, clock: str = "09:00") -> str:
        async with world.app.database.transaction() as session:
            context = Context(session, at(f"{day}T{clock}"), SCHEDULER, await ground(session), f"test:{day}:{clock}")
            return await holidays.report_missing(context, "")

    assert await missing("2026-11-24") == "nothing missing"
    assert (await missing("2030-11-01")).startswith("missing [2031]")
    assert (await missing("2031-01-01")).startswith("missing [2031]")
    async with world.app.database.transaction() as session:
        late = Problem.__table__.update().where(Problem.state.in_(IN_WORK), Problem.sla != "P5")
        await session.execute(late.values(resolve_due=at("2027-01-05T17:30")))
    for day in ("2026-12-30", "2026-12-31", "2027-01-01"):
        assert (await missing(day)).startswith("missing [2027]: told 1")
    sent = await world.rows(OutboxMessage, OutboxMessage.dedupe_key.like("holidays:%"))
    assert len(sent) == len({row.dedupe_key for row in sent}) == 5
    await world.app.drain()
    said = Screen.from_json(max(sent, key=lambda row: row.dedupe_key).body)
    assert text(said.key, said.values, "zh_CN").startswith("缺少2031年节假日数据")
    await world.person("ST01").says(f"录入节假日 {NEXT}")
    await world.person("ST01").presses("确认录入", silent=False)
    assert await missing("2027-01-02") == "nothing missing"
