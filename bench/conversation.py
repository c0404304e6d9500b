"""One report conversation, side by side: `python3 dev.py bench conversation`.

Five updates: /bao, a sentence, a location, the category pressed, 提交 pressed. Each is answered by one message, each press also by
answerCallbackQuery, and 提交 commits a report with its audit row and an outbox row to SQLite (WAL): synchronous=FULL in
the peers; this application waits for the same fsync of the log before anything is acknowledged or sent, once for all commits before it.

Three contenders, each in a process of its own on uvloop, against one fake Bot API on loopback HTTP in this process. They take turns
within one run (A B C A B C …); while one works the others idle. A person speaks again as soon as the answer was accepted by the API.
What each promises, and what it does not, stands in bench/peers: this application stores and deduplicates every update, and keeps
dialog state and every reply in the database; the peers keep dialog state in memory and commit once, at 提交. On a press this
application takes the buttons off the old message and sends a new one (three calls); the peers change the message (two calls).

`--profile FOLDER` writes a cProfile of each contender; `--only NAME` runs one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import importlib
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.peers import script

NAMES = {"linshao": "this application", "ptb": "python-telegram-bot", "aiogram": "aiogram"}
CASES = {1: 24, 32: 4}
"""Users at once → conversations of each in a round."""
WARM_UP = 2


# -- the fake Bot API ---------------------------------------------------------------------------------------------------------
class BotApi(asyncio.Protocol):
    """Answers every method at once. One object a connection; `calls` counts the methods of all."""

    calls: Counter[str] = Counter()
    _ids = iter(range(1, 1 << 60))

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, gap, rest = self.buffer.partition(b"\r\n\r\n")
            if not gap:
                return
            lower = head.lower()
            if b"transfer-encoding" in lower:
                raise ValueError("the fake Bot API reads bodies with a length only")
            at = lower.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            method = head.split(b" ", 2)[1].rpartition(b"/")[2].decode().partition("?")[0]
            self.calls[method] += 1
            body = self.answer(method)
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def answer(self, method: str) -> bytes:
        if method.lower() == "getme":
            return b'{"ok":true,"result":{"id":4200,"is_bot":true,"first_name":"bench","username":"bench_bot"}}'
        if method.lower() == "answercallbackquery":
            return b'{"ok":true,"result":true}'
        return (
            b'{"ok":true,"result":{"message_id":%d,"date":1795430000,"chat":{"id":1000,"type":"private","first_name":"R"},'
            b'"from":{"id":4200,"is_bot":true,"first_name":"bench","username":"bench_bot"},"text":"\xe5\xa5\xbd"}}' % next(self._ids)
        )


# -- one contender, in its own process ----------------------------------------------------------------------------------------
async def converse(contender: Any, report: script.Report, updates: list[float]) -> None:
    """One conversation; the seconds of each update are added to `updates`."""
    for step in range(5):
        if step == 0:
            update = script.command(report.user)
        elif step == 1:
            update = script.message(report.user, text=report.text)
        elif step == 2:
            update = script.message(report.user, location={"latitude": report.lat, "longitude": report.lon})
        elif step == 3:
            update = script.press(report.user, contender.category(report.user, report.category))
        else:
            update = script.press(report.user, contender.submission(report.user))
        began = time.perf_counter()
        await contender.feed(update)
        updates.append(time.perf_counter() - began)


async def one_round(contender: Any, points: list[tuple[float, float]], users: int, each: int) -> dict[str, Any]:
    """The measurements of one round."""
    updates: list[float] = []
    conversations: list[float] = []

    async def person(own: list[script.Report]) -> None:
        for report in own:
            began = time.perf_counter()
            await converse(contender, report, updates)
            conversations.append(time.perf_counter() - began)

    before, plan = await contender.reports(), script.reports(points, users, each)
    began, processor = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(person, plan))
    seconds, busy = time.perf_counter() - began, time.process_time() - processor
    made = await contender.reports() - before
    if made != users * each:
        raise RuntimeError(f"{made} reports were committed instead of {users * each}")
    await contender.between()
    return {"seconds": seconds, "processor": busy, "updates": updates, "conversations": conversations}


async def work(name: str, url: str, folder: str, profile: str) -> None:
    """Read rounds from standard input, one JSON object a line; write the measurements of each to standard output."""
    contender = importlib.import_module(f"bench.peers.with_{name}").Contender(url, Path(folder))
    await contender.start()
    points, profiler = script.points(), cProfile.Profile()
    print(json.dumps({"ready": True}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        if profile:
            profiler.enable()
        measured = await one_round(contender, points, asked["users"], asked["each"])
        profiler.disable()
        print(json.dumps(measured), flush=True)
    await contender.stop()
    if profile:
        profiler.dump_stats(f"{profile}/{name}.pstats")


# -- the run ------------------------------------------------------------------------------------------------------------------
@dataclass
class Results:
    """What one contender did in one case, a number a round."""

    rates: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    numbers: dict[str, list[float]] = field(default_factory=dict)

    def add(self, measured: dict[str, Any]) -> None:
        count = len(measured["conversations"])
        self.rates.append(count / measured["seconds"])
        self.processor.append(1000 * measured["processor"] / count)
        for kind in ("updates", "conversations"):
            ordered = sorted(measured[kind])
            for share in (50, 99):
                at = min(len(ordered) - 1, len(ordered) * share // 100)
                self.numbers.setdefault(f"{kind} {share}", []).append(1000 * ordered[at])

    def row(self) -> list[float]:
        return [
            statistics.median(self.rates),
            *(statistics.median(self.numbers[f"{kind} {share}"]) for kind in ("updates", "conversations") for share in (50, 99)),
            statistics.median(self.processor),
        ]


async def ask(process: asyncio.subprocess.Process, asked: dict[str, int] | None = None) -> dict[str, Any]:
    """Let a contender work; its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    if asked is not None:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
    while line := await process.stdout.readline():
        if line.startswith(b"{"):
            return json.loads(line)
    raise RuntimeError("a contender ended before its time; its error stands above")


async def run(options: argparse.Namespace) -> None:
    """Run all rounds and print the tables."""
    server = await asyncio.get_running_loop().create_server(BotApi, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    names = [name for name in NAMES if not options.only or name in options.only]
    users = options.users or list(CASES)
    results = {(name, count): Results() for name in names for count in users}
    async with contextlib.AsyncExitStack() as stack:
        processes = {}
        for name in names:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder))
            pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "limit": 1 << 24}
            arguments = ("-m", "bench.conversation", "--work", name, url, folder, options.profile)
            processes[name] = await asyncio.create_subprocess_exec(sys.executable, *arguments, **pipes)
            await ask(processes[name])
        for count in users:
            for number in range(-1, options.rounds):
                for name, process in processes.items():
                    measured = await ask(process, {"users": count, "each": CASES[count] if number >= 0 else WARM_UP})
                    if number >= 0:
                        results[name, count].add(measured)
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
    server.close()
    report(results, users, names, options.rounds)


def report(results: dict[tuple[str, int], Results], users: list[int], names: list[str], rounds: int) -> None:
    """Print a table for each number of users, the ratios, and the machine."""
    for count in users:
        print(f"\n{count} at once, {CASES[count]} conversations each a round, median of {rounds} rounds")
        print(f"{'':22}{'conv./s':>9}{'update p50':>12}{'p99 ms':>9}{'conv. p50':>11}{'p99 ms':>9}{'CPU ms/conv.':>14}{'ratio':>8}")
        own = statistics.median(results[names[0], count].rates)
        for name in names:
            rate, *rest = results[name, count].row()
            numbers = "".join(f"{value:>{width}.1f}" for value, width in zip(rest, (12, 9, 11, 9, 14), strict=True))
            print(f"{NAMES[name]:22}{rate:>9.1f}{numbers}{own / rate:>8.2f}")
    print("ratio: conversations a second of the first line to those of this line")
    print(
        f"\n{os.cpu_count()} cores, {platform.machine()}, {platform.system()}; Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, uvloop {uvloop.__version__}"
    )


def main() -> None:
    """Run the benchmark, or (with --work) one contender of it."""
    if sys.argv[1:2] == ["--work"]:
        uvloop.run(work(*sys.argv[2:6]))
        return
    parser = argparse.ArgumentParser(prog="bench conversation", description="One report conversation, side by side.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--users", type=int, action="append", choices=list(CASES), help="only so many at once")
    parser.add_argument("--only", action="append", choices=list(NAMES), help="only this contender")
    parser.add_argument("--folder", help="where the databases lie (default: the system's folder for temporary files)")
    parser.add_argument("--profile", default="", metavar="FOLDER", help="write a cProfile of each contender there")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
