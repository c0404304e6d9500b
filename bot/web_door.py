"""The pages and paths of the web chat for real people: the door's address, the chat, its history and files (docs/webchat.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from bot.platforms.local_frames import BadFrame
from bot.platforms.web_chat import WebPlatform
from services import building_doors
from services.context import Ground, ground
from services.media import store
from texts.render import text

WEB = Path(__file__).resolve().parent.parent / "web"
_LOADER = jinja2.FileSystemLoader(WEB / "templates")
_TEMPLATES = jinja2.Environment(loader=_LOADER, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
_PRIVATE = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}


def page(template: str, **values: Any) -> str:
    """A page of web/templates, filled."""
    return _TEMPLATES.get_template(template).render(**values)


def door_routes(site: web.Application, chat: WebPlatform) -> None:
    """Put the paths of the web chat into the site."""
    pages = _DoorPages(chat)
    site.router.add_get("/", pages.page)
    site.router.add_get("/d/{word:[0-9A-Za-z]{1,32}}", pages.open_door)
    site.router.add_get("/chat/me", pages.me)
    site.router.add_get("/chat/chats", pages.chats)
    site.router.add_get("/chat/history", pages.history)
    site.router.add_get("/chat/media/{sha256:[0-9a-f]{64}}", pages.media)
    site.router.add_get("/chat/ws", pages.socket)


class _DoorPages:
    def __init__(self, chat: WebPlatform) -> None:
        self.chat = chat

    async def page(self, request: web.Request) -> web.Response:
        """The chat. Whoever comes for the first time gets the device cookie."""
        if not self.chat.may_enter(request):
            return self._full()
        land = await self._ground()
        shown = page("chat.html", demo=False, community=land.name if land else "")
        response = web.Response(text=shown, content_type="text/html", headers={"Cache-Control": "no-cache"})
        self.chat.remember(request, response)
        return response

    async def open_door(self, request: web.Request) -> web.Response:
        """What the code on a building's door opens: the chat, which is told where one stands. An unknown word opens the chat too."""
        land = await self._ground()
        place = building_doors.place_of(land, request.match_info["word"]) if land else None
        if not self.chat.may_enter(request, place.id if place else ""):
            return self._full()
        response = web.Response(
            status=303, headers={"Location": f"/?start=door-{place.door}" if place else "/", "Cache-Control": "no-store"}
        )
        self.chat.remember(request, response)
        return response

    async def me(self, request: web.Request) -> web.Response:
        """Who the device is to others, and what stands at the head of the page. 401 where the browser keeps no cookie."""
        persona = await self.chat.here(request)
        land = await self._ground()
        place = building_doors.place_of(land, request.query.get("door", "")) if land else None
        who = {"id": await self.chat.speaker(persona), "community": land.name if land else "", "place": place.name if place else ""}
        return _json(who)

    async def chats(self, request: web.Request) -> web.Response:
        return _json(await self.chat.titles(await self.chat.here(request)))

    async def history(self, request: web.Request) -> web.Response:
        try:
            return _json(await self.chat.history(await self.chat.here(request), request.query.get("chat", "private")))
        except BadFrame as error:
            raise web.HTTPNotFound(text="no such chat") from error

    async def media(self, request: web.Request) -> web.Response:
        sha256 = request.match_info["sha256"]
        if not await self.chat.media_of(await self.chat.here(request), request.query.get("message", ""), sha256):
            raise web.HTTPNotFound
        response = media_response(sha256)
        response.headers["Cache-Control"] = "private, max-age=86400, immutable"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket, for our own page alone: a browser says which site's page opens it."""
        if request.headers.get("Origin", "") not in (self.chat.origin, f"{request.scheme}://{request.host}"):
            raise web.HTTPForbidden(text="another site's page may not speak here")
        return await self.chat.serve(request)

    async def _ground(self) -> Ground | None:
        try:
            async with self.chat.database.transaction() as session:
                return await ground(session)
        except LookupError:
            return None

    @staticmethod
    def _full() -> web.Response:
        shown = page("full.html", words=[text("door.full", {}, language) for language in ("zh_CN", "en")])
        return web.Response(status=429, text=shown, content_type="text/html", headers={"Retry-After": "600", "Cache-Control": "no-store"})


def _json(data: Any) -> web.Response:
    return web.json_response(data, headers=_PRIVATE, dumps=lambda value: json.dumps(value, ensure_ascii=False))


def media_response(sha256: str) -> web.Response:
    """A stored file, shown and never run. Raises HTTPNotFound."""
    try:
        data = store.read(sha256)
    except FileNotFoundError as error:
        raise web.HTTPNotFound from error
    return web.Response(
        body=data, content_type=_mime(data), headers={"Content-Disposition": "inline", "Content-Security-Policy": "sandbox"}
    )


_MAGIC = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"\x1aE\xdf\xa3": "audio/webm",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"RIFF": "audio/wav",
}


def _mime(data: bytes) -> str:
    for magic, mime in _MAGIC.items():
        if data.startswith(magic):
            return mime
    return "audio/mp4" if data[4:8] == b"ftyp" else "application/octet-stream"
