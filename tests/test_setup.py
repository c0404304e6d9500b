"""A community from nothing, by the documented commands alone; and the same files sent to the bot."""

import builtins
import tomllib
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest
from demo_workbook import DEMO, demo_workbook, phone_of
from import_stage import book
from test_import import contents, geojson
from world import HASH, KEYS, World

from bot.__main__ import _parser
from bot.main import Application
from bot.platforms.memory import MemoryPlatform
from bot.settings import Settings
from bot.setup import begin, bring_in, take_out
from models import AuditLog, Chat, Community, Draft, ExportFile, Grid, Invitation, Person, Problem, RoleAssignment
from services import spreadsheets
from services.clock import HandClock
from services.media import store
from services.workdays import ZONE

COMMUNITY = """
community = "青禾里社区"
city = "澄湖市"
district = "望溪区"
street = "栖桐街道"
administrator = "许青岚"
phone = "13800010003"
"""


@asynccontextmanager
async def running(settings: Settings):
    """The service on what the commands have made."""
    morning = datetime.combine(datetime.now(ZONE).date() + timedelta(days=1), time(10), ZONE)
    memory, clock = MemoryPlatform(), HandClock(morning)
    app = Application(settings, [memory], clock)
    await app.start(serve=False)
    try:
        yield World(app, memory, clock)
    finally:
        await app.stop()


def settings_of(url: str, folder: Path) -> Settings:
    return Settings(_env_file=None, DATABASE_URL=url, DATA_DIR=folder, DEMO=False, ENCRYPTION_KEYS=KEYS, HASH_KEY=HASH)


async def command(settings: Settings, *words: str) -> int:
    """`python -m bot …`, in this process."""
    arguments = _parser().parse_args([str(word) for word in words])
    return await arguments.command(settings, arguments)


def link_in(text: str) -> str:
    """The payload of the first link."""
    return "link-" + text.partition("link-")[2][:32]


async def test_a_community_from_nothing_to_its_first_problem(bare_database_url, tmp_path, capsys):
    settings = settings_of(bare_database_url, tmp_path)
    (tmp_path / "community.toml").write_text(COMMUNITY, "utf-8")
    assert await command(settings, "init", "--file", tmp_path / "community.toml") == 0
    link = link_in(capsys.readouterr().out)
    assert await command(settings, "template", tmp_path / "template.xlsx") == 0
    assert spreadsheets.read((tmp_path / "template.xlsx").read_bytes()) == ([], [])
    filled = tmp_path / "社区资料.xlsx"
    filled.write_bytes(demo_workbook())
    assert await command(settings, "import", filled) == 0
    assert "网格：新增6，更新0，未变0" in capsys.readouterr().out
    assert await command(settings, "import", filled) == 0
    assert "更改0行" in capsys.readouterr().out
    assert await command(settings, "export", tmp_path / "out.xlsx") == 0
    # The administrator of init is the workbook's ST03, known by the telephone: nobody is there twice.
    assert contents((tmp_path / "out.xlsx").read_bytes()) == contents(filled.read_bytes())
    async with running(settings) as world:
        admin, leader, member, resident = (world.person(name) for name in ("a", "l", "m", "r"))
        assert "手机号" in await admin.does("scan", "", payload=link)
        assert "已绑定：许青岚" in await admin.says("13800010003")
        for person, code in ((leader, "ST04"), (member, "M02")):
            made = await admin.says(f"邀请 {code}")
            assert made.shows("https://memory.example/?start=link-", "打开的人要答出登记的手机号")
            await person.does("scan", "", payload=link_in(made.text))
            assert "已绑定" in await person.says(phone_of(code))
        assert "已绑定" in await admin.says("绑定 党员群", chat="party")
        assert "已绑定" in await admin.says("绑定 协调员群", chat="office")
        assert {chat.purpose for chat in await world.rows(Chat, Chat.kind == "group")} == {"party", "coordinators"}
        card = await resident.says("青禾苑4幢后面有人倒建筑垃圾，堆了半人高")
        assert card.shows("青禾苑4幢")
        assert "WT-" in await resident.presses("提交")
        (problem,) = await world.rows(Problem)
        assert (problem.grid_code, problem.state) == ("G1", "SUBMITTED")
        assert "倒建筑垃圾" in leader.last.message.text
        assert problem.code in await leader.says(f"受理 {problem.code}")
    assert await command(settings, "import", filled) == 0
    assert "更改0行" in capsys.readouterr().out


# -- init -------------------------------------------------------------------------------------------------------------------
async def test_init_asks_on_the_terminal_and_refuses_a_second_time(bare_database_url, tmp_path, capsys):
    settings, asked = settings_of(bare_database_url, tmp_path), []

    def answer(question: str) -> str:
        asked.append(question)
        return ["", "青禾里社区", "", "", "", "许青岚", "138 0001 0003"][len(asked) - 1]

    assert await begin(settings, ask=answer) == 0
    shown = capsys.readouterr().out
    assert "已建立青禾里社区，第一位管理员是许青岚" in shown
    assert "/start link-" in shown
    assert "社区名称" in asked[1]
    async with running(settings) as world:
        (community,), (person,) = await world.rows(Community), await world.rows(Person)
        assert (community.name, person.display_name, person.phone) == ("青禾里社区", "许青岚", "13800010003")
        assert {role.role for role in await world.rows(RoleAssignment)} == {"admin", "community_clerk"}
        assert len(await world.rows(AuditLog, AuditLog.action == "role.granted")) == 2
        (invitation,) = await world.rows(Invitation)
        assert shown.partition("link-")[2][:32] not in (invitation.token_hash, invitation.id)
    (tmp_path / "c.toml").write_text(COMMUNITY, "utf-8")
    assert await begin(settings, str(tmp_path / "c.toml")) == 1
    assert "已经有社区了" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('community = "x"', "没有填第一位管理员的姓名"),
        ('administrator = "x"', "没有填社区名称"),
        (COMMUNITY.replace("13800010003", "12"), "手机号不对"),
        (COMMUNITY.replace("许青岚", "11010519491231002X"), "不要填身份证号"),
        ("community = ", "读不了"),
    ],
)
async def test_init_says_what_is_wrong_and_makes_nothing(databases, tmp_path, capsys, written, said):
    with databases.fresh("sqlite") as url:
        (tmp_path / "c.toml").write_text(written, "utf-8")
        settings = settings_of(url, tmp_path)
        assert await begin(settings, str(tmp_path / "c.toml")) == 1
        assert said in capsys.readouterr().err
        assert await bring_in(settings, [str(tmp_path / "c.toml")]) == 1
        assert "还没有社区" in capsys.readouterr().err


async def test_init_without_a_terminal_says_how(databases, tmp_path, capsys, monkeypatch):
    def closed(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr(builtins, "input", closed)
    with databases.fresh("sqlite") as url:
        assert await begin(settings_of(url, tmp_path), ask=closed) == 1
    assert "--file community.toml" in capsys.readouterr().err


async def test_init_in_english(databases, tmp_path, capsys):
    with databases.fresh("sqlite") as url:
        (tmp_path / "c.toml").write_text(COMMUNITY, "utf-8")
        settings = settings_of(url, tmp_path)
        assert await begin(settings, str(tmp_path / "c.toml"), "en") == 0
        assert "its first administrator is 许青岚" in capsys.readouterr().out
        (tmp_path / "bad.xlsx").write_bytes(book(staff=[{"name": "甲", "role": "楼长"}]))
        assert await bring_in(settings, [str(tmp_path / "bad.xlsx")], language="en") == 1
        assert "row 2" in capsys.readouterr().err
        (tmp_path / "g.geojson").write_bytes(geojson())
        assert await bring_in(settings, [str(tmp_path / "g.geojson")], crs="BD09") == 2
        assert await bring_in(settings, [str(tmp_path / "missing.xlsx")]) == 1
        assert await bring_in(settings, [str(tmp_path / "g.geojson")], crs="GCJ02") == 0
        assert await take_out(settings, str(tmp_path / "out.xlsx")) == 0
        assert (tmp_path / "out.xlsx").stat().st_mode & 0o77 == 0
    assert tomllib.loads(COMMUNITY)["street"] == "栖桐街道"


# -- the same by chat ---------------------------------------------------------------------------------------------------------
MORE = {"code": "U50", "name": "青禾书店", "kind": "两新组织", "resources": "阅览室"}


async def test_a_workbook_sent_by_the_clerk_changes_nothing_until_it_is_pressed(world_sqlite):
    clerk = world_sqlite.person("ST03")
    card = await clerk.sends_file(book(units=[MORE]), "社区资料.xlsx")
    assert card.shows("《社区资料.xlsx》看过了，没有错误", "单位：新增1，更新0，未变0", "点“导入”以后才生效")
    assert card.buttons == ["导入", "取消"]
    assert len(await world_sqlite.rows(Draft)) == 1
    assert (await clerk.presses("导入")).shows("已导入《社区资料.xlsx》", "单位：新增1")
    assert await world_sqlite.rows(Draft) == []
    assert (
        (await clerk.presses("导入", message=clerk.messages[0])).toasts == ["这份文件已经处理过或过期了，请再发一次。"]
        if clerk.messages[0].message.buttons
        else True
    )
    assert (await clerk.sends_file(book(units=[MORE]), "again.xlsx")).shows("更改0行")
    (log,) = await world_sqlite.rows(AuditLog, AuditLog.action == "community.imported")
    assert log.note == "社区资料.xlsx: 1"


async def test_the_import_can_be_dropped_and_a_report_goes_on(world_sqlite):
    clerk = world_sqlite.person("ST02")
    await clerk.sends_file(book(units=[MORE]), "a.xlsx")
    assert "没有导入" in await clerk.presses("取消")
    assert await world_sqlite.rows(Draft) == []
    assert await world_sqlite.rows(AuditLog, AuditLog.action == "community.imported") == []


async def test_faults_are_listed_and_the_file_is_not_kept(world_sqlite):
    clerk = world_sqlite.person("ST03")
    rows = [{"name": f"甲{number}", "role": "楼长"} for number in range(13)]
    answer = await clerk.sends_file(book(staff=rows), "bad.xlsx")
    assert answer.shows("《bad.xlsx》有13处错误，什么都没有导入", "工作人员第2行“角色”：没有“楼长”这个角色", "工作人员第11行", "还有3处")
    assert "第12行" not in answer
    assert answer.buttons == []
    assert await world_sqlite.rows(Draft) == []


async def test_grids_as_geojson_with_their_system_in_the_caption(world_sqlite):
    coordinator = world_sqlite.person("ST02")
    await coordinator.sends_file(geojson(leader="ST04"), "g.geojson", caption="GCJ02")
    await coordinator.presses("导入")
    (grid,) = await world_sqlite.rows(Grid, Grid.code == "G1")
    assert (grid.name, grid.surveyed["crs"]) == ("一区", "GCJ02")


@pytest.mark.parametrize("who", ["R101", "M02", "ST04", "ST11", "ST10", "stranger"])
async def test_others_hear_what_to_do_instead(world_sqlite, who):
    answer = await world_sqlite.person(who).sends_file(book(units=[MORE]), "a.xlsx")
    assert answer.shows("文件我收不了", "拍照")
    for said in ("导入模板", "导出社区资料"):
        refused = await world_sqlite.person(who).says(said)
        assert not refused.shown[0].media
    assert await world_sqlite.rows(ExportFile) == []
    assert await world_sqlite.rows(Draft) == []


async def test_somebody_elses_button_and_a_forged_one_do_nothing(world_sqlite):
    clerk = world_sqlite.person("ST03")
    await clerk.sends_file(book(units=[MORE]), "a.xlsx")
    (draft,) = await world_sqlite.rows(Draft)
    for who in ("ST02", "R101"):
        await world_sqlite.person(who).presses_action(f"import_file:{draft.id}")
        await world_sqlite.person(who).presses_action(f"drop_file:{draft.id}")
    assert await world_sqlite.rows(AuditLog, AuditLog.action == "community.imported") == []
    assert len(await world_sqlite.rows(Draft)) == 1


async def test_a_file_too_large_is_not_even_fetched_and_one_that_is_gone_is_said(world_sqlite):
    clerk = world_sqlite.person("ST03")
    assert (await clerk.does("document", "", file="nowhere", file_name="a.xlsx", size=9_000_000)).shows("太大了")
    assert (await clerk.sends_file(bytes(3_000_000), "a.xlsx")).shows("太大了")
    assert (await clerk.does("document", "", file="nowhere", file_name="a.xlsx", size=5)).shows("没收到")


async def test_a_file_in_a_group_is_left_alone(world_sqlite):
    await world_sqlite.person("ST03").sends_file(book(units=[MORE]), "a.xlsx", chat="coordinators", silent=True)


async def test_template_and_export_come_as_files_with_their_names(world_sqlite):
    clerk = world_sqlite.person("ST03")
    (file,) = (await clerk.says("导入模板")).shown[0].media
    assert (file.name, spreadsheets.read(file.data)) == ("社区资料模板.xlsx", ([], []))
    (file,) = (await clerk.says("导出社区资料")).shown[0].media
    assert (file.name, file.mime) == ("社区资料.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    assert len(contents(file.data)["members"]) == len(DEMO["members"])
    assert len(await world_sqlite.rows(AuditLog, AuditLog.action == "community.exported")) == 1
    assert (await clerk.sends_file(file.data, "back.xlsx")).shows("更改0行")
    assert store.path((await world_sqlite.rows(ExportFile))[-1].sha256).exists()  # what was made for somebody stays its seven days


async def test_a_file_that_the_platform_stored_does_not_stay(world_sqlite):
    data = book(members=[{"name": "何晚晴", "kind": "在职党员", "home_org": "11010519491231002X"}])
    sha256 = store.write(data)
    assert "身份证号" in await world_sqlite.person("ST03").sends_file(data, "11010519491231002X.xlsx")
    assert not store.path(sha256).exists()
    assert "11010519491231002X" not in world_sqlite.person("ST03").last.message.text


async def test_the_ground_is_new_for_the_next_message(world_sqlite):
    clerk = world_sqlite.person("ST03")
    await clerk.sends_file(book(places=[{"name": "青禾书店", "lat": 31.2001, "lon": 120.1501}]), "a.xlsx")
    await clerk.presses("导入")
    assert (await world_sqlite.person("R101").says("青禾书店门口路灯不亮")).shows("青禾书店")
