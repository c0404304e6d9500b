"""kill -9 at any moment: nothing acknowledged is lost, nothing is done twice, and what is doubled was in flight (reliability by design.md §2)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa
from victim import settings

from models import Problem, keyring
from models.database import Database

VICTIM = Path(__file__).parent / "victim.py"
PERSONAS = ("R101", "R102", "R103", "R104", "R105", "R106")
SIGNS = "天地玄黄宇宙洪荒日月"
PATIENCE = 60.0  # seconds after which an acknowledged message without an answer counts as lost, lives included
BUTTONS = ("提交", "不是，另报")


def mark(number: int) -> str:
    """A word for a report that no other has."""
    return "记" + "".join(SIGNS[int(digit)] for digit in f"{number:05}")


class Victims:
    """Lives of the service, one after another, in a process that imports it once."""

    def __init__(self, folder: Path, mutants: tuple[str, ...]) -> None:
        self.folder, self.mutants = folder, mutants
        self.port = self.pid = self.lives = 0
        self.alive = asyncio.Event()

    async def __aenter__(self) -> Victims:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(VICTIM), str(self.folder), *self.mutants, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def start(self) -> None:
        """Begin the next life; returns when it serves."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"start\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert line, f"the fork server ended: {await self._process.wait()}"
        self.pid, self.port = json.loads(line).values()
        self.lives += 1
        self.alive.set()

    def kill(self) -> None:
        """End this life, as a power cut would."""
        self.alive.clear()
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.pid = 0


@dataclass
class Ledger:
    """What people know for sure."""

    acknowledged: set[str] = field(default_factory=set)  # marks of reports whose text was acknowledged
    submitted: set[str] = field(default_factory=set)  # marks of reports whose submission was acknowledged
    unanswered: list[str] = field(default_factory=list)  # acknowledged, and nothing ever came of it
    frames: int = 0
    in_flight: int = 0  # frames sent and not done, summed over the kills


class Talker:
    """Somebody who reports one problem after another over the web chat, whatever happens to the service."""

    def __init__(self, name: str, number: int, victims: Victims, ledger: Ledger) -> None:
        self.name, self.number, self.victims, self.ledger = name, number, victims, ledger
        self.ids = 0
        self.stopping = False
        self.waiting = False
        self._bot: list[dict] = []  # what the bot has said, as far as known
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._http: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Report until told to stop; a report that was begun is brought to its end."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as self._http:
            reports = 0
            while not self.stopping:
                reports += 1
                await self._report(mark(self.number * 10_000 + reports))
            if self._socket is not None:
                await self._socket.close()

    async def _report(self, word: str) -> None:
        if not await self._frame({"type": "text", "text": f"4幢后面有人倒建筑垃圾{word}"}, self.ledger.acknowledged, word):
            return
        for _ in range(4):
            shown = self._last_buttons()
            label = next((label for label in BUTTONS if label in shown[1]), None)
            if label is None:
                return
            kept = self.ledger.submitted if label == "提交" else set()
            if not await self._frame({"type": "press", "message": shown[0], "button": label}, kept, word):
                return

    def _last_buttons(self) -> tuple[str, list[str]]:
        for frame in reversed(self._bot):
            if frame.get("buttons"):
                return frame["message"], [button["label"] for row in frame["buttons"] for button in row]
        return "", []

    async def _frame(self, frame: dict[str, object], kept: set[str], word: str) -> bool:
        """Send it until it is acknowledged, then wait for what comes of it; False when nothing ever does."""
        self.ids += 1
        frame = {"id": f"c{self.ids}", "chat": "private", **frame}
        self.ledger.frames += 1
        self.waiting = True
        acknowledged = done = False
        while not acknowledged:
            acknowledged, done = await self._sent(frame)
        kept.add(word)
        end = time.monotonic() + PATIENCE
        while await self._said() == self._bot:  # without sending it again: acknowledged must be enough
            if time.monotonic() > end:
                self.ledger.unanswered.append(f"{self.name} {frame}")
                self.waiting = False
                return False
            await asyncio.sleep(0.01)
        while not done and time.monotonic() < end:  # the same id again, which changes nothing
            _, done = await self._sent(frame)
        self.waiting, self._bot = False, await self._said()
        return True

    async def _said(self) -> list[dict]:
        return [part for part in await self._history() if "from" not in part]

    async def _sent(self, frame: dict[str, object]) -> tuple[bool, bool]:
        """Whether this attempt was acknowledged, and whether it was done while this life lasted."""
        acknowledged = False
        try:
            socket = await self._connected()
            await socket.send_json(frame)
            while True:
                answer = await socket.receive_json(timeout=PATIENCE / 4)
                if answer.get("id") == frame["id"] and answer["type"] in ("ack", "done"):
                    acknowledged = True
                    if answer["type"] == "done":
                        return True, True
                assert answer["type"] != "error", answer
        except (aiohttp.ClientError, OSError, TypeError, TimeoutError):
            self._socket = None
            return acknowledged, False

    async def _connected(self) -> aiohttp.ClientWebSocketResponse:
        assert self._http is not None
        await self.victims.alive.wait()
        if self._socket is None or self._socket.closed:
            self._socket = await self._http.ws_connect(f"http://127.0.0.1:{self.victims.port}/demo/ws?persona={self.name}")
        return self._socket

    async def _history(self) -> list[dict]:
        assert self._http is not None
        while True:
            await self.victims.alive.wait()
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                address = f"http://127.0.0.1:{self.victims.port}/demo/history?persona={self.name}&chat=private"
                async with self._http.get(address) as response:
                    return await response.json()


@dataclass
class Damage:
    """What went wrong, and the numbers to judge it by."""

    lost: list[str]
    doubled_problems: list[str]
    doubled_messages: list[str]
    ledger: Ledger
    lives: int
    integrity: str


async def slaughter(folder: Path, kills: int, seed: int, *mutants: str, patience: float = PATIENCE) -> Damage:
    """Let six people report while the service is killed so many times; then look what is left."""
    global PATIENCE
    PATIENCE = patience
    chance, ledger = random.Random(seed), Ledger()
    async with Victims(folder, mutants) as victims:
        await victims.start()
        talkers = [Talker(name, number, victims, ledger) for number, name in enumerate(PERSONAS)]
        talking = [asyncio.create_task(talker.run()) for talker in talkers]
        for _ in range(kills):
            await _some_time(chance, ledger)
            ledger.in_flight += sum(talker.waiting for talker in talkers)
            victims.kill()
            await victims.start()
        for talker in talkers:
            talker.stopping = True
        await asyncio.wait_for(asyncio.gather(*talking), 4 * patience + 60)
    return await _damage(folder, ledger, victims.lives)


async def _some_time(chance: random.Random, ledger: Ledger) -> None:
    """A life's length: some frames, on a machine of any speed, and then a moment more. The moment of the kill is the test."""
    enough, end = ledger.frames + chance.randrange(25), time.monotonic() + 5.0
    while ledger.frames < enough and time.monotonic() < end:
        await asyncio.sleep(0.002)
    await asyncio.sleep(chance.uniform(0.0, 0.06))


async def _damage(folder: Path, ledger: Ledger, lives: int) -> Damage:
    file = sqlite3.connect(folder / "victim.db")
    integrity = file.execute("PRAGMA integrity_check").fetchone()[0]
    file.close()
    given = settings(folder)
    keyring.use(given.encryption_keys, given.hash_key)
    database = Database(given.DATABASE_URL)
    try:
        async with database.transaction() as session:
            problems = Counter(_marks(" ".join(await session.scalars(sa.select(Problem.text)))))
            from models import LocalMessage

            messages = [
                (row.chat, row.sender, row.body.get("text", ""))
                for row in await session.scalars(sa.select(LocalMessage))
                if row.body.get("text")
            ]
    finally:
        await database.close()
    own = Counter(word for _, sender, text in messages if sender for word in _marks(text))
    heard = Counter(word for _, sender, text in messages if not sender for word in _marks(text))
    told = Counter(message for message in messages if not message[1])
    lost = [
        *(f"{word} was acknowledged and is not in the history" for word in ledger.acknowledged if not own[word]),
        *(f"{word} was acknowledged and never answered" for word in ledger.acknowledged if not heard[word]),
        *(f"{word} was submitted and is no problem" for word in ledger.submitted if not problems[word]),
        *ledger.unanswered,
    ]
    doubled = [f"{word} is {count} problems" for word, count in problems.items() if count > 1]
    doubled += [f"{word} was said once and stands {count} times" for word, count in own.items() if count > 1]
    # A card quotes its report, a receipt its code; what names both is about somebody else's report and may be said again.
    again = [
        f"{text!r} stands {count} times in {chat}"
        for (chat, _, text), count in told.items()
        if count > 1 and bool(_marks(text)) != ("WT-" in text)
    ]
    return Damage(lost, doubled, again, ledger, lives, integrity)


def _marks(text: str) -> list[str]:
    found, parts = [], text.split("记")[1:]
    for part in parts:
        if len(part) >= 5 and all(sign in SIGNS for sign in part[:5]):
            found.append("记" + part[:5])
    return found


def judge(damage: Damage, kills: int) -> None:
    """The promise of design.md §2, in numbers."""
    print(f"{kills} kills, {damage.lives} lives, {damage.ledger.frames} frames, {len(damage.ledger.acknowledged)} reports acknowledged, "
          f"{len(damage.ledger.submitted)} submitted, in flight at the kills: {damage.ledger.in_flight}, "
          f"doubled messages: {len(damage.doubled_messages)}")  # fmt: skip
    assert damage.integrity == "ok"
    assert damage.lost == []
    assert damage.doubled_problems == []
    assert len(damage.doubled_messages) <= damage.ledger.in_flight
    assert damage.lives == kills + 1
    assert len(damage.ledger.submitted) >= len(PERSONAS)


async def test_six_kills(tmp_path):
    judge(await slaughter(tmp_path, 6, seed=6), 6)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_two_hundred_kills(tmp_path):
    judge(await slaughter(tmp_path, 200, seed=200), 200)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("mutant", "harm"),
    [
        ("acknowledge_before_the_commit", "lost"),
        ("know_no_event_again", "doubled_problems"),
        ("mark_sent_before_sending", "lost"),
        ("send_without_a_key", "doubled_messages"),
    ],
)
async def test_without_a_guard_the_same_kills_do_harm(tmp_path, mutant, harm):
    """The negative controls: the same harness against a service that lacks one guard."""
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        damage = await slaughter(folder, 20, seed, mutant, patience=8.0)
        counts = f"{len(damage.lost)} lost, {len(damage.doubled_problems)} problems and {len(damage.doubled_messages)} messages doubled"
        print(f"{mutant}: {counts} in twenty kills")
        if getattr(damage, harm):
            return
    pytest.fail(f"a hundred kills of a service without its guard ({mutant}) did no harm: the harness sees nothing")
