"""The one Clock: everything asks it for the time, nothing asks the machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Gives the present moment, aware, in UTC."""

    def now(self) -> datetime: ...


def machine_seconds() -> float:
    """Seconds since the epoch on this machine: what a lease ends at, and what a failed attempt waits until.

    Not the community's clock: that one stands still or is moved by hand in the demo, and then a process that died would keep its leases
    for ever, or a living one lose them in a moment. Stored, and compared by other processes, so not a monotonic count either.
    """
    return time.time()


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)


class HandClock:
    """A clock that stands where it was put, or runs on from there; for the demo and for tests. Never goes backward by itself."""

    def __init__(self, now: datetime, running: bool = False) -> None:
        self._base, self._since, self.running = now.astimezone(UTC), time.monotonic(), running

    def now(self) -> datetime:
        """The present moment in UTC."""
        if not self.running:
            return self._base
        return self._base + timedelta(seconds=time.monotonic() - self._since)

    def put(self, now: datetime, running: bool | None = None) -> None:
        """Stand at `now`, and run on from there when `running`."""
        self._base, self._since = now.astimezone(UTC), time.monotonic()
        if running is not None:
            self.running = running
