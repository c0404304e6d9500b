"""An anonymous report is anonymous to everybody (domain.md §0.5)."""

import sqlite3

from models import AnonymousToken, OutboxMessage, Problem, StateLog, keyring

TELLTALE = "王桂英"


async def _report(world):
    await world.at("2026-11-23T10:05")
    resident = world.person("R101")
    await resident.says("匿名报:4幢楼道里有人吸烟扔烟头")
    receipt = await resident.presses("匿名提交")
    assert receipt.shows("WT-20261123-0001", "匿名")
    return resident


async def test_nothing_that_is_stored_leads_to_the_reporter(world):
    await _report(world)
    (problem,) = await world.rows(Problem, Problem.code == "WT-20261123-0001")
    assert (problem.reporter_id, problem.draft_id) == (None, None)
    ticket = world.pushes("ST04")[-1]
    assert TELLTALE not in ticket
    for log in await world.rows(StateLog, StateLog.object_id == problem.id):
        assert log.actor_id is None
    (token,) = await world.rows(AnonymousToken)
    rows = await world.rows(OutboxMessage, OutboxMessage.token_id == token.id)
    assert rows
    assert all(row.chat_id is None and row.body is None for row in rows)


async def test_the_file_holds_no_handle_name_or_text_of_the_reporter(world_sqlite):
    world = world_sqlite
    resident = world.person("quite-a-stranger")
    await resident.says("匿名报:村口路灯不亮")
    await resident.presses("匿名提交")
    path = world.app.database.url.partition("///")[2]
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = [
            (table, row)
            for table in tables
            for row in file.execute(f"SELECT * FROM {table}")
            if any(isinstance(value, str) and ("quite-a-stranger" in value) for value in row)
        ]
        problem = file.execute("SELECT id FROM problem WHERE code LIKE 'WT-20261123-%'").fetchone()[0]
        person = file.execute("SELECT person_id, id, private_chat_id FROM chat_account WHERE user_hash = ?", [_hash(world)]).fetchone()
        linked = [
            table
            for table in tables
            for row in file.execute(f"SELECT * FROM {table}")
            if any(problem in str(value) for value in row) and any(str(own) in [str(value) for value in row] for own in person)
        ]
    assert found == []
    assert linked == []


def _hash(world):
    return keyring.hash("user", world.platform.name, "main", "quite-a-stranger")


async def test_relay_in_both_directions(world):
    resident = await _report(world)
    leader = world.person("ST04")
    ticket = leader.messages[-1]
    await leader.says("请问是哪一层?", reply_to=ticket.id, many=True)
    relayed = resident.last
    assert "请问是哪一层" in relayed.message.text
    await resident.says("三楼", reply_to=relayed.id, many=True)
    assert "三楼" in world.pushes("ST04")[-1]
    assert TELLTALE not in world.pushes("ST04")[-1]


async def test_the_reporter_rates_and_the_address_is_destroyed_after_thirty_days(world):
    resident = await _report(world)
    await world.person("ST04").says("办结 WT-20261123-0001 已经清扫并贴了禁烟提示", many=True)
    await resident.presses("满意")
    await resident.presses("解决")
    (problem,) = await world.rows(Problem, Problem.code == "WT-20261123-0001")
    assert problem.state == "CLOSED"
    (token,) = await world.rows(AnonymousToken)
    assert token.return_address
    await world.at("2026-12-24T09:00")
    (token,) = await world.rows(AnonymousToken)
    assert token.return_address is None
    assert token.chat_hash == ""


async def test_progress_by_code(world):
    resident = await _report(world)
    assert (await resident.says("查进度 WT-20261123-0001")).shows("待受理")


async def test_somebody_else_cannot_rate_it(world):
    await _report(world)
    await world.person("ST04").says("办结 WT-20261123-0001 已经清扫并贴了禁烟提示", many=True)
    (problem,) = await world.rows(Problem, Problem.code == "WT-20261123-0001")
    await world.person("R102").presses_action(f"rate:{problem.id}:good")
    (problem,) = await world.rows(Problem, Problem.code == "WT-20261123-0001")
    assert problem.rating is None


async def test_a_typed_label_sends_what_is_on_the_card_anonymously(world_sqlite):
    resident = world_sqlite.person("R104")
    await resident.says("2幢有人群租")
    assert (await resident.says("匿名提交")).shows("已收到 WT-20261123-0001", "匿名")
    await _nobody_reads(world_sqlite, resident, "郑佳音")
    await resident.says("匿名报：8幢有人养鸡")
    assert (await resident.says("匿名提交")).shows("已收到 WT-20261123-0002", "匿名")
    await resident.says("匿名报：9幢有人养鸡")
    assert (await resident.says("提交")).shows("已收到 WT-20261123-0003", "匿名")
    await _nobody_reads(world_sqlite, resident, "郑佳音")


async def test_what_was_told_becomes_anonymous_and_no_older_card_tells_the_name(world_sqlite):
    resident = world_sqlite.person("R104")
    await resident.says("9幢路灯不亮")
    other = resident.last
    await resident.says("2幢有人群租")
    first = resident.last
    await resident.says("匿名报：2幢有人群租")
    assert (await resident.presses("提交", message=first)).shows("草稿")
    await resident.says("提交")
    await resident.says("4幢后面有人倒建筑垃圾,堆了半人高")
    second = resident.last
    card = await resident.says("我要匿名举报")
    assert card.shows("4幢后面有人倒建筑垃圾,堆了半人高")
    assert "提交" not in card.buttons
    assert (await resident.presses("提交", message=second)).shows("已收到 WT-20261123-0002", "匿名")
    await _nobody_reads(world_sqlite, resident, "郑佳音")
    assert (await resident.presses("提交", message=other)).shows("【路灯】")


async def _nobody_reads(world, resident, name):
    problems = await world.rows(Problem, Problem.code.like("WT-20261123-%"))
    assert problems and {(one.anonymous, one.reporter_id) for one in problems} == {(True, None)}
    assert not [shown for shown in world.platform.messages if shown.chat != resident.private and name in shown.message.text]
