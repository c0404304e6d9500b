"""Twenty people claim a task with two places in the same moment, again and again: exactly two get one (domain.md §5)."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

import pytest
import sqlalchemy as sa
from work_stage import SATURDAY, Stage, enrolled, staged

from models import Chat, ChatAccount, PartyMember, Person, keyring
from models.database import Database
from services import claims, tasks
from services.context import Refusal

CROWD, PLACES = 20, 2


async def add_crowd(stage: Stage) -> None:
    """Members X0 … X19, each with a private chat."""
    async with stage.turn(None) as context:
        for number in range(CROWD):
            code = f"X{number}"
            person = Person(community_id=context.ground.community_id, code=code, display_name=f"人{number}")
            chat = Chat(platform="memory", bot="main", key_hash=code, address=code)
            context.session.add_all([person, chat])
            await context.session.flush()
            account = ChatAccount(
                platform="memory", bot="main", user_hash=code, user_address=code, person_id=person.id, private_chat_id=chat.id
            )
            context.session.add_all([PartyMember(person_id=person.id), enrolled(context.ground.community_id, person), account])


async def claim_all(stage: Stage, number: str, codes: list[str]) -> None:
    """These people claim at the same time, each in a transaction of its own."""

    async def one(code: str) -> None:
        with suppress(Refusal):
            async with stage.turn(code, "party") as context:
                await claims.claim(context, number)

    await asyncio.gather(*(one(code) for code in codes))


async def without_the_lock(context, name, lock=False):
    return await _find(context, name)


_find = tasks.find


async def other_process(url: str, guarded: bool) -> None:
    """Claims for half of the crowd, whenever a line says which task."""
    keyring.use({"t": b"0" * 32}, b"0" * 32)
    if not guarded:
        tasks.find = without_the_lock
    stage = Stage(Database(url), turns=1_000_000)  # its turns have names of their own
    codes = [f"X{number}" for number in range(CROWD // 2, CROWD)]
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await claim_all(stage, json.loads(line), codes)
        print("done", flush=True)
    await stage.database.close()


@asynccontextmanager
async def second_process(url: str, guarded: bool = True):
    """Another process that claims for half of the crowd: `await claim(number)` returns when it is through."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, url, "guarded" if guarded else "", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"

    async def claim(number: str) -> None:
        process.stdin.write(json.dumps(number).encode() + b"\n")
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"done\n"

    try:
        yield claim
    finally:
        process.stdin.close()
        await process.wait()


async def race(url: str, rounds: int, guarded: bool = True) -> list[int]:
    """How many had a place after each round."""
    counts = []
    async with staged(url) as stage:
        await add_crowd(stage)
        everybody = [f"X{number}" for number in range(CROWD)]
        if stage.database.sqlite:  # one process, by design
            for number in range(rounds):
                task = await stage.task(capacity=PLACES, start_at=SATURDAY + timedelta(hours=4 * number))
                await claim_all(stage, task, everybody)
                counts.append(await active(stage, task))
            return counts
        async with second_process(url, guarded) as claim_elsewhere:
            for number in range(rounds):
                task = await stage.task(capacity=PLACES, start_at=SATURDAY + timedelta(hours=4 * number))
                await asyncio.gather(claim_elsewhere(task), claim_all(stage, task, everybody[: CROWD // 2]))
                counts.append(await active(stage, task))
    return counts


async def active(stage: Stage, task: str) -> int:
    states = list((await stage.states(task)).values())
    assert len(states) == CROWD
    assert states.count("ACTIVE") + states.count("WAITLISTED") == CROWD
    return states.count("ACTIVE")


async def test_ten_races(database_url):
    assert await race(database_url, 10) == [PLACES] * 10


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_three_hundred_races(database_url):
    assert await race(database_url, 300) == [PLACES] * 300


@pytest.mark.postgres
async def test_without_the_lock_there_are_too_many(databases, monkeypatch):
    """The negative control: two processes that count the claims without holding the task."""
    monkeypatch.setattr(tasks, "find", without_the_lock)
    with databases.fresh("postgresql") as url:
        for _ in range(10):
            try:
                counts = await race(url, 3, guarded=False)
            except (sa.exc.DBAPIError, AssertionError):
                return  # it falls over its own feet: a harm as well
            if max(counts) > PLACES:
                return
            async with Database(url).connection() as connection:
                names = await connection.run_sync(lambda inner: sa.inspect(inner).get_table_names())
                await connection.execute(sa.text(f"TRUNCATE {', '.join(name for name in names if name != 'alembic_version')} CASCADE"))
    pytest.fail("thirty races without the lock gave no place too many: the test above sees nothing")


if __name__ == "__main__":
    asyncio.run(other_process(sys.argv[1], sys.argv[2] == "guarded"))
