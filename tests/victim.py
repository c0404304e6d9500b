"""A fork server of victims: imports the service once, and for every line `start` forks a life of it, which a test then kills.

`python tests/victim.py FOLDER [MUTANT …]` prints `{"pid": …, "port": …}` for each life once it serves. A mutant takes one guard away: the
negative controls of tests/test_kill.py.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import json
import logging
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

import sqlalchemy as sa  # noqa: E402
import structlog  # noqa: E402
import uvloop  # noqa: E402
from world import HASH, KEYS  # noqa: E402

from bot.inbox import Inbox  # noqa: E402
from bot.main import Application  # noqa: E402
from bot.outbox import Relay  # noqa: E402
from bot.platforms import local  # noqa: E402
from bot.settings import Settings  # noqa: E402
from bot.turn import Turns  # noqa: E402
from models import OutboxMessage  # noqa: E402

ACK_SECONDS = 0.01  # how long an acknowledgement is on its way, for every victim: without a network there would hardly be a moment


def settings(folder: Path) -> Settings:
    """The demo on one file in this folder."""
    return Settings(
        _env_file=None, DATABASE_URL=f"sqlite+aiosqlite:///{folder}/victim.db", DATA_DIR=folder, HTTP_PORT=0,
        ENCRYPTION_KEYS=KEYS, HASH_KEY=HASH, LOG_LEVEL="ERROR",
    )  # fmt: skip


def acknowledge_before_the_commit() -> None:
    """The ack leaves at once, the commit comes a moment later."""
    receive = Inbox.receive

    async def hasty(self: Inbox, platform: str, bot: str, arrival: Any) -> int:
        async def later() -> None:
            await asyncio.sleep(2 * ACK_SECONDS)
            await receive(self, platform, bot, arrival)

        self.hasty = {*getattr(self, "hasty", ()), asyncio.create_task(later())}  # type: ignore[attr-defined]
        return 0

    Inbox.receive = hasty  # type: ignore[method-assign]
    finished = Turns.finished

    async def at_once(self: Turns, inbox_id: int) -> list[int]:
        return await finished(self, inbox_id) if inbox_id else []

    Turns.finished = at_once  # type: ignore[method-assign]


def know_no_event_again() -> None:
    """Every arrival is a new one, as without the unique event id."""
    store = Inbox._store

    async def forgetful(self: Inbox, rows: list[dict[str, object]]) -> list[int]:
        for row in rows:
            row["event_id"] = secrets.token_hex(8)
        return await store(self, rows)

    Inbox._store = forgetful  # type: ignore[method-assign]


def mark_sent_before_sending() -> None:
    """What was about to be sent when the process died counts as sent."""

    async def adopt(self: Relay) -> None:
        async with self.database.connection() as connection:
            await connection.execute(sa.update(OutboxMessage.__table__).where(OutboxMessage.state == "sending").values(state="sent"))

    Relay._adopt_orphans = adopt  # type: ignore[method-assign]


def send_without_a_key() -> None:
    """The web chat keeps every send, as a platform does that takes no keys."""
    send = local.LocalPlatform.send

    async def keyless(self: Any, chat: str, message: Any, *, media: Any = (), key: str = "") -> str:
        return await send(self, chat, message, media=media)

    local.LocalPlatform.send = keyless  # type: ignore[method-assign,assignment]


MUTANTS = {
    mutant.__name__: mutant for mutant in (acknowledge_before_the_commit, know_no_event_again, mark_sent_before_sending, send_without_a_key)
}


def slow_acknowledgements() -> None:
    """Let every acknowledgement take a moment, so that kills fall between the commit and its arrival."""
    write = local._write

    async def slow(socket: Any, frame: Any) -> None:
        if frame["type"] == "ack":
            await asyncio.sleep(ACK_SECONDS)
        await write(socket, frame)

    local._write = slow  # type: ignore[assignment]


async def live(folder: Path) -> None:
    """One life: serve until killed."""
    faulthandler.dump_traceback_later(30)  # says where a life hangs that never begins
    application = Application(settings(folder))
    await application.start()
    faulthandler.cancel_dump_traceback_later()
    os.write(1, (json.dumps({"pid": os.getpid(), "port": application.port}) + "\n").encode())
    await asyncio.Event().wait()


async def rehearse(folder: Path) -> None:
    """A first short life, so that what is loaded, read and compiled once is ready before the first fork."""
    application = Application(settings(folder))
    await application.start()
    assert application.local is not None
    visitor = await application.local.persona("new:rehearsal")
    frame = {"id": "c1", "type": "text", "chat": "private", "text": "4幢后面有人倒建筑垃圾"}
    await application.settle(await application.local._receive(None, visitor, frame))  # type: ignore[arg-type]
    await application.stop()


def main() -> None:
    """Fork a life for every line, when the one before is gone."""
    folder = Path(sys.argv[1])
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
                        wrapper_class=structlog.make_filtering_bound_logger(40), logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # fmt: skip
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    asyncio.run(rehearse(folder))
    for name in sys.argv[2:]:
        MUTANTS[name]()
    slow_acknowledgements()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    victim = 0
    for _ in sys.stdin:
        while victim and _lives(victim):
            time.sleep(0.001)
        victim = os.fork()
        if victim == 0:
            ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # dies with the fork server
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(live(folder))
            os._exit(0)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
