"""Exports: who may have which rows, masked or for a reason, harmless as spreadsheets, gone after a week (domain.md §9)."""

from __future__ import annotations

import hashlib
import io

import pytest
import sqlalchemy as sa
from python_calamine import CalamineWorkbook

from models import AuditLog, ExportFile, Media, Meeting, Person, Problem
from models.governance import ActionItem, Attendance, Commitment, Minutes

pytestmark = pytest.mark.digests


def sheets(data: bytes) -> dict[str, list[list]]:
    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
        return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def table(rows: list[list]) -> list[dict]:
    return [dict(zip(rows[2], row, strict=True)) for row in rows[3:]]


async def exported(world, who: str, said: str) -> tuple[dict[str, list[list]], bytes]:
    answer = await world.person(who).says(said)
    (file,) = answer.shown[-1].media
    return sheets(file.data), file.data


async def change(world, code: str, **fields) -> None:
    async with world.app.database.transaction() as session:
        problem = (await session.scalars(sa.select(Problem).where(Problem.code == code))).one()
        for name, value in fields.items():
            setattr(problem, name, value)


async def test_the_problems_of_a_quarter_masked_with_a_watermark(world):
    async with world.app.database.transaction() as session:
        person = (await session.scalars(sa.select(Person).where(Person.code == "R103"))).one()
        name, person.phone = person.display_name, "13800005678"
    await change(world, "WT-20261119-0001", text_public="=1+1")
    await change(world, "WT-20261113-0001", text="我得了糖尿病，药不好买", text_public="我得了糖尿病，药不好买")
    book, data = await exported(world, "ST02", "导出 问题墙台账 2026年第四季度")
    rows = table(book["问题墙台账"])
    assert len(rows) == 54
    by_code = {row["编号"]: row for row in rows}
    mine = by_code["WT-20261119-0001"]
    assert mine["内容"] == "=1+1"
    assert mine["反映人"] == f"{name[0]}**"
    assert mine["电话"] == "138****5678"
    assert (mine["状态"], mine["层级"], mine["网格"]) == ("待评价", "网格", "青禾苑一区网格") or mine["状态"] == "待评价"
    assert by_code["WT-20261113-0001"]["内容"] == "（涉及隐私，不显示）"
    assert {row["反映人"] for row in rows if "匿名" in row["反映人"]} <= {"匿名"}
    title, mark = book["问题墙台账"][0][0], book["问题墙台账"][1][0]
    assert title == "青禾里社区2026年第四季度问题墙台账"
    assert "导出人：顾明溪" in mark
    assert "2026-11-23 08:00" in mark
    assert "TZ-20261123-0001" in mark
    assert name not in str(book)
    (made,) = await world.rows(ExportFile)
    assert made.sha256 == hashlib.sha256(data).hexdigest()
    assert (made.kind, made.period, (made.expires_at - made.made_at).days) == ("ledger.problems", "2026Q4", 7)
    assert made.requested_by == (await world.rows(Person, Person.code == "ST02"))[0].id


async def test_numbers_of_the_ledger_are_those_of_the_figures(world_sqlite):
    book, _ = await exported(world_sqlite, "ST02", "导出问题墙台账")
    rows = [row for row in table(book["问题墙台账"]) if row["状态"] not in ("已并案", "不予受理", "已撤回")]
    done = [row for row in rows if row["状态"] in ("待评价", "已办结")]
    assert (len(rows), len(done), sum(row["按时"] == "是" for row in done)) == (50, 39, 36)


async def test_names_only_for_a_reason_and_every_look_is_recorded(world):
    await change(world, "WT-20261119-0001", place_detail="2单元301室")
    coordinator = world.person("ST02")
    await coordinator.says("导出 问题墙台账 本月")
    asked = await coordinator.presses("不打码导出")
    assert asked.shows("用途")
    assert (await coordinator.says("查")).shows("至少写4个字")
    answer = await coordinator.says("街道核查需要联系当事人")
    (file,) = answer.shown[-1].media
    rows = table(sheets(file.data)["问题墙台账"])
    reporter = (await world.rows(Person, Person.code == "R103"))[0]
    assert reporter.display_name in {row["反映人"] for row in rows}
    assert next(row for row in rows if row["编号"] == "WT-20261119-0001")["地点"].endswith("301室")
    anonymous = {one.code for one in await world.rows(Problem, Problem.anonymous)}
    assert {row["反映人"] for row in rows if row["编号"] in anonymous} <= {"匿名"}
    (why,) = await world.rows(AuditLog, AuditLog.action == "export.unmasked")
    assert why.note == "街道核查需要联系当事人"
    looks = await world.rows(AuditLog, AuditLog.action == "export.seen")
    assert reporter.id in {one.person_id for one in looks}
    assert {one.object_id for one in looks} == {why.object_id}
    assert answer.buttons == []
    spoken = await coordinator.says("导出 双报到名册 不打码 原因：编制年度名册")
    assert spoken.shows("未打码")


async def test_a_masked_export_is_no_look(world_sqlite):
    await exported(world_sqlite, "ST02", "导出 双报到名册")
    assert await world_sqlite.rows(AuditLog, AuditLog.action == "export.seen") == []


async def test_a_grid_leader_has_the_own_grid_masked(world_sqlite):
    world = world_sqlite
    book, _ = await exported(world, "ST05", "导出 问题墙台账 2026年第四季度")
    assert {row["网格"] for row in table(book["问题墙台账"])} == {"青禾苑二区网格"}
    leader = world.person("ST05")
    assert (await leader.says("导出 问题墙台账 不打码 原因：想看看是谁")).shows("只有协调员")
    assert "不打码导出" not in (await leader.says("导出 四单台账")).buttons
    for forged in ("export_unmasked:problems:2026Q4", "export:meetings:2026Q4", "export:nothing:2026Q4", "export:problems:x"):
        answer = await leader.presses_action(forged)
        assert not [one for one in answer.shown if one.media], forged
    assert (await leader.says("导出")).buttons == ["问题墙台账", "四单台账", "双报到名册"]


async def test_who_else_is_shown_the_way(world_sqlite):
    world = world_sqlite
    assert (await world.person("R101").says("导出 问题墙台账")).shows("我的数据")
    assert (await world.person("M01").says("导出 双报到名册")).shows("我的数据")
    assert (await world.person("ST10").says("导出 问题墙台账")).shows("第四季度指标")
    assert (await world.person("ST02").says("导出 问题墙台账 2027年第一季度")).shows("还没有开始")
    for nobody in ("R101", "ST10", "ST11"):
        answer = await world.person(nobody).presses_action("export:problems:2026Q4")
        assert not [one for one in answer.shown if one.media], nobody
    assert await world.rows(ExportFile) == []


async def test_a_csv_that_spreadsheets_read_and_do_not_run(world_sqlite):
    world = world_sqlite
    await change(world, "WT-20261119-0001", text_public='=HYPERLINK("http://x")')
    await change(world, "WT-20261119-0002", text_public="＝1+1")
    answer = await world.person("ST02").says("导出 问题墙台账 2026年第四季度 CSV")
    (file,) = answer.shown[-1].media
    assert file.name.endswith(".csv")
    assert file.data.startswith(b"\xef\xbb\xbf")
    said = file.data.decode("utf-8-sig")
    assert "'=HYPERLINK" in said
    assert "'＝1+1" in said, "full-width signs begin a formula in some spreadsheets"
    assert "TZ-20261123-0001" in said.splitlines()[1]


async def test_orders_and_tasks(world_sqlite):
    world = world_sqlite
    resident = world.person("R101")
    await resident.says("我要点单：量血压，周六上午")
    await resident.presses("提交点单") if "提交点单" in [
        b.label for row in resident.last.message.buttons for b in row
    ] else await resident.presses("提交")
    book, _ = await exported(world, "ST02", "导出 四单台账 本月")
    rows = table(book["四单台账"])
    (order,) = [row for row in rows if row["点单编号"]]
    assert order["点单人"].endswith("**")
    assert order["任务编号"] == ""
    tasks = {row["短号"]: row for row in rows if row["短号"]}
    assert tasks["#33"]["接单人"].endswith("**")
    assert tasks["#33"]["需要人数"] == 2
    assert "1单元" not in str(book)


async def test_meetings_commitments_and_the_roll(world_sqlite):
    world = world_sqlite
    now = world.clock.now()
    async with world.app.database.transaction() as session:
        person = (await session.scalars(sa.select(Person).where(Person.code == "M01"))).one()
        here = person.community_id
        await session.execute(sa.delete(Attendance))
        await session.execute(sa.delete(ActionItem))
        await session.execute(sa.delete(Minutes))
        await session.execute(sa.delete(Meeting))
        await session.execute(sa.delete(Commitment))
        meeting = Meeting(
            community_id=here, code="HY-20261105-0001", quarter="2026Q4", state="HELD", planned_at=now, ended_at=now, created_at=now
        )
        session.add(meeting)
        await session.flush()
        session.add(Attendance(meeting_id=meeting.id, unit_code="U01", attended_at=now))
        session.add(Attendance(meeting_id=meeting.id, unit_code="U02"))
        session.add(ActionItem(meeting_id=meeting.id, code="HY-20261105-0001-1", number=1, text="修门", unit_code="U01", due=now))
        item = {"what": "上门服务", "for_whom": "老人", "measure": "4次", "due": "2026-12-20", "result": "partly"}
        session.add(Commitment(community_id=here, code="CN-20260228-0001", owner=person.id, year=2026, state="PUBLISHED", items=[item]))
    book, _ = await exported(world, "ST02", "导出 会议台账")
    (row,) = table(book["会议台账"])
    assert (row["应到单位"], row["实到"], row["无故缺席"], row["议定事项"], row["状态"]) == (2, 1, 1, 1, "已召开")
    (action,) = table(book["议定事项督办表"])
    assert action["责任人或单位"].startswith("望溪区城市管理局")
    book, _ = await exported(world, "ST03", "导出 承诺台账 2026年")
    (row,) = table(book["承诺台账"])
    assert (row["承诺主体"], row["单项结果"], row["完成标准"]) == ("党员", "部分兑现", "4次")
    assert row["负责人"] if "负责人" in row else row["责任人或单位"].endswith("**")
    book, _ = await exported(world, "ST02", "导出 双报到名册")
    assert len(table(book["驻区单位"])) == 12
    members = table(book["党员"])
    assert len(members) == 40
    assert {row["姓名"][-2:] for row in members} == {"**"}


async def test_after_seven_days_the_file_is_gone_and_its_record_stays(world_sqlite):
    world = world_sqlite
    await exported(world, "ST02", "导出 问题墙台账")
    (made,) = await world.rows(ExportFile)
    await world.at("2026-11-30T04:00")
    assert await world.rows(Media, Media.id == made.media_id) != []
    await world.at("2026-12-01T04:00")
    assert await world.rows(Media, Media.id == made.media_id) == []
    kept = (await world.rows(ExportFile, ExportFile.id == made.id))[0]
    assert (kept.media_id, kept.sha256) == ("", made.sha256)
