"""Claiming, offers and check-ins as members meet them in chat."""

from models import Claim


async def _dispatched(world):
    await world.at("2026-11-23T10:05")
    resident, coordinator = world.person("R113"), world.person("ST02")
    await resident.says("我要点单:陪我去社区医院拿药,周六上午")
    await resident.presses("提交")
    await coordinator.says("派单 DD-20261123-0001 1人 11月28日09:30", many=True)


async def test_contact_data_goes_to_the_claimer_alone(world):
    await _dispatched(world)
    card = world.messages("party")[-1]
    await world.person("M03").presses("接单", chat="party")
    await world.person("M04").says("接单 34", chat="party", many=True)
    assert "已接1人" in card.message.text
    assert "候补1人" in card.message.text
    assert [shown for shown in world.messages("party") if "【接单】#34" in shown.message.text] == [card]
    assert not any("冯可欣" in shown.message.text for shown in world.messages("party"))
    assert "冯可欣" in world.pushes("M03")[-1]
    assert not any("冯可欣" in text for text in world.pushes("M04"))


async def test_an_offer_passes_on_after_two_hours(world_sqlite):
    world = world_sqlite
    await _dispatched(world)
    first, second, third = (world.person(name) for name in ("M03", "M04", "M14"))
    for member in (first, second, third):
        await member.says("接单 34", many=True)
    await first.says("退单 34 家里有事", many=True)
    offered = second.last
    await world.at("2026-11-23T12:10")
    await third.presses(third.last.message.buttons[0][0].label)
    await second.presses_action(offered.message.buttons[0][0].action, message=offered.id)
    active = [claim for claim in await world.rows(Claim) if claim.state == "ACTIVE"]
    assert len(active) == 2, "the third of task 34, and M01's of task 33"


async def test_checking_in_at_task_33(world):
    await world.at("2026-11-28T09:31")
    member = world.person("M01")
    await member.says("签到 33")
    assert (await member.sends_location(31.2060, 120.1580)).shows("817米")
    assert (await member.sends_location(31.2016, 120.1519)).shows("59米")
    assert [claim.state for claim in await world.rows(Claim)] == ["CHECKED_IN"]


async def test_code_and_proxy(world_sqlite):
    world = world_sqlite
    await world.person("M02").says("接单 33", many=True)
    await world.at("2026-11-28T09:31")
    await world.person("M01").says("签到 33 0000")
    assert {claim.state for claim in await world.rows(Claim)} == {"ACTIVE"}
    await world.person("M01").says("签到 33 8246", many=True)
    await world.person("ST04").says("代签 33 林一舟", many=True)
    assert {claim.state for claim in await world.rows(Claim)} == {"CHECKED_IN"}


async def test_a_group_hears_no_answer_to_chatter(world_sqlite):
    for said in ("31", "大家晚上好", "路灯坏了", "满意"):
        await world_sqlite.person("M01").says(said, chat="party", silent=True)


async def test_private_business_in_a_group_is_pointed_to_the_private_chat(world_sqlite):
    answer = await world_sqlite.person("M01").says("我的任务", chat="party")
    (button,) = [button for shown in answer.shown for row in shown.message.buttons for button in row]
    assert button.start


async def test_a_resident_cannot_claim_a_members_task(world_sqlite):
    await world_sqlite.person("R101").says("接单 32")
    assert len(await world_sqlite.rows(Claim)) == 1
