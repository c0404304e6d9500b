"""The router (design.md §1): what an aiogram user expects, faults of assembly at import, and what every platform can or cannot do."""

from dataclasses import replace

import pytest
from faults import add_words, echo
from world import made_world

from bot.converse import plain_press, typed_press
from bot.events import ChatRef, Do, Press, Sender, Text
from bot.operations import conversation_map
from bot.router import KEEP, Ask, End, F, Phrase, Reply, Router, RouterError, Say, Silence, State, Steps
from handlers import root
from models import Chat, ChatAccount, Problem
from texts.render import text as words

add_words()
RUBBLE = "4幢后面有人倒建筑垃圾"


class Tour(Steps):
    first = State()
    second = State()


class Land:
    """As much of a context as the router looks at."""

    facts: dict = {}


def text(said: str, kind: str = "private") -> Text:
    return Text(sender=Sender("ann", "Ann"), chat=ChatRef("c", kind), text=said)


def press(action: str) -> Press:
    return Press(sender=Sender("ann", "Ann"), chat=ChatRef("c", "private"), action=action)


async def said(router: Router, event, step: str = "") -> str | None:
    reply = await router.dispatch(event, Land(), step)
    return reply.screen.values["said"] if reply and reply.screen else None


def answering(word: str):
    async def handler(event, context) -> Reply:
        return Say(echo(word))

    handler.__name__ = f"say_{word}"
    return handler


async def test_the_first_handler_whose_filters_all_pass_answers():
    router = Router("r")
    router.message(F.text == "a")(answering("A"))
    router.message(F.text.startswith("a"), F.text.endswith("c"))(answering("AC"))
    router.message()(answering("rest"))
    router.check()
    assert [await said(router, text(word)) for word in ("a", "abc", "ab")] == ["A", "AC", "rest"]


async def test_a_handler_waits_at_its_step_alone():
    router = Router("r")
    router.message(Tour.first, to=Tour.second)(answering("first"))
    router.message(Tour.second, to=Tour.first)(answering("second"))
    assert await said(router, text("x"), "tour:second") == "second"
    assert await said(router, text("x"), "") is None


async def test_private_group_and_any():
    router = Router("r")
    router.message(F.text == "x", where="group")(answering("group"))
    router.message()(answering("private"))
    assert await said(router, text("x", "group")) == "group"
    assert await said(router, text("x")) == "private"
    assert await said(router, text("y", "group")) is None


async def test_actions_and_filters_give_their_values_by_name():
    router = Router("r")

    @router.press(Do.pick_category)
    async def pick(event, context, draft, category) -> Reply:
        return Say(echo(f"{draft}/{category}"))

    def number_of(event, data):
        return {"number": 7} if event.text == "seven" else None

    number_of.provides = {"number"}

    @router.message(number_of)
    async def seven(event, number) -> Reply:
        return Say(echo(str(number)))

    assert await said(router, press("pick_category:d1:B03")) == "d1/B03"
    assert await said(router, press("pick_category:d1")) is None
    assert await said(router, text("seven")) == "7"
    assert await said(router, text("eight")) is None


async def test_a_sentence_of_the_grammar_is_heard_before_any_step_and_in_any_router():
    router, inner = Router("r"), Router("inner")
    router.message(Tour.first, to=Tour.first)(answering("step"))
    inner.message(Phrase("help"))(answering("help"))
    router.include(inner)
    assert await said(router, text("帮助"), "tour:first") == "help"
    assert await said(router, text("别的"), "tour:first") == "step"


async def test_nested_routers_come_after_and_in_order():
    outer, one, two = Router("o"), Router("one"), Router("two")
    outer.message(F.text == "o")(answering("outer"))
    one.message(F.text != "2")(answering("one"))
    two.message()(answering("two"))
    outer.include(one, two)
    assert [await said(outer, text(word)) for word in "ox2"] == ["outer", "one", "two"]


async def test_middlewares_wrap_from_the_outside_in_and_may_stop():
    outer, inner, seen = Router("o"), Router("i"), []

    @outer.middleware
    async def first(call, event, data):
        seen.append("first")
        return await call(event, data)

    @inner.middleware
    async def second(call, event, data):
        seen.append("second")
        return Silence() if event.text == "stop" else await call(event, data)

    inner.message()(answering("inner"))
    outer.include(inner)
    assert await said(outer, text("go")) == "inner"
    assert await said(outer, text("stop")) is None
    assert seen == ["first", "second"] * (len(seen) // 2)


def test_a_parameter_that_nothing_provides_fails_at_import():
    router = Router("r")

    async def handler(event, context, colour) -> Reply:
        return Silence()

    with pytest.raises(RouterError, match=r"r\.handler: nothing provides \['colour'\]"):
        router.press(Do.claim)(handler)


def test_a_handler_that_an_earlier_one_hides_fails_at_import():
    router = Router("r")
    router.message()(answering("everything"))
    router.message(F.text == "x")(answering("x"))
    with pytest.raises(RouterError, match="r.say_x can never be reached: r.say_everything"):
        router.check()
    again = Router("r")
    again.press(Do.claim)(answering("one"))
    again.press(Do.claim)(answering("two"))
    with pytest.raises(RouterError, match="can never be reached"):
        again.check()


def test_a_step_that_nobody_leads_to_or_waits_at_fails_at_import():
    lonely = Router("r")
    lonely.message(Tour.first)(answering("x"))
    with pytest.raises(RouterError, match="no handler has to=tour:first"):
        lonely.check()
    nowhere = Router("r")
    nowhere.message(to=Tour.second)(answering("x"))
    with pytest.raises(RouterError, match="no handler waits at"):
        nowhere.check()


async def test_a_reply_may_lead_only_where_its_handler_says():
    router = Router("r")

    @router.message(to=Tour.first)
    async def astray(event, context) -> Reply:
        return Ask(Tour.second, echo("x"))

    with pytest.raises(RouterError, match="led to tour:second"):
        await router.dispatch(text("x"), Land(), "")


def test_replies():
    assert Say(echo("x")).step is KEEP
    assert End(echo("x")).step is None
    assert Silence().quiet
    assert repr(Tour.first) == "tour:first"


def test_the_real_routers_fit_together_and_can_be_drawn():
    root.check()
    drawn = conversation_map()
    assert "report" in drawn
    assert "→ report:what" in drawn


# -- a label or a number is a press ---------------------------------------------------------------------------------------
MENU = [["提交", "submit:d"], ["改类别", "change_category:d"], ["取消", "discard:d"]]


@pytest.mark.parametrize(
    ("words", "buttons", "action"),
    [
        ("提交", True, "submit:d"), (" 提交 ", True, "submit:d"), ("2", True, None), ("2", False, "change_category:d"), ("３", False, "discard:d"),
        ("0", False, None), ("4", False, None), ("12", False, None), ("提", True, None), ("-1", False, None),
    ],
)  # fmt: skip
def test_what_typed_words_press(words, buttons, action):
    result = typed_press(text(words), MENU, "m1", buttons)
    assert (result.action if isinstance(result, Press) else None) == action
    assert not isinstance(result, Press) or result.message_id == "m1"


def test_typed_labels_press_nothing_in_groups_or_without_a_menu():
    assert isinstance(typed_press(text("提交", "group"), MENU, "m1", True), Text)
    assert isinstance(typed_press(text("提交"), None, "", True), Text)


@pytest.mark.parametrize(
    ("words", "buttons", "action"),
    [
        ("好的", ["submit:d", "change_category:d", "anonymous:d", "discard:d"], "submit:d"), ("提交吧。", ["anonymous:d"], "anonymous:d"), *[(said, ["submit:d"], "submit:d") for said in ("可以", "对", "是 的", "OK!")],
        ("不对", ["submit:d", "discard:d"], None), ("改", ["submit:d", "change_category:d"], None), ("不行", ["role_confirm:d", "drop_card:d"], "drop_card:d"),
        ("同意", ["enrol_agree:d:yes", "enrol_agree:d:no"], "enrol_agree:d:yes"), ("不", ["enrol_agree:d:yes", "enrol_agree:d:no"], "enrol_agree:d:no"),
        ("提交吧", ["same:d:p", "different:d"], None), ("不是", ["same:d:p", "different:d"], "different:d"),
        ("好的", ["enrolment_answer:e:yes", "enrolment_answer:e:no"], None), ("好的", ["delete_data:yes", "cancel"], None),
        ("好的", ["accept_offer:c", "decline_offer:c"], None), ("好的谢谢", ["submit:d"], None), ("提交", ["help"], None),
    ],
)  # fmt: skip
def test_what_a_plain_answer_presses(words, buttons, action):
    menu = [["x", button] for button in buttons]
    result = plain_press(text(words), menu, "m1")
    assert (result.action if result else None) == action
    assert plain_press(text(words, "group"), menu, "m1") is None
    assert plain_press(replace(text(words), reply_to="m0"), menu, "m1") is None


# -- the same conversation on platforms that can do less ------------------------------------------------------------------
async def test_without_buttons_the_menu_is_numbered_and_numbers_press(databases, tmp_path):
    with databases.fresh("sqlite") as url:
        async with made_world(url, tmp_path, platform="memory-plain") as world:
            resident = world.person("R101")
            card = await resident.says(RUBBLE)
            assert card.buttons == []
            assert card.shows("1. 提交", "2. 改类别", "6. 取消")
            await resident.says("6")
            await resident.says(RUBBLE)
            before = len(await world.rows(Problem))
            assert (await resident.says("1")).shows("WT-20261123-0001")
            assert len(await world.rows(Problem)) == before + 1
            assert world.platform.toasts == []
            assert not [call for call in world.platform.calls if call[0] in ("edit", "clear", "toast")]
            await resident.says(RUBBLE + "还没人管", many=True)
            await resident.says("提交", many=True)


async def test_an_old_number_does_not_press_what_is_gone(databases, tmp_path):
    with databases.fresh("sqlite") as url:
        async with made_world(url, tmp_path, platform="memory-plain") as world:
            resident = world.person("R101")
            await resident.says(RUBBLE)
            await resident.says("1")
            problems = len(await world.rows(Problem))
            await resident.says("1", many=True)
            assert len(await world.rows(Problem)) == problems


async def test_without_edits_what_would_be_edited_is_sent_anew(databases, tmp_path):
    with databases.fresh("sqlite") as url:
        async with made_world(url, tmp_path, platform="memory-no-edits") as world:
            resident = world.person("R101")
            await resident.says(RUBBLE)
            await resident.presses("改类别")
            assert (await resident.says("取消", many=True)).text
            await resident.says(RUBBLE, many=True)
            assert (await resident.presses("提交")).shows("WT-20261123-0001")
            assert not [call for call in world.platform.calls if call[0] in ("edit", "clear")]


# -- coming, going, moving ------------------------------------------------------------------------------------------------
async def test_the_bot_greets_a_group_it_came_into_and_is_quiet_in_private(world_sqlite):
    somebody = world_sqlite.person("R101")
    greeting = await somebody.does("joined", "new-group", many=True)
    assert greeting.text == words("group.greeting", {}, "zh_CN")
    await somebody.does("joined", "", silent=True)


async def test_who_blocked_the_bot_gets_nothing_until_they_write_again(world_sqlite):
    world, resident = world_sqlite, world_sqlite.person("R101")
    await resident.says("帮助")
    await resident.does("left", "", silent=True)

    async def blocked() -> list[bool]:
        rows = await world.rows(ChatAccount)
        return [row.blocked for row in rows if row.user_address == "R101"]

    assert await blocked() == [True]
    await resident.says("帮助")
    assert await blocked() == [False]


async def test_a_group_the_bot_was_put_out_of_gets_nothing_until_it_is_let_in(world_sqlite):
    world, leader = world_sqlite, world_sqlite.person("ST02")

    async def party():
        return next(row for row in await world.rows(Chat, Chat.purpose == "party"))

    address = (await party()).address
    await leader.does("left", address, silent=True)
    assert (await party()).blocked
    await leader.says("绑定 党员群", chat=address)
    assert not (await party()).blocked


async def test_a_group_that_moved_keeps_what_it_is_for(world_sqlite):
    world, somebody = world_sqlite, world_sqlite.person("ST02")
    old = next(row for row in await world.rows(Chat, Chat.purpose == "party"))
    for _ in range(2):  # doing it twice changes nothing
        await somebody.does("moved", old.address, silent=True, new_chat_id="party-2")
    moved = [row for row in await world.rows(Chat, Chat.purpose == "party") if row.platform == "memory"]
    assert [(row.id, row.address) for row in moved] == [(old.id, "party-2")]
    assert (await somebody.says("帮助", chat="party-2")).text
