# ruff: noqa: F401, F811 (fixtures are imported, and asked for by name)
"""The whole application as people on Telegram meet it: the real `Application` on the fake Bot API over real HTTP."""

from __future__ import annotations

import pytest
from fake_telegram import Fault
from sqlmodel import col
from telegram_world import picture, prepare, prepared, prepared_url, telegram_world, town

from models import Chat, ChatAccount, CheckIn, Claim, Problem

LAMP = "青禾苑3幢楼下路灯不亮三天了"
CODE = "WT-20261123-0001"


async def submit(resident, text=LAMP):
    """Report and press 提交; the receipt."""
    await resident.says(text)
    (receipt,) = await resident.presses("提交")
    return receipt


# -- the resident -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("town", ["polling", "webhook"], indirect=True)
async def test_a_resident_reports_and_the_leader_answers(town):
    leader, resident = await town.person("ST04"), town.stranger()
    pushes = len(leader.shown)
    (welcome,) = await resident.opens()
    assert "邻哨" in welcome.text
    (card,) = await resident.says(LAMP)
    assert "提交" in card.labels
    (receipt,) = await resident.presses("提交")
    assert CODE in receipt.text
    assert resident.shown[-2].labels == ()  # the card's buttons are gone
    (ticket,) = leader.shown[pushes:]
    assert CODE in ticket.text
    await leader.presses("受理")
    (done,) = await leader.says(f"办结 {CODE} 已经更换灯泡,今晚正常亮了")
    assert CODE in done.text
    echo = resident.with_button("满意")
    assert "已经更换灯泡" in echo.text
    count = len(resident.shown)
    await resident.presses("满意", echo)
    await resident.presses("解决")
    assert len(resident.shown) == count  # the two answers changed the echo where it stands
    assert resident.with_id(echo.message_id).text.startswith("谢谢评价")
    (problem,) = await town.rows(Problem, col(Problem.code) == CODE)
    assert (problem.state, problem.rating, problem.solved) == ("CLOSED", "good", True)


async def test_a_second_press_of_submit_makes_no_second_problem(town):
    resident = town.stranger()
    (card,) = await resident.says(LAMP)
    town.telegram.presses(resident.user, card, "提交")
    town.telegram.presses(resident.user, card, "提交", stale=True)
    await town.settle()
    assert sum(CODE in text for text in resident.texts) == 1
    assert len(await town.rows(Problem, col(Problem.code).startswith("WT-20261123-"))) == 1
    assert any(CODE in text for _, text in town.telegram.toasts)


async def test_an_album_a_voice_a_place_and_a_correction(town):
    resident = town.stranger()
    for shade in range(3):
        town.telegram.sends_photo(resident.user, picture(80 * shade), album="a", caption=LAMP if shade == 0 else "")
    await town.settle()

    assert [("照片：3张" in text) for text in resident.texts] == [True]  # one card, made once and edited
    (receipt,) = await resident.presses("提交")
    assert CODE in receipt.text

    (ask,) = await resident.does(town.telegram.sends_voice)
    assert "录音收到了" in ask.text
    (where,) = await resident.presses(ask.labels[0])
    assert "在哪里" in where.text
    (row,) = town.telegram.keyboards[resident.user.id]["keyboard"]
    assert row[0]["request_location"] is True
    (card,) = await resident.does(town.telegram.sends_location, 31.2013, 120.1514)
    assert "提交" in card.labels
    assert resident.user.id not in town.telegram.keyboards
    assert "WT-20261123-0002" in (await resident.presses("提交"))[0].text

    said = town.telegram.user_says(resident.user, "梧桐新村3幢楼道堆了杂物")
    await town.settle()
    before = len(resident.shown)
    town.telegram.edits(resident.user, said, "梧桐新村3幢楼道堆了纸箱和旧家具")
    await town.settle()
    (corrected,) = resident.shown[before:]
    assert "纸箱和旧家具" in corrected.text
    assert "杂物" not in corrected.text


async def test_commands_and_the_list_behind_the_menu_button(town):
    resident = town.stranger()
    (ask,) = await resident.says("/bao")
    assert "一句话" in ask.text
    (cancelled,) = await resident.says("/cancel")
    assert cancelled.text
    offered = [entry["command"] for entry in town.telegram.commands["all_private_chats", ""]]
    assert offered[0] == "bao"
    for command in offered:
        assert len(await resident.says(f"/{command}")) == 1
    english = town.stranger("Ann", language="en")
    assert "一句话" not in (await english.says("/bao"))[0].text


async def test_members_have_commands_of_their_own_in_groups(town):
    member = await town.person("M02")
    party, _ = await town.group("党员群")
    offered = [entry["command"] for entry in town.telegram.commands["all_group_chats", ""]]
    assert offered == ["claim", "unclaim", "tasks", "help"]
    assert "bao" not in offered
    for command in offered:  # a tap sends the command alone
        (answer,) = await member.says_in(party, f"/{command}@{town.telegram.username}")
        assert answer.text
        assert ("/claim 31" in answer.text) == (command != "tasks")
    town.telegram.privacy_mode = False
    assert await member.says_in(party, "接单") == []  # the bare word is chatter


async def test_a_link_binds_once_and_says_nothing_else_to_anybody(town):
    leader = await town.person("ST04")
    used = next(m["text"] for m in town.telegram.private(leader.user).messages.values() if "link-" in m.get("text", ""))
    assert (await leader.says(used))[0].text.startswith("已绑定：周禾生。现在可以用了。")  # START was tapped twice
    thief = town.stranger("别人")
    (refused,) = await thief.says(used)
    assert "无效" in refused.text
    assert "周禾生" not in refused.text
    assert len(await town.rows(ChatAccount, col(ChatAccount.platform) == "telegram", col(ChatAccount.preferred).is_(True))) == 2


# -- the work ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("town", ["polling", "webhook"], indirect=True)
async def test_the_four_orders_in_a_topic(town):
    coordinator = await town.person("ST02")
    party, topic = await town.group("党员群", topic=True)
    resident, first, second = town.stranger("王阿姨"), await town.person("M03"), await town.person("M04")
    await resident.says("我要点单:陪我去社区医院拿药,青禾苑9幢,周六上午")
    assert "DD-20261123-0001" in (await resident.presses("提交"))[0].text
    await coordinator.presses("派单")
    (dispatched,) = await coordinator.says("1人 11月28日09:30")
    assert "#34" in dispatched.text
    card = town.telegram.shown(party)[-1]
    assert card.raw["message_thread_id"] == topic
    assert "已接0人" in card.text
    before = len(town.telegram.shown(party))

    pressed = [town.telegram.presses(who.user, card, "接单") for who in (first, second)]  # at the same time
    await town.settle()
    shown = town.telegram.shown(party)
    assert len(shown) == before  # never reposted
    assert "已接1人 候补1人" in shown[-1].text
    toasts = dict(town.telegram.toasts)
    assert sorted("候补" in toasts[press] for press in pressed) == [False, True]
    winner, waiting = (first, second) if "候补" in toasts[pressed[1]] else (second, first)
    assert "联系人" in winner.texts[-1]
    assert not any("王阿姨" in text for text in waiting.texts)

    (sheet,) = await winner.presses("签到", chat=party)  # the deep link ?start=task-34
    assert "#34" in sheet.text
    await town.at("2026-11-28T09:20")
    (ask,) = await winner.says("签到 34")
    assert "位置" in ask.text
    (done,) = await winner.does(town.telegram.sends_location, 31.2006, 120.1536)
    assert "签到成功" in done.text
    await town.at("2026-11-28T11:10")
    assert "1.5小时" in (await winner.says("签退 34"))[0].text
    await coordinator.says("核验 34")
    name = "何晚晴" if winner is first else "罗启明"
    assert any("已核验" in answer.text for answer in await coordinator.presses(f"核验 {name}"))
    assert [claim.state for claim in await town.rows(Claim, col(Claim.state).in_(("VERIFIED", "DONE")))] == ["VERIFIED"]
    assert len(await town.rows(CheckIn)) == 2
    assert len([m for m in town.telegram.shown(party) if "【接单】#34" in m.text]) == 1


async def test_in_a_group_chatter_is_never_answered_and_commands_are(town):
    member = await town.person("M02")
    party, _ = await town.group("党员群")
    for said in ("大家晚上好", "31", "接单 32"):
        assert await member.says_in(party, said) == []
    town.telegram.privacy_mode = False  # as an administrator of the group the bot hears everything
    for said in ("大家晚上好", "31", "路灯坏了", "满意", "@somebody 你好"):
        assert await member.says_in(party, said) == []
    town.telegram.privacy_mode = True
    for bare in ("/claim@another_bot 32", "/start", "/unknown"):
        assert await member.says_in(party, bare) == []
    greeting = town.telegram.shown(party)[0]
    assert await member.says_in(party, "接单 32", reply_to=greeting.message_id) == []  # heard, and answered in private
    assert "接单成功！#32" in member.texts[-1]
    assert await member.says_in(party, f"/unclaim@{town.telegram.username} 32") == []
    assert "#32" in member.texts[-1]
    assert "接单成功" not in member.texts[-1]
    (pointed,) = await member.says_in(party, "/mytasks")
    assert pointed.labels == ("私聊邻哨",)
    assert len(await member.presses("私聊邻哨", pointed)) == 1


async def test_an_anonymous_administrator_is_nobody_and_presses_as_somebody(town):
    member = await town.person("M02")
    party, _ = await town.group("党员群")
    (refused,) = await member.says_in(party, "/bind 协调员群", anonymous=True)
    assert "没有权限" in refused.text
    for command in ("/claim 32", "/unclaim 32"):
        (other,) = await member.says_in(party, command, anonymous=True)
        assert "关闭“匿名发言”" in other.text
        assert other.labels == ("私聊邻哨",)
    assert await town.rows(Chat, col(Chat.purpose) == "coordinators") == []
    assert len(await town.rows(Claim, col(Claim.state) == "ACTIVE")) == 1  # the demo's own
    card = town.telegram.shown(party)[-1].raw | {"sender_chat": party.json}
    press = town.telegram.press_data(member.user, card, await town.claim_button("32"))
    await town.settle()
    assert "接单成功" in dict(town.telegram.toasts)[press]


async def test_somebody_who_never_started_the_bot_is_shown_the_way(town):
    await town.person("ST02")
    party, _ = await town.group("党员群")
    resident = town.stranger()
    await submit(resident)
    coordinator = await town.person("ST02")
    await coordinator.says(f"派单 {CODE} 1人 11月28日09:30")
    card = town.telegram.shown(party)[-1]
    passer_by = town.stranger("路人")
    press = town.telegram.presses(passer_by.user, card, "接单")
    await town.settle()
    assert "私聊" in dict(town.telegram.toasts)[press]
    assert town.telegram.chats.get(passer_by.user.id) is None  # the bot may not write first, and did not try
    member = await town.person("M02")
    town.telegram.blocks_bot(member.user)
    await town.settle()
    press = town.telegram.presses(member.user, card, "接单")
    await town.settle()
    assert town.telegram.opened == [(press, "task-34")]  # the private chat opens, and its START shows the task
    assert "已接1人" in town.telegram.shown(party)[-1].text


# -- what Telegram does to chats --------------------------------------------------------------------------------
async def test_who_blocked_the_bot_is_left_alone_until_they_come_back(town):
    leader, resident = await town.person("ST04"), town.stranger()
    await submit(resident)
    before = len(resident.shown)
    town.telegram.private(resident.user).bot_inside = False  # blocked, and the news of it is still on the way
    await leader.presses("受理")
    (stored,) = [row for row in await town.rows(ChatAccount) if row.user_address == str(resident.user.id)]
    assert stored.blocked is True
    assert len(resident.shown) == before
    town.telegram.unblocks_bot(resident.user)
    await town.settle()
    (stored,) = await town.rows(ChatAccount, col(ChatAccount.id) == stored.id)
    assert stored.blocked is False
    await leader.says(f"办结 {CODE} 已经更换灯泡,今晚正常亮了")
    assert "已经更换灯泡" in resident.texts[-1]


async def test_a_group_that_puts_the_bot_out_and_takes_it_back(town):
    leader = await town.person("ST04")
    party, _ = await town.group("党员群", by="ST03")
    coordinator = await town.person("ST02")
    await submit(town.stranger())
    town.telegram.removes_bot(leader.user, party)
    await town.settle()
    await coordinator.says(f"派单 {CODE} 1人 11月28日09:30")
    before = len(town.telegram.shown(party))
    town.telegram.adds_bot(leader.user, party)
    await town.settle()
    await submit(town.stranger("李叔"), "梧桐新村3幢楼道堆了杂物")
    await coordinator.says("派单 WT-20261123-0002 1人 11月28日09:30")
    cards = [m.text for m in town.telegram.shown(party)[before:] if "【接单】" in m.text]
    assert len(cards) == 1
    assert "#35" in cards[0]


@pytest.mark.parametrize("told_first", [True, False], ids=["service message first", "a call first"])
async def test_a_group_becomes_a_supergroup(town, told_first):
    coordinator, member = await town.person("ST02"), await town.person("M02")
    party, _ = await town.group("党员群", basic=True)
    await submit(town.stranger())
    await coordinator.says(f"派单 {CODE} 2人 11月28日09:30")
    old_card = town.telegram.shown(party)[-1]
    new = town.telegram.group(party.title)
    if told_first:
        town.telegram.chats.pop(new.id)
        new = town.telegram.migrates(party, coordinator.user)
        await town.settle()
    else:  # somebody writes in the new group, and the bot still calls the old one, before it hears of the move
        party.moved_to = new.id
        (pointed,) = await member.says_in(new, "/mytasks")
        assert pointed.labels == ("私聊邻哨",)
    # The new group counts its messages anew: none of them may be taken for the old card.
    for _ in range(old_card.message_id + 2 - len(new.messages)):
        await member.says_in(new, "/help")
    others = {m.message_id: m.text for m in town.telegram.shown(new)}
    await member.says("接单 34")
    cards = [m for m in town.telegram.shown(new) if "【接单】#34" in m.text]
    assert len(cards) == 1
    assert "已接1人" in cards[0].text
    assert {m.message_id: m.text for m in town.telegram.shown(new) if m.message_id in others} == others
    second = await town.person("M04")
    town.telegram.presses(second.user, cards[0], "接单")
    await town.settle()
    cards = [m for m in town.telegram.shown(new) if "【接单】#34" in m.text]
    assert len(cards) == 1
    assert "已接2人" in cards[0].text
    bound = await town.rows(Chat, col(Chat.purpose) == "party", col(Chat.blocked).is_(False))
    assert [chat.address for chat in bound] == [str(new.id)]


# -- the process ------------------------------------------------------------------------------------------------
async def test_presses_from_before_a_restart_and_from_long_ago(town):
    resident = town.stranger()
    (card,) = await resident.says(LAMP)
    await town.restart()
    (receipt,) = await resident.presses("提交", card, inaccessible=True)
    assert CODE in receipt.text
    press = town.telegram.press_data(resident.user, card.raw, "no_such_action:1")
    await town.settle()
    assert dict(town.telegram.toasts)[press] == "这个按钮已经失效了。"


async def test_an_update_that_comes_twice_has_one_effect(town):
    resident = town.stranger()
    (card,) = await resident.says(LAMP)
    town.telegram.presses(resident.user, card, "提交")
    (queue, press), *_ = town.telegram.updates
    await town.settle()
    if not town.telegram.webhook:  # polled: the offset was never confirmed
        await town.stop()
        town.telegram.raw_update(press, queue)
        await town.start()
    else:  # called: our 200 was lost
        town.telegram.raw_update(press, queue)
        town.telegram.raw_update(press, queue)
    await town.settle()
    assert town.app.inbox.duplicates >= 1
    assert sum(CODE in text for text in resident.texts) == 1
    assert len(await town.rows(Problem, col(Problem.code).startswith("WT-20261123-"))) == 1


async def test_the_process_stops_between_the_update_and_the_answer(town):
    resident = town.stranger()
    (card,) = await resident.says(LAMP)

    await town.app.turns.stop()
    town.telegram.presses(resident.user, card, "提交")
    await town.telegram.delivered()
    await town.restart()
    await town.settle()
    assert sum(CODE in text for text in resident.texts) == 1
    town.telegram.fail("sendMessage", Fault.too_many(300), chat=resident.user.id)
    town.telegram.user_says(resident.user, "查进度")
    await town.telegram.until(lambda: any(call.status == 429 for call in town.telegram.calls))
    before = len(resident.shown)
    await town.restart()
    await town.settle()
    (answer,) = resident.shown[before:]
    assert CODE in answer.text


@pytest.mark.postgres
async def test_on_postgresql(databases, tmp_path):
    with databases.fresh("postgresql") as url:
        await prepare(url)
        async with telegram_world(url, tmp_path, webhook=True) as town:
            resident, leader = town.stranger(), await town.person("ST04")
            assert CODE in (await submit(resident)).text
            await leader.says(f"办结 {CODE} 已经更换灯泡,今晚正常亮了")
            await resident.presses("满意")
            assert town.telegram.spinning() == set()
