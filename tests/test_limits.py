"""Sending limits in simulated time: never above a platform's ceiling, and close to it."""

import random
from collections import Counter

import pytest

from bot.limits import Limits
from bot.platforms.base import CAPABILITIES
from texts.render import Capabilities

TELEGRAM = CAPABILITIES["telegram"]


def leave(limits: Limits, wanted: list[tuple[str, bool]]) -> list[tuple[float, str]]:
    """Send everything as soon as each may leave; when and to whom."""
    now, sent, waiting = 1_000.0, [], list(wanted)
    while waiting:
        ready = [(limits.ready_at(chat, group, now), number) for number, (chat, group) in enumerate(waiting)]
        moment, number = min(ready)
        now = max(now, moment)
        chat, group = waiting.pop(number)
        assert limits.ready_at(chat, group, now) <= now
        limits.take(chat, group, now)
        sent.append((now, chat))
    return sent


def busiest(moments: list[float], window: float) -> int:
    return max(sum(start <= other < start + window for other in moments) for start in moments)


def test_no_second_has_more_than_thirty_and_the_ceiling_is_used():
    sent = leave(Limits(TELEGRAM), [(f"p{number}", False) for number in range(600)])
    moments = [moment for moment, _ in sent]
    assert busiest(moments, 1.0) <= 30
    assert 599 / (moments[-1] - moments[0]) >= 29.0


def test_a_chat_gets_one_a_second_while_others_go_on():
    sent = leave(Limits(TELEGRAM), [("ann", False)] * 20 + [(f"p{number}", False) for number in range(60)])
    ann = [moment for moment, chat in sent if chat == "ann"]
    assert min(later - earlier for earlier, later in zip(ann, ann[1:], strict=False)) >= 1.0 - 1e-9
    assert max(moment for moment, chat in sent if chat != "ann") < ann[4]


def test_a_group_gets_twenty_a_minute():
    sent = leave(Limits(TELEGRAM), [("g", True)] * 70)
    moments = [moment for moment, _ in sent]
    assert busiest(moments, 60.0 - 1e-6) <= 20
    assert moments[-1] - moments[0] <= 200


def test_a_mixed_load_keeps_every_limit():
    chance = random.Random(7)
    wanted = [chance.choice([("g1", True), ("g2", True), (f"p{chance.randrange(30)}", False)]) for _ in range(300)]
    sent = leave(Limits(TELEGRAM), wanted)
    assert Counter(chat for _, chat in sent) == Counter(chat for chat, _ in wanted)
    assert busiest([moment for moment, _ in sent], 1.0) <= 30
    for group in ("g1", "g2"):
        assert busiest([moment for moment, chat in sent if chat == group], 60.0 - 1e-6) <= 20


def test_without_counting_the_limit_is_broken():
    """The negative control: the same judge, with nothing counted."""
    limits = Limits(TELEGRAM)
    limits.take = lambda *_: None  # type: ignore[method-assign]
    assert busiest([moment for moment, _ in leave(limits, [(f"p{number}", False) for number in range(100)])], 1.0) > 30


def test_a_pause_of_one_chat_is_its_own_and_one_for_all_is_everybodys():
    limits = Limits(TELEGRAM)
    limits.pause("ann", 1_030.0)
    assert limits.ready_at("ann", False, 1_000.0) == 1_030.0
    assert limits.ready_at("bob", False, 1_000.0) == 1_000.0
    limits.pause("ann", 1_010.0)  # a shorter one does not end a longer one
    assert limits.ready_at("ann", False, 1_000.0) == 1_030.0
    limits.pause("ann", 1_060.0, everywhere=True)
    assert limits.ready_at("bob", False, 1_000.0) == 1_060.0


def test_a_platform_without_limits_waits_for_nothing():
    assert {moment for moment, _ in leave(Limits(Capabilities()), [("ann", False)] * 50)} == {1_000.0}


@pytest.mark.parametrize("chats", [30_000])
def test_what_is_remembered_of_chats_does_not_grow_for_ever(chats):
    limits = Limits(TELEGRAM)
    for number in range(chats):
        limits.take(f"p{number}", False, 1_000.0 + number)
        limits.pause(f"p{number}", 1_000.5 + number)
    assert len(limits._next_chat) <= 10_001
    assert len(limits._paused) <= 10_001
