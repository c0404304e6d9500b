"""Sending limits: so many a second over all, one a second a chat, so many a minute a group, and what a 429 said."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from texts.render import Capabilities

MOST_REMEMBERED = 10_000


@dataclass
class Limits:
    """When the next message may leave. Times are monotonic seconds, given by the caller."""

    capabilities: Capabilities
    _next_overall: float = 0.0
    _next_chat: dict[str, float] = field(default_factory=dict)
    _groups: dict[str, deque[float]] = field(default_factory=dict)
    _paused: dict[str, float] = field(default_factory=dict)
    _paused_all: float = 0.0

    def ready_at(self, key: str, group: bool, now: float) -> float:
        """The moment from which this chat may get its next message."""
        can, moment = self.capabilities, max(now, self._paused_all, self._paused.get(key, 0.0))
        if can.overall_per_second:
            moment = max(moment, self._next_overall)
        if can.chat_per_second:
            moment = max(moment, self._next_chat.get(key, 0.0))
        if group and can.group_per_minute:
            sent = self._groups.setdefault(key, deque())
            while sent and sent[0] + 60.0 <= now:
                sent.popleft()
            if len(sent) >= can.group_per_minute:
                moment = max(moment, sent[0] + 60.0)
        return moment

    def take(self, key: str, group: bool, now: float) -> None:
        """Count one message to this chat."""
        can = self.capabilities
        if can.overall_per_second:
            self._next_overall = max(self._next_overall, now) + 1.0 / can.overall_per_second
        if can.chat_per_second:
            self._next_chat[key] = now + 1.0 / can.chat_per_second
            if len(self._next_chat) > MOST_REMEMBERED:
                self._next_chat = {chat: moment for chat, moment in self._next_chat.items() if moment > now}
                self._paused = {chat: moment for chat, moment in self._paused.items() if moment > now}
        if group and can.group_per_minute:
            self._groups.setdefault(key, deque()).append(now)

    def pause(self, key: str, until: float, everywhere: bool = False) -> None:
        """Wait with this chat (or, `everywhere`, with all) until `until`."""
        if everywhere:
            self._paused_all = max(self._paused_all, until)
        else:
            self._paused[key] = max(self._paused.get(key, 0.0), until)
