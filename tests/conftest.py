"""Fixtures for every test."""

import gc
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

from models.inline_sqlite import InlineSQLite

if TYPE_CHECKING:
    from faults import Machine
    from world import World

pytest_plugins = ["databases"]

# Into the report of a failed test, and without the pictures of tracebacks that structlog draws by default: each takes a second.
structlog.configure(
    processors=[
        structlog.processors.add_log_level, structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer(key_order=["event"]),
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
)  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent

gc.set_threshold(50_000, 20, 50)  # much is made and little of it is garbage: looking for it less often is a twentieth of the time

# Every test has an engine of its own and all have the same statements: each is compiled once for all engines, not once for each.
_COMPILED: dict[type, "LRUCache"] = {}
for _dialect in (InlineSQLite, PGDialect_asyncpg):
    _COMPILED[_dialect] = LRUCache(2000)
    _dialect.__eq__ = lambda self, other: type(self) is type(other)
    _dialect.__hash__ = lambda self: hash(type(self))


@event.listens_for(Engine, "engine_connect")
def _share_what_is_compiled(connection) -> None:
    if (shared := _COMPILED.get(type(connection.dialect))) is not None:
        connection.engine._compiled_cache = shared


@pytest.fixture
async def world(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator["World"]:
    """The real application with the demo community, on both kinds of database. Marked `digests`, its mornings have their digests."""
    from world import made_world

    async with made_world(database_url, tmp_path, digests=request.node.get_closest_marker("digests") is not None) as made:
        yield made


@pytest.fixture
async def world_sqlite(databases, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator["World"]:
    """The same on SQLite alone: for conversations, whose rules are tested on both databases elsewhere."""
    from world import made_world

    with databases.fresh("sqlite") as url:
        async with made_world(url, tmp_path, digests=request.node.get_closest_marker("digests") is not None) as made:
            yield made


@pytest.fixture
async def machine(database_url: str) -> AsyncIterator["Machine"]:
    """Inbox, turns and relay alone, with one handler that echoes."""
    from faults import machines

    async with machines(database_url) as made:
        yield made[0]


@pytest.fixture
async def two_machines(database_url: str) -> AsyncIterator[list["Machine"]]:
    """The machines of two processes on one database."""
    from faults import machines

    async with machines(database_url, 2) as made:
        yield made


@pytest.fixture(scope="session")
def demo_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the whole service in demo mode, as `python -m bot run` starts it, in a process of its own."""
    folder = tmp_path_factory.mktemp("site")
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "SYSTEMROOT")}
    environment |= {"DATABASE_URL": f"sqlite+aiosqlite:///{folder}/linshao.db", "DATA_DIR": str(folder), "HTTP_PORT": "0"}
    command = [sys.executable, "-m", "bot", "run"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert "http://" in line, f"the service did not start: {line!r}"
        yield line.rpartition(" ")[2].strip()
        process.terminate()
        process.wait(20)


@pytest.fixture
async def machine_sqlite(databases) -> AsyncIterator["Machine"]:
    """The same as `machine` on SQLite alone: for what no database decides."""
    from faults import machines

    with databases.fresh("sqlite") as url:
        async with machines(url) as made:
            yield made[0]
