"""The web chat's page, driven in a real browser against a running demo service (docs: the web chat's protocol).

`demo_site` is the address of a running demo service without a trailing slash, in another process or in this module's
event loop; `chromium_path` is the browser's path (its fixture skips these tests loudly where there is none).
What the service may or may not say is put into the page's own socket: these tests judge the page and little else.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    Route,
    ViewportSize,
    WebSocketRoute,
    async_playwright,
    expect,
)

WEB = Path(__file__).parent.parent / "web"
WIDE: ViewportSize = {"width": 1280, "height": 820}
PHONE: ViewportSize = {"width": 360, "height": 740}
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
# One browser for all of them: starting it is what takes time. It lives in the module's event loop, and so do the tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")
PRIVATE = "#pane-private"
GROUP = "#pane-group"


class Socket:
    """The page's socket, tapped: what it sent, words put into its mouth, and a wire that can be cut."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.cut = False
        self.connections = 0
        self.answer: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda frame: None
        self._here: WebSocketRoute | None = None
        self._there: WebSocketRoute | None = None

    async def attach(self, page: Page) -> None:
        await page.route_web_socket(re.compile(r"/demo/ws\?"), self._connected)

    async def _connected(self, here: WebSocketRoute) -> None:
        if self.cut:
            await here.close()
            return
        self.connections += 1
        self._here, self._there = here, here.connect_to_server()
        there = self._there

        def outward(message: str | bytes) -> None:
            frame = json.loads(message)
            self.sent.append(frame)
            own_answer = self.answer(frame)
            if own_answer is None:
                there.send(message)
            else:
                here.send(json.dumps(own_answer))

        here.on_message(outward)

    def say(self, **frame: Any) -> None:
        assert self._here is not None
        self._here.send(json.dumps(frame))

    async def break_off(self) -> None:
        assert self._here is not None
        assert self._there is not None
        self.cut = True
        await self._here.close()
        await self._there.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser, demo_site: str) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport=WIDE, base_url=demo_site)
    answer = await context.request.post("/demo/reset", data={})
    assert answer.ok, await answer.text()
    yield context
    await context.close()


async def open_as(context: BrowserContext, persona: str) -> tuple[Page, Socket]:
    """A tab in which somebody has been chosen and is connected, and its socket."""
    page = await context.new_page()
    socket = Socket()
    await socket.attach(page)
    await page.goto(f"/?persona={persona}")
    await expect(page.locator("html")).to_have_attribute("data-link", "ready")
    await expect(page.locator(f"{PRIVATE} textarea")).to_be_visible()
    return page, socket


async def say(page: Page, words: str, pane: str = PRIVATE) -> None:
    await page.locator(f"{pane} textarea").fill(words)
    await page.locator(f"{pane} textarea").press("Enter")


async def history(page: Page, persona: str, chat: str = "private") -> list[dict[str, Any]]:
    answer = await page.request.get(f"/demo/history?persona={persona}&chat={chat}")
    messages: list[dict[str, Any]] = await answer.json()
    return messages


def picture(name: str) -> Any:
    """A small real PNG to choose as a file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((47, 107, 79)) * 40 for _ in range(30))
    header = struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return {"name": name, "mimeType": "image/png", "buffer": png}


# ---- who one is -----------------------------------------------------------------------------------------------------


async def test_a_person_is_found_by_name_and_remembered_in_the_tab(context: BrowserContext) -> None:
    page = await context.new_page()
    await page.goto("/")
    await expect(page.locator("#people")).to_be_visible()
    await page.locator("#people-search").fill("何晚晴")
    await expect(page.locator("#people-list .person")).to_have_count(1)
    await page.locator("#people-search").press("Enter")
    await expect(page.locator("#persona-open")).to_contain_text("M03")
    assert "persona=M03" in page.url
    await page.goto("/")
    await expect(page.locator("#persona-open")).to_contain_text("何晚晴")


async def test_an_unknown_persona_is_asked_again(context: BrowserContext) -> None:
    page = await context.new_page()
    await page.goto("/?persona=R999")
    await expect(page.locator("#people-note")).to_contain_text("R999")
    await page.keyboard.press("Escape")
    await expect(page.locator("#people")).to_be_visible()


async def test_a_new_visitor_comes_in_with_a_name(context: BrowserContext) -> None:
    page = await context.new_page()
    await page.goto("/")
    await page.locator("#visitor-name").fill("小林")
    await page.locator("#visitor-name").press("Enter")
    await expect(page.locator("#persona-open")).to_contain_text("小林")
    await expect(page.locator("html")).to_have_attribute("data-link", "ready")


# ---- saying something -----------------------------------------------------------------------------------------------


async def test_a_message_is_sent_received_and_answered(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    await say(page, "帮助")
    own = page.locator(f"{PRIVATE} .row[data-side=own]")
    await expect(own).to_have_attribute("data-state", "done")
    await expect(own).to_contain_text("帮助")
    await expect(page.locator(f"{PRIVATE} .row[data-side=other]").first).to_be_visible()
    assert [frame["type"] for frame in socket.sent] == ["text"]
    # Its number came with the history, so it can be answered; reading that history doubled nothing.
    await expect(own.locator(".reply-button")).to_have_count(1)
    await expect(own).to_have_count(1)


@pytest.mark.slow
async def test_shift_enter_is_a_new_line_and_enter_sends(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    field = page.locator(f"{PRIVATE} textarea")
    await field.fill("第一行")
    await field.press("Shift+Enter")
    await field.press_sequentially("x")
    assert socket.sent == []
    await field.press("Enter")
    await expect(field).to_have_value("")
    await expect(page.locator(f"{PRIVATE} .row[data-side=own]")).to_be_visible()
    assert socket.sent[0]["text"] == "第一行\nx"


@pytest.mark.slow
async def test_a_group_hears_a_neighbour_by_name(context: BrowserContext) -> None:
    neighbour, _ = await open_as(context, "R101")
    speaker, _ = await open_as(context, "R105")
    await speaker.locator("#chats [data-chat=grid-G1]").click()
    await say(speaker, "小广场的长椅松了", GROUP)
    own = speaker.locator(f"{GROUP} .row[data-side=own]", has_text="小广场的长椅松了")
    await expect(own).to_have_attribute("data-state", "done")
    heard = neighbour.locator(f"{GROUP} .row", has_text="小广场的长椅松了")
    await expect(heard).to_contain_text("魏承志")
    await expect(heard).to_have_count(1)


async def test_what_is_written_without_a_connection_is_sent_once(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    await socket.break_off()
    await expect(page.locator("#link")).to_be_visible()
    await say(page, "断线时写的话")
    await expect(page.locator(f"{PRIVATE} .row[data-state=waiting]")).to_have_count(1)
    socket.cut = False
    await page.locator("#link-now").dispatch_event("click")  # it may have come back by itself already
    own = page.locator(f"{PRIVATE} .row[data-side=own]", has_text="断线时写的话")
    await expect(own).to_have_attribute("data-state", "done")
    await expect(own).to_have_count(1)
    assert [message.get("text") for message in await history(page, "R101")].count("断线时写的话") == 1


@pytest.mark.slow
async def test_an_unanswered_message_goes_again_under_its_id(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    # The service stores it, but its answers never come back.
    socket.answer = lambda frame: {"type": "toast", "text": ""}
    await say(page, "帮助")
    await expect(page.locator(f"{PRIVATE} .row[data-state=sending]")).to_have_count(1)
    await socket.break_off()
    socket.answer = lambda frame: None
    socket.cut = False
    await expect(page.locator("#link")).to_be_visible()
    await page.reload()
    own = page.locator(f"{PRIVATE} .row[data-side=own]", has_text="帮助")
    await expect(own).to_have_attribute("data-state", "done")
    assert len(socket.sent) == 2
    assert socket.sent[0] == socket.sent[1]


@pytest.mark.slow
async def test_what_arrives_while_the_history_is_read_is_kept(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")

    async def say_meanwhile(route: Route) -> None:
        answer = await route.fetch()
        socket.say(type="message", chat="private", message="m9001", text="路上来的")
        socket.say(type="edit", chat="private", message="m9001", text="路上又改了")
        await expect(page.locator(f"{PRIVATE} [data-message=m9001]")).to_contain_text("路上又改了")
        await route.fulfill(response=answer)

    await page.route(re.compile(r"/demo/history\?.*private"), say_meanwhile)
    # Done: the page reads the history to learn the message's number.
    await say(page, "帮助")
    await expect(page.locator(f"{PRIVATE} .row[data-side=own] .reply-button")).to_have_count(1)
    await expect(page.locator(f"{PRIVATE} [data-message=m9001]")).to_have_count(1)
    await expect(page.locator(f"{PRIVATE} [data-message=m9001]")).to_contain_text("路上又改了")


@pytest.mark.slow
async def test_a_refused_message_says_why_and_can_be_sent_again(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    socket.answer = lambda frame: {"type": "error", "id": frame["id"], "text": "服务暂时忙"}
    await say(page, "帮助")
    await expect(page.locator(f"{PRIVATE} .trouble")).to_contain_text("服务暂时忙")
    socket.answer = lambda frame: None
    await page.locator(f"{PRIVATE} .trouble button").click()
    await expect(page.locator(f"{PRIVATE} .trouble")).to_have_count(0)
    await expect(page.locator(f"{PRIVATE} .row[data-side=own]").first).to_have_attribute("data-state", "done")


@pytest.mark.slow
async def test_a_draft_is_kept_for_each_chat(context: BrowserContext) -> None:
    page, _ = await open_as(context, "R101")
    await page.locator(f"{PRIVATE} textarea").fill("写了一半")
    await page.locator("#chats [data-chat=grid-G1]").click()
    await page.locator(f"{GROUP} textarea").fill("群里的一半")
    await page.locator("#chats [data-chat=public]").click()
    await expect(page.locator(f"{GROUP} textarea")).to_be_hidden()
    await page.reload()
    await expect(page.locator(f"{PRIVATE} textarea")).to_have_value("写了一半")
    await page.locator("#chats [data-chat=grid-G1]").click()
    await expect(page.locator(f"{GROUP} textarea")).to_have_value("群里的一半")


@pytest.mark.slow
async def test_an_answer_names_the_message_it_answers(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    socket.say(type="message", chat="private", message="m9001", text="请问在几幢？")
    await page.locator(f"{PRIVATE} [data-message=m9001]").hover()
    await page.locator(f"{PRIVATE} [data-message=m9001] .reply-button").click()
    await expect(page.locator(f"{PRIVATE} .reply-bar")).to_contain_text("请问在几幢？")
    socket.answer = lambda frame: {"type": "ack", "id": frame["id"]}
    await say(page, "3幢")
    await expect(page.locator(f"{PRIVATE} .row[data-side=own] .quotation")).to_contain_text("请问在几幢？")
    assert socket.sent[0]["reply_to"] == "m9001"
    await expect(page.locator(f"{PRIVATE} .typing")).to_be_visible()
    socket.say(type="done", id=socket.sent[0]["id"])
    await expect(page.locator(f"{PRIVATE} .typing")).to_be_hidden()


# ---- what the service says ------------------------------------------------------------------------------------------


async def test_buttons_are_pressed_by_keyboard_and_busy_until_done(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    buttons = [[{"label": "提交", "action": "submit:1"}, {"label": "取消", "action": "cancel:1"}]]
    socket.say(type="message", chat="private", message="m9001", text="请确认", buttons=buttons)
    socket.answer = lambda frame: {"type": "ack", "id": frame["id"]}
    button = page.get_by_role("button", name="提交", exact=True)
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(button).to_be_disabled()
    assert [(frame["type"], frame["message"], frame["button"]) for frame in socket.sent] == [("press", "m9001", "submit:1")]
    socket.say(type="edit", chat="private", message="m9001", text="已提交", buttons=[])
    socket.say(type="toast", text="谢谢您")
    socket.say(type="done", id=socket.sent[0]["id"])
    row = page.locator(f"{PRIVATE} [data-message=m9001]")
    await expect(row).to_contain_text("已提交")
    await expect(row).to_have_class(re.compile("edited"))
    await expect(row.locator(".choice")).to_have_count(0)
    await expect(page.locator("#toasts")).to_contain_text("谢谢您")
    await expect(page.locator("#announcer")).to_contain_text("已提交")


async def test_a_deep_link_opens_the_private_chat_in_place(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    await page.set_viewport_size(PHONE)
    await page.locator("#chats [data-chat=grid-G1]").click()
    buttons = [[{"label": "到私聊", "url": "/?persona=R101"}, {"label": "坏的", "url": "javascript:alert(1)"}]]
    socket.say(type="message", chat="grid-G1", message="m9001", text="详情在私聊", buttons=buttons)
    await expect(page.locator(f"{GROUP} [data-message=m9001] .choice")).to_have_count(2)
    await expect(page.locator(f"{GROUP} [data-message=m9001] a.choice")).to_have_count(1)
    await page.get_by_role("link", name="到私聊", exact=True).click()
    await expect(page.locator(PRIVATE)).to_be_visible()
    await expect(page.locator(GROUP)).to_be_hidden()
    assert socket.connections == 1, "the page was loaded again"


@pytest.mark.slow
async def test_unread_messages_are_counted_until_they_are_seen(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    for number in range(2):
        socket.say(type="message", chat="public", message=f"m900{number}", text="公告")
    badge = page.locator("#chats [data-chat=public] .badge")
    await expect(badge).to_contain_text("2")
    await expect(page).to_have_title(re.compile(r"^\(2\)"))
    await page.locator("#chats [data-chat=public]").click()
    await expect(badge).to_have_count(0)


async def test_text_is_never_markup(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    words = "<img src=x onerror=alert(1)> https://example.org/a，好"
    socket.say(type="message", chat="private", message="m9001", text=words)
    text = page.locator(f"{PRIVATE} [data-message=m9001] .text")
    await expect(text).to_have_text(words)
    await expect(text.locator("a")).to_have_attribute("href", "https://example.org/a")


@pytest.mark.slow
async def test_documents_voice_and_photos_of_others_can_be_opened(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    socket.say(type="message", chat="private", message="m9001", text="台账", document={"name": "台账.csv", "url": "/static/x"})
    socket.say(type="message", chat="private", message="m9002", voice="/static/x")
    await expect(page.locator(f"{PRIVATE} a.document")).to_have_attribute("download", "台账.csv")
    await expect(page.locator(f"{PRIVATE} audio")).to_have_attribute("src", re.compile("/static/x$"))


# ---- photos, voice, places ------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_several_photos_are_one_album_and_open_in_full_size(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    await page.locator(f"{PRIVATE} [data-file=photo]").set_input_files([picture("a.png"), picture("b.png")])
    await expect(page.locator(f"{PRIVATE} .photo-chosen")).to_have_count(2)
    await say(page, "垃圾桶满了")
    await expect(page.locator(f"{PRIVATE} .row[data-side=own] .thumbnail")).to_have_count(2)
    first, second = (frame for frame in socket.sent if frame["type"] == "photo")
    assert first["album"] == second["album"]
    assert (first["caption"], second["caption"]) == ("垃圾桶满了", "")
    assert first["data"].startswith("iVBORw0KGgo")
    await page.locator(f"{PRIVATE} .thumbnail").first.click()
    await expect(page.locator("#lightbox")).to_be_visible()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#lightbox-next")).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(page.locator("#lightbox")).to_be_hidden()


async def test_a_voice_message_is_recorded_and_played_back(context: BrowserContext) -> None:
    await context.grant_permissions(["microphone"])
    page, socket = await open_as(context, "R101")
    await page.locator(f"{PRIVATE} [data-act=mic]").click()
    await expect(page.locator(f"{PRIVATE} [data-time]")).to_have_text("0:01")
    await page.locator(f"{PRIVATE} [data-act=stop]").click()
    await expect(page.locator(f"{PRIVATE} .row[data-side=own] audio")).to_have_count(1)
    assert [frame["type"] for frame in socket.sent] == ["voice"]
    assert len(socket.sent[0]["data"]) > 100


@pytest.mark.slow
async def test_without_a_microphone_a_file_may_be_chosen(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    await page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('none')); }")
    await page.locator(f"{PRIVATE} [data-act=mic]").click()
    await expect(page.locator("#nomicrophone")).to_be_visible()
    await page.locator("#voice-file").set_input_files({"name": "a.webm", "mimeType": "audio/webm", "buffer": b"abc"})
    await expect(page.locator(f"{PRIVATE} .row[data-side=own] audio")).to_have_count(1)
    assert socket.sent[0]["data"] == "YWJj"


async def test_a_place_is_chosen_by_keyboard_and_sent(context: BrowserContext) -> None:
    page, socket = await open_as(context, "R101")
    await page.locator(f"{PRIVATE} [data-act=attach]").click()
    await page.locator(f"{PRIVATE} [data-act=location]").click()
    await page.locator("#plan-jump").select_option(label="青禾苑小广场")
    await expect(page.locator("#plan-where")).to_contain_text("青禾苑小广场")
    await page.locator("#plan-map").focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Shift+ArrowUp")
    await page.locator("#plan input[value='60']").check(force=True)
    await page.locator("#plan-forwarded").check(force=True)
    await page.locator("#plan-form button[type=submit]").click()
    await expect(page.locator(f"{PRIVATE} .row[data-side=own] .location-card")).to_be_visible()
    frame = socket.sent[0]
    assert (frame["type"], frame["accuracy"], frame["forwarded"]) == ("location", 60, True)
    # 青禾苑小广场 is at 31.2008, 120.1508: 5 m to the east and 25 m to the north of it.
    assert frame["lat"] == pytest.approx(31.2008 + 25 / 111_320, abs=2e-6)
    assert frame["lon"] == pytest.approx(120.1508 + 5 / 95_222, abs=2e-6)


@pytest.mark.slow
async def test_a_click_on_the_plan_moves_the_pin(context: BrowserContext) -> None:
    page, _ = await open_as(context, "R101")
    await page.locator(f"{PRIVATE} [data-act=attach]").click()
    await page.locator(f"{PRIVATE} [data-act=location]").click()
    before = await page.locator("#plan-numbers").text_content()
    await page.locator("#plan-map").click(position={"x": 200, "y": 120})
    assert await page.locator("#plan-numbers").text_content() != before


# ---- the demo's clock -----------------------------------------------------------------------------------------------


async def test_the_clock_moves_forward_and_never_backward(context: BrowserContext) -> None:
    page, _ = await open_as(context, "R101")
    await expect(page.locator("#clock-time")).to_have_text("08:00")
    await page.locator("#clock-open").click()
    await page.locator("#clock-half").click()
    await expect(page.locator("#clock-now-time")).to_have_text("08:30")
    await page.locator("#clock-moment").fill("2026-11-20T08:00")
    await page.locator("#clock-form button").click()
    await expect(page.locator("#clock-status")).to_have_text("时间只能往后拨，请选一个更晚的时刻。")
    await page.locator("#clock-digest").click()
    await expect(page.locator("#clock-now-day")).to_contain_text("11月24日")
    await page.locator("#clock .track").click()
    await expect(page.locator("#clock-state")).to_have_text("时间停着")
    now = await (await page.request.get("/demo/clock")).json()
    assert (now["now"][:16], now["running"]) == ("2026-11-24T08:30", False)


@pytest.mark.slow
async def test_a_real_clock_is_said_politely(context: BrowserContext) -> None:
    page, _ = await open_as(context, "R101")

    async def refuse(route: Route) -> None:
        await (route.fulfill(status=409) if route.request.method == "POST" else route.continue_())

    await page.route("**/demo/clock", refuse)
    await page.locator("#clock-open").click()
    await page.locator("#clock-two").click()
    await expect(page.locator("#clock-status")).to_have_text("这里走的是真实时间，不能拨动。")


@pytest.mark.slow
async def test_the_demo_starts_again_only_when_confirmed(context: BrowserContext) -> None:
    page, _ = await open_as(context, "R101")
    other, _ = await open_as(context, "R105")
    for tab in (page, other):
        await say(tab, "帮助")
        await expect(tab.locator(f"{PRIVATE} .row[data-side=own]")).to_have_attribute("data-state", "done")
    await page.bring_to_front()
    await page.locator("#clock-open").click()
    await page.locator("#reset-ask").click()
    await expect(page.locator("#reset-form")).to_be_visible()
    await page.locator("#reset-no").click()
    assert await history(page, "R101")
    await page.locator("#reset-ask").click()
    await page.locator("#reset-form button[type=submit]").click()
    await expect(page.locator("#clock")).to_be_hidden()
    for tab in (page, other):
        await expect(tab.locator(f"{PRIVATE} .row", has_text="帮助")).to_have_count(0)


# ---- for everybody's eyes and hands ---------------------------------------------------------------------------------


@pytest.mark.slow
async def test_language_and_type_are_remembered(context: BrowserContext) -> None:
    page, _ = await open_as(context, "R101")
    assert await page.locator("html").get_attribute("lang") == "zh-CN"
    await page.locator("#language").click()
    await page.locator("#type").click()
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("html")).to_have_attribute("data-type", "large")
    await expect(page.locator(f"{PRIVATE} textarea")).to_have_attribute("placeholder", "How can we help?")


@pytest.mark.parametrize("large", [False, True])
async def test_a_phone_shows_one_chat_at_a_time_and_nothing_sticks_out(context: BrowserContext, large: bool) -> None:
    page, socket = await open_as(context, "M03")
    await page.set_viewport_size(PHONE)
    if large:
        await page.locator("#type").click()
    buttons = [[{"label": "提交", "action": "a"}, {"label": "匿名提交", "action": "b"}]]
    text = "WT-20261123-0001" * 6
    socket.say(type="message", chat="private", message="m9001", text=text, buttons=buttons, voice="/static/x")
    await expect(page.locator(f"{PRIVATE} .choice")).to_have_count(2)
    for key, shown, hidden in (("private", PRIVATE, GROUP), ("party", GROUP, PRIVATE)):
        await page.locator(f"#chats [data-chat={key}]").click()
        await expect(page.locator(shown)).to_be_visible()
        await expect(page.locator(hidden)).to_be_hidden()
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert await page.evaluate(STICKING_OUT) == []
        assert await page.evaluate(TOO_SMALL) == []


STICKING_OUT = """[...document.querySelectorAll('.top *, .bubble, .bubble *, .composer > *, .tab')]
  .filter((element) => element.checkVisibility() && !element.closest('svg') && !element.closest('.unseen, .tab-full'))
  .map((element) => [element.outerHTML.slice(0, 90), element.getBoundingClientRect()])
  .filter(([, box]) => box.right > innerWidth + 0.5 || box.left < -0.5).map(([name]) => name)"""
TOO_SMALL = """[...document.querySelectorAll('button, a, textarea')]
  .filter((element) => element.checkVisibility() && !element.matches('.skip, .text a'))
  .map((element) => [element.outerHTML.slice(0, 90), element.getBoundingClientRect()])
  .filter(([, box]) => box.width < 43.9 || box.height < 43.9).map(([name]) => name)"""
FAINT = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = channels(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter((element) => element.checkVisibility() && !element.closest('svg, :disabled, .skip'))
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => {
      const [a, b] = [light(channels(getComputedStyle(element).color)), light(ground(element))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.outerHTML.slice(0, 90)];
    })
    .filter(([contrast]) => contrast < 4.5);
}"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_word_stands_out_from_its_ground(context: BrowserContext, scheme: Any) -> None:
    page, socket = await open_as(context, "R101")
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await say(page, "帮助")
    await expect(page.locator(f"{PRIVATE} .row[data-side=own]")).to_have_attribute("data-state", "done")
    socket.answer = lambda frame: {"type": "error", "id": frame["id"], "text": "服务暂时忙"}
    await say(page, "再试")
    buttons = [[{"label": "提交", "action": "a"}]]
    socket.say(type="message", chat="public", message="m9000", text="公告")
    socket.say(type="message", chat="private", message="m9001", text="好", buttons=buttons)
    await expect(page.locator(f"{PRIVATE} .choice").last).to_be_visible()
    assert await page.evaluate(FAINT) == []
    await page.locator("#clock-open").click()
    assert await page.evaluate(FAINT) == []
    await page.keyboard.press("Escape")
    await page.locator("#persona-open").click()
    assert await page.evaluate(FAINT) == []


async def test_nothing_comes_from_anywhere_else_and_nothing_is_inline(context: BrowserContext, demo_site: str) -> None:
    page = await context.new_page()
    hosts: set[str] = set()
    complaints: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await page.goto("/?persona=R101")
    await expect(page.locator(f"{PRIVATE} textarea")).to_be_visible()
    await page.evaluate("document.fonts.ready")
    assert hosts <= {urlsplit(demo_site).netloc, ""}
    assert complaints == []
    source = await (await page.request.get("/")).text()
    assert not re.search(r"<style|<script(?![^>]* src=)| style=| on[a-z]+=|javascript:", source)
    assert await page.evaluate("document.fonts.check('16px \"Linshao Sans\"', '邻哨')")


# ---- words ----------------------------------------------------------------------------------------------------------


async def test_the_page_says_everything_in_both_languages() -> None:
    source = (WEB / "static" / "chat" / "words.js").read_text(encoding="utf-8")
    chinese, english = source.split("\n  en: {")
    keys = [re.findall(r'^    "([\w.]+)":', half, re.MULTILINE) for half in (chinese, english)]
    assert keys[0] == keys[1]
    assert len(keys[0]) == len(set(keys[0]))
    template = (WEB / "templates" / "chat.html").read_text(encoding="utf-8")
    used = set(re.findall(r'data-word(?:-label|-placeholder)?="([^"]+)"', template))
    scripts = [WEB / "static" / "chat.js", *(WEB / "static" / "chat").glob("*.js")]
    for script in scripts:
        used |= set(re.findall(r'\bt\("([\w.]+)"', script.read_text(encoding="utf-8")))
    assert used <= set(keys[0])
