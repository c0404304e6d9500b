"""The aiohttp application: webhooks, health, readiness, metrics, and the pages of web/."""

from __future__ import annotations

import hmac
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlmodel import col

from bot.demo import Backward, RealClock
from bot.platforms.local_frames import BadFrame
from bot.web_door import WEB, door_routes, media_response, page
from models import InboxMessage, OutboxMessage
from models.database import STORAGE_ERRORS
from services import meeting_calendar
from services.context import ground
from services.workdays import local

if TYPE_CHECKING:
    from bot.main import Application

_CSP = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def make_web(application: Application) -> web.Application:
    """The web application of this process. The paths of the demo exist in demo mode alone."""
    site = web.Application(middlewares=[_safe], client_max_size=1024 * 1024)
    pages = _Pages(application)
    site.router.add_get("/livez", pages.livez)
    site.router.add_get("/readyz", pages.readyz)
    if application.settings.METRICS_TOKEN is not None:
        site.router.add_get("/metrics", pages.metrics)
    site.router.add_get("/calendar/{name:[0-9a-z]{16}\\.[0-9A-Za-z_-]{22}}.ics", pages.calendar)
    for platform in application.platforms.values():
        if (routes := getattr(platform, "webhook_routes", None)) is not None:
            site.router.add_routes(routes())
    if application.web_chat is not None:
        door_routes(site, application.web_chat)
    if application.demo is not None:
        assert application.local is not None
        site.router.add_get("/", pages.chat)
        site.router.add_get("/demo/personas", pages.personas)
        site.router.add_get("/demo/chats", pages.chats)
        site.router.add_get("/demo/plan", pages.plan)
        site.router.add_get("/demo/clock", pages.clock)
        site.router.add_post("/demo/clock", pages.move_clock)
        site.router.add_post("/demo/reset", pages.reset)
        site.router.add_get("/demo/history", pages.history)
        site.router.add_get("/demo/media/{sha256:[0-9a-f]{64}}", pages.media)
        site.router.add_get("/demo/ws", pages.socket)
    if application.local is not None:
        site.router.add_static("/static", WEB / "static")
    return site


@web.middleware
async def _safe(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    if not isinstance(response, web.WebSocketResponse):
        response.headers.setdefault("Content-Security-Policy", _CSP)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        if request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "no-cache")
    return response


def _json(data: Any, status: int = 200) -> web.Response:
    return web.json_response(data, status=status, dumps=lambda value: json.dumps(value, ensure_ascii=False))


def _own_origin(request: web.Request) -> None:
    """Refuse what another site's page sends through the reader's browser."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise web.HTTPForbidden(text="another site's page may not drive the demo")


class _Pages:
    def __init__(self, application: Application) -> None:
        self.application = application

    # -- health -----------------------------------------------------------------------------------------------
    async def livez(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(self, _request: web.Request) -> web.Response:
        try:
            async with self.application.database.connection() as connection:
                await connection.execute(sa.text("SELECT 1"))
        except STORAGE_ERRORS:
            return web.Response(status=503, text="the database does not answer\n", headers={"Retry-After": "5"})
        return web.Response(text="ready\n")

    async def metrics(self, request: web.Request) -> web.Response:
        token = self.application.settings.METRICS_TOKEN
        assert token is not None
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
            raise web.HTTPUnauthorized
        registry = CollectorRegistry()
        inbox = Gauge("inbox_messages", "Inbox rows by state", ["state"], registry=registry)
        outbox = Gauge("outbox_messages", "Outbox rows by state", ["state"], registry=registry)
        Gauge("inbox_duplicates_total", "Updates that came again", registry=registry).set(self.application.inbox.duplicates)
        async with self.application.database.connection() as connection:
            for gauge, state in ((inbox, col(InboxMessage.state)), (outbox, col(OutboxMessage.state))):
                for name, count in await connection.execute(sa.select(state, sa.func.count()).group_by(state)):
                    gauge.labels(name).set(count)
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def calendar(self, request: web.Request) -> web.Response:
        """A person's meetings for a calendar program; the name is the key (services/meeting_calendar.py)."""
        async with self.application.database.transaction() as session:
            data = await meeting_calendar.feed(session, request.match_info["name"], self.application.clock.now())
        if data is None:
            raise web.HTTPNotFound
        return web.Response(body=data, content_type="text/calendar", charset="utf-8", headers={"Cache-Control": "private, max-age=900"})

    # -- the demo ---------------------------------------------------------------------------------------------
    @property
    def _desk(self) -> Any:
        return self.application.demo

    @property
    def _chat(self) -> Any:
        return self.application.local

    async def chat(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=page("chat.html", demo=True), content_type="text/html", headers={"Cache-Control": "no-cache"})

    async def personas(self, _request: web.Request) -> web.Response:
        await self._chat.refresh()
        return _json([{"id": p.id, "name": p.name, "roles": p.roles, "chats": p.chats} for p in self._chat.people.values()])

    async def chats(self, request: web.Request) -> web.Response:
        persona = await self._persona(request)
        return _json(await self._chat.titles(persona))

    async def plan(self, _request: web.Request) -> web.Response:
        async with self.application.database.transaction() as session:
            land = await ground(session)
        return _json({
            "community": land.name,
            "grids": [{"code": grid.code, "name": grid.name, "polygon": grid.polygon} for grid in land.grids.values()],
            "places": [
                {"name": place.name, "lat": place.lat, "lon": place.lon, "kind": place.kind, "grid": place.grid_code}
                for place in land.places.values()
            ],
        })  # fmt: skip

    def _clock_now(self) -> dict[str, Any]:
        clock = self._desk.clock
        return {"now": local(self.application.clock.now()).isoformat(timespec="seconds"), "running": clock.running if clock else True}

    async def clock(self, _request: web.Request) -> web.Response:
        return _json(self._clock_now())

    async def move_clock(self, request: web.Request) -> web.Response:
        _own_origin(request)
        data = await _body(request)
        running = data.get("running")
        if running is not None and not isinstance(running, bool):
            raise web.HTTPBadRequest(text="running is true or false")
        try:
            await self._desk.move(_moment(data.get("now")), running)
        except Backward:
            return _json({"error": "the clock only goes forward", **self._clock_now()}, 409)
        except RealClock:
            return _json({"error": "with a token the clock is the real one", **self._clock_now()}, 409)
        return _json(self._clock_now())

    async def reset(self, request: web.Request) -> web.Response:
        _own_origin(request)
        data = await _body(request)
        try:
            await self._desk.reset(_moment(data.get("now")))
        except RealClock:
            return _json({"error": "with a token the clock is the real one", **self._clock_now()}, 409)
        return _json(self._clock_now())

    async def history(self, request: web.Request) -> web.Response:
        persona = await self._persona(request)
        try:
            return _json(await self._chat.history(persona, request.query.get("chat", "private")))
        except BadFrame as error:
            raise web.HTTPNotFound(text=str(error)) from error

    async def media(self, request: web.Request) -> web.Response:
        return media_response(request.match_info["sha256"])

    async def socket(self, request: web.Request) -> web.StreamResponse:
        _own_origin(request)
        response: web.StreamResponse = await self._chat.serve(request)
        return response

    async def _persona(self, request: web.Request) -> Any:
        persona = await self._chat.persona(request.query.get("persona", ""))
        if persona is None:
            raise web.HTTPNotFound(text="unknown persona")
        return persona


async def _body(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    try:
        data = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise web.HTTPBadRequest(text="a JSON object is wanted")
    return data


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise web.HTTPBadRequest(text="now is an ISO 8601 time with its zone, such as 2026-11-23T08:00:00+08:00") from error
    if moment.tzinfo is None:
        raise web.HTTPBadRequest(text="now needs its zone, such as +08:00")
    return moment
