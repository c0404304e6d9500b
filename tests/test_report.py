"""The report conversation, as residents hold it."""

import io

import pytest
from PIL import Image

from models import Draft, Problem, ProblemSupporter
from services.workdays import local

RUBBLE = "4幢后面有人倒建筑垃圾,堆了半人高"


def jpeg(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(buffer, "JPEG")
    return buffer.getvalue()


async def test_two_messages_and_one_press(world):
    await world.at("2026-11-23T10:05")
    resident = world.person("R101")
    card = await resident.says(RUBBLE)
    assert card.shows("建筑垃圾", "青禾苑一区网格", "青禾苑4幢")
    assert card.buttons == ["提交", "改类别", "改位置", "加照片", "匿名提交", "取消"]
    assert await world.rows(Problem, Problem.submitted_at > world.clock.now()) == []
    assert await world.rows(Problem, Problem.code == "WT-20261123-0001") == []
    message = resident.last
    receipt = await resident.presses("提交")
    assert receipt.shows("已收到 WT-20261123-0001【建筑垃圾】青禾苑一区网格", "11月24日17:30前与您联系", "11月30日17:30前办结")
    again = await resident.presses_action(f"submit:{_draft(message)}", message=message.id)
    assert again.shows("WT-20261123-0001")
    (problem,) = await world.rows(Problem, Problem.code.like("WT-20261123-%"))
    assert local(problem.contact_due).isoformat() == "2026-11-24T17:30:00+08:00"
    assert local(problem.resolve_due).isoformat() == "2026-11-30T17:30:00+08:00"
    pushed = {shown.chat for shown in world.platform.messages if shown.chat.startswith("private:")} - {resident.private}
    assert pushed == {"private:ST04"}
    assert len(world.pushes("ST04")) == 1


def _draft(shown) -> str:
    action = next(b.action for row in shown.message.buttons for b in row) if shown.message.buttons else ""
    return action.partition(":")[2] or shown.draft


@pytest.fixture(autouse=True)
def _remember_draft(monkeypatch):
    """Keep the card's first action on the shown message, so that a press after the buttons are gone can be tried."""
    from bot.platforms.memory import MemoryPlatform

    clear = MemoryPlatform.clear

    async def remembering(self, chat, message_id):
        shown = self.message(message_id)
        shown.draft = next((b.action.partition(":")[2] for row in shown.message.buttons for b in row), "")
        await clear(self, chat, message_id)

    monkeypatch.setattr(MemoryPlatform, "clear", remembering)


async def test_step_by_step(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("我要报问题")
    assert (await resident.says("路灯不亮")).shows("路灯", "青禾苑4幢")
    assert (await resident.presses("提交")).shows("WT-20261123-0001")


async def test_a_stranger_is_asked_where(world_sqlite):
    stranger = world_sqlite.person("somebody new")
    assert (await stranger.says("路边一大堆垃圾没人清")).shows("在哪里")
    assert (await stranger.says("村口那边")).shows("梧桐新村村口", "梧桐新村网格")
    assert (await stranger.presses("提交")).shows("WT-20261123-0001")


async def test_a_number_in_several_estates_is_asked(world_sqlite):
    stranger = world_sqlite.person("somebody new")
    assert (await stranger.says("9幢电梯坏了")).buttons == ["青禾苑9幢", "梧桐新村9幢"]
    assert (await stranger.presses("梧桐新村9幢")).shows("电梯故障", "梧桐新村网格")


async def test_the_home_estate_decides_a_building_number(world_sqlite):
    assert (await world_sqlite.person("R111").says("三号楼的路灯不亮")).shows("青禾苑3幢", "青禾苑一区网格")
    assert (await world_sqlite.person("R152").says("3幢的路灯不亮")).shows("梧桐新村3幢")


async def test_a_shared_location_comes_before_words(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    assert (await resident.sends_location(31.2041, 120.1521)).shows("桐荫公寓C座", "桐荫公寓网格")


async def test_outside_every_grid_goes_to_the_coordinator(world_sqlite):
    resident = world_sqlite.person("R101")
    assert (await resident.sends_location(31.5, 120.5)).shows("不在青禾里社区范围")
    assert (await resident.says("路面塌了一块")).shows("道路破损")
    await resident.presses("提交")
    assert len(world_sqlite.pushes("ST02")) == 1
    (problem,) = await world_sqlite.rows(Problem, Problem.code == "WT-20261123-0001")
    assert (problem.grid_code, problem.level) == (None, "community")


async def test_an_unsure_category_is_asked_with_three_and_other(world_sqlite):
    resident = world_sqlite.person("R101")
    answer = await resident.says("匿名报:3幢楼下有人打牌吵得要死 烟味也大")
    assert "请选择类别" in answer
    assert answer.buttons == ["噪音扰民", "油烟", "服务质量", "其他"]
    await resident.presses("其他")
    await resident.presses("邻里纠纷")
    assert (await resident.presses("噪音扰民")).shows("噪音扰民", "匿名")


async def test_changing_category_and_place(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    await resident.presses("改位置")
    assert (await resident.says("9幢")).shows("青禾苑9幢", "青禾苑二区网格")
    await resident.presses("改类别")
    await resident.presses("其他")
    await resident.presses("停车交通")
    assert (await resident.presses("乱停车")).shows("乱停车", "青禾苑9幢")


async def test_a_message_while_the_card_stands_adds_to_it(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    assert (await resident.says("已经三天了,晚上看不见路")).shows("路灯不亮", "已经三天了")


async def test_another_matter_while_the_card_stands_begins_another_draft(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    first = resident.last
    assert "路灯不亮" not in await resident.says("2幢有人飞线充电")
    await resident.presses("提交")
    await resident.presses("提交", message=first)
    problems = await world_sqlite.rows(Problem, Problem.code.like("WT-20261123-%"))
    assert {problem.category for problem in problems} == {"E01", "A02"}


async def test_a_plain_yes_submits_the_card_once(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    assert (await resident.says("好的")).shows("WT-20261123-0001")
    assert "WT-" not in (await resident.says("好的")).text


async def test_a_plain_no_or_change_submits_nothing_and_is_no_part_of_the_report(world_sqlite):
    resident = world_sqlite.person("R101")
    card = await resident.says("路灯不亮")
    for said in ("不对", "不", "改", "不要"):
        assert (await resident.says(said)).text == card.text
    assert (await resident.says("不对，是垃圾桶坏了")).shows("垃圾桶坏了")
    assert await world_sqlite.rows(Problem, Problem.code.like("WT-20261123-%")) == []


async def test_a_plain_yes_to_something_else_submits_nothing(world_sqlite):
    """It answers the last message: what is said to a notice or to something else that came in between is not said to the card."""
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    await resident.presses("提交")
    await resident.says("2幢有人飞线充电")
    await world_sqlite.person("ST04").says("受理 WT-20261123-0001", many=True)
    assert "WT-20261123-0001" in resident.last.message.text
    assert (await resident.says("好的")).shows("飞线充电", "请核对")
    assert (await resident.says("中文")).buttons == []
    assert (await resident.says("好的")).shows("飞线充电", "请核对")
    assert await world_sqlite.rows(Problem, Problem.code == "WT-20261123-0002") == []
    assert (await resident.says("好的")).shows("WT-20261123-0002")


async def test_the_same_one_is_answered_by_yes_or_no(world_sqlite):
    await world_sqlite.person("R101").says("9幢门口路灯不亮")
    await world_sqlite.person("R101").presses("提交")
    before = len(await world_sqlite.rows(ProblemSupporter))
    for name, said, shown in (("R102", "不是", "请核对"), ("R103", "是的", "WT-20261123-0001")):
        resident = world_sqlite.person(name)
        assert (await resident.says("9幢门口的路灯又不亮了")).buttons[0] == "同一件"
        assert (await resident.says("提交吧")).buttons[0] == "同一件"
        assert (await resident.says(said)).shows(shown)
    assert len(await world_sqlite.rows(ProblemSupporter)) == before + 1


async def test_a_draft_survives_other_business(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    await resident.says("查进度")
    await world_sqlite.at("2026-11-28T09:00")
    assert (await resident.presses("提交")).shows("WT-20261128-0001")


async def test_who_asks_when_it_will_be_done_gets_the_progress_and_keeps_the_draft(world_sqlite):
    resident, leader = world_sqlite.person("R101"), world_sqlite.person("ST04")
    assert (await resident.says("什么时候修好")).shows("您报的问题")
    await resident.says("路灯不亮")
    await resident.presses("提交")
    receipt = resident.last
    await resident.says("2幢有人飞线充电")
    assert (await resident.says("我报的那个灯修好了吗")).shows("您报的问题", "WT-20261123-0001")
    await resident.presses("提交")
    assert (await resident.says("什么时候修好", reply_to=receipt.id)).shows("已转给WT-20261123-0001的办理人")
    asked = leader.last
    assert "什么时候修好" in asked.message.text
    await leader.says("明天上午", reply_to=asked.id)
    await resident.presses("回复")
    assert (await resident.says("到底什么时候修好")).shows("已转给WT-20261123-0001的办理人")


async def test_a_draft_older_than_seven_days_is_gone(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    await world_sqlite.at("2026-12-01T09:00")
    assert await world_sqlite.rows(Draft) == []
    assert (await resident.presses("提交")).shows("草稿")


async def test_cancelling_keeps_nothing(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    await resident.presses("取消")
    assert await world_sqlite.rows(Draft) == []


async def test_cancelling_where_nothing_is_written_offers_what_was_sent(world_sqlite):
    resident = world_sqlite.person("R113")
    assert (await resident.says("不要了")).shows("没有写到一半")
    await resident.says("路灯不亮")
    assert (await resident.says("算了")).shows("已取消")
    await resident.says("路灯不亮")
    await resident.presses("提交")
    offered = await resident.says("不要了")
    assert offered.shows("没有写到一半", "撤回")
    assert (await resident.presses(offered.buttons[0])).shows("WT-20261123-0001", "已撤回")
    assert (await resident.says("取消")).buttons == []


async def test_an_album_is_one_set(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.sends_photo(jpeg(), caption="路灯不亮", album="a1")
    for colour in ("blue", "green"):
        await resident.sends_photo(jpeg(colour), album="a1")
    assert len([shown for shown in resident.messages if "请核对" in shown.message.text]) == 1
    assert "照片：3张" in resident.last.message.text
    await resident.presses("提交")
    assert len(world_sqlite.messages("private:ST04")[-1].media) == 3


async def test_a_photo_alone_is_asked_about(world_sqlite):
    resident = world_sqlite.person("R101")
    assert (await resident.sends_photo(jpeg())).shows("照片收到")
    assert (await resident.says("垃圾没人清")).shows("照片：1张")


async def test_a_broken_photo_is_refused_and_loses_nothing(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    assert (await resident.sends_photo(b"not a photo")).shows("不是照片")
    assert (await resident.presses("提交")).shows("WT-20261123-0001")


async def test_a_recording_is_a_report(world_sqlite):
    resident = world_sqlite.person("R101")
    answer = await resident.sends_voice(b"OggS" + b"\0" * 100)
    assert "录音收到" in answer
    assert (await resident.presses("路灯")).shows("录音", "路灯", "青禾苑4幢")
    await resident.presses("提交")
    assert [media.mime for media in world_sqlite.messages("private:ST04")[-1].media] == ["audio/ogg"]


async def test_urgent_words_need_no_card(world):
    resident = world.person("R102")
    answer = await resident.says("2幢电梯困人了,快来人!")
    assert answer.shows("119", "WT-20261123-0001", "误报")
    assert answer.text.index("119") < answer.text.index("WT-")
    assert len(world.pushes("ST04")) == 1
    assert len(world.pushes("ST02")) == 1
    (problem,) = await world.rows(Problem, Problem.code == "WT-20261123-0001")
    assert problem.sla == "P1"


async def test_an_urgent_one_without_a_place_is_made_at_once(world_sqlite):
    answer = await world_sqlite.person("a stranger").says("着火了!")
    assert answer.shows("WT-20261123-0001")
    assert len(world_sqlite.pushes("ST02")) == 1


async def test_an_urgent_one_breaks_the_quiet_hours(world_sqlite):
    await world_sqlite.at("2026-11-23T23:00")
    await world_sqlite.person("R102").says("2幢电梯困人了")
    assert len(world_sqlite.pushes("ST04")) == 1
    await world_sqlite.person("R103").says("1幢路灯不亮")
    await world_sqlite.person("R103").presses("提交")
    assert len(world_sqlite.pushes("ST04")) == 1
    await world_sqlite.at("2026-11-24T08:00")
    assert len(world_sqlite.pushes("ST04")) == 2


async def test_a_false_alarm_within_ten_minutes(world_sqlite):
    resident = world_sqlite.person("R102")
    await resident.says("2幢电梯困人了")
    await resident.presses("误报")
    (problem,) = await world_sqlite.rows(Problem, Problem.code == "WT-20261123-0001")
    assert problem.state == "WITHDRAWN"


async def test_a_near_duplicate_is_offered_first(world):
    first, second = world.person("R111"), world.person("R113")
    await first.says("9幢门口路灯不亮")
    await first.presses("提交")
    offer = await second.says("9幢前面的灯晚上不亮了")
    assert offer.shows("WT-20261123-0001")
    assert offer.buttons == ["同一件", "不是，另报"]
    await second.presses("同一件")
    assert len(await world.rows(Problem, Problem.code.like("WT-20261123-%"))) == 1
    assert len(await world.rows(ProblemSupporter)) >= 1
    leader = world.person("ST05")
    await leader.says("办结 WT-20261123-0001 路灯已经换好,今晚会亮")
    assert "路灯已经换好" in world.pushes("R113")[-1]


async def test_at_the_same_place_another_thing_is_another_matter(world_sqlite):
    first, second, third = (world_sqlite.person(key) for key in ("R111", "R113", "R102"))
    await first.says("9幢的电梯按键失灵")
    await first.presses("提交")
    assert (await second.says("9幢电梯抖得厉害")).shows("请核对")
    assert (await third.says("9幢电梯18楼的按钮按了没反应")).shows("WT-20261123-0001")


async def test_elsewhere_in_the_grid_the_words_must_be_alike(world_sqlite):
    first, second = world_sqlite.person("R102"), world_sqlite.person("R103")
    await first.says("电梯按键失灵")
    await first.presses("提交")
    assert (await second.says("电梯的按钮按了没反应")).shows("请核对")
    await second.presses("取消")
    assert (await second.says("电梯按键失灵了")).shows("WT-20261123-0001")


async def test_not_the_same_goes_on_to_the_card(world_sqlite):
    first, second = world_sqlite.person("R111"), world_sqlite.person("R113")
    await first.says("9幢门口路灯不亮")
    await first.presses("提交")
    await second.says("9幢门口路灯不亮")
    assert (await second.presses("不是，另报")).shows("请核对")
    assert (await second.presses("提交")).shows("WT-20261123-0002")


@pytest.mark.parametrize("said", ["你好", "谢谢", "在吗", "asdf", "哈哈哈", "12"])
async def test_chatter_gets_a_helpful_answer_and_makes_nothing(world_sqlite, said):
    resident = world_sqlite.person("R101")
    answer = await resident.says(said)
    assert "我要报问题" in answer.buttons or "上报这件事" in answer.buttons
    assert await world_sqlite.rows(Problem, Problem.code.like("WT-20261123-%")) == []


async def test_a_sticker_gets_a_helpful_answer(world_sqlite):
    assert (await world_sqlite.person("R101").does("sticker", "")).buttons


async def test_phones_and_doors_are_masked_in_public(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("4幢502室楼上漏水,我电话13812345678")
    await resident.presses("提交")
    (problem,) = await world_sqlite.rows(Problem, Problem.code == "WT-20261123-0001")
    assert "13812345678" not in problem.text_public
    assert "502" not in problem.text_public


async def test_in_english(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("English")
    assert (await resident.says("help")).shows("One sentence is enough")


@pytest.mark.parametrize("platform", ["memory-plain", "memory-no-edits"])
async def test_the_same_conversation_on_a_poorer_platform(database_url, tmp_path, platform):
    from world import made_world

    async with made_world(database_url, tmp_path, platform) as world:
        resident = world.person("R101")
        card = await resident.says(RUBBLE)
        assert card.shows("建筑垃圾")
        if platform == "memory-plain":
            assert card.buttons == []
            assert card.shows("1. 提交")
            assert (await resident.says("1", many=True)).shows("WT-20261123-0001")
            return
        assert (await resident.presses("提交")).shows("WT-20261123-0001")


async def test_a_typed_label_is_a_press(world_sqlite):
    resident = world_sqlite.person("R101")
    await resident.says("路灯不亮")
    assert (await resident.says("提交", many=True)).shows("WT-20261123-0001")
