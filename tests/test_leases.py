"""Rights that one process holds at a time (polling, relaying)."""

import asyncio

import pytest
from faults import time_by_hand

from bot.leases import SECONDS, Leases
from models import Lease


@pytest.fixture
def seconds(monkeypatch):
    return time_by_hand(monkeypatch)


async def test_of_many_who_ask_at_once_one_gets_it(machine, seconds):
    everybody = [Leases(machine.database) for _ in range(8)]
    assert sum(await asyncio.gather(*(one.hold("poll") for one in everybody))) == 1


async def test_it_is_kept_by_renewing_and_lost_by_silence(machine, seconds):
    one, other = Leases(machine.database), Leases(machine.database)
    assert await one.hold("poll")
    seconds.now += SECONDS - 1
    assert await one.hold("poll")
    seconds.now += SECONDS - 1
    assert not await other.hold("poll")
    seconds.now += 2
    assert await other.hold("poll")
    assert not await one.hold("poll")


async def test_the_token_rises_with_every_holder(machine, seconds):
    for expected in (1, 2, 3):
        await Leases(machine.database).hold("poll")
        async with machine.database.transaction() as session:
            assert (await session.get(Lease, "poll")).token == expected
        seconds.now += SECONDS + 1


async def test_who_gives_it_back_is_followed_at_once(machine, seconds):
    one, other = Leases(machine.database), Leases(machine.database)
    await one.hold("poll")
    await other.release("poll")  # not its own to give
    assert not await other.hold("poll")
    await one.release("poll")
    assert await other.hold("poll")


async def test_the_dead_of_this_host_are_followed_at_once_and_the_dead_elsewhere_when_time_is_up(machine, seconds):
    one, other = Leases(machine.database), Leases(machine.database)
    host, _, boot = one.owner.split("|")
    one.owner = f"{host}|{2**22 + 1}|{boot}"
    await one.hold("poll")
    assert await other.hold("poll")
    one.owner = f"elsewhere|7|{boot}"
    await one.hold("relay")
    assert not await other.hold("relay")
    seconds.now += SECONDS + 1
    assert await other.hold("relay")


async def test_an_earlier_life_with_the_same_process_number_is_dead(machine, seconds):
    """In a container every life has the same number."""
    one = Leases(machine.database)
    host, pid, _ = one.owner.split("|")
    one.owner = f"{host}|{pid}|000000000000"
    await one.hold("poll")
    assert await Leases(machine.database).hold("poll")
