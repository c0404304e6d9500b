"""Record cards (党员服务记录卡): the facts in them, who may have them, once a quarter to each liaison (domain.md §6, §9.5)."""

import io
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from docx import Document
from python_calamine import CalamineWorkbook

from models import (
    AuditLog,
    ChatAccount,
    CheckIn,
    Claim,
    ExportFile,
    Media,
    Occurrence,
    OutboxMessage,
    PartnerUnit,
    PartyMember,
    Person,
    Task,
)
from services import purge, record_cards, record_files
from services.context import SCHEDULER, Context, ground
from services.documents import DOCX, XLSX
from services.media import store
from services.periods import Quarter, read_quarter
from services.record_facts import Facts, Service
from services.record_files import Heading
from services.service_record import Served
from services.workdays import ZONE, Calendar
from texts.screen import Key

TODAY = date(2026, 11, 23)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


# -- quarters -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "quarter", "rest"),
    [
        ("2026年第四季度", Quarter(2026, 4), ""), ("第三季度 U05", Quarter(2026, 3), "U05"), ("U05 2025年一季度", Quarter(2025, 1), "U05"),
        ("上季度", Quarter(2026, 3), ""), ("本季度 农商银行", Quarter(2026, 4), "农商银行"), ("", Quarter(2026, 4), ""), ("2026Q2", Quarter(2026, 2), ""),
        ("4季度", Quarter(2026, 4), ""),
    ],
)  # fmt: skip
def test_which_quarter_is_meant(said, quarter, rest):
    assert read_quarter(said, TODAY) == (quarter, rest)


def test_a_quarter_of_last_year_and_the_turn_of_the_year():
    assert read_quarter("第四季度", date(2027, 1, 5))[0] == Quarter(2026, 4)
    assert read_quarter("上季度", date(2027, 1, 5))[0] == Quarter(2026, 4)
    assert Quarter(2026, 4).end == at("2027-01-01T00:00")
    assert Quarter.parse(Quarter(2026, 4).code) == Quarter(2026, 4)
    assert Quarter.parse("2026Q5") is None


@pytest.mark.parametrize(
    ("quarter", "closing"),
    [
        (Quarter(2026, 1), "2026-03-31T15:00"), (Quarter(2026, 2), "2026-06-30T15:00"), (Quarter(2026, 4), "2026-12-31T15:00"),
        # 2023: 29 and 30 September were holidays; 2025: 31 May to 2 June, but the quarter's last day was a Monday.
        (Quarter(2023, 3), "2023-09-28T15:00"), (Quarter(2024, 1), "2024-03-29T15:00"),
    ],
)  # fmt: skip
def test_the_last_workday_of_a_quarter(quarter, closing):
    assert quarter.closing(Calendar()) == at(closing)


# -- the files --------------------------------------------------------------------------------------------------------------
BEFORE = Served(8, 34.0)


def facts(name="何晚晴", services=(), before=BEFORE):
    served = Served(len(services), float(sum(one.hours for one in services)))
    return Facts("p", name, "在职党员", "单位", "支部", date(2026, 1, 9), tuple(services), served, before, served + before, None)


HEADING = Heading(
    "青禾里社区", "单位", Key("record.quarter", {"year": "2026", "quarter": Key("record.quarter.4")}), "FW-1", "甲", at("2026-12-31T15:00")
)
SERVICES = (Service(date(2026, 11, 28), "=1+1", 1.5, ("location",)), Service(date(2026, 12, 5), "@甲", 2.0, ()))


def text_of(data: bytes) -> str:
    """Everything that stands in a .docx."""
    document = Document(io.BytesIO(data))
    section = document.sections[0]
    paragraphs = [*document.paragraphs, *section.header.paragraphs, *section.footer.paragraphs]
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(one.text for one in paragraphs), *cells])


def sheets_of(data: bytes) -> dict[str, list[list]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def test_the_document_says_the_facts_and_leaves_the_conclusion_open():
    shown = text_of(record_files.docx(HEADING, [facts(services=SERVICES), facts("汪以宁", before=Served())]))
    for word in (
        "何晚晴",
        "2026年1月9日",
        "11月28日",
        "地点",
        "组织核实",
        "2次、3.5小时",
        "10次、37.5小时（其中系统启用前登记 8次、34小时）",
        "FW-1",
        "甲",
    ):
        assert word in shown
    for word in (
        "本季度无核验的服务记录",
        "以上为系统记录，结论由党组织评定。",
        "结论（由党组织填写）",
        "仅供 单位 使用",
        "2026年第四季度",
    ):
        assert word in shown
    for word in ("积分", "排名", "优秀", "合格", "应参加", "暂缓"):
        assert word not in shown


def test_the_workbook_holds_the_same_numbers_and_no_formula():
    data = record_files.xlsx(HEADING, [facts(services=SERVICES)])
    found = sheets_of(data)
    assert found["汇总"][4] == [1.0, "何晚晴", "在职党员", "支部", date(2026, 1, 9), 2.0, 3.5, 10.0, 37.5, 8.0, 34.0]
    assert [row[3] for row in found["明细"][4:]] == ["=1+1", "@甲"]
    import zipfile

    parts = zipfile.ZipFile(io.BytesIO(data))
    assert not any(b"<f>" in parts.read(name) for name in parts.namelist())


# -- on demand ----------------------------------------------------------------------------------------------------------------
async def verified(world, code, number, hours, *, method="code", start="", end=""):
    """Let this member have served in the task: a verified claim with its check-in."""
    async with world.app.database.transaction() as session:
        person = await session.scalar(sa.select(Person.id).where(Person.code == code))
        task = (await session.scalars(sa.select(Task).where(Task.short_no == number))).one()
        if start:
            task.start_at, task.end_at = at(start), at(end)
        claim = Claim(task_id=task.id, person_id=person, claimed_at=world.clock.now(), state="VERIFIED", hours=hours)
        session.add(claim)
        await session.flush()
        if method:
            session.add(CheckIn(claim_id=claim.id, kind="in", method=method, at=task.start_at, verdict="VALID"))
            session.add(CheckIn(claim_id=claim.id, kind="in", method="location", at=task.start_at, verdict="REJECTED"))


def files(world, name):
    return [medium for shown in world.messages(f"private:{name}") for medium in shown.media]


async def test_a_liaison_gets_the_units_cards(world):
    await verified(world, "M03", 31, 1.0, start="2026-11-14T09:30", end="2026-11-14T10:30")
    await verified(world, "M13", 32, 2.0, method="proxy", start="2026-09-30T09:00", end="2026-09-30T11:00")
    liaison = world.person("L05")
    got = await liaison.says("服务记录卡 2026年第四季度", many=True)
    assert got.shows("澄湖市第四人民医院栖桐院区党总支 2026年第四季度 党员服务记录卡，共3人", "编号 FW-2026Q4-U05-01", "表格版")
    card, table = files(world, "L05")
    assert (card.mime, table.mime) == (DOCX, XLSX)
    assert (card.name, table.name) == ("党员服务记录卡_FW-2026Q4-U05-01.docx", "党员服务记录卡_FW-2026Q4-U05-01.xlsx")
    shown = text_of(card.data)
    for word in (
        "何晚晴",
        "梁思源",
        "汪以宁",
        "上门量血压",
        "口令",
        "1次、1小时",
        "9次、35小时（其中系统启用前登记 8次、34小时）",
        "青禾苑二区网格党支部",
    ):
        assert word in shown
    assert "地点" not in shown, "a check-in that was refused verifies nothing"
    assert "楼道清理" not in shown, "that was in September"
    for word in ("1单元", "应参加", "5173", "138"):
        assert word not in shown
    totals = {row[1]: row[5:] for row in sheets_of(table.data)["汇总"][4:]}
    # M13 served on 30 September: the year's, not this quarter's.
    assert totals["梁思源"] == [0.0, 0.0, 5.0, 26.0, 4.0, 24.0]
    again = await liaison.says("服务记录卡 第三季度", many=True)
    assert again.shows("2026年第三季度", "FW-2026Q3-U05-01")
    assert "代签" in text_of(files(world, "L05")[2].data)
    rows = await world.rows(ExportFile)
    assert {(row.kind, row.period) for row in rows} == {("record_cards", "2026Q4:U05"), ("record_cards", "2026Q3:U05")}
    for row in rows:
        (medium,) = await world.rows(Media, Media.id == row.media_id)
        assert medium.sha256 == row.sha256
        assert (row.expires_at - row.made_at).days == 7
    looks = await world.rows(AuditLog, AuditLog.action == "record.seen")
    assert len(looks) == 6, "that the liaison reads three members' records is written down each time"


async def test_who_may_have_which_cards(world_sqlite):
    world = world_sqlite
    for somebody, said in (
        ("L05", "服务记录卡 U07"),
        ("M03", "服务记录卡"),
        ("M03", "服务记录卡 U05"),
        ("R101", "服务记录卡"),
        ("ST05", "服务记录卡 U05"),
    ):
        assert (await world.person(somebody).says(said)).shows("由单位联络员")
    for somebody in ("L07", "M03", "R101", "ST05", "ST10"):
        assert (await world.person(somebody).presses_action("record_card:U05:2026Q4")).shows("由单位联络员")
    assert await world.rows(ExportFile) == []
    coordinator = world.person("ST02")
    assert (await coordinator.says("服务记录卡 2027年第一季度 U05")).shows("还没到")
    assert (await coordinator.says("服务记录卡 不存在的单位")).shows("没找到这个单位")
    listed = await coordinator.says("服务记录卡")
    assert len(listed.buttons) == 12
    assert (await coordinator.presses("栖桐实验小学党支部")).shows("共3人")
    assert (await coordinator.says("服务记录卡 上季度 农商银行", many=True)).shows("FW-2026Q3-U07-01", "共2人"), "M24 has only applied"
    assert (await world.person("ST03").says("服务记录卡 U08")).shows("没有需要出记录卡的党员")
    assert (await coordinator.presses_action("record_card:U99:2026Q4")).shows("没找到")
    assert (await coordinator.presses_action("record_card:U05:nonsense")).shows("没找到")


async def test_my_own_card_shows_the_target_that_the_units_does_not(world_sqlite):
    world = world_sqlite
    got = await world.person("M03").says("我的服务记录卡")
    assert got.shows("2026年第四季度", "2026年累计：8次、34小时")
    (card,) = files(world, "M03")
    assert "本年应参加" in text_of(card.data)
    assert "4次、20小时，已达到" in text_of(card.data)
    assert card.name.startswith("党员服务记录卡_GR-2026Q4-")
    await world.person("M32").says("我的服务记录卡")
    assert "应参加" not in text_of(files(world, "M32")[0].data), "who is exempt has no target"
    assert (await world.person("R101").says("我的服务记录卡")).shows("双报到")


# -- by the clock ---------------------------------------------------------------------------------------------------------------
async def close_to_the_end(world):
    """A minute before the cards are handed out; what else is due in those five weeks is taken as done."""
    world.clock.put(at("2026-12-31T14:59"))
    async with world.app.database.transaction() as session:
        await session.execute(sa.update(Occurrence).where(Occurrence.state == "due").values(state="dropped"))
    await world.app.alarms.take_as_done(world.clock.now())


async def handed(world):
    return [row for row in await world.rows(OutboxMessage) if row.dedupe_key.startswith("record_cards:")]


async def with_members(world):
    rules = {unit for (unit,) in [(member.unit_code,) for member in await world.rows(PartyMember, PartyMember.unit_code.is_not(None))]}
    return sorted(rules)


async def test_the_last_workday_of_the_quarter_once_to_each_unit(world):
    await close_to_the_end(world)
    assert await handed(world) == []
    await world.at("2026-12-31T15:01")
    units = await with_members(world)
    keys = sorted(row.dedupe_key for row in await handed(world))
    assert keys == sorted(f"record_cards:2026Q4:{unit}:{what}" for unit in units for what in ("cards", "table"))
    liaison = world.person("L05")
    assert "2026年第四季度 党员服务记录卡" in liaison.messages[-2].message.text
    await world.at("2026-12-31T15:30")
    assert len(await handed(world)) == len(keys)
    made = await world.rows(ExportFile, ExportFile.kind == "record_cards")
    assert len(made) == len(keys)
    assert {row.requested_by for row in made} == {None}


async def test_once_even_if_it_rings_again(world_sqlite):
    world = world_sqlite
    await close_to_the_end(world)
    await world.at("2026-12-31T15:01")
    before = len(await handed(world))
    async with world.app.database.transaction() as session:
        context = Context(session, world.clock.now(), SCHEDULER, await ground(session), "again")
        assert await record_cards.hand_out(context, "2026Q4:U05") == "already"
        assert await record_cards.quarter_end(context, "") == "2026Q4"
        assert await record_cards.hand_out(context, "2026Q4:U99") == "unknown"
    await world.at("2026-12-31T15:05")
    assert len(await handed(world)) == before


@pytest.mark.parametrize(
    ("now", "outcome"), [("2026-12-30T15:00", "not yet"), ("2027-01-02T09:00", "2026Q4"), ("2027-01-20T09:00", "not yet")]
)
async def test_what_a_downtime_missed_is_caught_up_for_ten_days(world_sqlite, now, outcome):
    async with world_sqlite.app.database.transaction() as session:
        context = Context(session, at(now), SCHEDULER, await ground(session), "late")
        assert await record_cards.quarter_end(context, "") == outcome


async def test_no_liaison_who_can_be_reached_is_told_to_the_coordinators(world_sqlite):
    world = world_sqlite
    async with world.app.database.transaction() as session:
        liaison = await session.scalar(sa.select(Person.id).where(Person.code == "L05"))
        await session.execute(sa.update(ChatAccount).where(ChatAccount.person_id == liaison).values(blocked=True))
        await session.execute(sa.update(PartnerUnit).where(PartnerUnit.code == "U06").values(liaison_id=None))
    await close_to_the_end(world)
    await world.at("2026-12-31T15:01")
    told = [text for text in world.pushes("ST02") if "没有联系得上的联络员" in text]
    assert len(told) == 1, "U06 still has its liaison by role"
    assert "澄湖市第四人民医院" in told[0]
    assert "（3人）" in told[0]
    assert world.pushes("L06")[-1].startswith("栖桐实验小学党支部 2026年第四季度")
    assert (await world.person("ST02").presses("生成记录卡")).shows("共3人")


async def test_after_seven_days_the_files_are_gone(world_sqlite):
    world = world_sqlite
    await world.person("L05").says("服务记录卡", many=True)
    (one, other) = await world.rows(ExportFile, ExportFile.kind == "record_cards")
    assert store.path(one.sha256).exists()
    async with world.app.database.transaction() as session:
        context = Context(session, one.expires_at - timedelta(seconds=1), SCHEDULER, await ground(session), "t")
        assert "exports=0" in await purge.nightly(context, "")
        assert store.path(one.sha256).exists()
        context.now = one.expires_at
        assert "exports=2" in await purge.nightly(context, "")
    assert not store.path(one.sha256).exists()
    assert not store.path(other.sha256).exists()
    assert await world.rows(Media, Media.sha256.in_((one.sha256, other.sha256))) == []
    assert len(await world.rows(ExportFile, ExportFile.kind == "record_cards")) == 2, "that they were made stays on record"
