"""The web chat for real people on a phone, in a real browser: from the sheet on the door to the answer the next day; and the sheets."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import segno
from databases import _run
from door_web import Site, fill, running, settings_for
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright, expect
from test_page import CHROMIUM_ARGUMENTS, PRIVATE, STICKING_OUT, TOO_SMALL, picture, say

from bot.__main__ import _parser
from bot.posters import print_posters
from models import Place, Problem
from services import post
from services.context import SCHEDULER, Context, ground
from texts.screen import screen

WEB = Path(__file__).parent.parent / "web"
pytestmark = pytest.mark.asyncio(loop_scope="module")
PHONE = {"width": 375, "height": 667}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doors")
    _run(fill(f"sqlite+aiosqlite:///{folder}/linshao.db", folder))
    return folder


@pytest_asyncio.fixture(loop_scope="module")
async def site(loaded: Path, tmp_path: Path) -> AsyncIterator[Site]:
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    async with running(f"sqlite+aiosqlite:///{tmp_path}/linshao.db", tmp_path) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="module")
async def phone(browser: Browser, site: Site) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True, base_url=site.url(""))
    yield context
    await context.close()


async def opened(phone: BrowserContext, path: str) -> Page:
    page = await phone.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page: {error}"))
    await page.goto(path)
    await expect(page.locator("html")).to_have_attribute("data-link", "ready")
    return page


async def sheet(site: Site, folder: Path, grid: str = "") -> str:
    """The printed page, as the command writes it."""
    settings = settings_for(site.app.settings.DATABASE_URL, folder, PUBLIC_URL="https://qing.example")
    arguments = _parser().parse_args(["posters", "--out", str(folder / "posters.html"), *(["--grid", grid] if grid else [])])
    assert await print_posters(settings, arguments.out, arguments.grid) == 0
    return (folder / "posters.html").read_text("utf-8")


async def test_from_the_sheet_on_the_door_to_the_answer_the_next_day(site: Site, phone: BrowserContext, tmp_path: Path) -> None:
    printed = await sheet(site, tmp_path)
    door = await site.door()
    address = next(unescape(found) for found in re.findall(r'aria-label="([^"]+)"', printed) if found.endswith(door))
    page = await opened(phone, urlsplit(address).path)
    await expect(page.locator(f"{PRIVATE} .row").first).to_contain_text("您在青禾苑3幢")
    await expect(page.locator("#community")).to_have_text("青禾里社区")
    await expect(page.locator("#place")).to_have_text("青禾苑3幢")
    assert urlsplit(page.url).path + urlsplit(page.url).query == "/"  # what is saved from here is no door and no invitation
    await page.locator(f"{PRIVATE} [data-file=photo]").set_input_files(picture("a.png"))
    await say(page, "楼道灯不亮")
    await expect(page.locator(f"{PRIVATE} .row[data-side=own] .thumbnail img")).to_have_js_property("complete", True)
    await page.locator(f"{PRIVATE} .choice", has_text=re.compile("^提交$")).click()
    await expect(page.locator(f"{PRIVATE} .row").last).to_contain_text("WT-20261123-")
    await page.close()

    site.later(days=1)
    problem = next(one for one in await site.rows(Problem) if one.text == "楼道灯不亮")
    async with site.app.database.transaction() as session:
        context = Context(session, site.app.clock.now(), SCHEDULER, await ground(session), "answer")
        await post.to_person(context, problem.reporter_id, screen("cancelled"))
    await site.app.drain()

    page = await opened(phone, "/")
    await expect(page.locator(f"{PRIVATE} .unread")).to_have_text("以下是新消息")
    await expect(page.locator(f"{PRIVATE} .row").last).to_contain_text("好的，已取消。")
    await expect(page.locator(f"{PRIVATE} .row[data-side=own] .thumbnail img").first).to_have_js_property("naturalWidth", 40)
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-link", "ready")
    await expect(page.locator(f"{PRIVATE} .row").last).to_contain_text("好的，已取消。")
    await expect(page.locator(f"{PRIVATE} .unread")).to_have_count(0)
    await expect(page.locator(f"{PRIVATE} .row", has_text="您在青禾苑3幢")).to_have_count(1)  # the door is said once


@pytest.mark.parametrize("large", [False, True])
async def test_nothing_sticks_out_and_nothing_is_asked_at_the_door(site: Site, phone: BrowserContext, large: bool) -> None:
    await phone.add_init_script(
        "window.asked = []; const media = navigator.mediaDevices; if (media) media.getUserMedia = () => window.asked.push('microphone');"
        "navigator.geolocation.getCurrentPosition = () => window.asked.push('position');"
        "window.Notification && (Notification.requestPermission = () => window.asked.push('notification'));"
    )
    page = await opened(phone, f"/d/{await site.door()}")
    if large:
        await page.locator("#type").click()
    await say(page, "楼道灯不亮")
    await expect(page.locator(f"{PRIVATE} .choice").first).to_be_visible()
    await page.locator(f"{PRIVATE} [data-act=attach]").click()
    await expect(page.locator(f"{PRIVATE} [data-act=file]")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert await page.evaluate(STICKING_OUT) == []
    assert await page.evaluate(TOO_SMALL) == []
    assert await page.evaluate("window.asked") == []
    await page.locator(f"{PRIVATE} [data-act=location]").click()
    assert await page.evaluate("window.asked") == ["position"]


async def test_a_browser_that_keeps_no_cookies_is_told_so(site: Site, phone: BrowserContext) -> None:
    async def without(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, headers={name: value for name, value in answer.headers.items() if name != "set-cookie"})

    await phone.route(re.compile(r"/$"), without)
    page = await phone.new_page()
    await page.goto("/")
    await expect(page.locator("#blocked")).to_contain_text("不让保存 Cookie")


async def test_what_is_missing_is_not_offered(site: Site, phone: BrowserContext) -> None:
    await phone.add_init_script("delete window.MediaRecorder; Object.defineProperty(navigator, 'geolocation', { value: undefined });")
    page = await opened(phone, "/")
    await expect(page.locator(f"{PRIVATE} [data-act=mic]")).to_be_hidden()
    await page.locator(f"{PRIVATE} [data-act=attach]").click()
    await expect(page.locator(f"{PRIVATE} [data-act=location]")).to_be_hidden()
    await expect(page.locator(f"{PRIVATE} [data-act=photo]")).to_be_visible()
    await page.locator("#tip-close").click()
    await page.reload()
    await expect(page.locator("#tip")).to_be_hidden()


async def test_english_is_a_switch_away(site: Site, phone: BrowserContext) -> None:
    page = await opened(phone, f"/d/{await site.door()}")
    await page.locator("#language").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator(f"{PRIVATE} .row").last).to_contain_text("English")
    await expect(page.locator("#place")).to_have_text("青禾苑3幢")


# -- the sheets -----------------------------------------------------------------------------------------------------------
async def test_the_sheets_are_one_page_a_building_and_need_no_network(site: Site, browser: Browser, tmp_path: Path) -> None:
    printed = await sheet(site, tmp_path, "G1")
    places = [place for place in await site.rows(Place, Place.kind == "building") if place.grid_code == "G1"]
    for place in places:
        code = segno.make(f"https://qing.example/d/{place.door}", error="m", micro=False).svg_inline(
            scale=1, border=4, omitsize=True, dark="#000"
        )
        assert code in printed
        assert place.name in printed
        assert f"qing.example/d/{place.door}" in printed
    for words in ("青禾里社区", "扫码报问题", "不用下载", "紧急请拨110、119、120"):
        assert words in printed
    names = re.findall(r"<h1[^>]*>([^<]+)</h1>", printed)
    assert names == sorted(names, key=lambda name: (re.sub(r"\d+", "", name), int(re.search(r"\d+", name)[0])))
    assert (await sheet(site, tmp_path, "G1")) == printed  # what was printed stays true
    page = await browser.new_page(viewport={"width": 794, "height": 1123})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto((tmp_path / "posters.html").as_uri())
    pages = await page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pages)) == len(places)
    assert (
        await page.evaluate("[...document.querySelectorAll('.sheet')].filter((one) => one.scrollHeight > one.clientHeight + 1).length") == 0
    )
    assert [address for address in asked if not address.startswith("file:")] == []
    await page.close()


async def test_sheets_need_a_public_address_and_buildings(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_for(site.app.settings.DATABASE_URL, tmp_path)
    assert await print_posters(settings, tmp_path / "none.html") == 2
    settings = settings_for(site.app.settings.DATABASE_URL, tmp_path, PUBLIC_URL="https://qing.example")
    assert await print_posters(settings, tmp_path / "none.html", "G99") == 1
    empty = settings_for(f"sqlite+aiosqlite:///{tmp_path}/empty.db", tmp_path, PUBLIC_URL="https://qing.example")
    assert await print_posters(empty, tmp_path / "none.html") == 1
    assert not (tmp_path / "none.html").exists()
    assert "PUBLIC_URL" in capsys.readouterr().err


# -- old browsers ---------------------------------------------------------------------------------------------------------
NEWER_THAN_CHROMIUM_86 = {
    ".js": (
        r"\.at\(", r"\?\?=", r"\|\|=", r"&&=", r"structuredClone", r"\.findLast", r"\.replaceAll\(/", r"Object\.hasOwn", r"\bstatic \{", r"^await ", r"\.toSorted",
        r"AbortSignal\.timeout", r"crypto\.randomUUID\(\)", r"\.showPicker\(", r"\bnew Error\([^)]*cause", r"#\w+ in ",
    ),
    ".css": (r"^\s*inset:", r"@layer", r"@container", r"^\s*&", r"light-dark\(", r"oklch\(", r":is\(", r":where\("),
}  # fmt: skip


@pytest.mark.parametrize(
    "file", sorted({*WEB.glob("static/*.js"), *WEB.glob("static/chat/*.js"), *WEB.glob("static/*.css")}), ids=lambda file: file.name
)
async def test_the_page_uses_nothing_that_wechats_browser_lacks(file: Path) -> None:
    code = file.read_text("utf-8")
    found = [pattern for pattern in NEWER_THAN_CHROMIUM_86[file.suffix] if re.search(pattern, code, re.MULTILINE)]
    assert found == []


async def test_what_is_measured_in_new_units_has_an_old_one_before_it() -> None:
    lines = (WEB / "static" / "chat.css").read_text("utf-8").split("\n")
    for before, line in zip(lines, lines[1:], strict=False):
        if "dvh" in line:
            assert before == line.replace("dvh", "vh")
        if "color-mix(" in line:
            assert before.partition(":")[0] == line.partition(":")[0]
