"""One turn, from an inbox row to one commit (design.md §2): who, where in the dialog, the handler, the services, the history, the outbox,
the inbox row done. A handler that raises leaves nothing behind; after three tries the row is put aside and the person gets one apology."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import lanes
from bot.converse import apologise, converse
from bot.delivery import Outgoing
from bot.events import Document, Event, Moved, Photo, Voice
from bot.fetching import fetched
from bot.inbox import Taken
from bot.lanes import LEASE_SECONDS, Row, unsealed
from bot.outbox import Relay, insert
from bot.platforms.base import NotSent, Platform
from bot.router import Router
from models import InboxMessage, OutboxMessage
from models.database import STORAGE_ERRORS, Away, Database, describe, session_on
from services import identity
from services.clock import Clock, machine_seconds
from services.context import Context, Refusal
from services.owners import new_owner
from services.post import held

ATTEMPTS = 3
BATCH = 32
BACKOFF = (0.0, 0.2, 1.0, 3.0)
LOOK_SECONDS = 5.0
CLAIM_SECONDS = 0.2
LAST_SECONDS = 10.0

log = structlog.get_logger("turn")
_INBOX: sa.Table = InboxMessage.__table__  # type: ignore[attr-defined]
_OUTBOX: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]
_LATER: Any = object()


class Fenced(Exception):
    """Another process has taken this row over: whatever this turn did must not be committed."""


@dataclass(slots=True)
class Turn:
    """One turn: a row with its event, and what came of it, which is real when it was committed.

    `refusal`: the turn is the second one, which answers what a rule said to the first.
    """

    row: Row
    event: Event | None
    refusal: Refusal | None = None
    context: Context | None = None

    @property
    def posted(self) -> list[Any]:
        """Every message of the turn."""
        return self.context.posted if self.context else []

    @property
    def replies(self) -> list[Outgoing]:
        """Those to the chat that it came from."""
        return [message for message in self.posted if isinstance(message, Outgoing)]


class Turns:
    """Takes inbox rows and runs their turns. Replies leave through `relays` at once where they may; `on_posted` gets the other messages."""

    def __init__(self, database: Database, clock: Clock, router: Router, platforms: Mapping[tuple[str, str], Platform]) -> None:
        self.database, self.clock, self.router, self.platforms = database, clock, router, platforms
        self.relays: Mapping[tuple[str, str], Relay] = {}
        self.on_posted: Callable[[Sequence[OutboxMessage]], None] = lambda rows: None
        self.wake = asyncio.Event()
        self._finished: dict[int, list[asyncio.Future[list[int]]]] = {}
        self.owner = new_owner()
        self._working = asyncio.Lock()
        self._fetching: dict[int, asyncio.Task[None]] = {}
        self._owed: list[tuple[Row, str]] = []
        self._given: list[Row] = []
        self._next_look = self._next_claim = 0.0
        self._behind = True
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
        return None if self._stopping else (lanes.new_token(self.owner), machine_seconds() + LEASE_SECONDS)

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
        ready: list[Turn] = []
        for relay in self.relays.values():  # a menu that somebody sees is known when they answer it
            with suppress(*STORAGE_ERRORS):
                await relay.outcomes.write()
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
                ready.append(Turn(row, event))
        if self.database.sqlite and len(ready) > 1:
            await self._together(ready)
        else:
            await asyncio.gather(*map(self._alone, ready))

    def look(self) -> None:
        """There is something to claim."""
        self._behind = True
        self.wake.set()

    async def _next(self) -> list[Row]:
        """What the inbox gave, or what may be claimed. What waits to be claimed gets its turn also while more is given all the time."""
        self.wake.clear()
        moment = time.monotonic()
        if moment < self._next_claim and (self._given or not self._behind):
            given, self._given = self._given[:BATCH], self._given[BATCH:]
            return given
        self._next_claim = moment + CLAIM_SECONDS
        self._behind, rows = False, None
        try:
            rows = await self.claim()
        finally:  # behind what was claimed somebody's next message may stand; where nothing could be asked, anything
            self._behind = self._behind or rows is None or bool(rows or self._given or self._fetching)
        return rows

    async def claim(self) -> list[Row]:
        """The head of every free lane, leased to this process."""
        async with self.database.connection() as connection:
            return await lanes.claim(connection, self.owner, machine_seconds(), BATCH if self.database.sqlite else 8, self._fetching)

    async def _look_after(self) -> None:
        """Put back what could not be put back while the database was away, and free at once what a dead process of this host held."""
        while self._owed:
            await self._put_back(*self._owed[-1], 0.0)
            self._owed.pop()
        if (moment := time.monotonic()) < self._next_look:
            return
        self._next_look = moment + LOOK_SECONDS
        async with self.database.connection() as connection:
            await lanes.free_the_dead(connection)

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
            ready = await fetched(self.platforms[row.platform, row.bot], event)
        except NotSent as error:
            if row.attempts < ATTEMPTS:
                await self._postpone(row, str(error), BACKOFF[min(row.attempts, 3)])
                return
            ready = dataclasses.replace(event, problem="unavailable")
        except Exception as error:
            await self._failed(row, event, error)
            return
        await self._alone(Turn(row, ready))

    # -- the transaction --------------------------------------------------------------------------------------
    async def _together(self, turns: Sequence[Turn]) -> None:
        failed: Sequence[Turn] = []
        try:
            async with self.database.connection(durable=False) as connection:
                for turn in turns:
                    try:
                        await self._run(connection, turn, savepoint=True)
                    except Exception:
                        failed = [*failed, turn]
        except Exception as error:
            log.warning("turn.batch_failed", error=describe(error))
            failed = turns
        for turn in failed:
            self._let_go(turn)
        await self._leave([turn for turn in turns if turn not in failed])
        for turn in failed:
            await self._alone(Turn(turn.row, turn.event))

    async def _alone(self, turn: Turn) -> None:
        try:
            async with self.database.connection(durable=False) as connection:
                await self._run(connection, turn)
            await self._leave([turn])
        except Refusal as refusal:
            await self._alone(Turn(turn.row, turn.event, refusal))
        except Fenced:
            log.warning("turn.fenced", inbox=turn.row.id)
        except Exception as error:
            self._let_go(turn)
            await self._failed(turn.row, turn.event, error)

    async def _run(self, connection: AsyncConnection, turn: Turn, savepoint: bool = False) -> None:
        row, event = turn.row, turn.event
        async with session_on(connection, savepoint) as session:
            if isinstance(event, Moved):
                await identity.move_chat(session, row.platform, row.bot, event.chat.id, event.new_chat_id)
            elif event is not None:
                platform = self.platforms[row.platform, row.bot]
                turn.context = await converse(session, event, platform, self.router, row.cause, self.clock.now(), turn.refusal)
            if not await lanes.finish(connection, row):
                raise Fenced(row.id)
            await self._store(connection, turn)

    async def _store(self, connection: AsyncConnection, turn: Turn) -> None:
        """Store the replies; those that may leave at once as being sent, where this process is the relay."""
        if turn.replies:
            if relay := self._relay(turn):
                await relay.begin(connection, turn.replies)
            await insert(connection, turn.replies)

    def _relay(self, turn: Turn) -> Relay | None:
        return self.relays.get((turn.row.platform, turn.row.bot))

    def _let_go(self, turn: Turn) -> None:
        if relay := self._relay(turn):
            relay.let_go(turn.replies)

    async def _leave(self, turns: Sequence[Turn]) -> None:
        """What was committed may leave the house as soon as it is on the disk."""
        await self.database.durable()
        for turn in turns:
            if relay := self._relay(turn):
                relay.send(turn.replies)
            now = self.clock.now()
            self.on_posted([message for message in turn.posted if message.state == "pending" and not held(message, now)])
            self._over(turn.row.id, [message.id for message in turn.posted])
            if turn.context is not None and turn.context.facts.get("again"):
                self.look()

    # -- when it goes wrong -----------------------------------------------------------------------------------
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
        asyncio.get_running_loop().call_later(seconds, self.look)

    async def _put_back(self, row: Row, reason: str, seconds: float) -> None:
        async with self.database.connection() as connection:
            await lanes.put_back(connection, row, reason, machine_seconds() + seconds)

    async def _put_aside(self, row: Row, event: Event | None, error: BaseException) -> None:
        """Quarantine the row, and tell the person once, with its number."""
        for addressee in (event, None):  # where even the apology fails, the row is put aside without one
            turn = Turn(row, addressee)
            try:
                async with self.database.connection(durable=False) as connection, session_on(connection) as session:
                    if not await lanes.put_aside(connection, row, describe(error)):
                        log.warning("turn.fenced", inbox=row.id)
                        return
                    if addressee is not None and addressee is not _LATER:
                        platform = self.platforms[row.platform, row.bot]
                        turn.context = await apologise(session, addressee, platform, row.id, self.clock.now())
                    await self._store(connection, turn)
                await self._leave([turn])
            except STORAGE_ERRORS as again:
                log.warning("inbox.unreachable", error=describe(again))
                self._let_go(turn)
                self._owed.append((row, describe(error)))
                return
            except Exception as again:
                self._let_go(turn)
                log.error("turn.apology_failed", inbox=row.id, error=describe(again))
            else:
                return


def _safe_trace(error: BaseException) -> bool:
    """Whether the traceback may be logged: database errors carry the values that were being stored."""
    return not isinstance(error, sa.exc.SQLAlchemyError)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
