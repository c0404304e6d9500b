"""Where the peers keep their reports: SQLite, WAL, synchronous=FULL; report, audit and outbox row in one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from pathlib import Path

_TABLES = """
CREATE TABLE report (id INTEGER PRIMARY KEY, code TEXT UNIQUE, user INTEGER, text TEXT, lat REAL, lon REAL, category TEXT, at REAL);
CREATE TABLE audit (id INTEGER PRIMARY KEY, report_id INTEGER REFERENCES report, event TEXT, actor INTEGER, at REAL);
CREATE TABLE outbox (id INTEGER PRIMARY KEY, report_id INTEGER REFERENCES report, chat INTEGER, body TEXT, state TEXT, send_after REAL);
"""


class Store:
    """One connection. A transaction runs in a worker thread, so that waiting for the disk does not stop the bot."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "peer.db", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_TABLES)
        self._one = threading.Lock()

    async def save(self, user: int, text: str, lat: float, lon: float, category: str) -> str:
        """Commit a report with its audit row and the outbox row for the grid's leader; the report's code."""
        return await asyncio.to_thread(self._save, user, text, lat, lon, category)

    def _save(self, user: int, text: str, lat: float, lon: float, category: str) -> str:
        now = time.time()
        with self._one:
            run = self._connection.execute
            run("BEGIN IMMEDIATE")
            number = run(
                "INSERT INTO report (user, text, lat, lon, category, at) VALUES (?, ?, ?, ?, ?, ?)",
                (user, text, lat, lon, category, now),
            ).lastrowid
            code = f"WT-20261123-{number:04d}"
            run("UPDATE report SET code = ? WHERE id = ?", (code, number))
            run("INSERT INTO audit (report_id, event, actor, at) VALUES (?, 'submit', ?, ?)", (number, user, now))
            run(
                "INSERT INTO outbox (report_id, chat, body, state, send_after) VALUES (?, 1, ?, 'pending', ?)",
                (number, f"{code} {category} {text}", now + 36_000.0),
            )
            run("COMMIT")
        return code

    def reports(self) -> int:
        """How many reports were committed."""
        return int(self._connection.execute("SELECT count(*) FROM report").fetchone()[0])
