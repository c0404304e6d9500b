"""Orders and dispatch: what a sentence asks for, who hears of it, and the line that sends somebody (domain.md §0 四单, §5)."""

import asyncio
from datetime import datetime

import pytest
import sqlalchemy as sa
from work_stage import NOW, SATURDAY, staged

from handlers import dispatch
from handlers import orders as refusing
from models import Draft, Order, Problem, StateLog, Task
from services import claims, dispatching, orders, tasks
from services.context import Refusal
from services.dispatching import Line, read_line
from services.hours import words
from services.workdays import ZONE
from texts.render import Capabilities, catalogue, holes, render


@pytest.fixture
async def stage(database_url):
    async with staged(database_url) as made:
        yield made


async def do(stage, code, verb, *arguments, **named):
    async with stage.turn(code) as context:
        return await verb(context, *arguments, **named)


async def refused(stage, code, verb, *arguments):
    with pytest.raises(Refusal) as caught:
        await do(stage, code, verb, *arguments)
    return caught.value


@pytest.mark.parametrize(
    ("text", "service", "when"),
    [
        ("给我妈量个血压,周六上午", "care", "周六上午"),
        ("家里灯泡坏了想请人换一下 11月28日9点", "living", "11月28日9点"),
        ("医保代办", "government", ""),
        ("想问问遗产继承要找律师吗 明天下午", "legal", "明天下午"),
        ("教我们写书法", "culture", ""),
        ("组织关系怎么转", "party", ""),
        ("文体 周末想要个场地", "culture", "周末"),
        ("随便", "living", ""),
    ],
)
def test_what_is_asked_for_and_when(text, service, when):
    assert orders.guess_service(text) == service
    assert orders.wanted_time(text) == when


async def begun(stage, code, text, place=""):
    async with stage.turn(code) as context:
        card = orders.begin_order(context, text, place)
        await context.session.flush()
        return card, context.draft.id


async def test_an_order_is_confirmed_at_the_orderers_home_and_reaches_the_coordinators(stage):
    card, draft = await begun(stage, "R101", "给我妈量个血压,周六上午,电话13912345678")
    shown = render(card, "zh_CN", Capabilities())
    assert "服务：关爱" in shown.text
    assert "时间：周六上午" in shown.text
    assert "地点：青禾苑4幢" in shown.text
    assert "同意" in shown.text  # the first time it says what 提交 means
    assert [b.label for row in shown.buttons for b in row] == ["提交", "取消"]
    order = await do(stage, "R101", orders.submit, draft)
    assert order.code == "DD-20261123-0001"
    again = await do(stage, "R101", orders.submit, draft)
    assert again.id == order.id
    assert "撤回" in render(orders.receipt(order), "zh_CN", Capabilities()).text
    private, group = (await stage.posted(to="ST02")), (await stage.posted(group="coordinators"))
    assert len(private) == len(group) == 1
    assert "王桂英" in private[0].text
    assert "13912345678" in private[0].text
    assert "王桂英" not in group[0].text
    assert "13912345678" not in group[0].text
    assert all(button.start for row in group[0].buttons for button in row)
    async with stage.turn("R101") as context:
        assert context.actor.person.consent_version == 1
        assert (await context.session.scalars(sa.select(sa.func.count()).select_from(Draft))).one() == 0


async def test_a_place_that_is_named_counts_and_an_unknown_one_is_asked_once(stage):
    card, _ = await begun(stage, "R101", "青禾苑9幢的奶奶想有人陪着聊天")
    assert card.values["place"] == "青禾苑9幢"
    card, draft = await begun(stage, "R102", "想找人换灯泡")
    assert card is None
    async with stage.turn("R102") as context:
        context.draft = await context.session.get(Draft, draft)
        card = orders.begin_order(context, "", "河对面老房子")
    assert card.values["place"] == "河对面老房子"
    assert card.values["text"] == "想找人换灯泡"
    order = await do(stage, "R102", orders.submit, draft)
    assert (order.place_name, order.place_detail) == ("", "河对面老房子")
    assert "河对面" not in (await stage.posted(group="coordinators"))[-1].text


async def test_another_large_estate_is_asked_for_and_never_becomes_the_home(world_sqlite):
    resident = world_sqlite.person("R101")  # at home in 青禾苑4幢
    assert (await resident.says("我要点单:给住在梧桐新村的外婆量个血压")).shows("哪里")
    assert (await resident.says("5幢")).shows("地点：梧桐新村5幢")
    await resident.presses("提交")
    (order,) = await world_sqlite.rows(Order)
    assert (order.place_name, order.place_detail) == ("梧桐新村5幢", "5幢")


async def test_what_is_said_of_the_home_goes_with_the_order(world_sqlite):
    resident = world_sqlite.person("R101")
    assert (await resident.says("我要点单:到2单元门口帮忙搬个柜子")).shows("地点：青禾苑4幢")
    await resident.presses("提交")
    assert (await resident.says("我要点单:青禾苑大门口有快递,请人帮忙拿一下")).shows("地点：青禾苑4幢")
    await resident.presses("提交")
    orders_made = sorted(await world_sqlite.rows(Order), key=lambda order: order.code)
    assert [(order.place_name, order.place_detail) for order in orders_made] == [
        ("青禾苑4幢", "2单元门口"),
        ("青禾苑4幢", "青禾苑大门口"),
    ]


async def test_nobody_submits_the_draft_of_another(stage):
    _, draft = await begun(stage, "R101", "换灯泡")
    assert (await refused(stage, "R102", orders.submit, draft)).key == "order.draft_gone"


async def ordered(stage):
    _, draft = await begun(stage, "R101", "给我妈量个血压,周六上午")
    return await do(stage, "R101", orders.submit, draft)


async def test_the_resident_takes_it_back_and_nobody_else(stage):
    order = await ordered(stage)
    assert (await refused(stage, "R102", orders.withdraw, order.code)).key == "refused.permission"
    assert (await do(stage, "R101", orders.withdraw, order.code)).state == "WITHDRAWN"
    assert "已撤回" in (await stage.posted(group="coordinators"))[-1].text
    assert (await refused(stage, "ST02", dispatching.source, order.code)).key == "order.not_open"


async def test_a_coordinator_declines_with_a_reason_that_the_resident_reads(stage):
    order = await ordered(stage)
    assert (await refused(stage, "R101", orders.reject, order.code, "不行")).key == "refused.permission"
    assert (await refused(stage, "ST04", orders.reject, order.code, "不行")).key == "refused.permission"
    assert (await refused(stage, "ST02", orders.reject, order.code, "")).key == "order.reject_why"
    await do(stage, "ST02", orders.reject, order.code, "请直接拨打120")
    assert "请直接拨打120" in (await stage.posted(to="R101"))[-1].text
    unknown = await refused(stage, "R101", orders.find, "DD-20261123-0099")
    assert (unknown.key, unknown.values["last"]) == ("refused.unknown_code", [order.code])
    for code, last in (("ST02", [order.code]), ("ST04", []), ("R102", [])):
        unknown = await refused(stage, code, dispatching.source, "DD-20261123-0777")
        assert (unknown.key, unknown.values["last"]) == ("refused.unknown_code", last), code


async def test_a_press_in_the_group_leads_into_the_private_chat_to_the_same_thing(stage):
    order = await ordered(stage)
    for handler, payload in ((dispatch.ask_line_for_order, f"dispatch-{order.code}"), (refusing.ask_why, f"refuse-{order.code}")):
        async with stage.turn("ST02", group="coordinators") as context:
            reply = await handler(None, context, order=order.id)
        assert [button.start for row in reply.toast.buttons for button in row] == [payload]
        assert reply.screen is None


# ---- the line -------------------------------------------------------------------------------------------------------------


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("护理 1人 11月28日09:30", Line(1, at("2026-11-28T09:30"), None, "护理")),
        ("2人 11月28日9点-11点", Line(2, at("2026-11-28T09:00"), at("2026-11-28T11:00"))),
        ("2人 11月28日下午2点到4点 护理", Line(2, at("2026-11-28T14:00"), at("2026-11-28T16:00"), "护理")),
        ("11月28日9点2人", Line(2, at("2026-11-28T09:00"))),
        ("两人 周六上午9点半 不限", Line(2, at("2026-11-28T09:30"))),
        ("3人 1月10日09:00", Line(3, at("2027-01-10T09:00"))),
        ("3人 2026年12月1日14:00", Line(3, at("2026-12-01T14:00"))),
        ("1人", Line(1)),
        ("11月28日09:30", Line(None, at("2026-11-28T09:30"))),
        ("", Line()),
    ],
)
def test_a_line_is_read_in_any_order(said, line):
    assert read_line(said, NOW) == line


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("护理 11月28日09:30", {"dispatch.need.people"}),
        ("护理 1人", {"dispatch.need.time"}),
        ("护理", {"dispatch.need.people", "dispatch.need.time"}),
        ("0人 11月28日09:30", {"dispatch.need.possible_people"}),
        ("100人 11月28日09:30", {"dispatch.need.possible_people"}),
        ("1人 11月20日09:30", {"dispatch.need.future_time"}),
        ("1人 11月23日07:30", {"dispatch.need.future_time"}),
        ("1人 11月28日11点-9点", {"dispatch.need.later_end"}),
        ("1人 11月31日09:30", {"dispatch.need.time"}),
        ("99人 11月28日09:30", set()),
    ],
)
def test_what_is_missing_is_said_exactly(said, wanted):
    assert {key.name for key in read_line(said, NOW).missing(NOW)} == wanted


def test_what_was_said_before_is_not_lost():
    first = read_line("护理 11月28日09:30", NOW)
    kept = Line.from_data(first.to_data())
    assert read_line("1人", NOW, kept) == Line(1, at("2026-11-28T09:30"), None, "护理")


LINE = Line(2, SATURDAY, None, "护理")


async def test_dispatching_an_order_publishes_a_task_with_the_defaults(stage):
    order = await ordered(stage)
    assert (await refused(stage, "ST04", dispatching.dispatch, order.code, LINE)).key == "refused.permission"
    task, _ = await do(stage, "ST02", dispatching.dispatch, order.code, LINE)
    assert (task.code, task.short_no, task.capacity, task.skill) == ("RW-20261123-0001", 31, 2, "护理")
    assert task.end_at - task.start_at == SATURDAY.replace(hour=2, minute=0) - SATURDAY.replace(hour=0, minute=0)
    assert (task.place_name, task.planned_hours, len(task.check_in_code)) == ("青禾苑4幢", 2.0, 4)
    assert "王桂英 13800001234" in task.contact
    card = (await stage.posted(group="party"))[-1]
    assert card.text.startswith("【接单】#31 关爱服务·上门量血压")
    assert "需2人 已接0人 候补0人" in card.text
    assert "王桂英" not in card.text
    assert card.buttons[0][1].start == "task-31"
    assert "已派出" in (await stage.posted(to="R101"))[-1].text
    assert {job for job, _, _ in await stage.alarms()} >= {"report_unfilled", "refresh_card", "end_of_task", "check_out_rest"}
    assert (await refused(stage, "ST02", dispatching.dispatch, order.code, LINE)).key == "order.not_open"
    async with stage.turn(None) as context:
        assert (await context.session.scalars(sa.select(Order.state))).one() == "DISPATCHED"


async def test_a_cancelled_task_gives_the_order_back(stage):
    order = await ordered(stage)
    task, _ = await do(stage, "ST02", dispatching.dispatch, order.code, LINE)
    await do(stage, "ST02", claims.cancel_task, str(task.short_no), "改期")
    async with stage.turn(None) as context:
        assert (await context.session.scalars(sa.select(Order.state))).one() == "SUBMITTED"
    assert "重新安排" in (await stage.posted(to="R101"))[-1].text
    again, _ = await do(stage, "ST02", dispatching.dispatch, order.code, LINE)
    assert again.short_no == 32


async def problem(stage, state="SUBMITTED", **fields):
    async with stage.turn("R101") as context:
        made = Problem(
            **{
                "community_id": context.ground.community_id, "code": "WT-20261123-0001", "grid_code": "G1", "category": "H01",
                "place_name": "青禾苑4幢", "place_detail": "1单元", "text": "老人要量血压", "text_public": "老人要量血压", "state": state,
                "reporter_id": context.actor.id, "submitted_at": NOW, "contact_due": NOW, "resolve_due": NOW,
                "original_resolve_due": NOW,
            } | fields
        )  # fmt: skip
        context.session.add(made)
        return made


async def test_dispatching_a_problem_accepts_it_and_puts_it_to_work(stage):
    made = await problem(stage)
    assert (await refused(stage, "ST05", dispatching.dispatch, made.code, LINE)).key == "refused.permission"
    task, _ = await do(stage, "ST04", dispatching.dispatch, made.code, Line(1, SATURDAY, None, "护理"))
    assert (task.source, task.grid_code, task.place_private) == ("problem", "G1", "1单元")
    assert task.contact == "王桂英 13800001234"
    async with stage.turn(None) as context:
        assert (await context.session.scalars(sa.select(Problem.state))).one() == "IN_PROGRESS"
        events = await context.session.scalars(sa.select(StateLog.event).order_by(StateLog.id))
        assert list(events) == ["accept", "assign", "publish"]


async def test_a_problem_that_is_no_longer_open_is_not_dispatched(stage):
    made = await problem(stage, state="RESOLVED")
    assert (await refused(stage, "ST04", dispatching.dispatch, made.code, LINE)).key == "dispatch.problem_closed"


async def test_the_reporter_of_a_broken_lamp_is_not_given_away(stage):
    made = await problem(stage, category="E01")
    task, _ = await do(stage, "ST04", dispatching.dispatch, made.code, LINE)
    assert task.contact == ""


@pytest.mark.parametrize(
    ("service", "text", "title"),
    [
        ("care", "给我妈量个血压,周六上午", "关爱服务·上门量血压"),
        ("care", "我妈糖尿病瘫痪在床,要人上门换药", "关爱服务·上门"),
        ("living", "家里灯泡坏了,电话13912345678", "生活服务·换灯修灯"),
        ("legal", "想立遗嘱", "法律服务·上门"),
        ("", "随便", "社区服务·上门"),
    ],
)
def test_a_title_says_the_service_and_nothing_of_the_resident(service, text, title):
    assert orders.public_title(service, text) == title


def test_no_title_can_speak_of_health_or_hardship():
    titles = words()["titles"]
    made = [titles["form"].format(what=what, detail=detail) for what in titles["services"].values() for _, detail in titles["neutral"]]
    assert [title for title in made if orders.neutral(title) != title] == []
    assert orders.neutral("困难帮扶") == "社区服务"


async def test_two_coordinators_dispatch_one_order_and_one_task_is_made(stage):
    order = await ordered(stage)
    results = await asyncio.gather(
        *(do(stage, code, dispatching.dispatch, order.code, LINE) for code in ("ST02", "ST01")), return_exceptions=True
    )
    assert sum(isinstance(result, Refusal) for result in results) == 1
    async with stage.turn(None) as context:
        assert (await context.session.scalars(sa.select(sa.func.count()).select_from(Task))).one() == 1


async def test_a_sheet_for_everybody_renders_in_both_languages(stage):
    order = await ordered(stage)
    task, _ = await do(stage, "ST02", dispatching.dispatch, order.code, LINE)
    await do(stage, "M02", claims.claim, str(task.short_no))
    for code in ("ST02", "M01", "M02", "R101"):
        sheet = await do(stage, code, tasks.sheet, str(task.short_no))
        for language in ("zh_CN", "en"):
            text = render(sheet, language, Capabilities()).text
            assert (order.want_time in text) == (code in ("ST02", "M02"))
            assert ("13800001234" in text) == (code in ("ST02", "M02"))


def test_every_text_has_the_same_holes_in_both_languages():
    ours = ("order.", "dispatch.", "task.", "claim.", "check_in.", "check_out.", "verify.", "rating.", "work.", "service.")
    for key in catalogue("zh_CN"):
        if key.startswith(ours):
            assert holes("zh_CN", key) == holes("en", key), key
