"""What a fresh reader found wrong with orders, tasks and claims, as conversations (domain.md §0.6, §5 Task/Claim, §7, §10)."""

import pytest

from models import Claim, Order, Person, Task

ILLNESS = "我妈糖尿病瘫痪在床,要人上门换药"


async def dispatched(world, text="给我妈量个血压,周六上午", line="1人 11月28日09:30"):
    """R113's order, sent out by ST02 as task 34."""
    await world.at("2026-11-23T10:05")
    await world.person("R113").says(f"我要点单:{text}")
    await world.person("R113").presses("提交")
    await world.person("ST02").says(f"派单 DD-20261123-0001 {line}", many=True)


async def state_of(world, number, name):
    (task,) = await world.rows(Task, Task.short_no == number)
    (person,) = await world.rows(Person, Person.code == name)
    return (await world.rows(Claim, Claim.task_id == task.id, Claim.person_id == person.id))[-1].state


def groups(world):
    return [message.message.text for chat in ("party", "coordinators") for message in world.messages(chat)]


# ---- what a group may read ------------------------------------------------------------------------------------------------


async def test_no_group_reads_of_an_illness(world_sqlite):
    world = world_sqlite
    await dispatched(world, ILLNESS)
    assert any("【接单】#34 关爱服务" in text for text in groups(world))
    assert any("【点单】DD-20261123-0001" in text for text in groups(world))
    for word in ("妈", "糖尿病", "瘫", "换药", "冯可欣", "在床"):
        assert not any(word in text for text in groups(world)), word
    assert any("糖尿病" in text for text in world.pushes("ST02"))
    assert (await world.person("M03").says("接单 34")).shows("糖尿病瘫痪", "冯可欣")


async def test_a_known_service_word_is_the_title(world_sqlite):
    await dispatched(world_sqlite)
    assert any("【接单】#34 关爱服务·上门量血压" in text for text in groups(world_sqlite))


async def test_a_problem_is_sent_out_under_its_category(world_sqlite):
    world = world_sqlite
    leader = world.person("ST04")
    assert (await leader.says("派单 WT-20261121-0001 1人 11月28日14:00")).shows("养老助餐", "青禾苑2幢")
    assert not any("助餐点周日" in text for text in groups(world))


async def test_claiming_by_text_in_the_group_changes_the_card_and_says_nothing(world_sqlite):
    world = world_sqlite
    before = len(world.messages("party"))
    answer = await world.person("M02").says("接单 33", chat="party")
    assert "已接2人" in answer
    assert "接单成功" in world.pushes("M02")[-1]
    await world.person("M02").says("接单 33", chat="party", silent=True)
    assert "已经接了" in world.pushes("M02")[-1]
    await world.person("M01").says("接单 31", chat="party", silent=True)
    assert "需要“护理”技能" in world.pushes("M01")[-1]
    answer = await world.person("M02").says("退单 33 出差", chat="party")
    assert "已接1人" in answer
    assert "已退单" in world.pushes("M02")[-1]
    await world.person("M02").says("退单 33", chat="party", silent=True)
    assert "没有接" in world.pushes("M02")[-1]
    assert len(world.messages("party")) == before


async def test_who_has_no_private_chat_is_pointed_to_it_and_nothing_more(world_sqlite):
    answer = await world_sqlite.person("stranger").says("接单 33", chat="party")
    assert (len(answer.buttons), answer.text) == (1, "#33 请到与我的私聊里看。")


async def test_leaving_late_in_the_group_asks_in_private(world_sqlite):
    world, member = world_sqlite, world_sqlite.person("M01")
    await world.at("2026-11-28T08:30")
    await member.says("退单 33", chat="party", silent=True)
    assert await state_of(world, 33, "M01") == "ACTIVE"
    assert "什么原因" in world.pushes("M01")[-1]
    await member.presses("临时有事")
    assert "计入" in world.pushes("M01")[-1]
    assert await state_of(world, 33, "M01") == "LATE_WITHDRAWN"


async def test_leaving_late_with_a_reason_says_that_it_counts(world_sqlite):
    await world_sqlite.at("2026-11-28T08:30")
    assert (await world_sqlite.person("M01").says("退单 33 睡过头了")).shows("计入", "生病")
    assert any("睡过头了" in text for text in world_sqlite.pushes("ST02"))


# ---- calling off ----------------------------------------------------------------------------------------------------------


async def held(world):
    """Task 33 with M01 in and out."""
    await world.at("2026-11-28T09:31")
    await world.person("M01").says("签到 33 8246")
    await world.at("2026-11-28T11:00")
    return await world.person("M01").says("签退 33")


async def test_what_has_been_done_is_not_called_off(world_sqlite):
    await held(world_sqlite)
    assert (await world_sqlite.person("ST04").says("取消任务 33 下雨")).shows("不能取消", "核验 33")
    assert await state_of(world_sqlite, 33, "M01") == "DONE"


async def test_who_was_told_of_a_task_called_off_is_said_truly(world_sqlite):
    assert (await world_sqlite.person("ST05").says("取消任务 32 下雨")).shows("已取消", "没有人接单")
    assert (await world_sqlite.person("ST04").says("取消任务 33 下雨")).shows("已取消", "已通知1人")


# ---- an order that nobody takes -------------------------------------------------------------------------------------------


async def test_the_resident_hears_who_comes_and_when_nobody_does(world_sqlite):
    world = world_sqlite
    await dispatched(world)
    await world.person("M03").says("接单 34", many=True)
    assert "已有党员接单" in world.pushes("R113")[-1]
    assert "何晚晴" not in world.pushes("R113")[-1]
    await world.person("M03").says("退单 34 出差", many=True)
    assert "另找" in world.pushes("R113")[-1]
    before = len(world.pushes("ST02"))
    await world.at("2026-11-28T09:31")
    assert "没有党员接单" in world.pushes("R113")[-1]
    assert [order.state for order in await world.rows(Order)] == ["SUBMITTED"]
    assert "任务已取消" in world.messages("party")[-1].message.text
    about = [text for text in world.pushes("ST02")[before:] if "#34" in text]
    assert ["还缺人" in text for text in about] == [True, False], about  # two hours before, and at the start
    assert "DD-20261123-0001" in about[-1]
    await world.at("2026-11-28T12:00")
    assert sum("#34" in text for text in world.pushes("ST02")[before:]) == 2
    assert (await world.person("ST02").says("派单 DD-20261123-0001 1人 11月29日09:30")).shows("#35")


async def test_when_the_one_who_claimed_never_came_the_order_waits_again(world_sqlite):
    world = world_sqlite
    await dispatched(world)
    await world.person("M03").says("接单 34", many=True)
    await world.at("2026-11-28T11:31")
    assert any("没有党员到场" in text for text in world.pushes("R113"))
    assert [order.state for order in await world.rows(Order)] == ["SUBMITTED"]


async def test_the_queue_is_told_when_it_ends(world_sqlite):
    world = world_sqlite
    await dispatched(world, line="1人 11月28日14:00")
    await world.person("M03").says("接单 34", many=True)
    await world.person("M04").says("接单 34", many=True)
    await world.at("2026-11-28T14:01")
    assert "候补结束" in world.pushes("M04")[-1]


async def test_tasks_that_begin_together_are_reported_together(world_sqlite):
    world = world_sqlite
    before = len(world.pushes("ST02"))
    await world.at("2026-11-28T08:10")
    about = [text for text in world.pushes("ST02")[before:] if "还缺人" in text]
    assert sorted(text.count("#") for text in about) == [1, 2], about  # 32 at nine; 31 and 33 at half past
    await world.at("2026-11-28T11:40")
    assert len([text for text in world.pushes("ST02") if "还缺人" in text]) == 2


# ---- who did not come -----------------------------------------------------------------------------------------------------


async def test_an_absence_is_explained_and_excused(world_sqlite):
    world, member, leader = world_sqlite, world_sqlite.person("M01"), world_sqlite.person("ST04")
    await world.at("2026-11-28T11:31")
    assert await state_of(world, 33, "M01") == "NO_SHOW"
    about = [text for text in world.pushes("ST02") if "#33" in text]
    assert ["还缺人" in text for text in about] == [True, False], about  # before the start, and who did not come; nothing else
    assert (await member.says("说明 33 孩子急诊")).shows("已转给")
    assert "孩子急诊" in world.pushes("ST04")[-1]
    assert "孩子急诊" in world.pushes("ST02")[-1]
    assert (await leader.presses("认可")).shows("不计入")
    assert await state_of(world, 33, "M01") == "EXCUSED"
    assert "认可" in world.pushes("M01")[-1]
    await world.person("ST02").presses("不认可")
    assert await state_of(world, 33, "M01") == "EXCUSED"


async def test_an_absence_that_is_not_excused_stays_and_the_button_asks(world_sqlite):
    world, member = world_sqlite, world_sqlite.person("M01")
    await world.at("2026-11-28T11:31")
    assert (await member.presses("说明情况")).shows("原因")
    assert (await member.says("忘了")).shows("已转给")
    await world.person("ST04").presses("不认可")
    assert await state_of(world, 33, "M01") == "NO_SHOW"
    assert "没有认可" in world.pushes("M01")[-1]


async def test_three_workdays_later_nothing_is_explained(world_sqlite):
    world = world_sqlite
    await world.at("2026-12-02T17:30")
    assert (await world.person("M01").says("说明 33 孩子急诊")).shows("已转给")
    await world.at("2026-12-02T17:31")
    assert (await world.person("M01").says("说明 33 孩子急诊")).shows("3个工作日")


async def test_who_was_there_after_all_is_verified_with_the_planned_hours(world_sqlite):
    world = world_sqlite
    await world.at("2026-11-28T11:31")
    assert (await world.person("ST04").says("核验 33 陈书禾", many=True)).shows("计2小时")
    assert await state_of(world, 33, "M01") == "VERIFIED"


# ---- the line of a dispatch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["护士长", "请带扫把"])
async def test_a_word_that_nobody_has_is_no_skill(world_sqlite, word):
    world, leader = world_sqlite, world_sqlite.person("ST04")
    assert (await leader.says(f"派单 WT-20261121-0001 1人 11月28日14:00 {word}")).shows(f"没有人登记“{word}”")
    assert (await leader.says("1人 11月28日14:00")).shows("#34")
    (task,) = await world.rows(Task, Task.short_no == 34)
    assert task.skill == ""


@pytest.mark.parametrize(
    ("said", "start"),
    [
        ("1人 周六上午九点半", "11月28日09:30"), ("明天下午两点 1人", "11月24日14:00"), ("十二人 十二月三号晚上七点", "12月3日19:00"),
        ("周一上午九点 两人", "11月30日09:00"),
    ],
)  # fmt: skip
async def test_a_time_in_words_is_a_time(world_sqlite, said, start):
    world = world_sqlite
    await world.at("2026-11-23T10:05")
    assert (await world.person("ST04").says(f"派单 WT-20261121-0001 {said}")).shows("#34", start)
    (task,) = await world.rows(Task, Task.short_no == 34)
    assert task.skill == ""


# ---- the resident's own orders --------------------------------------------------------------------------------------------


async def test_the_resident_asks_how_the_order_stands(world_sqlite):
    world, resident = world_sqlite, world_sqlite.person("R113")
    await dispatched(world)
    for said in ("查进度 DD-20261123-0001", "DD-20261123-0001", "我的点单"):
        assert (await resident.says(said)).shows("已派单", "11月28日09:30", "等党员接单")
    await world.person("M03").says("接单 34", many=True)
    assert (await resident.says("我的点单")).shows("已有1位党员接单")
    assert (await resident.says("撤回 DD-20261123-0001")).shows("已经派出", "转人工")
    assert (await world.person("R101").says("DD-20261123-0001")).shows("没有权限")
    assert (await world.person("R102").says("我的点单")).shows("没有点单")


# ---- hours ----------------------------------------------------------------------------------------------------------------


async def test_hours_begin_with_the_task(world_sqlite):
    world, member = world_sqlite, world_sqlite.person("M01")
    await world.at("2026-11-28T09:05")
    await member.says("签到 33 8246")
    await world.at("2026-11-28T09:20")
    assert (await member.says("签退 33")).shows("还没开始")
    assert await state_of(world, 33, "M01") == "CHECKED_IN"
    await world.at("2026-11-28T10:29")
    assert (await member.says("签退 33")).shows("计0.5小时")


async def test_the_leader_hears_whose_hours_wait(world_sqlite):
    await held(world_sqlite)
    assert "陈书禾" in world_sqlite.pushes("ST04")[-1]
    assert (await world_sqlite.person("ST04").presses("核验")).shows("已核验 陈书禾")


# ---- the card, offers, codes and lists ------------------------------------------------------------------------------------


async def test_a_place_on_offer_is_shown_as_open_until_it_is_free_again(world_sqlite):
    world = world_sqlite
    await dispatched(world)
    card = world.messages("party")[-1]
    await world.person("M03").says("接单 34", many=True)
    await world.person("M04").says("接单 34", many=True)
    assert "人已满" in card.message.text
    await world.person("M03").says("退单 34 出差", many=True)
    assert "人已满" not in card.message.text
    assert "1个空位正在问候补" in card.message.text
    await world.at("2026-11-23T12:10")
    assert "重新开放" in world.pushes("M04")[-1]
    assert "下一位" not in world.pushes("M04")[-1]
    assert "空位" not in card.message.text


async def test_after_the_last_wrong_code_it_says_what_to_do(world_sqlite):
    world, member = world_sqlite, world_sqlite.person("M01")
    await world.at("2026-11-28T09:31")
    for _ in range(4):
        await member.says("签到 33 0000")
    answer = await member.says("签到 33 0000")
    assert answer.shows("发位置", "代签")
    assert "0次" not in answer


async def test_who_may_not_claim_is_not_invited_to(world_sqlite):
    world = world_sqlite
    assert "接单" not in (await world.person("R101").says("任务 31")).buttons
    assert "接单" not in (await world.person("M01").says("任务 31")).buttons, "31 needs nursing"
    assert "接单" in (await world.person("M03").says("任务 31")).buttons
    assert "接单 编号" not in await world.person("R101").says("任务列表")
    assert "接单 编号" in await world.person("M03").says("任务列表")
