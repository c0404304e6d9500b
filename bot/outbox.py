"""The durable way out: sends outbox rows in order per chat, within the platform's limits (design.md §2).

Most replies leave straight from their turn: where the chat is idle and may get a message now, `begin` has them stored as `sending` in the
turn's own commit, and `send` sends them when that is on the disk. All else is `pending` until a look finds it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.delivery import UNREACHABLE, Delivery, Outcome, Outgoing, lane_of
from bot.leases import Leases
from bot.limits import Limits
from bot.outcomes import Outcomes
from bot.platforms.base import Platform
from models import Chat, OutboxMessage
from models.database import STORAGE_ERRORS, Database, describe
from services.clock import Clock
from services.post import Urgency

BATCH = 100
MOST_IN_FLIGHT = 32
TRUSTED = 5.0  # seconds for which a lease of 15 is not asked about again

log = structlog.get_logger("outbox")
_OUT: sa.Table = OutboxMessage.__table__  # type: ignore[attr-defined]
_CHAT: sa.Table = Chat.__table__  # type: ignore[attr-defined]

# The statements of every message, made once: making one costs more than running it. The states stand in them as the index on
# open rows says them, so that SQLite uses that index.
_UNSENT = sa.text("outbox.state IN ('pending','sending')")
_OPEN = (
    _OUT.c.platform == sa.bindparam("platform"), _OUT.c.bot == sa.bindparam("bot"), _UNSENT, _OUT.c.send_after <= sa.bindparam("now"),
)  # fmt: skip
_DUE = (
    sa.select(_OUT, _CHAT.c.address, _CHAT.c.kind.label("kind_of_chat"))
    .outerjoin(_CHAT, _CHAT.c.id == _OUT.c.chat_id)
    .where(
        *_OPEN, _OUT.c.state == "pending",
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
_QUEUED = sa.select(_OUT.c.chat_id).where(*_OPEN, sa.text("outbox.state = 'pending' AND outbox.kind != 'toast'")).limit(BATCH)
_ANY = sa.select(_OUT.c.id).where(*_OPEN).limit(1)
_COLUMNS = (
    "platform", "bot", "kind", "chat_id", "send_after", "language", "dedupe_key", "cause", "token_id", "card", "subject", "urgency",
    "policy", "body", "message_id", "state", "attempts", "uncertain",
)  # fmt: skip
_INSERT = sa.insert(_OUT).returning(_OUT.c.id, sort_by_parameter_order=True)


@dataclass(slots=True)
class _Lane:
    """A chat that is taken, until nothing is left for it.

    `rows`: what is to be sent there, one after another, from the one that is under way on. `coming`: more that are stored as being sent
    by a transaction that is not on the disk yet. `stuck`: one of them stays behind as pending, and so do those behind it. `look`: the
    look at which it was taken.
    """

    look: int
    rows: list[Any] = field(default_factory=list)
    coming: list[Any] = field(default_factory=list)
    sending: bool = False
    stuck: bool = False


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
        self.delivery = Delivery(self.database, self.clock, self.platform, self.limits)
        self.outcomes = Outcomes(self.database, self.clock, self._over, lambda number: self.on_dead(number))
        self._lanes: dict[str, _Lane] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._stepping = asyncio.Lock()
        self._held: dict[str, float] = {}
        self._looks = 0
        self._left_over = 0
        self._stopping = False
        self._leading_until = 0.0
        self._orphans = True
        self.sent = 0
        self.rest = 0.5

    # -- waiting for a delivery -------------------------------------------------------------------------------
    async def delivered(self, ids: Sequence[int]) -> None:
        """Wait until these rows have reached an end (sent, dead, superseded) or are held for later."""
        await self.outcomes.write()
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
        await self.outcomes.write()
        async with self.database.connection() as connection:
            due = await connection.execute(_ANY, self._asked())
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
        await self.outcomes.close()
        with suppress(*STORAGE_ERRORS):
            await self.leases.release(self._lease)

    @property
    def _lease(self) -> str:
        return f"relay:{self.platform.name}:{self.platform.bot}"

    def _mine(self) -> tuple[Any, ...]:
        return _OUT.c.platform == self.platform.name, _OUT.c.bot == self.platform.bot

    def _asked(self) -> dict[str, Any]:
        return {"platform": self.platform.name, "bot": self.platform.bot, "now": self.clock.now()}

    @property
    def _leads(self) -> bool:
        return time.monotonic() < self._leading_until

    def _ask_for_orphans(self) -> None:
        """Lead anew at the next look: a commit that broke off may have been one, and then its rows stand as being sent by nobody."""
        self._leading_until, self._orphans = 0.0, True

    async def _lead(self) -> bool:
        if self._leads and not self._orphans:
            return True
        now = time.monotonic()
        if self._orphans or now > self._leading_until + 10.0:
            self._ask_for_orphans()
        if not await self.leases.hold(self._lease):
            self._ask_for_orphans()
            return False
        if self._orphans:
            self._orphans = False  # before: what is asked for meanwhile is asked again
            try:
                await self._adopt_orphans()
            except BaseException:
                self._ask_for_orphans()
                raise
        self._leading_until = now + TRUSTED  # not before the orphans are adopted: a turn may begin to send from now on
        return True

    async def _adopt_orphans(self) -> None:
        """Rows that stand as being sent by nobody alive: nobody knows whether they arrived. Their own policy decides.

        What this process sends itself, or has sent and not yet written down, is none of them: it may lead anew at any time.
        """
        async with self.outcomes.written(), self.database.connection() as connection:
            own = [row.id for lane in self._lanes.values() for row in (*lane.rows, *lane.coming)] + self.outcomes.unwritten
            orphan = _UNSENT, *self._mine(), _OUT.c.state == "sending", _OUT.c.id.not_in([number for number in own if number is not None])
            await connection.execute(sa.update(_OUT).where(*orphan, _OUT.c.kind == "toast").values(state="superseded", body=sa.null()))
            again = sa.or_(_OUT.c.uncertain.is_(False), _OUT.c.kind != "send", sa.literal(self.delivery.once))
            await connection.execute(
                sa.update(_OUT).where(*orphan, _OUT.c.policy == "resend", again).values(state="pending", uncertain=not self.delivery.once)
            )
            await connection.execute(
                sa.update(_OUT).where(*orphan).values(state="dead", error="never answered, and not to be sent twice", body=sa.null())
            )

    async def _step(self) -> float:
        """Start what may start now; the seconds to wait before looking again."""
        self.wake.clear()
        self._looks += 1
        if not await self._lead():
            return 2.0
        room = MOST_IN_FLIGHT - len(self._lanes)
        if room <= 0:
            return 0.5
        moment = time.monotonic()
        self._held = {lane: until for lane, until in self._held.items() if until > moment}
        earliest = min([self.rest, *(until - moment for until in self._held.values())])
        # A chat that may not get its next message yet must not hide the others behind its queue.
        closed = [*self._lanes, *self._held]
        taken: list[Any] = []
        try:
            async with self.database.connection() as connection:
                due = (await connection.execute(_DUE, {**self._asked(), "closed": closed})).all()
                if not due:
                    return max(earliest, 0.001)
                superseded, waiting = self._choose(due, taken, room, moment)
                if superseded:
                    old = sa.update(_OUT).where(_OUT.c.id.in_(superseded))
                    await connection.execute(old.values(state="superseded", body=sa.null()))
                # Whoever woke up late takes nothing that another process has begun to send in the meantime.
                mine = await connection.execute(_SENDING, {"rows": [row.id for row in taken]}) if taken else None
                still = set(mine.scalars()) if mine else set()
        except BaseException:
            self._ask_for_orphans()
            self._not_coming(taken)
            raise
        for number in superseded:
            self._over(number)
        for row in taken:
            if row.id in still:
                self._start(row)
        self._not_coming(taken)
        left = len(due) - len(superseded) - len(still)
        if left:
            self._left_over = self._looks
        if len(due) == BATCH and (not left or waiting):
            return 0.0  # there may be more; where all that was seen is of chats that must wait, look behind them
        return max(min([earliest, *(self._held[lane] - moment for lane in waiting)]), 0.001)

    def _choose(self, due: Sequence[Any], taken: list[Any], room: int, moment: float) -> tuple[list[int], set[str]]:
        """Take the lanes of what may leave now into `taken`, one message of each. The edits that a later one replaces, and the lanes
        whose messages must wait."""
        superseded: list[int] = []
        waiting: set[str] = set()
        latest_edit = {(row.chat_id, row.card): row.id for row in due if row.kind == "edit" and row.card}
        for row in due:
            lane = lane_of(row)
            if row.kind == "edit" and row.card and latest_edit[row.chat_id, row.card] != row.id:
                superseded.append(row.id)
            elif lane in self._lanes or lane in waiting or len(taken) + len(waiting) >= room:
                continue
            elif row.address and (ready := self._take(row, moment)) > moment:
                self._held[lane] = ready
                waiting.add(lane)
            else:
                self._lanes[lane] = _Lane(self._looks, coming=[row])
                taken.append(row)
        return superseded, waiting

    # -- straight from the turn -------------------------------------------------------------------------------
    async def begin(self, connection: AsyncConnection, rows: Sequence[Outgoing]) -> None:
        """Take the chats of those of a turn's rows that may leave as soon as they are on the disk; such a row is to be stored as
        `sending`. After the commit they are for `send`, and when it fails for `let_go`.
        """
        if self._stopping or not self._leads:
            return
        self._begin(rows, (await connection.execute(_QUEUED, self._asked())).scalars().all())
        # Whoever became the relay meanwhile has asked already what was being sent, and would not hear of these. (On SQLite nobody
        # becomes anything during a transaction of ours.) Nor would this process, where it looks for orphans just now.
        if not self.database.sqlite and not (await self.leases.holds(connection, self._lease) and self._leads):
            self.let_go(rows)

    def _begin(self, rows: Sequence[Outgoing], queued: Collection[str | None]) -> None:
        """Take the chats of the rows that may leave now. In a chat the first that must wait keeps those behind it waiting."""
        moment, now = time.monotonic(), self.clock.now()
        closed = {*queued} | {key for key, until in self._held.items() if until > moment}
        closed |= {key for key, lane in self._lanes.items() if lane.coming or lane.stuck}
        crowded = len(queued) == BATCH  # there may be more of them than were seen
        for row in rows:
            full = crowded or (row.lane not in self._lanes and len(self._lanes) >= MOST_IN_FLIGHT)
            if full or row.lane in closed or row.address is None or row.send_after > now or self._take(row, moment) > moment:
                closed.add(row.lane)
                continue
            self._lanes.setdefault(row.lane, _Lane(self._looks)).coming.append(row)
            row.state, row.attempts = "sending", 1

    def _take(self, row: Any, moment: float) -> float:
        """Count a row against the limits where it may leave now; the moment from which it may."""
        key, group = (lane_of(row), False) if row.kind == "toast" else self.platform.rate_key(row.address)
        ready = self.limits.ready_at(key, group, moment)
        if ready <= moment and row.kind != "toast":
            self.limits.take(key, group, moment)
        return ready

    def let_go(self, rows: Sequence[Outgoing]) -> None:
        """These rows will not leave straight from their turn: nothing was committed, or another process sends."""
        for row in rows:
            if row.state == "sending":
                self._ask_for_orphans()
                row.state, row.attempts = "pending", 0
                self._not_coming([row])

    def send(self, rows: Sequence[Outgoing]) -> None:
        """Send those of the rows that were stored as `sending`, and that are on the disk by now."""
        for row in rows:
            if row.state == "sending":
                row.attempts = 0  # as in a row that a look found: what was tried before
                self._start(row)
                self._not_coming([row])

    # -- the messages of a chat -------------------------------------------------------------------------------
    def _start(self, row: Any) -> None:
        """Send a row of a lane that is ours: now, or behind what is being sent there."""
        lane = self._lanes[lane_of(row)]
        lane.rows.append(row)
        if not lane.sending:
            lane.sending = True
            task = asyncio.create_task(self._send(lane_of(row), lane))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, key: str, lane: _Lane) -> None:
        while lane.rows:
            row = lane.rows[0]
            try:
                if row.kind == "edit" and not row.message_id:  # what it changes may just have left: its number must be found
                    await self._write_down()
                outcome = Outcome(row, "pending") if lane.stuck else await self.delivery.deliver(row)
            except Exception as error:
                log.error("outbox.failed", row=row.id, error=describe(error), exc_info=True)
                outcome = Outcome(row, "dead", error=describe(error))
            self.sent += outcome.state == "sent"
            lane.stuck = lane.stuck or outcome.state == "pending"
            self.outcomes.add(outcome)
            lane.rows.pop(0)
            if not lane.rows and (lane.stuck or row.id in self._waiting):
                await self._write_down()  # the next look must find it written
        lane.sending = False
        self._free(key)

    async def _write_down(self) -> None:
        try:
            await self.outcomes.write()
        except STORAGE_ERRORS as error:
            log.warning("outbox.unreachable", error=describe(error))

    def _not_coming(self, rows: Sequence[Any]) -> None:
        """These rows were expected in their lanes, and are there by now or never will be."""
        for row in rows:
            lane = self._lanes[lane_of(row)]
            lane.coming = [other for other in lane.coming if other is not row]
            self._free(lane_of(row))

    def _free(self, key: str) -> None:
        """Give a lane back when nothing is left for it."""
        lane = self._lanes[key]
        if lane.sending or lane.coming:
            return
        del self._lanes[key]
        # Only a look that saw this lane taken can have left something behind in it.
        if self._looks != lane.look or self._left_over >= lane.look or lane.stuck:
            self.wake.set()


async def insert(connection: AsyncConnection, rows: Sequence[Outgoing]) -> None:
    """Store the rows as they stand; they get their numbers."""
    values = [{name: getattr(row, name) for name in _COLUMNS} | {"error": ""} for row in rows]
    for row, number in zip(rows, (await connection.execute(_INSERT, values)).scalars(), strict=True):
        row.id = number
