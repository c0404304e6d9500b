"""One-time links: who may make them, whom they bind, and that whatever is wrong with one, the answer is the same."""

import pytest
import sqlalchemy as sa
from test_setup import link_in

from models import AuditLog, ChatAccount, ExportFile, Invitation, Person, Problem, RoleAssignment, keyring
from services import deep_links

INVALID = "这个链接无效，或者已经用过、过期了。请向社区要一个新的。"


async def know_phone(world, code: str, phone: str = "13800000001") -> None:
    async with world.app.database.transaction() as session:
        await session.execute(sa.update(Person).where(Person.code == code).values(phone=phone, phone_hash=keyring.hash("phone", phone)))


async def add_person(world, name: str, code: str | None = None, role: str | None = None) -> str:
    async with world.app.database.transaction() as session:
        community = await session.scalar(sa.select(Person.community_id).limit(1))
        person = Person(community_id=community, display_name=name, code=code, person_kind="staff" if role else "resident")
        session.add(person)
        await session.flush()
        if role:
            session.add(RoleAssignment(person_id=person.id, role=role))
        return person.id


async def link_for(world, code: str, by: str = "ST02") -> str:
    return link_in((await world.person(by).says(f"邀请 {code}")).text)


async def opens(world, who: str, link: str):
    return await world.person(who).does("scan", "", payload=link, many=True)


async def owner(world, who: str) -> str | None:
    (account,) = await world.rows(ChatAccount, ChatAccount.user_hash == keyring.hash("user", "memory", "main", who))
    (person,) = await world.rows(Person, Person.id == account.person_id)
    return person.code


# -- binding ------------------------------------------------------------------------------------------------------------
async def test_without_a_telephone_on_record_the_link_binds_at_once_and_once(world):
    link = await link_for(world, "M03")
    assert len(link) == len("link-") + 32
    assert (await opens(world, "phone", link)).shows("已绑定：何晚晴。现在可以用了。\n回“我的报到”看自己的信息")
    assert await owner(world, "phone") == "M03"
    assert (await opens(world, "phone", link)).shows("已绑定：何晚晴。现在可以用了。")  # START is easily tapped twice
    assert (await opens(world, "thief", link)).text == INVALID
    assert await owner(world, "thief") is None
    (row,) = await world.rows(Invitation)
    assert row.token_hash not in link
    assert link.removeprefix("link-") not in repr(row)
    assert {one.action for one in await world.rows(AuditLog)} >= {"invitation.made", "account.bound"}
    assert "另一个聊天账号" in world.person("M03").last.message.text  # the account that was there before hears of it


async def test_with_a_telephone_on_record_it_must_be_given(world):
    await know_phone(world, "M03")
    link = await link_for(world, "M03")
    phone = world.person("phone")
    assert (await opens(world, "phone", link)).shows("请回复您在社区登记的手机号")
    assert await owner(world, "phone") is None
    assert "核对不上" in await phone.says("13900000000")
    for words in ("我是何晚晴", "您好", "我没有手机"):  # no number is no try
        assert (await phone.says(words)).shows("请回复您在社区登记的手机号")
    assert "已绑定：何晚晴" in await phone.says("我的手机+86 138-0000 0001")
    assert await owner(world, "phone") == "M03"


async def test_three_wrong_numbers_void_the_link_and_the_inviter_hears_of_it(world):
    await know_phone(world, "M03")
    link = await link_for(world, "M03")
    thief = world.person("thief")
    await opens(world, "thief", link)
    answers = [(await thief.says(said)).text for said in ("13900000000", "1380000000", "13900000002")]
    assert answers[0] == answers[1]
    assert answers[2] == INVALID
    assert "被人答错三次手机号，已作废" in world.person("ST02").last.message.text
    assert (await opens(world, "phone", link)).text == INVALID
    assert "已绑定" not in await thief.says("13800000001", many=True)
    assert await owner(world, "thief") is None


async def test_tries_are_counted_over_every_account(world_sqlite):
    await know_phone(world_sqlite, "M03")
    link = await link_for(world_sqlite, "M03")
    for who in ("a", "b", "c"):
        await opens(world_sqlite, who, link)
    for who in ("a", "b", "c"):
        await world_sqlite.person(who).says("13900000000")
    assert (await opens(world_sqlite, "d", link)).text == INVALID


async def test_whatever_is_wrong_the_answer_is_the_same(world_sqlite):
    world = world_sqlite
    replaced, late = await link_for(world, "M03"), await link_for(world, "M05")
    used = await link_for(world, "M03")
    await opens(world, "a", used)
    answers = {(await opens(world, f"t{n}", link)).text for n, link in enumerate((replaced, used, "link-", "link-abc", f"{used}x"))}
    await world.at("2026-11-30T08:01")
    answers.add((await opens(world, "t9", late)).text)
    assert answers == {INVALID}


async def test_a_link_that_waits_for_its_telephone_may_end_meanwhile(world_sqlite):
    await know_phone(world_sqlite, "M03")
    link = await link_for(world_sqlite, "M03")
    await opens(world_sqlite, "phone", link)
    await link_for(world_sqlite, "M03")  # a new one voids it
    assert INVALID in await world_sqlite.person("phone").says("13800000001")
    assert await owner(world_sqlite, "phone") is None


async def test_who_taps_a_link_for_somebody_else_stays_who_they_are(world_sqlite):
    link = await link_for(world_sqlite, "M03")
    assert (await opens(world_sqlite, "ST02", link)).shows("您已经是顾明溪，这个链接是给别人的")
    assert await owner(world_sqlite, "ST02") == "ST02"
    assert "已绑定" in await opens(world_sqlite, "phone", link)


async def test_what_a_visitor_reported_goes_with_them(world_sqlite):
    visitor = world_sqlite.person("visitor")
    await visitor.says("青禾苑3幢楼道灯不亮")
    await visitor.presses("提交")
    await opens(world_sqlite, "visitor", await link_for(world_sqlite, "M03"))
    (member,) = await world_sqlite.rows(Person, Person.code == "M03")
    assert [problem.reporter_id for problem in await world_sqlite.rows(Problem, Problem.reporter_id == member.id)] == [member.id]


async def test_cancelling_before_the_telephone_leaves_the_link_good(world_sqlite):
    await know_phone(world_sqlite, "M03")
    link = await link_for(world_sqlite, "M03")
    await opens(world_sqlite, "phone", link)
    assert "已取消" in await world_sqlite.person("phone").says("取消")
    await opens(world_sqlite, "phone", link)
    assert "已绑定" in await world_sqlite.person("phone").says("13800000001")


# -- inviting -----------------------------------------------------------------------------------------------------------
MAY = {
    ("ST02", "M03"), ("ST03", "M03"), ("ST01", "M03"), ("ST02", "ST04"), ("ST03", "ST02"), ("ST01", "ST03"), ("ST05", "M03"),
    ("ST03", "ST01"), ("ST01", "ST01"),
}  # fmt: skip
MAY_NOT = {
    ("R101", "M03"), ("M03", "M03"), ("ST11", "M03"), ("ST10", "M03"), ("stranger", "M03"), ("ST04", "M03"), ("ST04", "ST05"), ("ST04", "ST04"),
    ("ST02", "ST01"), ("ST02", "ST03"), ("ST04", "R101"),
}  # fmt: skip


@pytest.mark.parametrize(("by", "whom"), sorted(MAY | MAY_NOT))
async def test_who_may_invite_whom(world_sqlite, by, whom):
    """M03 lives in G2, which ST05 leads; ST03 is clerk and administrator, ST01 the secretary, ST02 the coordinator."""
    answer = await world_sqlite.person(by).says(f"邀请 {whom}")
    made = await world_sqlite.rows(Invitation)
    assert ("link-" in answer.text) == (len(made) == 1) == ((by, whom) in MAY), answer
    (person,) = await world_sqlite.rows(Person, Person.code == whom)
    if (by, whom) in MAY_NOT:
        await world_sqlite.person(by).presses_action(f"invite:{person.id}")
        assert await world_sqlite.rows(Invitation) == []


async def test_a_name_said_by_several_is_asked_and_a_nickname_finds_nobody(world_sqlite):
    coordinator = world_sqlite.person("ST02")
    assert (await coordinator.says("邀请 何晚晴")).shows("何晚晴的绑定链接", "亲手交给本人")
    await add_person(world_sqlite, "何晚晴", "X9", "volunteer")
    card = await coordinator.says("邀请 何晚晴")
    assert card.shows("几位叫“何晚晴”")
    assert len(card.buttons) == 2
    assert "link-" in await coordinator.presses(next(label for label in card.buttons if "X9" in label))
    await add_person(world_sqlite, "路人甲")
    assert "没有您可以邀请的" in await coordinator.says("邀请 路人甲")
    assert "请写“邀请 姓名”" in await coordinator.says("邀请")


async def test_a_list_of_links_for_all_who_are_not_bound_goes_to_the_clerk_alone(world_sqlite):
    async with world_sqlite.app.database.transaction() as session:
        bound = sa.select(Person.id).where(Person.code.in_(("M03", "M05", "ST04")))
        await session.execute(sa.delete(ChatAccount).where(ChatAccount.person_id.in_(bound)))
    await know_phone(world_sqlite, "M05")
    before = len(world_sqlite.platform.messages)
    answer = await world_sqlite.person("ST03").says("邀请 全部党员")
    assert answer.shows("2个人的绑定链接在表里")
    assert len(world_sqlite.platform.messages) == before + 1
    (file,) = answer.shown[0].media
    assert file.name == "邀请链接.xlsx"
    table = _table(file.data)
    assert [row[:4] for row in table[1:]] == [["何晚晴", "M03", "G2", "否"], [table[2][0], "M05", table[2][2], "是"]]
    assert "已绑定：何晚晴" in await opens(world_sqlite, "phone", link_in(table[1][4]))
    (export,) = await world_sqlite.rows(ExportFile)
    assert (export.expires_at - export.made_at).days == 1
    (file,) = (await world_sqlite.person("ST03").says("邀请 全部工作人员")).shown[0].media
    assert [row[1] for row in _table(file.data)[1:]] == ["ST04"]
    for who in ("ST04", "M07", "R101"):
        assert not (await world_sqlite.person(who).says("邀请 全部党员")).shown[0].media


def _table(data: bytes) -> list[list[str]]:
    import io

    from python_calamine import CalamineWorkbook

    return CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()


async def test_in_a_group_nobody_is_invited(world_sqlite):
    answer = await world_sqlite.person("ST02").says("邀请 何晚晴", chat="party")
    assert "link-" not in answer.text
    assert await world_sqlite.rows(Invitation) == []


async def test_every_door_has_its_address(world_sqlite):
    deep_links.use(
        [lambda payload: f"https://t.me/bot?start={payload}", lambda payload: "", lambda payload: f"https://x.example/?start={payload}"]
    )
    answer = await world_sqlite.person("ST02").says("邀请 何晚晴")
    assert answer.shows("https://t.me/bot?start=link-", "https://x.example/?start=link-")
    deep_links.use([])
    assert "/start link-" in await world_sqlite.person("ST02").says("邀请 何晚晴")
