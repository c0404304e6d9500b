"""The web chat for real people, over real HTTP and WebSockets: cookies, isolation, the door, groups, limits (docs/webchat.md)."""

import asyncio
import base64
import io
import json
import shutil
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa
from databases import _run
from door_web import NOW, device_of, fill, running, settings_for
from multidict import CIMultiDict
from PIL import Image
from test_webchat import running as demo_running

from bot.main import Application
from models import (
    AnonymousToken,
    Chat,
    ChatAccount,
    Community,
    Enrollment,
    InboxMessage,
    LocalMessage,
    OutboxMessage,
    Person,
    Place,
    Problem,
    RoleAssignment,
)
from services import invitations, post, web_history
from services.abuse import Guard, Numbers
from services.building_doors import ALPHABET, doors
from services.clock import HandClock
from services.context import SCHEDULER, Context, ground
from texts.screen import screen

LAMP = "楼道灯不亮"
PATHS = ("/d/abcdefgh", "/chat/me", "/chat/chats", "/chat/history?chat=private", "/chat/ws", "/chat/media/" + "0" * 64)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("door")
    _run(fill(f"sqlite+aiosqlite:///{folder}/linshao.db", folder))
    return folder


@pytest.fixture
def folder(loaded, tmp_path) -> Path:
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    return tmp_path


def url_of(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/linshao.db"


@pytest.fixture
async def site(folder):
    async with running(url_of(folder), folder) as made:
        yield made


def picture() -> str:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


async def problems_of(site, words: str) -> list[Problem]:
    """The problems with this text: the column is encrypted."""
    return [problem for problem in await site.rows(Problem) if problem.text == words]


async def post_to(site, purpose: str, key: str = "cancelled", **values) -> None:
    async with site.app.database.transaction() as session:
        context = Context(session, site.app.clock.now(), SCHEDULER, await ground(session), f"test:{purpose}:{key}")
        await post.to_purpose(context, purpose, screen(key, **values), urgent=True)
    await site.app.drain()


# -- the device -----------------------------------------------------------------------------------------------------------
async def test_the_page_gives_a_cookie_that_scripts_cannot_read_and_renews_it(site):
    browser = site.browser()
    async with browser.http.get(site.url("/")) as answer:
        cookie = answer.cookies["linshao"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (True, "Lax", "/", str(400 * 86400))
        assert not cookie["secure"]
        first = cookie.value
    token = first.partition(".")[0]
    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    async with browser.http.get(site.url("/")) as answer:
        assert (answer.cookies["linshao"].value, answer.cookies["linshao"]["max-age"]) == (first, str(400 * 86400))
    other = site.browser()
    await other.get("/")
    assert other.cookie != first


async def test_over_https_the_cookie_is_for_this_host_and_https_alone(folder):
    async with running(url_of(folder), folder, PUBLIC_URL="https://qing.example") as site, site.browser().http.get(site.url("/")) as answer:
        cookie = answer.cookies["__Host-linshao"]
        assert (cookie["secure"], cookie["httponly"], cookie["domain"], cookie["path"]) == (True, True, "", "/")


async def test_nothing_is_stored_for_who_only_looks(site):
    people = len(await site.rows(Person))
    browser = site.browser()
    await browser.get("/")
    await browser.get("/chat/me")
    await browser.get("/chat/chats")
    assert await browser.history() == []
    assert len(await site.rows(Person)) == people
    assert await site.rows(ChatAccount) == []


async def test_without_a_cookie_of_ours_nobody_is_anybody(site):
    browser = site.browser()
    real = site.browser()
    await real.opens()
    token, _, seal = real.cookie.partition(".")
    forged = (
        "",
        token,
        f"{token}.",
        f"{token}.{seal[:-1]}",
        f"{token}.{'A' * 22}",
        f"{'A' * 43}.{seal}",
        f"{'A' * 43}.{'A' * 22}",
        device_of(real.cookie),
    )
    for value in forged:
        browser.take(value)
        for path in ("/chat/me", "/chat/chats", "/chat/history?chat=private", "/chat/media/" + "0" * 64):
            await browser.get(path, 401)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.connects()
        assert refused.value.status == 401
    await browser.get("/")  # a forged one is replaced
    assert browser.cookie not in (*forged, real.cookie)


async def test_one_device_never_sees_what_another_said(site):
    one, two = await site.browser().opens(), await site.browser().opens()
    card = (await one.does(type="photo", data=picture(), caption="4幢后面有人倒建筑垃圾"))[-1]
    own = await one.history()
    assert own[0]["text"] == "4幢后面有人倒建筑垃圾"
    assert await two.history() == []
    photo = own[0]["photo"]
    assert await _status(one, photo) == 200
    assert await _status(two, photo) == 404
    assert (await two.does(type="press", message=card["message"], button="提交"))[0]["type"] == "error"
    assert await problems_of(site, "4幢后面有人倒建筑垃圾") == []
    await two.says("帮助")
    assert all("建筑垃圾" not in json.dumps(frame, ensure_ascii=False) for frame in two.frames)
    for chat in ("party", "coordinators", "grid-G1", f"private:{device_of(one.cookie)}", "nowhere"):
        await two.history(chat, 404)
        assert (await two.does(type="text", chat=chat, text="你好"))[0]["type"] == "error"
    sha256 = photo.partition("?")[0]
    for name in (card["message"], (await two.history())[0]["message"], "", "m17"):  # a file opens by the message that shows it alone
        assert await _status(two, f"{sha256}?message={name}") == 404
        assert await _status(one, f"{sha256}?message={name}") == 404


async def _status(browser, path: str) -> int:
    async with browser.http.get(browser.site.url(path)) as answer:
        return answer.status


async def test_message_names_cannot_be_counted_through(site):
    browser = await site.browser().opens()
    await browser.says("帮助")
    names = [entry["message"] for entry in await browser.history()]
    assert all(len(name) == 23 for name in names)
    assert [web_history.message_name(web_history.message_number(name)) for name in names] == names
    for name in ("m1", "m17", "", "m" + "A" * 22, names[0][:-1], names[0] + "A", "x" + names[0][1:]):
        assert web_history.message_number(name) == 0


@pytest.mark.parametrize("origin", ["https://elsewhere.test", "", "null"])
async def test_another_sites_page_opens_no_socket(site, origin):
    browser = site.browser()
    await browser.get("/")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await browser.connects(Origin=origin)
    assert refused.value.status == 403


async def test_behind_a_proxy_the_public_address_is_the_origin(folder):
    async with running(url_of(folder), folder, PUBLIC_URL="http://qing.example/") as site:
        browser = site.browser()
        await browser.get("/")
        await browser.connects(Origin="http://qing.example")
        assert await browser.says("帮助")


async def test_pages_bear_the_policy_and_private_answers_are_kept_nowhere(site):
    browser = site.browser()
    async with browser.http.get(site.url("/")) as answer:
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    async with browser.http.get(site.url("/chat/history?chat=private")) as answer:
        assert answer.headers["Cache-Control"] == "no-store"


# -- talking --------------------------------------------------------------------------------------------------------------
async def test_the_same_frame_again_and_a_new_connection_double_nothing(site):
    browser = await site.browser().opens()
    frame = {"id": "same", "type": "text", "text": "4幢后面有人倒建筑垃圾"}
    assert len(await browser.does(**frame)) == 1
    assert await browser.does(**frame) == []
    before = await browser.history()
    await browser.socket.close()
    await browser.connects()
    assert await browser.does(**frame) == []
    assert await browser.history() == before
    assert len(before) == 2


async def test_an_unknown_devices_first_words_are_heard_like_anybodys(site):
    browser = await site.browser().opens()
    assert "提交" in json.dumps(await browser.does(type="text", text="青禾苑4幢后面有人倒建筑垃圾"), ensure_ascii=False)
    assert "WT-20261123-" in await browser.presses("提交")
    problem = (await problems_of(site, "青禾苑4幢后面有人倒建筑垃圾"))[0]
    account = (await site.rows(ChatAccount))[0]
    assert (problem.reporter_id, account.platform) == (account.person_id, "web")
    assert browser.cookie.partition(".")[0] not in json.dumps([account.user_hash, account.user_address])


async def test_the_answer_waits_there_the_next_day(site):
    browser = await site.browser().opens(f"/d/{await site.door()}")
    await browser.says(LAMP)
    await browser.presses("提交")
    await browser.socket.close()
    site.later(days=1)
    problem = (await problems_of(site, LAMP))[0]
    async with site.app.database.transaction() as session:
        context = Context(session, site.app.clock.now(), SCHEDULER, await ground(session), "test")
        await post.to_person(context, problem.reporter_id, screen("cancelled"))
    await site.app.drain()
    last = (await browser.history())[-1]
    assert (last["text"], last["at"][:10]) == ("好的，已取消。", "2026-11-24")


async def test_a_document_comes_in_as_a_file(site):
    browser = await site.browser().opens()
    shown = {"type": "file", "name": "../a\x00/b.xlsx", "data": base64.b64encode(b"PK\x03\x04 not much").decode()}
    await browser.does(**shown)
    own = (await browser.history())[0]
    assert own["document"]["name"] == "..ab.xlsx"
    assert await _status(browser, own["document"]["url"]) == 200
    assert (await browser.does(type="file", name="b.xlsx", data="!"))[0]["type"] == "error"


async def test_english_is_spoken_to_whose_page_is_english(site):
    browser = site.browser()
    await browser.get("/")
    browser.socket = await browser.http.ws_connect(site.url("/chat/ws?language=en"), headers={"Origin": site.url("")})
    assert "report" in (await browser.says("help")).lower()


# -- the door -------------------------------------------------------------------------------------------------------------
async def test_the_door_greets_with_its_place_and_a_report_begun_there_has_it(site):
    browser = await site.browser().opens(f"/d/{await site.door()}")
    assert "您在青禾苑3幢" in browser.frames[-2]["text"]
    assert "青禾苑3幢" in await browser.says(LAMP)
    await browser.presses("提交")
    problem = (await problems_of(site, LAMP))[0]
    assert (problem.place_name, problem.grid_code) == ("青禾苑3幢", "G1")
    assert (await browser.get(f"/chat/me?door={await site.door()}"))["place"] == "青禾苑3幢"


async def test_a_place_that_is_named_goes_before_the_door(site):
    browser = await site.browser().opens(f"/d/{await site.door()}")
    assert "青禾苑小广场" in await browser.says("青禾苑小广场的路灯不亮")
    await browser.presses("提交")
    assert [problem.place_name for problem in await problems_of(site, "青禾苑小广场的路灯不亮")] == ["青禾苑小广场"]


async def test_a_number_alone_is_a_building_of_the_doors_estate(site):
    for name, said, meant in (("溪畔花园5幢", "2幢", "溪畔花园2幢"), ("青禾苑3幢", "9幢", "青禾苑9幢")):
        browser = await site.browser().opens(f"/d/{await site.door(name)}")
        assert meant in await browser.says(f"{said}楼道灯不亮")


async def test_the_door_goes_before_the_home(site):
    browser = await site.browser().opens()
    await browser.says("帮助")
    await site.bind(browser, "R101")
    home = (await site.rows(Person, Person.code == "R101"))[0].building
    assert home
    other = next(place for place in await site.rows(Place, Place.kind == "building") if place.name != home)
    await browser.does(type="start", payload=f"door-{other.door}")
    assert other.name in await browser.says(LAMP)
    await browser.presses("取消")
    assert home in await browser.says(LAMP)


async def test_the_door_counts_for_two_hours_and_until_a_report(site):
    browser = await site.browser().opens(f"/d/{await site.door()}")
    site.later(minutes=119)
    assert "青禾苑3幢" in await browser.says(LAMP)
    await browser.presses("提交")
    assert "青禾苑3幢" not in await browser.says("楼道里有人堆了很多杂物")
    late = await site.browser().opens(f"/d/{await site.door()}")
    site.later(minutes=121)
    assert "青禾苑3幢" not in await late.says(LAMP)


async def test_the_door_stays_when_a_report_is_begun_otherwise(site):
    browser = await site.browser().opens(f"/d/{await site.door()}")
    await browser.says("帮助")
    await browser.says("我要报问题")
    assert "青禾苑3幢" in await browser.says(LAMP)


async def test_a_door_scanned_in_the_middle_answers_where(site):
    browser = await site.browser().opens()
    asked = await browser.says(LAMP)
    assert "青禾苑3幢" not in asked
    answer = await browser.does(type="start", payload=f"door-{await site.door()}")
    assert "青禾苑3幢" in answer[-1]["text"]
    assert LAMP in answer[-1]["text"]


async def test_an_old_sheets_word_opens_the_chat_without_a_place(site):
    browser = site.browser()
    async with browser.http.get(site.url("/d/zzzzzzzz"), allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")
    await browser.opens("/d/zzzzzzzz")
    assert "一句话告诉我" in (await browser.does(type="start", payload="door-zzzzzzzz"))[-1]["text"]
    for word in ("a" * 33, "..%2f..", "<script>"):
        assert await _status(browser, f"/d/{word}") == 404


async def test_danger_at_a_door_is_known_to_be_there(site):
    browser = await site.browser().opens(f"/d/{await site.door()}")
    await browser.says("着火了！")
    problem = (await site.rows(Problem, Problem.sla == "P1", Problem.text.is_not(None), Problem.submitted_at >= site.app.clock.now()))[0]
    assert problem.place_name == "青禾苑3幢"


# -- groups ---------------------------------------------------------------------------------------------------------------
async def test_a_member_sees_the_groups_and_loses_them(site):
    browser, stranger = await site.browser().opens(), await site.browser().opens()
    await browser.says("帮助")
    assert await browser.chats() == ["private", "public"]
    await site.bind(browser, "M03")
    assert "party" in await browser.chats()
    await post_to(site, "party", "group.greeting")
    assert [entry["chat"] for entry in await browser.history("party")] == ["party"]
    assert (await browser.read())["chat"] == "party"
    await browser.says("大家好", "party")
    own = (await browser.history("party"))[1]
    name = next(person.display_name for person in await site.rows(Person, Person.code == "M03"))
    assert (own["text"], own["from_name"], own["from"]) == ("大家好", name, (await browser.get("/chat/me"))["id"])
    assert device_of(browser.cookie) not in json.dumps(own)

    async with site.app.database.transaction() as session:
        person = (await session.scalars(sa.select(Person).where(Person.code == "M03"))).one()
        await session.execute(sa.update(Enrollment).where(Enrollment.person_id == person.id).values(state="WITHDRAWN"))
        await session.execute(sa.delete(RoleAssignment).where(RoleAssignment.person_id == person.id))
    assert await browser.chats() == ["private", "public"]
    await browser.history("party", 404)
    assert (await browser.does(type="text", chat="party", text="还在吗"))[0]["type"] == "error"
    await post_to(site, "party", "cancelled")
    await post_to(site, "public", "cancelled")
    assert (await browser.read())["chat"] == "public"  # the socket that was open all the time got nothing of the other
    assert (await stranger.read())["chat"] == "public"
    assert (await browser.does(type="text", chat="public", text="大家好"))[0]["type"] == "error"


async def test_an_invitation_opened_in_the_browser_makes_the_device_somebodys(site):
    async with site.app.database.transaction() as session:
        person = (await session.scalars(sa.select(Person).where(Person.code == "M03"))).one()
        token = await invitations.invite(session, person, site.app.clock.now())
    browser, thief = await site.browser().opens(f"/?start={invitations.PREFIX}{token}"), await site.browser().opens()
    assert "party" in await browser.chats()
    assert token not in json.dumps(await browser.history())
    await thief.does(type="start", payload=f"{invitations.PREFIX}{token}")
    assert await thief.chats() == ["private", "public"]


async def test_a_post_to_a_group_reaches_the_web_beside_other_platforms(site):
    async with site.app.database.transaction() as session:
        session.add(Chat(platform="telegram", bot="main", key_hash="k", address="-100", kind="group", purpose="grid:G1"))
    await post_to(site, "grid:G1")
    posted = await site.rows(OutboxMessage)
    assert sorted((row.platform, row.state) for row in posted) == [("telegram", "pending"), ("web", "sent")]
    assert [row.chat for row in await site.rows(LocalMessage)] == ["grid-G1"]


async def test_the_groups_are_made_once_and_closed_when_the_door_is_shut(folder):
    for _ in range(2):
        async with running(url_of(folder), folder) as site:
            groups = await site.rows(Chat, Chat.platform == "web")
    assert sorted(chat.purpose for chat in groups) == sorted(["party", "coordinators", "public", *(f"grid:G{n}" for n in range(1, 7))])
    assert all(chat.title and not chat.blocked for chat in groups)
    async with running(url_of(folder), folder, WEB_CHAT=False) as site:
        assert all(chat.blocked for chat in await site.rows(Chat, Chat.platform == "web"))
        await post_to(site, "party")
        assert await site.rows(OutboxMessage) == []


# -- anonymous ------------------------------------------------------------------------------------------------------------
async def test_a_sealed_report_leaves_no_words_and_no_way_back_in_plain_columns(site):
    browser = await site.browser().opens(f"/d/{await site.door()}")
    await browser.says("帮助")
    await browser.says("匿名报：3幢有人半夜打牌吵得睡不着")
    receipt = await browser.presses("匿名提交")
    problem = (await site.rows(Problem, Problem.anonymous))[-1]
    assert problem.code in receipt
    history = await browser.history()
    assert [entry["text"] for entry in history if "from" in entry] == ["帮助"]
    assert "打牌" not in json.dumps(history, ensure_ascii=False)
    assert problem.code in json.dumps(history, ensure_ascii=False)

    device = device_of(browser.cookie)
    account = (await site.rows(ChatAccount))[0]
    traces = {device, account.id, account.person_id, account.user_hash, account.private_chat_id}
    async with site.app.database.connection() as connection:
        tables = [name for (name,) in await connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'table'"))]
        dump = {name: [tuple(row) for row in await connection.execute(sa.text(f'SELECT * FROM "{name}"'))] for name in tables}
    for name in ("problem", "anonymous_token", "media", "local_message"):
        for row in dump[name]:
            assert not traces & {value for value in row if isinstance(value, str)}, (name, row)
    # No column of the history joins an outbox row, which would join the token on one side and the account on the other.
    outbox = {str(value) for row in dump["outbox"] for value in row if isinstance(value, str) and len(value) > 6} | {
        f"out:{row[0]}" for row in dump["outbox"]
    }
    kept = {str(value) for row in dump["local_message"] for value in row if isinstance(value, str)}
    times = {value for value in kept if value.startswith("2026-")}
    assert times == {"2026-11-22 16:00:00.000000"}
    assert not (kept - times) & outbox
    numbers = {f"m{row[0]}" for row in dump["local_message"]}
    assert not numbers & outbox
    assert all("打牌" not in str(row) for row in dump["local_message"])


async def test_answers_to_a_sealed_report_go_with_its_address(site):
    browser = await site.browser().opens()
    await browser.says("匿名报：青禾苑3幢有人半夜打牌吵得睡不着")
    await browser.presses("匿名提交")
    await browser.says("帮助")
    code = (await site.rows(Problem, Problem.anonymous))[-1].code
    assert code in json.dumps(await browser.history())
    async with site.app.database.transaction() as session:
        await session.execute(sa.update(AnonymousToken).values(purge_at=site.app.clock.now()))
        from services import purge

        await purge.nightly(Context(session, site.app.clock.now(), SCHEDULER, await ground(session), "test"), "")
    history = json.dumps(await browser.history(), ensure_ascii=False)
    assert code not in history
    assert "帮助" in history


# -- limits ---------------------------------------------------------------------------------------------------------------
async def test_a_flood_is_answered_politely_and_danger_always_comes_in(folder):
    async with running(url_of(folder), folder, WEB_CHAT_LIMITS={"messages_a_minute": 3}) as site:
        browser, other = await site.browser().opens(), await site.browser().opens()
        for _ in range(3):
            assert "太快" not in await browser.says("帮助")
        refused = await browser.does(type="text", text="帮助")
        assert (refused[0]["type"], "请过一分钟" in refused[0]["text"]) == ("error", True)
        assert "太快" not in await other.says("帮助")
        assert "WT-" in await browser.says("青禾苑3幢着火了，快来人")
        site.later(seconds=61)
        assert "太快" not in await browser.says("帮助")


async def test_so_many_photos_an_hour(folder):
    async with running(url_of(folder), folder, WEB_CHAT_LIMITS={"files_an_hour": 1}) as site:
        browser = await site.browser().opens()
        await browser.does(type="photo", data=picture())
        assert "照片和文件太多" in (await browser.does(type="photo", data=picture()))[0]["text"]
        assert "太多" not in await browser.says("帮助")


async def reported(browser, number: int) -> str:
    await browser.says(f"青禾苑{number}幢楼道灯不亮")
    return await browser.presses("提交")


async def test_so_many_reports_a_day_and_staff_are_not_counted(folder):
    async with running(url_of(folder), folder, WEB_CHAT_LIMITS={"reports_a_day": 2}) as site:
        browser = await site.browser().opens()
        for number in (1, 2):
            assert "WT-" in await reported(browser, number)
        problems = len(await site.rows(Problem))
        assert "请明天再报" in await reported(browser, 3)
        assert len(await site.rows(Problem)) == problems
        assert "WT-" in await browser.says("青禾苑6幢着火了，快来人")
        await site.bind(browser, "ST02")
        assert "WT-" in await browser.presses("提交")


async def test_so_many_reports_an_hour_of_strangers_at_one_door(folder):
    async with running(url_of(folder), folder, WEB_CHAT_LIMITS={"door_reports_an_hour": 1}) as site:
        answers = []
        for words in (LAMP, "楼道里有人堆了很多杂物"):
            browser = await site.browser().opens(f"/d/{await site.door()}")
            await browser.says(words)
            answers.append(await browser.presses("提交"))
        assert "WT-" in answers[0]
        assert "这个门口" in answers[1]
        await site.bind(browser, "M03")  # a member is known
        assert "WT-" in await browser.presses("提交")


async def test_so_many_new_devices_an_hour_from_one_address_and_through_one_door(folder):
    limits = {"address_devices_an_hour": 2, "door_devices_an_hour": 3}
    async with running(url_of(folder), folder, WEB_CHAT_LIMITS=limits) as site:
        seen = [site.browser("203.0.113.5") for _ in range(3)]
        await seen[0].get("/")
        await seen[1].get("/")
        assert "110" in await seen[2].get("/", 429)
        await seen[0].get("/")  # whoever has a cookie is not new
        await site.browser("203.0.113.6").get("/")
        word = await site.door()
        for number in range(3):
            await site.browser(f"198.51.100.{number}").get(f"/d/{word}", 303)
        await site.browser("198.51.100.9").get(f"/d/{word}", 429)
        site.later(minutes=61)
        await seen[2].get("/")


async def test_an_address_is_believed_of_our_own_proxies_alone(folder):
    app = Application(settings_for(url_of(folder), folder, TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8"), clock=HandClock(NOW))
    chat = app.web_chat

    class Request:
        def __init__(self, peer: str, *told: str) -> None:
            self.transport = self
            self.headers = CIMultiDict(("X-Forwarded-For", value) for value in told)
            self.get_extra_info = lambda _name: (peer, 1)

    assert chat.address(Request("203.0.113.5")) == "203.0.113.5"
    assert chat.address(Request("203.0.113.5", "1.2.3.4")) == "203.0.113.5"
    assert chat.address(Request("127.0.0.1", "1.2.3.4")) == "1.2.3.4"
    assert chat.address(Request("127.0.0.1", "6.6.6.6, 1.2.3.4, 10.1.1.1")) == "1.2.3.4"
    assert chat.address(Request("127.0.0.1", "6.6.6.6", "1.2.3.4")) == "1.2.3.4"
    assert chat.address(Request("127.0.0.1", "unknown")) == ""
    assert chat.address(Request("127.0.0.1")) == ""
    await app.database.close()


def test_counts_slide_and_are_kept_without_names():
    guard = Guard({"messages_a_minute": 2, "reports_a_day": 0})
    now = NOW
    assert [guard.take("messages_a_minute", "a", now + timedelta(seconds=s)) for s in (0, 30, 59, 60, 61, 90)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]
    assert guard.take("messages_a_minute", "b", now)
    assert all(guard.take("reports_a_day", "a", now) for _ in range(100))
    assert all(isinstance(key, bytes) and len(key) == 16 for key in guard._done)
    with pytest.raises(TypeError):
        Guard({"dances_an_hour": 1})
    assert Numbers().reports_a_day == 20


# -- where it is on -------------------------------------------------------------------------------------------------------
async def test_beside_the_demo_none_of_it_exists(tmp_path):
    async with demo_running(tmp_path, WEB_CHAT=True) as site:
        assert site.app.web_chat is None
        for path in PATHS:
            await site.get(path, 404)


async def test_where_it_is_off_none_of_it_exists(folder):
    async with running(url_of(folder), folder, WEB_CHAT=False) as site:
        browser = site.browser()
        for path in (*PATHS, "/", "/static/door.js"):
            await browser.get(path, 404)


async def test_where_it_is_on_nothing_of_the_demo_exists(site):
    browser = site.browser()
    for path in (
        "/demo/personas",
        "/demo/clock",
        "/demo/history?persona=R101",
        "/demo/ws?persona=R101",
        "/demo/chats?persona=R101",
        "/demo/plan",
    ):
        await browser.get(path, 404)
    page = await browser.get("/")
    assert "青禾里" in page
    for gone in ("clock-open", "persona-open", "people-list", "/static/chat.js", "演示"):
        assert gone not in page


@pytest.mark.parametrize(
    ("settings", "on"),
    [
        ({"WEB_CHAT": None}, False), ({"WEB_CHAT": None, "PUBLIC_URL": "https://qing.example"}, True), ({"WEB_CHAT": False, "PUBLIC_URL": "https://qing.example"}, False),
        ({"WEB_CHAT": True}, True), ({"WEB_CHAT": True, "DEMO": True}, False), ({"WEB_CHAT": None, "PUBLIC_URL": "https://qing.example", "DEMO": None}, False),
    ],
)  # fmt: skip
def test_it_is_on_where_there_is_a_public_address(tmp_path, settings, on):
    assert settings_for("sqlite+aiosqlite:///x.db", tmp_path, **settings).web_chat is on


async def test_a_service_without_a_community_yet_shows_the_page(tmp_path):
    async with running(f"sqlite+aiosqlite:///{tmp_path}/new.db", tmp_path) as site:
        browser = site.browser()
        await browser.get("/")
        assert (await browser.get("/chat/me"))["community"] == ""
        await browser.get("/d/abcdefgh", 303)


# -- doors' words ---------------------------------------------------------------------------------------------------------
async def test_a_building_gets_its_word_once_and_keeps_it(site):
    async with site.app.database.transaction() as session:
        version = await session.scalar(sa.select(Community.version))
        first = {place.name: place.door for place in await doors(session)}
        assert await session.scalar(sa.select(Community.version)) == version
        await session.execute(sa.update(Place).where(Place.name == "青禾苑3幢").values(door=None))
    async with site.app.database.transaction() as session:
        again = {place.name: place.door for place in await doors(session)}
        assert await session.scalar(sa.select(Community.version)) == version + 1
        assert {place.name for place in await doors(session, "G1")} == {
            place.name for place in await doors(session) if place.grid_code == "G1"
        }
    assert {name for name in first if first[name] != again[name]} == {"青禾苑3幢"}
    assert len(set(again.values())) == len(again)
    assert all(len(word) == 8 and set(word) <= set(ALPHABET) for word in again.values())
    assert not set("0o1il") & set(ALPHABET)


# -- several processes ----------------------------------------------------------------------------------------------------
@pytest.mark.postgres
async def test_two_processes_on_one_database_are_one_chat(databases, tmp_path):
    with databases.fresh("postgresql", bare=True) as url:
        await fill(url, tmp_path)
        async with running(url, tmp_path) as first, running(url, tmp_path) as second:
            await asyncio.gather(*(site.app.web_chat.signals.listening.wait() for site in (first, second)))
            here = await first.browser().opens(f"/d/{await first.door()}")
            there = second.browser()
            there.take(here.cookie)
            await there.connects()
            await here.says(LAMP)
            own, card = await there.read(), await there.read()
            assert (own["text"], own["message"]) == (LAMP, (await here.history())[1]["message"])
            assert "提交" in json.dumps(card, ensure_ascii=False)
            # A press on the second process: the receipt and the card without its buttons reach the first one too.
            await there.presses("提交")
            kinds = []
            while kinds.count("message") < 1 or "edit" not in kinds:
                kinds.append((await here.read())["type"])
            # Whichever process relays, who sits at the other one hears of it; nothing is doubled in the history.
            await post_to(first, "public", "group.greeting")
            await post_to(second, "public", "cancelled")
            for browser in (here, there):
                heard = []
                while len(heard) < 2:
                    frame = await browser.read()
                    heard += [frame["text"]] if frame.get("chat") == "public" else []
                assert len(set(heard)) == 2
            assert await here.history() == await there.history()
            names = [entry["message"] for entry in await here.history()]
            assert len(names) == len(set(names))
            # A toast stands in no history: it goes to the sockets of the one who pressed, wherever they are.
            old = next(entry for entry in await here.history() if LAMP in entry["text"] and "from" not in entry)
            await here.does(type="press", message=old["message"], button="提交")
            while (await there.read())["type"] != "toast":
                pass
            # After a gap nobody knows what was missed: the pages connect anew and read the history.
            async with first.app.database.connection() as connection:
                cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                await connection.execute(sa.text(cut))
            while (message := await there.socket.receive(timeout=30)).type == aiohttp.WSMsgType.TEXT:
                pass
            assert (message.type, there.socket.close_code) == (aiohttp.WSMsgType.CLOSE, 1012)
            await there.connects()
            await there.says("帮助")
            assert (await there.history())[-2]["text"] == "帮助"


async def test_no_address_and_no_cookie_stands_in_any_row(site):
    browser = await site.browser("203.0.113.77").opens(f"/d/{await site.door()}")
    await browser.says(LAMP)
    assert await site.rows(InboxMessage)
    raw = b"".join(file.read_bytes() for file in Path(site.app.settings.DATA_DIR).iterdir() if file.name.startswith("linshao.db"))
    assert b"203.0.113.77" not in raw
    assert browser.cookie.partition(".")[0].encode() not in raw
    assert device_of(browser.cookie).encode() not in raw


# -- the sheets by chat ---------------------------------------------------------------------------------------------------
async def test_staff_get_the_sheets_as_a_file(folder):
    async with running(url_of(folder), folder, PUBLIC_URL="http://qing.example") as site:
        browser = site.browser()
        await browser.get("/")
        await browser.connects(Origin="http://qing.example")
        refused = await browser.says("海报")
        assert "没有权限" in refused
        await site.bind(browser, "ST02")
        file = next(part for part in await browser.does(type="text", text="海报 G1") if "document" in part)
        assert file["text"].startswith("8 张")
        async with browser.http.get(site.url(file["document"]["url"])) as answer:
            assert (answer.status, "Content-Security-Policy" in answer.headers) == (200, True)
            printed = await answer.text()
        assert printed.count("<section") == 8
        assert f"qing.example/d/{await site.door()}" in printed
        await site.bind(browser, "ST04")  # leads one grid
        assert "没有权限" in await browser.says("海报 G2")
        assert " 张" in await browser.says("海报")


async def test_without_the_door_there_are_no_sheets(site):
    browser = await site.browser().opens()
    await browser.says("帮助")
    await site.bind(browser, "ST02")
    assert "没有开通" in await browser.says("海报")
