"""The durable way out: sends outbox rows in order per chat, within the platform's limits, each failure by its own rule (design.md §2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from bot.leases import Leases
from bot.limits import Limits
from bot.platforms.base import Blocked, ChatMoved, Media, MessageGone, NotSent, Platform, Refused, RetryAfter, SendError, Uncertain
from models import AnonymousToken, Chat, ChatAccount, ExportFile, OutboxMessage
from models import Media as StoredMedia
from models.database import STORAGE_ERRORS, Database, describe
from services import identity
from services.clock import Clock
from services.media import store
from services.post import Urgency
from texts.render import Rendered, render, text
from texts.screen import Screen

BATCH = 100
MOST_IN_FLIGHT = 16
MOST_ATTEMPTS = 12
UNWANTED = timedelta(hours=24)
UNREACHABLE = 30.0

log = structlog.get_logger("outbox")
_OUT: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]
_CHAT: sa.Table = Chat.__table__  # type: ignore[attr-defined]

# The statements of every message, made once: making one costs more than running it. The states stand in the first as the index on
# open rows says them, so that SQLite uses that index.
_DUE = (
    sa.select(_OUT, _CHAT.c.address, _CHAT.c.kind.label("kind_of_chat"))
    .outerjoin(_CHAT, _CHAT.c.id == _OUT.c.chat_id)
    .where(
        _OUT.c.platform == sa.bindparam("platform"), _OUT.c.bot == sa.bindparam("bot"), sa.text("outbox.state IN ('pending','sending')"),
        _OUT.c.state == "pending", _OUT.c.send_after <= sa.bindparam("now"),
        sa.or_(_OUT.c.kind == "toast", _OUT.c.chat_id.is_(None), _OUT.c.chat_id.not_in(sa.bindparam("closed", expanding=True))),
    )
    .order_by(sa.case((_OUT.c.urgency <= Urgency.URGENT, 0), else_=1), _OUT.c.id)
    .limit(BATCH)
)  # fmt: skip
_SENDING = (
    sa.update(_OUT)
    .where(_OUT.c.id.in_(sa.bindparam("rows", expanding=True)), _OUT.c.state == "pending")
    .values(state="sending", attempts=_OUT.c.attempts + 1)
    .returning(_OUT.c.id)
)
_SENT = (
    sa.update(_OUT)
    .where(_OUT.c.id == sa.bindparam("row"), _OUT.c.state == "sending")
    .values(state="sent", message_id=sa.bindparam("message"), sent_at=sa.bindparam("now"), body=sa.null(), error="")
)
_MENU = sa.update(_CHAT).where(_CHAT.c.id == sa.bindparam("chat")).values(menu=sa.bindparam("shown"), menu_message=sa.bindparam("message"))


@dataclass
class _Outcome:
    """What became of one row, written together with others in one commit."""

    row: Any
    state: str
    message_id: str = ""
    error: str = ""
    uncertain: bool | None = None
    menu: list[list[str]] | None = None
    extra: Callable[[Any], Any] | None = None
    again_as: str = ""


@dataclass
class Relay:
    """Sends for one bot of one platform; one process at a time holds its lease."""

    database: Database
    clock: Clock
    platform: Platform
    leases: Leases
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    on_dead: Callable[[int], None] = lambda number: None

    def __post_init__(self) -> None:
        self.limits = Limits(self.platform.capabilities)
        self._busy: dict[str, int] = {}  # lane → the look at which it was taken
        self._sending: set[asyncio.Task[None]] = set()
        self._outcomes: list[_Outcome] = []
        self._flushing: asyncio.Lock = asyncio.Lock()
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._stepping = asyncio.Lock()
        self._held: dict[str, float] = {}
        self._looks = 0
        self._left_over = 0
        self._stopping = False
        self._leading_until = 0.0
        self.sent = 0
        self.rest = 0.5

    # -- waiting for a delivery -------------------------------------------------------------------------------
    async def delivered(self, ids: Sequence[int]) -> None:
        """Wait until these rows have reached an end (sent, dead, superseded) or are held for later."""
        futures = []
        for number in ids:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(number, []).append(future)
            futures.append(future)
        async with self.database.connection() as connection:
            open_rows = set(
                (
                    await connection.execute(
                        sa.select(_OUT.c.id).where(
                            *self._mine(),
                            _OUT.c.id.in_(ids),
                            _OUT.c.state.in_(("pending", "sending")),
                            _OUT.c.send_after <= self.clock.now(),
                        )
                    )
                ).scalars()
            )
        for number in set(ids) - open_rows:
            self._over(number)
        self.wake.set()
        await asyncio.gather(*futures)

    def _over(self, number: int) -> None:
        for future in self._waiting.pop(number, []):
            if not future.done():
                future.set_result(None)

    def forget(self) -> None:
        """The store was emptied: nothing that was waited for will come."""
        for number in list(self._waiting):
            self._over(number)

    async def idle(self) -> bool:
        """Whether nothing is due or in flight here."""
        async with self.database.connection() as connection:
            due = await connection.execute(
                sa.select(_OUT.c.id)
                .where(*self._mine(), _OUT.c.state.in_(("pending", "sending")), _OUT.c.send_after <= self.clock.now())
                .limit(1)
            )
            return due.first() is None and not self._sending

    # -- the loop ---------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Send what is due until `stop`."""
        while not self._stopping:
            try:
                async with self._stepping:
                    wait = 1.0 if self._stopping else await self._step()
            except STORAGE_ERRORS as error:
                log.warning("outbox.unreachable", error=describe(error))
                wait = 1.0
            except Exception as error:  # whatever it is, the next message must still leave
                log.error("outbox.step_failed", error=describe(error), exc_info=not isinstance(error, sa.exc.SQLAlchemyError))
                wait = 1.0
            if wait > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), wait)

    async def stop(self) -> None:
        """Take no more; finish what is in flight and write down what became of it."""
        self._stopping = True
        self.wake.set()
        async with self._stepping:
            pass
        if self._sending:
            await asyncio.wait(self._sending, timeout=UNREACHABLE)
        with suppress(*STORAGE_ERRORS):
            await self._write_outcomes()
            await self.leases.release(self._lease)

    @property
    def _lease(self) -> str:
        return f"relay:{self.platform.name}:{self.platform.bot}"

    @property
    def _once(self) -> bool:
        """Whether the platform delivers a send with the same key once only: then sending again harms nobody and needs no mark."""
        return bool(getattr(self.platform, "sends_once", False))

    def _mine(self) -> tuple[Any, ...]:
        return _OUT.c.platform == self.platform.name, _OUT.c.bot == self.platform.bot

    async def _lead(self) -> bool:
        now = time.monotonic()
        if now < self._leading_until:
            return True
        fresh = self._leading_until == 0.0 or now > self._leading_until + 10.0
        if not await self.leases.hold(self._lease):
            self._leading_until = 0.0
            return False
        self._leading_until = now + 5.0
        if fresh:
            await self._adopt_orphans()
        return True

    async def _adopt_orphans(self) -> None:
        """Rows that a dead process was sending: nobody knows whether they arrived. Their own policy decides."""
        async with self.database.connection() as connection:
            await connection.execute(
                sa.update(_OUT)
                .where(*self._mine(), _OUT.c.state == "sending", _OUT.c.kind == "toast")
                .values(state="superseded", body=sa.null())
            )
            again = sa.or_(_OUT.c.uncertain.is_(False), _OUT.c.kind != "send", sa.literal(self._once))
            await connection.execute(
                sa.update(_OUT)
                .where(*self._mine(), _OUT.c.state == "sending", _OUT.c.policy == "resend", again)
                .values(state="pending", uncertain=not self._once)
            )
            await connection.execute(
                sa.update(_OUT)
                .where(*self._mine(), _OUT.c.state == "sending")
                .values(state="dead", error="never answered, and not to be sent twice", body=sa.null())
            )

    async def _step(self) -> float:
        """Start what may start now; the seconds to wait before looking again."""
        self.wake.clear()
        self._looks += 1
        if not await self._lead():
            return 2.0
        room = MOST_IN_FLIGHT - len(self._sending)
        if room <= 0:
            return 0.5
        moment = time.monotonic()
        self._held = {lane: until for lane, until in self._held.items() if until > moment}
        earliest = min([self.rest, *(until - moment for until in self._held.values())])
        # A chat that may not get its next message yet must not hide the others behind its queue.
        closed = [*self._busy, *self._held]
        chosen: dict[str, Any] = {}
        superseded: list[int] = []
        async with self.database.connection() as connection:
            asked = {"platform": self.platform.name, "bot": self.platform.bot, "now": self.clock.now(), "closed": closed}
            due = (await connection.execute(_DUE, asked)).all()
            if not due:
                return max(earliest, 0.001)
            latest_edit = {(row.chat_id, row.card): row.id for row in due if row.kind == "edit" and row.card}
            for row in due:
                if row.kind == "edit" and row.card and latest_edit[row.chat_id, row.card] != row.id:
                    superseded.append(row.id)
                    continue
                lane = _lane(row)
                if lane in self._busy or lane in chosen or len(chosen) >= room:
                    continue
                if row.address:
                    key, group = (lane, False) if row.kind == "toast" else self.platform.rate_key(row.address)
                    ready = self.limits.ready_at(key, group, moment)
                    if ready > moment:
                        earliest = min(earliest, ready - moment)
                        self._held[lane] = ready
                        chosen[lane] = None
                        continue
                    if row.kind != "toast":
                        self.limits.take(key, group, moment)
                chosen[lane] = row
            taken = [row for row in chosen.values() if row is not None]
            if superseded:
                await connection.execute(sa.update(_OUT).where(_OUT.c.id.in_(superseded)).values(state="superseded", body=sa.null()))
            if taken:
                # Whoever woke up late takes nothing that another process has begun to send in the meantime.
                mine = await connection.execute(_SENDING, {"rows": [row.id for row in taken]})
                still = set(mine.scalars())
                taken = [row for row in taken if row.id in still]
        for number in superseded:
            self._over(number)
        for row in taken:
            self._busy[_lane(row)] = self._looks
            task = asyncio.create_task(self._send(row))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        left = len(due) - len(superseded) - len(taken)
        if left:
            self._left_over = self._looks
        if len(due) == BATCH and (not left or any(row is None for row in chosen.values())):
            return 0.0  # there may be more; where all that was seen is of chats that must wait, look behind them
        return max(earliest, 0.001)

    # -- one message ------------------------------------------------------------------------------------------
    async def _send(self, row: Any) -> None:
        lane = _lane(row)
        try:
            outcome = await self._deliver(row)
        except Exception as error:
            log.error("outbox.failed", row=row.id, error=describe(error), exc_info=True)
            outcome = _Outcome(row, "dead", error=describe(error))
        self._outcomes.append(outcome)
        try:
            await self._write_outcomes()
        except STORAGE_ERRORS as error:
            log.warning("outbox.unreachable", error=describe(error))
            asyncio.get_running_loop().call_later(1.0, lambda: asyncio.ensure_future(self._retry_outcomes()))
        finally:
            look = self._busy.pop(lane, 0)
            # Only a look that saw this lane closed can have left something behind in it.
            if self._looks != look or self._left_over >= look or outcome.state == "pending":
                self.wake.set()

    async def _retry_outcomes(self) -> None:
        try:
            await self._write_outcomes()
        except STORAGE_ERRORS:
            if not self._stopping:
                asyncio.get_running_loop().call_later(1.0, lambda: asyncio.ensure_future(self._retry_outcomes()))

    async def _deliver(self, row: Any) -> _Outcome:
        address = await self._address(row)
        if address is None:
            return _Outcome(row, "dead", error="no address: the chat is gone, or the sealed address was destroyed")
        try:
            message_id, menu = await asyncio.shield(self._call(row, address))
        except RetryAfter as error:
            key = _lane(row) if row.kind == "toast" else self.platform.rate_key(address)[0]
            self.limits.pause(key, time.monotonic() + error.seconds, error.everywhere)
            return _Outcome(row, "pending", error=str(error))
        except (NotSent, Uncertain, Refused, MessageGone, Blocked) as error:
            if row.kind == "toast":  # the moment for it has passed, and nobody misses it
                return _Outcome(row, "superseded", error=str(error))
            return self._failed(row, address, error)
        except ChatMoved as error:
            if row.attempts + 1 >= MOST_ATTEMPTS:
                return _Outcome(row, "dead", error=str(error))
            given = self.platform.name, self.platform.bot, address.partition("/")[0], error.new_chat_id
            return _Outcome(row, "pending", error=str(error), extra=lambda session: identity.move_chat(session, *given))
        self.sent += 1
        return _Outcome(row, "sent", message_id=message_id, menu=menu)

    def _failed(self, row: Any, address: str, failure: SendError) -> _Outcome:
        """What becomes of a message that did not go out, or of which nobody knows whether it did."""
        match failure:
            case NotSent():
                # Surely not delivered, so sending it again doubles nothing: it is given up only when nobody would want it any more.
                if self.clock.now() - row.send_after >= UNWANTED:
                    return _Outcome(row, "dead", error=str(failure))
                self._rest(address, 0.25 * 2 ** min(row.attempts, 10))
                return _Outcome(row, "pending", error=str(failure))
            case Uncertain():
                again = row.policy == "resend" and (not row.uncertain or row.kind != "send" or self._once)
                if again and row.attempts + 1 < MOST_ATTEMPTS:
                    # What broke this answer off (a gateway that restarts) breaks the next one off too, and there is one more try alone.
                    self._rest(address, 2.0 * 2 ** min(row.attempts, 10))
                    return _Outcome(row, "pending", error=str(failure), uncertain=True)
                return _Outcome(row, "dead", error=f"unanswered: {failure}", uncertain=True)
            case Blocked():
                return _Outcome(row, "dead", error=f"blocked: {failure}", extra=lambda session: _mark_blocked(session, row))
            case MessageGone() if row.kind == "edit":
                return _Outcome(row, "pending", error=str(failure), again_as="send")
            case MessageGone():
                return _Outcome(row, "superseded", error=str(failure))
        return _Outcome(row, "dead", error=f"refused: {failure}")

    def _rest(self, address: str, seconds: float) -> None:
        key, _ = self.platform.rate_key(address)
        self.limits.pause(key, time.monotonic() + min(UNREACHABLE, seconds))

    async def _address(self, row: Any) -> str | None:
        if row.token_id is None:
            return str(row.address) if row.address else None
        async with self.database.transaction() as session:
            token = await session.get(AnonymousToken, row.token_id)
            return token.return_address.split("\n", 3)[2] if token and token.return_address else None

    async def _call(self, row: Any, address: str) -> tuple[str, list[list[str]] | None]:
        can = self.platform.capabilities
        if row.kind == "toast":
            shown = Screen.from_json(row.body["screen"]) if row.body["screen"] else None
            said = render(shown, row.language, can).text[: can.toast_limit] if shown else ""
            await self.platform.toast(address, row.body["press"], said)
            return "", None
        if row.kind == "clear":
            await self.platform.clear(address, row.message_id)
            return row.message_id, None
        screen = Screen.from_json(row.body)
        message = render(screen, row.language, can)
        if row.uncertain and row.kind == "send":
            message = _marked(message, text("outbox.again", {}, row.language))
        menu = [list(entry) for entry in message.menu] or (None if can.buttons else [])
        if row.kind == "edit":
            target = row.message_id or await self._card_message(row)
            if target and can.edits:
                await self.platform.edit(address, target, message)
                return target, menu if row.message_id else None
            if not row.message_id:
                return "", None
        media = await self._media(screen)
        return await self.platform.send(address, message, media=media, key=f"out:{row.id}"), menu

    async def _card_message(self, row: Any) -> str:
        async with self.database.connection() as connection:
            found = await connection.execute(
                sa.select(_OUT.c.message_id)
                .where(_OUT.c.chat_id == row.chat_id, _OUT.c.card == row.card, _OUT.c.state == "sent", _OUT.c.message_id != "")
                .order_by(_OUT.c.sent_at.desc(), _OUT.c.id.desc())
                .limit(1)
            )
            return found.scalar() or ""

    async def _media(self, screen: Screen) -> tuple[Media, ...]:
        if not screen.media:
            return ()
        async with self.database.transaction() as session:
            rows = list(await session.scalars(sa.select(StoredMedia).where(StoredMedia.id.in_(screen.media)).order_by(StoredMedia.id)))  # type: ignore[attr-defined]
            made = await session.execute(sa.select(ExportFile.media_id, ExportFile.name).where(ExportFile.media_id.in_(screen.media)))  # type: ignore[attr-defined,call-overload]
        names = {row.media_id: row.name for row in made}
        files = []
        for row in rows:
            try:
                name = names.get(row.id) or f"{row.id}.{row.mime.partition('/')[2]}"
                files.append(Media(await asyncio.to_thread(store.read, row.sha256), row.mime, name))
            except FileNotFoundError:
                log.warning("media.missing", media=row.id)
        return tuple(files)

    # -- writing down -----------------------------------------------------------------------------------------
    async def _write_outcomes(self) -> None:
        async with self._flushing:
            if not self._outcomes:
                return
            outcomes, self._outcomes = self._outcomes, []
            try:
                async with self.database.transaction() as session:
                    for outcome in outcomes:
                        await self._write(session, outcome)
            except (*STORAGE_ERRORS, asyncio.CancelledError):
                self._outcomes = outcomes + self._outcomes
                raise
            except Exception as error:
                log.error("outbox.outcomes_failed", error=describe(error))
                await self._write_each(outcomes)
        for outcome in outcomes:
            if outcome.state == "dead":
                log.warning("outbox.dead", row=outcome.row.id, kind=outcome.row.kind, error=outcome.error)
                self.on_dead(outcome.row.id)
            if outcome.state in ("sent", "dead", "superseded"):
                self._over(outcome.row.id)

    async def _write_each(self, outcomes: Sequence[_Outcome]) -> None:
        """One by one, so that one that cannot be written does not spoil it for the others."""
        for outcome in outcomes:
            try:
                async with self.database.transaction() as session:
                    await self._write(session, outcome)
            except STORAGE_ERRORS:
                self._outcomes.append(outcome)
            except Exception as error:
                outcome.state, outcome.error, outcome.extra, outcome.menu = "dead", describe(error), None, None
                async with self.database.transaction() as session:
                    await self._write(session, outcome)

    async def _write(self, session: Any, outcome: _Outcome) -> None:
        row = outcome.row
        values: dict[str, Any] = {"state": outcome.state, "error": outcome.error[:500]}
        if outcome.uncertain is not None:
            values["uncertain"] = outcome.uncertain
        if outcome.state == "sent":
            values |= {"message_id": outcome.message_id, "sent_at": self.clock.now(), "body": sa.null()}
        if outcome.again_as:
            values |= {"kind": outcome.again_as, "message_id": ""}
        if outcome.uncertain is None and not outcome.again_as and outcome.state == "sent":
            await session.execute(_SENT, {"row": row.id, "message": outcome.message_id, "now": values["sent_at"]})
        else:
            await session.execute(sa.update(_OUT).where(_OUT.c.id == row.id, _OUT.c.state == "sending").values(**values))
        if outcome.menu is not None and row.chat_id and row.kind in ("send", "edit") and row.kind_of_chat == "private":
            await session.execute(_MENU, {"chat": row.chat_id, "shown": outcome.menu, "message": outcome.message_id})
        if outcome.extra is not None:
            await outcome.extra(session)


async def _mark_blocked(session: Any, row: Any) -> None:
    if row.chat_id is None:
        return
    await session.execute(sa.update(ChatAccount).where(ChatAccount.private_chat_id == row.chat_id).values(blocked=True))
    await session.execute(sa.update(Chat).where(Chat.id == row.chat_id, Chat.kind != "private").values(blocked=True))  # type: ignore[arg-type]


def _lane(row: Any) -> str:
    if row.kind == "toast":
        return f"toast:{row.id}"
    return row.chat_id or f"token:{row.token_id}"


def _marked(message: Rendered, mark: str) -> Rendered:
    return Rendered(f"{message.text}\n{mark}", message.buttons, message.media, message.ask_location, message.menu)
