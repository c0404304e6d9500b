"""An identity number that is typed anywhere is in no table, file or log, and the person is told (domain.md §5, never an ID number)."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from test_webchat import running

from models import InboxMessage, LocalMessage, Problem, keyring
from services import masking
from services.masking import cut_from_update, cut_identity_numbers, without_cuts

NUMBER = "330102199001011234"
OTHER = "33010219851230567X"
OLD = "330102850607123"
FORMS = (
    NUMBER,
    OTHER,
    OTHER.lower(),
    "３３０１０２１９９００１０１１２３４",
    "330102 19900101 1234",
    "330102-19900101-1234",
    "3301 0219 9001 0112 34",
    OLD,
)


@pytest.mark.parametrize("number", FORMS)
def test_every_way_of_writing_it_is_cut(number):
    said = f"我的身份证{number}，请登记"
    cut = cut_identity_numbers(said)
    assert len(cut) == len(said)  # what else stands at a position in the message still does
    rest, was_cut = without_cuts(cut)
    assert was_cut
    assert not re.search(r"\d{4}", re.sub(r"[\s\-]", "", rest))
    assert "我的身份证" in rest
    assert "请登记" in rest


@pytest.mark.parametrize(
    "said",
    [
        "办结 WT-20261119-0001 已清理", "并案 20261119-0001 到 20261120-0002", "13800001234", "+86 138 0000 1234", "8613800001234",
        "13800001234 13900005678", "13812310101 1234", "0571-88001234 转 8001", "卡号6222021234567890123", "6222 0212 3456 7890 123",
        "延期 WT-20261119-0001 2026年12月4日", "RW-20261123-0001 DD-20261123-0001", "", "9幢1单元502", "2026-11-23 2026-11-24 2026-11-25",
    ],
)  # fmt: skip
def test_codes_telephones_cards_and_dates_stay(said):
    assert cut_identity_numbers(said) == said
    assert without_cuts(said) == (said, False)


def test_what_is_the_machines_own_is_left_alone():
    update = {
        "update_id": 1, "callback_query": {"id": NUMBER, "chat_instance": NUMBER, "data": "claim:1", "from": {"first_name": f"李{NUMBER}"}},
        "message": {"text": NUMBER, "caption_entities": [{"url": f"http://x/{NUMBER}"}], "chat": {"id": -1001}},
    }  # fmt: skip
    cut = cut_from_update(update)
    assert (cut["callback_query"]["id"], cut["callback_query"]["chat_instance"]) == (NUMBER, NUMBER)
    assert NUMBER not in str([cut["message"], cut["callback_query"]["from"]])


# -- everything that is kept ----------------------------------------------------------------------------------------------
async def everything(world) -> str:
    """Every value of every table, with what is encrypted opened."""
    found = []
    async with world.app.database.connection() as connection:
        names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
        for name in names:
            for row in await connection.execute(sa.text(f'SELECT * FROM "{name}"')):
                found += [opened(value) for value in row]
    return "\n".join(found)


def opened(value) -> str:
    if isinstance(value, memoryview):
        value = bytes(value)
    if isinstance(value, bytes):
        try:
            return keyring.decrypt(value).decode("utf-8", "replace")
        except (KeyError, InvalidTag, ValueError):
            return value.decode("utf-8", "replace")
    return str(value)


def holds(text: str) -> bool:
    """Whether any of the numbers is in a text, however it is written."""
    digits = re.sub(r"[\s\-_.\\]", "", text).upper()
    return any(number in digits for number in (NUMBER, OTHER, OLD))


def files(folder: Path) -> str:
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file())


async def said_everywhere(world):
    """Somebody types the number in private, in a group, in a caption, in an edited message, in the forms, in a report."""
    person = world.person("N1")
    answer = await person.says(NUMBER)
    assert answer.shows("请不要发送身份证号", "已删去，没有保存")
    assert not holds(answer.text)
    await person.says("双报到")
    await person.presses("同意")
    assert (await person.says(NUMBER)).shows("请不要发送身份证号", "请问姓名")  # the question is asked again
    assert (await person.says(f"何晚晴 {OTHER}")).shows("请不要发送身份证号", "哪一类党员")  # the rest is kept
    assert (await person.says("双报到 何晚晴 330102 19900101 1234 U05 青禾苑9幢 护理 周六", many=True)).shows("身份证号")
    report = await person.says(f"青禾苑9幢门口路灯不亮，我身份证{NUMBER}")
    assert report.shows("请不要发送身份证号", "请核对", "青禾苑9幢门口路灯不亮")
    await person.presses("提交")
    await person.does("edited", "", many=True, text=f"青禾苑9幢门口路灯不亮 {OLD}")
    await person.sends_photo(b"no picture", caption=f"看这个 {NUMBER}")
    await person.says(f"匿名报:楼道有人抽烟 {NUMBER}", many=True)
    await person.says(f"我要点单:给我妈量个血压 {NUMBER}", many=True)
    await world.person("M01").says(f"我的身份证号 {NUMBER}", chat="party", silent=True)
    assert "请不要发送身份证号" in world.pushes("M01")[-1]
    assert not [one for one in world.messages("party") if "身份证" in one.message.text]
    await world.person("L05").says(f"登记资源：义诊 {NUMBER}", many=True)


async def test_typed_anywhere_it_is_in_no_table_file_or_log(world, tmp_path, caplog, capfd):
    caplog.set_level("DEBUG")
    await said_everywhere(world)
    (problem,) = [row for row in await world.rows(Problem) if "路灯不亮" in row.text and row.submitted_at == world.clock.now()]
    assert "身份证" in problem.text  # the rest of the sentence is kept
    kept = await everything(world)
    assert "青禾苑9幢门口路灯不亮" in kept, "the dump opens what is encrypted"
    assert not holds(kept)
    assert not holds(files(tmp_path))
    assert not holds(caplog.text + "".join(capfd.readouterr()))
    assert not any(holds(shown.message.text) for shown in world.platform.messages)


async def test_what_is_put_aside_after_failing_holds_it_neither(world_sqlite, tmp_path, caplog, capfd, monkeypatch):
    world = world_sqlite

    async def broken(event, context, step):
        raise RuntimeError(f"cannot handle {event}")

    monkeypatch.setattr(world.app.turns.router, "dispatch", broken)
    await world.person("N1").says(f"青禾苑9幢门口路灯不亮 {NUMBER}", many=True)
    (row,) = await world.rows(InboxMessage, InboxMessage.state == "quarantined")
    assert "路灯不亮" in str(row.raw)
    assert not holds(str(row.raw) + row.error)
    assert not holds(await everything(world))
    assert not holds(files(tmp_path))
    assert not holds(caplog.text + "".join(capfd.readouterr()))


async def test_the_dump_would_find_it(world_sqlite, monkeypatch):
    """The negative control: with the door open the number is found in the tables."""
    monkeypatch.setattr(masking, "cut_from_update", lambda raw: raw)
    await world_sqlite.person("N1").says(f"青禾苑9幢门口路灯不亮 {NUMBER}", many=True)
    assert holds(await everything(world_sqlite))


async def test_the_web_chat_keeps_it_not_even_in_its_own_history(tmp_path, caplog):
    caplog.set_level("DEBUG")
    async with running(tmp_path) as site:
        chat = await site.open("R101")
        (answer,) = [frame for frame in await chat.says(f"我身份证{NUMBER}") if "请不要发送身份证号" in frame.get("text", "")]
        assert not holds(str(answer))
        assert not holds(str(await chat.history()))
        rows = await site.rows(LocalMessage)
        assert any("▇" in str(row.body) for row in rows)
        assert not any(holds(str(row.body)) for row in rows)
    assert not holds(files(tmp_path))
    assert not holds(caplog.text)
