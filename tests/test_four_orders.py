"""点单, 派单, 接单, 评单 as people speak them, from the sentence to both ratings (domain.md §0)."""


async def test_from_the_order_to_both_ratings(world_sqlite):
    world = world_sqlite
    resident, coordinator, nurse, member = (world.person(code) for code in ("R101", "ST02", "M03", "M01"))
    assert (await resident.says("我要点单:给我妈量个血压,周六上午")).shows("关爱", "周六上午", "青禾苑4幢")
    assert (await resident.presses("提交")).shows("DD-20261123-0001")
    await coordinator.presses("派单")
    assert (await coordinator.says("1人 护理")).shows("还缺日期和时间", "护理")
    assert (await coordinator.says("11月28日14点")).shows("RW-20261123-0001", "#34", "签到口令")
    party = next(
        message.chat for message in world.platform.messages if "#34" in message.message.text and not message.chat.startswith("private:")
    )

    await member.says("接单34", chat=party, silent=True)
    assert "需要“护理”技能" in world.pushes("M01")[-1]
    assert (await nurse.presses("接单", chat=party)).shows("接单成功", "已接1人")
    assert "王桂英" in world.pushes("M03")[-1]
    assert not any("王桂英" in message.message.text for message in world.messages(party))
    await nurse.says("接单 34", chat=party, silent=True)
    assert "已经接了" in world.pushes("M03")[-1]

    await world.at("2026-11-28T13:45")
    assert (await nurse.sends_location(31.2060, 120.1580)).shows("米，超过200米")
    assert (await nurse.sends_location(31.2004, 120.1515)).shows("签到成功", "134米")
    await world.at("2026-11-28T15:50")
    assert (await nurse.presses("签退")).shows("计1.5小时")
    assert (await coordinator.says("核验 34")).shows("何晚晴")
    await coordinator.presses("核验 何晚晴")
    assert (await resident.presses("满意")).shows("谢谢您的评价")
    assert (await coordinator.presses("4分")).shows("4分，已记下")
    assert "组织评单：4分" in world.pushes("M03")[-1]
    card = next(message for message in world.messages(party) if "#34" in message.message.text)
    assert card.message.buttons == ()


async def test_check_in_by_sentence_code_and_location(world_sqlite):
    world, member = world_sqlite, world_sqlite.person("M01")
    assert (await member.says("签到 33")).shows("还没到签到时间")
    await world.at("2026-11-28T09:20")
    assert (await member.says("签到 33")).shows("位置", "口令")
    assert (await member.sends_location(31.2060, 120.1580)).shows("817米")
    assert (await member.says("0000")).shows("还可以试4次")
    assert (await member.sends_location(31.2016, 120.1519)).shows("59米")


async def test_leaving_late_asks_for_the_reason_with_buttons(world_sqlite):
    world, member = world_sqlite, world_sqlite.person("M01")
    await world.at("2026-11-28T09:00")
    assert (await member.says("退单 33")).shows("什么原因")
    assert (await member.presses("生病")).shows("不计入")
    assert "陈书禾临时退单" in world.pushes("ST02")[-1]


async def test_calling_off_asks_for_the_reason(world_sqlite):
    leader = world_sqlite.person("ST04")
    assert (await leader.says("取消任务 33")).shows("原因")
    assert (await leader.says("下雨改期")).shows("已取消")
    assert "下雨改期" in world_sqlite.pushes("M01")[-1]
