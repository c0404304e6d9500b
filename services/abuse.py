"""How much one device, one door and one address may do: counted in memory alone, so that nothing of it can be found later.

Against floods, not an account of anybody: the counts are each process's own and begin anew with it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from services.context import Context, Refusal

MOST_KEYS = 50_000
_SALT = secrets.token_bytes(16)


@dataclass(frozen=True, slots=True)
class Numbers:
    """The most of each. A device: messages a minute, files (photos, recordings, documents) an hour, reports a day.

    A door: devices never seen before an hour, reports an hour of people nobody knows. An address in the network: new devices an hour.
    """

    messages_a_minute: int = 30
    files_an_hour: int = 40
    reports_a_day: int = 20
    door_devices_an_hour: int = 60
    door_reports_an_hour: int = 30
    address_devices_an_hour: int = 120

    @classmethod
    def names(cls) -> frozenset[str]:
        """What may be set."""
        return frozenset(field.name for field in fields(cls))


_SPANS = {"a_minute": timedelta(minutes=1), "an_hour": timedelta(hours=1), "a_day": timedelta(days=1)}


class Guard:
    """Counts what was done, by a keyed hash of who did it."""

    def __init__(self, numbers: Mapping[str, int] | None = None) -> None:
        self.numbers = Numbers(**(numbers or {}))
        self._done: dict[bytes, deque[datetime]] = {}

    def take(self, what: str, who: str, now: datetime) -> bool:
        """Whether `who` may do one more of `what` (a name in Numbers) at `now`; if so it is counted. 0 means no limit."""
        most: int = getattr(self.numbers, what)
        if not most:
            return True
        span = next(span for ending, span in _SPANS.items() if what.endswith(ending))
        key = hashlib.blake2b(f"{what}\x1f{who}".encode(), key=_SALT, digest_size=16).digest()
        done = self._done.pop(key, None) or deque()
        while done and not timedelta(0) <= now - done[0] < span:
            done.popleft()
        free = len(done) < most
        if free:
            done.append(now)
        self._done[key] = done  # last again: the first are those who did nothing for the longest time
        while len(self._done) > MOST_KEYS:
            del self._done[next(iter(self._done))]
        return free


_guards: dict[str, Guard] = {}


def watch(platform: str, guard: Guard | None) -> None:
    """From now on `guard` counts the reports that come over this platform; None: nobody counts them."""
    if guard is None:
        _guards.pop(platform, None)
    else:
        _guards[platform] = guard


def report(context: Context) -> None:
    """Let one more report in that is not urgent. Raises Refusal for an account, or a door, that had too many. Staff are not counted."""
    guard = _guards.get(context.chat.platform) if context.chat is not None else None
    if guard is None or context.account is None or context.actor.staff:
        return
    if not guard.take("reports_a_day", context.account.id, context.now):
        raise Refusal("door.too_many_reports")
    door = context.draft.data.get("door") if context.draft is not None else None
    if door and not _known(context) and not guard.take("door_reports_an_hour", door, context.now):
        raise Refusal("door.too_many_here")


def _known(context: Context) -> bool:
    person = context.actor.person
    return person is not None and (person.code is not None or bool(context.actor.grants) or context.actor.member_state is not None)
