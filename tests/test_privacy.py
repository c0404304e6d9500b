"""One's own data: the copy, deletion down to the last decrypted column, and taking the consent back."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook
from sqlmodel import SQLModel

import models
from models import (
    AuditLog,
    ChatAccount,
    Claim,
    ConsentRecord,
    DeletionRequest,
    Enrollment,
    LocalMessage,
    Order,
    Person,
    Problem,
    RoleAssignment,
)
from services import post, web_history
from services.context import SCHEDULER, Context, ground
from services.media import store
from texts.screen import screen

NAME, PHONE = "王桂英", "13800001234"
TABLES = sorted(
    {table for table in vars(models).values() if isinstance(table, type) and issubclass(table, SQLModel)}, key=lambda table: table.__name__
)


class Undone(Exception):
    """What was tried is not to be kept."""


async def _person(world, code):
    return (await world.rows(Person, Person.code == code))[0]


async def _change(world, rows, **fields):
    async with world.app.database.transaction() as session:
        for row in rows:
            stored = await session.get(type(row), row.id)
            for name, value in fields.items():
                setattr(stored, name, value)


async def _dump(world):
    """Every row of every table, decrypted, as one text by table; and every stored file."""
    found = {}
    for table in TABLES:
        rows = [row.model_dump() for row in await world.rows(table)]
        found[table.__name__] = json.dumps(rows, ensure_ascii=False, default=str)
    files = [store.read(path.name) for path in store.root.rglob("*") if path.is_file()]
    found["files"] = "".join(data.decode("latin-1") for data in files)
    return found


def _where(dump, *words):
    return {(table, word) for table, text in dump.items() for word in words if word in text}


async def _report(world, who, text):
    resident = world.person(who)
    await resident.says(text)
    await resident.presses("提交")
    return (await world.rows(Problem, Problem.reporter_id == (await _person(world, who)).id))[-1]


async def _busy_life(world):
    """王桂英 reports, is spoken with, orders, is served; her name and number stand in many places."""
    await _change(world, [await _person(world, "R101")], phone=PHONE)
    problem = await _report(world, "R101", f"青禾苑3幢东侧垃圾没人收，我是{NAME}，电话{PHONE}")
    leader = world.person("ST04")
    await leader.says(f"受理 {problem.code}")
    await leader.says(f"已联系 {problem.code} {NAME}说明天在家，{PHONE}")
    await world.person("R101").says("我要点单：请人来量血压，周六上午，我叫王桂英")
    await world.person("R101").presses("提交")
    [order] = await world.rows(Order, Order.state == "SUBMITTED")
    heard = [one for one in world.person("R101").messages if problem.code in one.message.text][-1]
    await world.person("R101").says(f"还有两袋在{NAME}家门口", reply_to=heard.id)
    async with world.app.database.transaction() as session:
        for address in ("private:ST04", "private:R101"):  # the web chat's own history
            session.add(LocalMessage(chat=web_history.chat_key(address), body={"text": f"{NAME}{PHONE}"}, at=world.clock.now()))
    await world.person("R101").says("我要报问题")
    await world.person("R101").says(f"楼道灯坏了，{NAME}")
    return problem, order


async def test_my_data_is_a_document_with_everything_and_who_looked(world):
    problem, order = await _busy_life(world)
    answer = await world.person("R101").says("我的数据")
    assert answer.shows("匿名上报的内容不与您关联", "问题3件", "点单1件", "周禾生", "被查看")
    [file] = answer.shown[-1].media
    assert file.name.endswith(".xlsx")
    rows = CalamineWorkbook.from_filelike(io.BytesIO(file.data)).get_sheet_by_index(0).to_python()
    text = "\n".join("|".join(map(str, row)) for row in rows)
    for word in (NAME, PHONE, "青禾苑4幢", problem.code, order.code, "量血压", "周禾生", "被查看"):
        assert word in text, word
    assert "罗可欣" not in text
    assert [made.kind for made in await world.rows(models.ExportFile)] == ["person_data"]


async def test_what_was_reported_anonymously_is_not_in_the_copy(world_sqlite):
    world = world_sqlite
    resident = world.person("R102")
    await resident.says("匿名报：青禾苑3幢楼上每晚打牌到一点，太吵")
    await resident.presses("匿名提交")
    [file] = (await resident.says("我的数据")).shown[-1].media
    rows = CalamineWorkbook.from_filelike(io.BytesIO(file.data)).get_sheet_by_index(0).to_python()
    assert "打牌" not in str(rows)


async def test_deleting_leaves_no_name_and_no_number_in_any_column_or_file(world):
    problem, order = await _busy_life(world)
    await world.person("R101").says("我的数据")
    person = await _person(world, "R101")
    [copy] = await world.rows(models.ExportFile, models.ExportFile.kind == "person_data")
    assert store.path(copy.sha256).exists()
    before = _where(await _dump(world), NAME, PHONE)
    assert {
        ("Person", NAME),
        ("Problem", PHONE),
        ("Order", NAME),
        ("StateLog", PHONE),
        ("Draft", NAME),
        ("ProblemMessage", NAME),
        ("LocalMessage", NAME),
    } <= before
    explained = await world.person("R101").says("删除我的数据")
    assert explained.shows("不能恢复", problem.code, order.code)
    assert (await world.rows(Person, Person.id == person.id))[0].display_name == NAME
    done = await world.person("R101").presses("确认删除")
    assert done.shows("已删除", problem.code)
    await world.at("2026-11-23T09:00")
    after = await _dump(world)
    assert _where(after, NAME, PHONE) == set()
    assert not store.path(copy.sha256).exists()
    history = {row.chat: row.body for row in await world.rows(LocalMessage)}
    assert web_history.chat_key("private:R101") not in history
    assert history[web_history.chat_key("private:ST04")] == {"text": "********"}
    assert "private:R101" not in after["Chat"] + after["ChatAccount"]
    [row] = await world.rows(Person, Person.id == person.id)
    assert (row.deleted_at is not None, row.code, row.phone_hash, row.building) == (True, None, None, None)
    [kept] = await world.rows(Problem, Problem.id == problem.id)
    assert (kept.state, kept.reporter_id) == ("ACCEPTED", None)
    assert [one.state for one in await world.rows(Order, Order.id == order.id)] == ["WITHDRAWN"]
    assert (await world.person("ST04").says(f"办结 {problem.code} 已经清运并冲洗干净了地面")).shows(problem.code)
    [request] = await world.rows(DeletionRequest)
    assert request.done_at is not None
    assert (await world.rows(AuditLog, AuditLog.person_id == person.id)) != []


async def test_who_writes_again_is_a_stranger(world_sqlite):
    world = world_sqlite
    await _busy_life(world)
    person = await _person(world, "R101")
    await world.person("R101").says("删除我的数据")
    await world.person("R101").presses("确认删除")
    await world.at("2026-11-23T08:10")
    assert (await world.person("R101").says("我的问题")).shows("没有")
    [account] = [one for one in await world.rows(ChatAccount) if one.user_address == "R101"]
    assert account.person_id != person.id
    await world.at("2026-11-23T09:00")  # the chat is the stranger's now and stays
    assert (await world.person("R101").says("帮助")).text


async def test_a_member_with_claims_lets_go_of_them(world_sqlite):
    world = world_sqlite
    member = world.person("M01")
    explained = await member.says("删除我的数据")
    assert explained.shows("您接的单会退掉：#33")
    await member.presses("确认删除")
    person = (await world.rows(Person, Person.deleted_at.is_not(None)))[0]
    assert [claim.state for claim in await world.rows(Claim, Claim.person_id == person.id)] == ["WITHDRAWN"]
    assert [one.state for one in await world.rows(Enrollment, Enrollment.person_id == person.id)] == ["WITHDRAWN"]
    assert [row for row in await world.rows(RoleAssignment, RoleAssignment.person_id == person.id) if row.valid_to is None] == []
    assert _where(await _dump(world), "陈书禾") == set()


async def test_an_office_is_handed_over_first_and_then_it_is_done_by_itself(world):
    leader = world.person("ST04")
    person = await _person(world, "ST04")
    assert (await leader.says("删除我的数据")).shows("现在还不能删除", "网格长（青禾苑一区网格）")
    waits = await leader.presses("确认删除")
    assert waits.shows("已登记", "12月14日17:30")
    assert (await _person(world, "ST04")).display_name == "周禾生"
    assert any("周禾生要求删除个人数据" in text for text in world.pushes("ST01"))
    await leader.says("删除我的数据")
    await leader.presses("确认删除")
    assert len(await world.rows(DeletionRequest)) == 1
    await world.at("2026-11-24T08:00")
    assert (await world.rows(DeletionRequest))[0].done_at is None
    await world.person("ST01").says("交接 周禾生 给 吴小满")
    await world.person("ST01").presses("同时收回角色")
    await world.person("ST01").presses("确认交接")
    await world.at("2026-11-25T08:00")
    assert (await world.rows(DeletionRequest))[0].done_at is not None
    assert _where(await _dump(world), "周禾生") == set()
    [row] = await world.rows(Person, Person.id == person.id)
    assert row.display_name == ""


async def test_what_is_led_without_an_office_is_handed_over_first(world_sqlite):
    """Whose role was taken back without a handover still leads tasks and owns decisions; they do not stay without anybody."""
    world = world_sqlite
    person = await _person(world, "R101")
    task = (await world.rows(models.Task, models.Task.state == "OPEN"))[0]
    await _change(world, [task], leader_id=person.id)
    async with world.app.database.transaction() as session:
        now = world.clock.now()
        meeting = models.Meeting(community_id=person.community_id, code="HY-1", title="楼道议事", planned_at=now, created_at=now)
        session.add(meeting)
        await session.flush()
        session.add(models.ActionItem(meeting_id=meeting.id, code="HY-1-1", number=1, text="装灯", owner_id=person.id, due=now))
    resident = world.person("R101")
    assert (await resident.says("删除我的数据")).shows("请先交接您负责的", f"#{task.short_no}")
    assert (await resident.presses("确认删除")).shows("等待交接负责的", f"#{task.short_no}")
    assert f"#{task.short_no}" in world.pushes("ST01")[-1]
    assert (await world.person("ST01").says(f"交接 {NAME} 给 吴小满")).shows("1个任务", "1项议定事项")
    await world.person("ST01").presses("确认交接")
    await world.at("2026-11-25T08:00")
    assert (await world.rows(DeletionRequest))[0].done_at is not None
    [taker] = [one for one in await world.rows(Person) if one.display_name == "吴小满"]
    assert (await world.rows(models.Task, models.Task.id == task.id))[0].leader_id == taker.id
    assert [one.owner_id for one in await world.rows(models.ActionItem, models.ActionItem.code == "HY-1-1")] == [taker.id]


async def test_an_overdue_deletion_is_named_every_night(world_sqlite):
    world = world_sqlite
    await world.person("ST04").says("删除我的数据")
    await world.person("ST04").presses("确认删除")
    await world.at("2026-12-16T12:00")
    assert sum("已到期" in text for text in world.pushes("ST01")) == 2


async def test_the_sealed_addresses_of_the_chat_are_destroyed(world_sqlite):
    world = world_sqlite
    resident = world.person("R102")
    await resident.says("匿名报：青禾苑3幢东侧垃圾没人收，臭")
    await resident.presses("匿名提交")
    assert any(token.return_address for token in await world.rows(models.AnonymousToken))
    await resident.says("删除我的数据")
    await resident.presses("确认删除")
    assert not any(token.return_address for token in await world.rows(models.AnonymousToken))


async def test_a_name_that_another_bears_too_stays_theirs(world_sqlite):
    world = world_sqlite
    await _change(world, [await _person(world, "R111")], display_name="罗可欣")
    await world.person("R102").says("删除我的数据")
    await world.person("R102").presses("确认删除")
    assert (await _person(world, "R111")).display_name == "罗可欣"


async def test_the_consent_taken_back_ends_the_pushes(world):
    problem = await _report(world, "R101", "青禾苑3幢东侧垃圾没人收，臭")
    resident, person = world.person("R101"), await _person(world, "R101")
    assert (await resident.says("撤回同意")).shows("不再主动", problem.code)
    assert (await resident.presses("撤回同意")).shows("已撤回同意")
    [row] = await world.rows(Person, Person.id == person.id)
    assert (row.consent_version, row.consent_at, row.display_name) == (-1, None, NAME)
    assert [record.withdrawn_at is not None for record in await world.rows(ConsentRecord, ConsentRecord.person_id == person.id)] == [True]
    assert [one.reporter_id for one in await world.rows(Problem, Problem.id == problem.id)] == [None]
    count = len(world.pushes("R101"))
    await world.person("ST04").says(f"受理 {problem.code}")
    assert NAME not in world.person("ST04").last.message.text
    with pytest.raises(Undone):
        async with world.app.database.transaction() as session:
            context = Context(session, world.clock.now(), SCHEDULER, await ground(session), "t1")
            assert await post.to_person(context, person.id, screen("cancelled")) is None
            assert await post.to_person(context, person.id, screen("cancelled"), answer=True) is not None
            raise Undone
    assert len(world.pushes("R101")) == count
    assert (await resident.says("撤回同意")).shows("已经撤回过了")
    assert (await resident.says("帮助")).text  # who asks is answered
    again = await _report(world, "R101", "青禾苑9幢门口路灯不亮")
    assert again.reporter_id == person.id
    assert (await world.rows(Person, Person.id == person.id))[0].consent_version == 1


@pytest.mark.parametrize("who", ["ST04", "ST11", "ST03"])
async def test_an_office_keeps_its_consent(world_sqlite, who):
    world = world_sqlite
    answer = await world.person(who).says("撤回同意")
    assert answer.shows("请先交接这些角色")
    assert answer.buttons == []
    await world.person(who).presses_action("withdraw_consent:yes")
    assert (await _person(world, who)).consent_version != -1


async def test_nothing_of_it_is_done_in_a_group(world_sqlite):
    world = world_sqlite
    answer = await world.person("R101").says("我的数据", chat="grid-G1")
    assert NAME not in answer.text
    assert answer.shows("私聊")
    await world.person("R101").presses_action("delete_data:yes", chat="grid-G1")
    assert (await _person(world, "R101")).display_name == NAME


async def test_the_copy_is_destroyed_after_seven_days(world_sqlite):
    world = world_sqlite
    await world.person("R101").says("我的数据")
    assert any(path.is_file() for path in store.root.rglob("*"))
    await world.at("2026-12-01T04:00")
    assert [made.media_id for made in await world.rows(models.ExportFile, models.ExportFile.kind == "person_data")] == [""]
    assert not any(path.is_file() for path in store.root.rglob("*"))


def test_the_tables_that_are_searched_are_all_of_them():
    assert {table.__tablename__ for table in TABLES} >= set(SQLModel.metadata.tables) - {"alembic_version"}


def _refer_to_a_person():
    """Every table with a column that names a person."""
    soft = {"AuditLog", "StateLog"}  # an id without a foreign key
    return sorted(
        table.__name__ for table in TABLES
        if table.__name__ in soft or any(key.target_fullname == "person.id" for column in table.__table__.columns for key in column.foreign_keys)
    )  # fmt: skip


@pytest.mark.parametrize("module", ["forgetting", "personal_data"])
def test_every_table_that_refers_to_a_person_is_thought_of(module):
    source = (Path(__file__).parent.parent / "services" / f"{module}.py").read_text("utf-8")
    assert [name for name in _refer_to_a_person() if not re.search(rf"\b{name}\b", source)] == []


async def test_meetings_and_promises_are_in_the_copy_and_go_with_the_person(world_sqlite):
    world = world_sqlite
    me = await _person(world, "R101")
    async with world.app.database.transaction() as session:
        now, here = world.clock.now(), me.community_id
        meeting = models.Meeting(community_id=here, code="HY-1", title="楼道议事", planned_at=now, created_at=now)
        session.add(meeting)
        await session.flush()
        promise = models.Commitment(
            community_id=here, code="CN-1", owner=me.id, writer_id=me.id, year=2026, self_report=f"{NAME}述诺", objective_reason="住院",
            items=[{"what": "每月走访", "for_whom": NAME, "measure": "12次", "due": "2026-12-31", "progress": "", "result": "kept"}],
        )  # fmt: skip
        session.add_all([
            models.Attendance(meeting_id=meeting.id, person_id=me.id, reply="leave", leave_reason="住院"), promise,
            models.AgendaItem(meeting_id=meeting.id, number=1, text=f"{NAME}提议装灯", proposer_id=me.id, at=now),
            models.ActionItem(meeting_id=meeting.id, code="HY-1-1", number=1, text=f"{NAME}联系电工", owner_id=me.id, due=now, result="已联系"),
            models.Minutes(meeting_id=meeting.id, text=f"{NAME}发言", drafted_at=now),
        ])  # fmt: skip
        await session.flush()
        session.add(models.CommitmentVote(commitment_id=promise.id, rater_id=me.id, rater_kind="mass", grade=3, text=f"{NAME}的话", at=now))
    [file] = (await world.person("R101").says("我的数据")).shown[-1].media
    copy = str(CalamineWorkbook.from_filelike(io.BytesIO(file.data)).get_sheet_by_index(0).to_python())
    for word in ("楼道议事", "请假", "住院", "提议装灯", "联系电工", "每月走访", "述诺", "的话"):
        assert word in copy, word
    await world.person("R101").says("删除我的数据")
    await world.person("R101").presses("确认删除")
    assert "HY-1-1" in world.pushes("ST02")[-1]
    assert "没有责任人" in world.pushes("ST02")[-1]
    dump = await _dump(world)
    tables = ("Attendance", "AgendaItem", "ActionItem", "Minutes", "Commitment", "CommitmentVote")
    assert _where({name: dump[name] for name in tables}, NAME, "住院", "每月走访") == set()
    [kept] = await world.rows(models.Commitment, models.Commitment.code == "CN-1")
    assert kept.items[0]["result"] == "kept"


@pytest.mark.digests
async def test_no_resident_named_in_a_result_or_a_report_stands_in_a_group(world_sqlite):
    await world_sqlite.person("R101").says("9幢路灯不亮，罗可欣家门口，看不见路")
    await world_sqlite.person("R101").presses("提交")
    assert "罗可欣" not in (await world_sqlite.rows(Problem, Problem.code == "WT-20261123-0001"))[0].text_public
    await world_sqlite.person("ST05").says("办结 WT-20261112-0002 王桂英家的儿子和陈书禾帮忙垫平了路砖")
    await world_sqlite.at("2026-11-23T17:31")
    (wall,) = [shown.message.text for shown in world_sqlite.platform.messages if "回音壁" in shown.message.text]
    assert "王**家的儿子和陈**帮忙垫平了路砖" in wall
