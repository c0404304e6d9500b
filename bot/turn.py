"""One turn, from an inbox row to one commit (design.md §2): who, where in the dialog, the handler, the services, the history, the outbox,
the inbox row done. A handler that raises leaves nothing behind; after three tries the row is put aside and the person gets one apology."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from bot import identity_numbers
from bot.events import Document, Event, Moved, Photo, Press, Text, Voice
from bot.inbox import Taken
from bot.platforms.base import NotSent, Platform, Refused
from bot.router import KEEP, Reply, Router
from models import Conversation, Draft, InboxMessage, OutboxMessage, keyring
from models.database import STORAGE_ERRORS, Away, Database, describe, session_on
from services import identity, photos
from services.clock import Clock
from services.context import Context, Refusal, ground
from services.owners import is_dead, new_owner
from services.post import Urgency
from texts.screen import Screen, screen
from texts.utterances import normalise, recognise

LEASE_SECONDS = 60.0
ATTEMPTS = 3
BATCH = 32
BACKOFF = (0.0, 0.2, 1.0, 3.0)
VOICE_BYTES = 10 * 1024 * 1024
DOCUMENT_BYTES = 2 * 1024 * 1024
LOOK_SECONDS = 5.0
CLAIM_SECONDS = 0.2
LAST_SECONDS = 10.0

log = structlog.get_logger("turn")


class Fenced(Exception):
    """Another process has taken this row over: whatever this turn did must not be committed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One claimed inbox row. `raw` is the update: sealed as it was stored, or as it came when it was taken at the door."""

    id: int
    platform: str
    bot: str
    raw: bytes | Taken | None
    attempts: int
    token: str

    @property
    def cause(self) -> str:
        return f"in:{self.id}"


class Turns:
    """Takes inbox rows and runs their turns. `on_posted` gets the outbox rows of every commit, with the cause."""

    def __init__(self, database: Database, clock: Clock, router: Router, platforms: Mapping[tuple[str, str], Platform]) -> None:
        self.database, self.clock, self.router, self.platforms = database, clock, router, platforms
        self.on_posted: Callable[[Sequence[OutboxMessage]], None] = lambda rows: None
        self.wake = asyncio.Event()
        self._finished: dict[int, list[asyncio.Future[list[int]]]] = {}
        self.owner = new_owner()
        self._working = asyncio.Lock()
        self._fetching: dict[int, asyncio.Task[None]] = {}
        self._owed: list[tuple[Row, str]] = []
        self._given: list[Row] = []
        self._next_look = self._next_claim = 0.0
        self._stopping = False

    # -- waiting for a turn -----------------------------------------------------------------------------------
    async def finished(self, inbox_id: int) -> list[int]:
        """Wait until this row's turn is over (done or put aside); the ids of the outbox rows it posted."""
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._finished.setdefault(inbox_id, []).append(future)
        async with self.database.connection() as connection:
            state = (await connection.execute(sa.select(_INBOX.c.state).where(_INBOX.c.id == inbox_id))).scalar()
            if state in ("done", "quarantined"):
                causes = sa.select(_OUTBOX.c.id).where(_OUTBOX.c.cause.in_((f"in:{inbox_id}", f"sorry:{inbox_id}")))
                self._over(inbox_id, list((await connection.execute(causes)).scalars()))
        return await future

    def _over(self, inbox_id: int, posted: list[int]) -> None:
        for future in self._finished.pop(inbox_id, []):
            if not future.done():
                future.set_result(posted)

    # -- the loop ---------------------------------------------------------------------------------------------
    def lease(self) -> tuple[str, float] | None:
        """The token and the end of a lease under which the inbox may store rows as taken by this process; None while it stops."""
        return None if self._stopping else (f"{self.owner}|{secrets.token_hex(4)}", time.time() + LEASE_SECONDS)

    def take(self, taken: Sequence[Taken]) -> None:
        """Run the turns of these rows, which the inbox stored under a lease of ours."""
        self._given += [Row(row.id, row.platform, row.bot, row, 1, row.token) for row in taken]
        self.wake.set()

    async def run(self) -> None:
        """Take and run turns until `stop`; what the inbox gave before is run to its end."""
        while not self._stopping or self._given:
            rest = 0.0
            async with self._working:
                try:
                    await self._look_after()
                    rows = await self._next()
                    if rows:
                        await self.run_rows(rows)
                    elif not self._given:
                        rest = 0.5
                except STORAGE_ERRORS as error:
                    log.warning("inbox.unreachable", error=describe(error))
                    rest = 1.0
                except Exception as error:  # whatever it is, the next person's message must still be read
                    log.error("inbox.failed", error=describe(error), exc_info=_safe_trace(error))
                    rest = 1.0
            if rest:
                await _wait(self.wake, rest)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No turn runs during the block."""
        async with self._working:
            if self._fetching:
                await asyncio.wait(self._fetching.values())
            yield

    def forget(self) -> None:
        """The store was emptied: nobody's turn will finish any more."""
        for number in list(self._finished):
            self._over(number, [])

    async def stop(self) -> None:
        """Take no more; wait for what is in flight."""
        self._stopping = True
        self.wake.set()
        async with self._working:
            if self._fetching:
                await asyncio.wait(self._fetching.values(), timeout=LAST_SECONDS)
        for task in list(self._fetching.values()):  # their rows are taken again after the next start
            task.cancel()

    async def run_rows(self, rows: Sequence[Row]) -> None:
        """Run the turns of these rows (each of another lane): together in one commit on SQLite, side by side on PostgreSQL.

        A turn that needs a file from the platform first goes on in the background: the others do not wait for the download.
        """
        ready: list[tuple[Row, Event | None]] = []
        for row in rows:
            try:
                event = await self._parsed(row)
            except Exception as error:
                await self._failed(row, None, error)
                continue
            if row.attempts > ATTEMPTS:
                await self._put_aside(row, event, RuntimeError("the process died in this turn, each time"))
            elif isinstance(event, Photo | Voice | Document):
                task = self._fetching[row.id] = asyncio.create_task(self._with_file(row, event))
                task.add_done_callback(lambda _, number=row.id: self._fetching.pop(number, None))  # type: ignore[misc]
            elif event is not _LATER:
                ready.append((row, event))
        if self.database.sqlite and len(ready) > 1:
            await self._together(ready)
        else:
            await asyncio.gather(*(self._alone(row, event) for row, event in ready))

    async def _next(self) -> list[Row]:
        """What the inbox gave, or what may be claimed. What waits to be claimed gets its turn also while more is given all the time."""
        if self._given and time.monotonic() < self._next_claim:
            given, self._given = self._given[:BATCH], self._given[BATCH:]
            return given
        self._next_claim = time.monotonic() + CLAIM_SECONDS
        return await self.claim()

    async def claim(self) -> list[Row]:
        """The head of every free lane, leased to this process; the attempt is counted before the work, so a crash counts too."""
        self.wake.clear()
        now, token = time.time(), f"{self.owner}|{secrets.token_hex(4)}"
        asked = {"now": now, "fetching": list(self._fetching), "most": BATCH if self.database.sqlite else 8}
        async with self.database.connection() as connection:
            found_heads = (await connection.execute(_HEADS, asked)).all()
            if not found_heads:
                return []
            # What failed or died before is run by itself: it must not take others down with it.
            fresh = list(itertools.takewhile(lambda head: head.attempts == 0, found_heads))
            ids = [head.id for head in fresh or found_heads[:1]]
            rows = await connection.execute(
                sa.update(_INBOX)
                .where(_INBOX.c.id.in_(ids), _INBOX.c.state.in_(("pending", "working")))
                .values(state="working", attempts=_INBOX.c.attempts + 1, lease_token=token, lease_until=now + LEASE_SECONDS)
                .returning(_INBOX.c.id, _INBOX.c.platform, _INBOX.c.bot, _SEALED, _INBOX.c.attempts)
            )
            found = [Row(row.id, row.platform, row.bot, row.raw, row.attempts, token) for row in rows]
            return sorted(found, key=lambda row: row.id)

    async def _look_after(self) -> None:
        """Put back what could not be put back while the database was away, and free at once what a dead process of this host held."""
        while self._owed:
            await self._put_back(*self._owed[-1], 0.0)
            self._owed.pop()
        if (moment := time.monotonic()) < self._next_look:
            return
        self._next_look = moment + LOOK_SECONDS
        async with self.database.connection() as connection:
            held = sa.select(_INBOX.c.lease_token).where(sa.text(_OPEN), _INBOX.c.state == "working").distinct()
            dead = [token for token in (await connection.execute(held)).scalars() if is_dead(token)]
            if dead:
                await connection.execute(
                    sa.update(_INBOX).where(_INBOX.c.state == "working", _INBOX.c.lease_token.in_(dead)).values(lease_until=0.0)
                )

    # -- before the transaction -------------------------------------------------------------------------------
    async def _parsed(self, row: Row) -> Any:
        """The event of a row; `_LATER` when this process cannot read it."""
        platform = self.platforms.get((row.platform, row.bot))
        if platform is None:
            await self._postpone(row, f"no adapter for {row.platform}/{row.bot} in this process", 30.0, counts=False)
            return _LATER
        return platform.parse(row.raw.raw if isinstance(row.raw, Taken) else unsealed(row.raw))

    async def _with_file(self, row: Row, event: Photo | Voice | Document) -> None:
        try:
            ready = await self._fetched(row, event)
        except Exception as error:
            await self._failed(row, event, error)
            return
        if ready is not None:
            await self._alone(row, ready)

    async def _fetched(self, row: Row, event: Photo | Voice | Document) -> Event | None:
        """The event with its file fetched and made safe; None when it must be tried again later."""
        try:
            if isinstance(event, Document) and (event.chat.kind != "private" or event.file.size > DOCUMENT_BYTES):
                return dataclasses.replace(event, problem="too_large")  # what nobody may use is not fetched
            data = await self.platforms[row.platform, row.bot].fetch(event.file)
            if isinstance(event, Photo):
                cleaned = await asyncio.to_thread(photos.clean, data)
                return dataclasses.replace(event, data=cleaned.data)
            if len(data) > (DOCUMENT_BYTES if isinstance(event, Document) else VOICE_BYTES):
                return dataclasses.replace(event, problem="too_large")
            return dataclasses.replace(event, data=data)
        except photos.UnusablePhoto as error:
            return dataclasses.replace(event, problem=error.reason)
        except NotSent as error:
            if row.attempts < ATTEMPTS:
                await self._postpone(row, str(error), BACKOFF[min(row.attempts, 3)])
                return None
            return dataclasses.replace(event, problem="unavailable")
        except Refused:
            return dataclasses.replace(event, problem="unavailable")

    # -- the transaction --------------------------------------------------------------------------------------
    async def _together(self, rows: Sequence[tuple[Row, Event | None]]) -> None:
        done: list[tuple[Row, Context | None]] = []
        failed: list[tuple[Row, Event | None]] = []
        try:
            async with self.database.connection() as connection:
                for row, event in rows:
                    try:
                        done.append((row, await self._turn(connection, row, event, savepoint=True)))
                    except Exception:
                        failed.append((row, event))
        except Exception as error:
            log.warning("turn.batch_failed", error=describe(error))
            done, failed = [], list(rows)
        for row, context in done:
            self._commit(row, context)
        for row, event in failed:
            await self._alone(row, event)

    async def _alone(self, row: Row, event: Event | None) -> None:
        try:
            async with self.database.connection() as connection:
                context = await self._turn(connection, row, event)
        except Refusal as refusal:
            await self._refuse(row, event, refusal)
        except Fenced:
            log.warning("turn.fenced", inbox=row.id)
        except Exception as error:
            await self._failed(row, event, error)
        else:
            self._commit(row, context)

    def _commit(self, row: Row, context: Context | None) -> None:
        posted = context.posted if context else []
        self.on_posted(posted)
        self._over(row.id, [message.id for message in posted])
        if context is not None and context.facts.get("again"):
            self.wake.set()

    async def _turn(
        self, connection: AsyncConnection, row: Row, event: Event | None, refusal: Refusal | None = None, savepoint: bool = False
    ) -> Context | None:
        async with session_on(connection, savepoint) as session:
            context = None
            if isinstance(event, Moved):
                await identity.move_chat(session, row.platform, row.bot, event.chat.id, event.new_chat_id)
            elif event is not None:
                context = await self._converse(session, row, event, refusal)
            finished = await connection.execute(_DONE, {"row": row.id, "token": row.token})
            if finished.rowcount != 1:
                raise Fenced(row.id)
            return context

    async def _converse(self, session: AsyncSession, row: Row, event: Event, refusal: Refusal | None) -> Context:
        land = await ground(session)
        now = self.clock.now()
        present = await identity.recognise(session, land, row.platform, row.bot, event.sender, event.chat, now)
        conversation, draft = await _standing(session, present.chat.id, present.account.id)
        context = Context(
            session, now, present.actor, land, row.cause, present.chat, present.account, draft, event.message_id, event.reply_to
        )
        platform = self.platforms[row.platform, row.bot]
        event, cut = identity_numbers.lifted(event)
        if isinstance(event, Text) and type(event) is Text:
            event = typed_press(event, present.chat.menu, present.chat.menu_message, platform.capabilities.buttons)
        step = conversation.step if conversation else ""
        if refusal is not None:
            reply: Reply | None = _answer(event, screen(refusal.key, **refusal.values), platform)
        elif cut and identity_numbers.only_that(event, step):
            reply = None
        else:
            reply = await self.router.dispatch(event, context, step)
        if cut:
            reply = await identity_numbers.told(context, reply)
        await _remember(context, conversation, reply, draft)
        self._post_reply(context, event, reply, platform, row)
        await session.flush()
        return context

    def _post_reply(self, context: Context, event: Event, reply: Reply | None, platform: Platform, row: Row) -> None:
        assert context.chat is not None
        can = platform.capabilities
        reply = reply or Reply(quiet=True)
        pressed = event if isinstance(event, Press) and event.press_id else None
        toast = reply.toast
        if pressed and ((toast and can.toasts) or can.answer_presses):
            body = {"press": pressed.press_id, "screen": toast.to_json() if toast else None}
            _add(context, row, kind="toast", body=body, policy="never", urgency=Urgency.TOAST)
        elif toast and (context.private or not can.toasts):
            _add(context, row, kind="send", body=toast.to_json(), urgency=Urgency.ANSWER)
        if reply.screen is not None:
            edit = reply.edit and isinstance(event, Press) and event.message_id and can.edits
            _add(
                context, row, kind="edit" if edit else "send", body=reply.screen.to_json(), message_id=event.message_id if edit else "",
                card=reply.card, subject=reply.subject, urgency=Urgency.ANSWER,
            )  # fmt: skip
        if isinstance(event, Press) and event.message_id and can.edits and reply.clear and not (reply.edit and reply.screen):
            # After the answer: where one message a second may leave, nobody waits for it because of a button that goes.
            _add(context, row, kind="clear", message_id=event.message_id, urgency=Urgency.ANSWER)

    # -- when it goes wrong -----------------------------------------------------------------------------------
    async def _refuse(self, row: Row, event: Event | None, refusal: Refusal) -> None:
        try:
            async with self.database.connection() as connection:
                context = await self._turn(connection, row, event, refusal)
        except Exception as error:
            await self._failed(row, event, error)
        else:
            self._commit(row, context)

    async def _failed(self, row: Row, event: Event | None, error: BaseException) -> None:
        if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | Away):
            log.warning("turn.storage", inbox=row.id, error=describe(error))
            await self._postpone(row, describe(error), 1.0, counts=False)
            return
        log.error("turn.failed", inbox=row.id, attempt=row.attempts, error=describe(error), exc_info=_safe_trace(error))
        if row.attempts < ATTEMPTS:
            await self._postpone(row, describe(error), BACKOFF[row.attempts])
            return
        await self._put_aside(row, event, error)

    async def _postpone(self, row: Row, reason: str, seconds: float, counts: bool = True) -> None:
        """Try again in so many seconds; `counts`: whether this attempt was one of the three."""
        if not counts:
            row = dataclasses.replace(row, attempts=row.attempts - 1)
        try:
            await self._put_back(row, reason, seconds)
        except STORAGE_ERRORS as error:
            log.warning("inbox.unreachable", error=describe(error))
            self._owed.append((row, reason))
        asyncio.get_running_loop().call_later(seconds, self.wake.set)

    async def _put_back(self, row: Row, reason: str, seconds: float) -> None:
        async with self.database.connection() as connection:
            await connection.execute(
                sa.update(_INBOX)
                .where(_INBOX.c.id == row.id, _INBOX.c.lease_token == row.token, _INBOX.c.state == "working")
                .values(state="pending", attempts=row.attempts, error=reason[:500], not_before=time.time() + seconds)
            )

    async def _put_aside(self, row: Row, event: Event | None, error: BaseException) -> None:
        """Quarantine the row, and tell the person once, with its number."""
        apology: list[OutboxMessage] = []
        for addressee in (event, None):  # where even the apology fails, the row is put aside without one
            try:
                async with self.database.transaction() as session:
                    put = await session.execute(
                        sa.update(InboxMessage)
                        .where(InboxMessage.id == row.id, InboxMessage.lease_token == row.token, InboxMessage.state == "working")  # type: ignore[arg-type]
                        .values(state="quarantined", error=describe(error), lease_until=0.0)
                        .execution_options(synchronize_session=False)
                    )
                    if put.rowcount != 1:  # type: ignore[attr-defined]
                        log.warning("turn.fenced", inbox=row.id)
                        return
                    apology = await self._apologise(session, row, addressee)
                break
            except STORAGE_ERRORS as again:
                log.warning("inbox.unreachable", error=describe(again))
                self._owed.append((row, describe(error)))
                return
            except Exception as again:
                log.error("turn.apology_failed", inbox=row.id, error=describe(again))
        self.on_posted(apology)
        self._over(row.id, [message.id for message in apology if message.id])

    async def _apologise(self, session: AsyncSession, row: Row, event: Event | None) -> list[OutboxMessage]:
        pressed = isinstance(event, Press) and event.press_id and self.platforms[row.platform, row.bot].capabilities.toasts
        if event is None or event is _LATER or not (event.chat.kind == "private" or pressed):
            return []
        land, now = await ground(session), self.clock.now()
        present = await identity.recognise(session, land, row.platform, row.bot, event.sender, event.chat, now)
        context = Context(session, now, present.actor, land, f"sorry:{row.id}", present.chat, present.account)
        sorry = screen("sorry", number=row.id).to_json()
        if pressed:
            assert isinstance(event, Press)
            _add(context, row, kind="toast", body={"press": event.press_id, "screen": sorry}, policy="never", urgency=Urgency.TOAST)
        if context.private:
            _add(context, row, kind="send", body=sorry, urgency=Urgency.ANSWER)
        await session.flush()
        return context.posted


def typed_press(event: Text, menu: Sequence[Sequence[str]] | None, message_id: str, has_buttons: bool) -> Text | Press:
    """The press that a typed label (or, without buttons, a number) of the last menu means; else the text itself.

    What the grammar knows is left to it: a typed 满意 means more than its button.
    """
    if not menu or event.chat.kind != "private":
        return event
    said = normalise(event.text)
    chosen = next((action for label, action in menu if normalise(label) == said), None)
    if chosen is None and not has_buttons and said.isdecimal() and 1 <= int(said) <= len(menu):
        chosen = menu[int(said) - 1][1]
    if chosen is None or recognise(event.text) is not None:
        return event
    return Press(sender=event.sender, chat=event.chat, message_id=message_id, reply_to=event.reply_to, action=chosen)


def unsealed(raw: bytes | None) -> Any:
    """The stored update. Raises KeyError or InvalidTag when it cannot be decrypted."""
    return None if raw is None else json.loads(keyring.decrypt(raw))


def _answer(event: Event, refused: Screen, platform: Platform) -> Reply:
    if isinstance(event, Press) and event.press_id and platform.capabilities.toasts:
        return Reply(None, KEEP, toast=refused)
    if event.chat.kind != "private" and not isinstance(event, Text | Press):
        return Reply(quiet=True)
    return Reply(refused, KEEP)


async def _standing(session: AsyncSession, chat_id: str, account_id: str) -> tuple[Conversation | None, Draft | None]:
    found = (await session.execute(_STANDING, {"chat": chat_id, "account": account_id})).first()
    return (found[0], found[1]) if found else (None, None)


async def _remember(context: Context, conversation: Conversation | None, reply: Reply | None, before: Draft | None) -> None:
    """Keep the step and the draft for the next turn; a dialog that ended deletes its draft unless the handler keeps it."""
    assert context.chat is not None
    assert context.account is not None
    step = conversation.step if conversation else ""
    if reply is not None and reply.step is not KEEP:
        step = reply.step.name if reply.step else ""
        if reply.step is None and context.draft is not None and not context.facts.get("keep_draft"):
            await context.session.flush()
            await context.session.delete(context.draft)
            context.draft = None
    if context.draft is not None:
        context.draft.updated_at = context.now
        context.session.add(context.draft)
        flag_modified(context.draft, "data")
    draft_id = context.draft.id if context.draft else None
    if conversation is None:
        if step or draft_id:
            await context.session.flush()
            context.session.add(Conversation(chat_id=context.chat.id, account_id=context.account.id, step=step, draft_id=draft_id))
        return
    conversation.step, conversation.draft_id = step, draft_id


def _add(context: Context, row: Row, **fields: Any) -> None:
    """An outbox row for the chat of the turn. A sealed turn's rows name the token instead of the chat (domain.md §0.5)."""
    assert context.chat is not None
    token_id = context.facts.get("sealed")
    message = OutboxMessage(
        dedupe_key=f"{context.cause}:{len(context.posted)}", cause=context.cause, platform=row.platform, bot=row.bot,
        chat_id=None if token_id else context.chat.id, token_id=token_id, language=context.language, send_after=context.now, **fields,
    )  # fmt: skip
    context.session.add(message)
    context.posted.append(message)


def _safe_trace(error: BaseException) -> bool:
    """Whether the traceback may be logged: database errors carry the values that were being stored."""
    return not isinstance(error, sa.exc.SQLAlchemyError)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


_INBOX: sa.Table = InboxMessage.__table__  # type: ignore[attr-defined]
# Opened row by row, so that one that cannot be opened (a key is missing) does not keep the others from being read.
_SEALED = sa.type_coerce(_INBOX.c.raw, sa.LargeBinary).label("raw")
_OUTBOX: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]
_LATER: Any = object()
# The states as the index on open rows says them: with bound values SQLite would not use it, and read the whole table.
_OPEN = "inbox.state IN ('pending','working')"


def _heads() -> Any:
    """The first open row of every lane that may be taken."""
    other = _INBOX.alias("earlier")
    now: Any = sa.bindparam("now", type_=sa.Float)
    fetching: Any = sa.bindparam("fetching", expanding=True)
    return (
        sa.select(_INBOX.c.id, _INBOX.c.attempts)
        .where(
            sa.text(_OPEN),
            ~sa.exists().where(other.c.lane == _INBOX.c.lane, other.c.id < _INBOX.c.id, sa.text("earlier.state IN ('pending','working')")),
            sa.or_(
                sa.and_(_INBOX.c.state == "pending", _INBOX.c.not_before <= now),
                sa.and_(_INBOX.c.state == "working", _INBOX.c.lease_until < now, _INBOX.c.id.not_in(fetching)),
            ),
        )
        .order_by(sa.text("+inbox.id"))  # the plus keeps SQLite from walking through the whole table in this order
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True, of=_INBOX)
    )


# The statements of every turn, made once: making one costs more than running it.
_HEADS = _heads()
_DONE = (
    sa.update(_INBOX)
    .where(_INBOX.c.id == sa.bindparam("row"), _INBOX.c.lease_token == sa.bindparam("token"), _INBOX.c.state == "working")
    .values(state="done", raw=sa.null(), lane="", error="")
)
_STANDING = (
    sa.select(Conversation, Draft)
    .outerjoin(Draft, Draft.id == Conversation.draft_id)  # type: ignore[arg-type]
    .where(Conversation.chat_id == sa.bindparam("chat"), Conversation.account_id == sa.bindparam("account"))  # type: ignore[arg-type]
)
