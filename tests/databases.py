"""Fixtures for what a test machine may lack: a fresh database on SQLite and on PostgreSQL, and a browser.

A pytest plugin: `tests/conftest.py` names it in `pytest_plugins`. What a machine lacks is skipped, and the summary at
the end of the run says so in red: half a test run must not look like a whole one.
"""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from postgres import PostgresServer, PostgresUnavailableError

NOT_TESTED = "NOT TESTED: "
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

Result = TypeVar("Result")
MakeSchema = Callable[[str], Awaitable[None]]

# Empties every table, in which nobody else may be at work, and begins every number anew; a tenth of the time that another database takes.
# A few rows are deleted, which is quicker than new files for the table and its indexes; what has grown is truncated.
_EMPTY = """
do $$
declare every text[]; grown text[] := '{}'; name text;
begin
  select array_agg(format('public.%I', tablename)) from pg_tables into every where schemaname = 'public' and tablename <> 'alembic_version';
  execute 'lock table ' || array_to_string(every, ', ') || ' in access exclusive mode';
  set local session_replication_role = replica;
  foreach name in array every loop
    if pg_relation_size(name::regclass) > 1000000 then grown := grown || name; else execute 'delete from ' || name; end if;
  end loop;
  if grown <> '{}' then execute 'truncate ' || array_to_string(grown, ', ') || ' cascade'; end if;
  perform setval(oid, 1, false) from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace;
end $$
"""
# What tells that a test changed the tables themselves.
_SHAPE = """
with ours as (select oid from pg_class where relnamespace = 'public'::regnamespace)
select (select count(*) from ours), (select count(*) from pg_constraint where connamespace = 'public'::regnamespace),
       (select count(*) from pg_trigger where tgrelid in (select oid from ours)),
       (select count(*) from pg_attribute where attrelid in (select oid from ours))
"""


@pytest.fixture(scope="session")
def make_schema() -> MakeSchema:
    """What makes the tables in an empty database; a conftest may put something else in its place."""
    from models.database import migrate

    return migrate


@pytest.fixture(scope="session")
def databases(make_schema: MakeSchema, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Databases"]:
    """The maker of fresh databases for this test process; its server starts with the first test that needs it."""
    made = Databases(make_schema, tmp_path_factory.mktemp("databases"))
    yield made
    made.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, databases: "Databases") -> Iterator[str]:
    """The address of a fresh database with all tables and no rows: every test that asks for it runs on both kinds."""
    with databases.fresh(request.param) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def bare_database_url(request: pytest.FixtureRequest, databases: "Databases") -> Iterator[str]:
    """The address of a fresh database without a table, on both kinds: for tests of the migrations."""
    with databases.fresh(request.param, bare=True) as url:
        yield url


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of the machine's Chromium or Chrome; a test that asks for it is skipped where there is none."""
    for name in _BROWSERS:
        if path := shutil.which(name):
            return path
    return pytest.skip(NOT_TESTED + "no Chromium was found (on Debian: apt install chromium)")


class Databases:
    """Makes fresh databases, which takes milliseconds: a file copied (SQLite); a template cloned, or one emptied again (PostgreSQL)."""

    def __init__(self, make_schema: MakeSchema, directory: Path) -> None:
        self._make_schema = make_schema
        self._directory = directory
        self._numbers = itertools.count(1)
        self._template: Path | None = None
        self._server: PostgresServer | None = None
        self._unavailable = ""
        self._empty: list[str] = []
        self._shape: asyncpg.Record | None = None

    @contextmanager
    def fresh(self, kind: str, bare: bool = False) -> Iterator[str]:
        """Give the address of a database of this kind ("sqlite", "postgresql"), with tables or bare, for the block."""
        with self._fresh_sqlite(bare) if kind == "sqlite" else self._fresh_postgresql(bare) as url:
            yield url

    def stop(self) -> None:
        """End the server, when one was started."""
        if self._server is not None:
            self._server.stop()

    @contextmanager
    def _fresh_sqlite(self, bare: bool) -> Iterator[str]:
        directory = self._directory / str(next(self._numbers))
        directory.mkdir()
        file = directory / "test.db"
        if not bare:
            if self._template is None:
                template = self._directory / "template.db"
                _run(self._make_schema(_sqlite_url(template)))
                self._template = template
            # With every connection closed SQLite has moved its write-ahead log into the one file that is copied here.
            shutil.copyfile(self._template, file)
        yield _sqlite_url(file)
        shutil.rmtree(directory)

    @contextmanager
    def _fresh_postgresql(self, bare: bool) -> Iterator[str]:
        server = self.started()
        if bare or not self._empty:
            name = f"test_{next(self._numbers)}"
            _run(_execute(server, f"create database {name} template {'template0' if bare else 'filled'} strategy file_copy"))
        else:
            name = self._empty.pop()
        yield server.url(name)
        if bare or not _run(_emptied(server, name, self._shape)):
            _run(_execute(server, f"drop database {name} with (force)"))
        else:
            self._empty.append(name)

    def started(self) -> PostgresServer:
        """Give the running server with its template, or skip the test, loudly."""
        if self._server is None and not self._unavailable:
            try:
                server = PostgresServer()
            except PostgresUnavailableError as error:
                self._unavailable = str(error)
            else:
                self._server = server
                _run(_execute(server, "create database filled template template0 strategy file_copy"))
                _run(self._make_schema(server.url("filled")))
                self._shape = _run(_shape(server, "filled"))
        if self._server is None:
            pytest.skip(f"{NOT_TESTED}PostgreSQL cannot be started here: {self._unavailable}")
        return self._server


def _sqlite_url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def _emptied(server: PostgresServer, name: str, shape: asyncpg.Record) -> bool:
    """Empty a database for the next test; False when it is none of use: its tables were changed, or somebody still works in it."""
    async with _connected(server, name) as connection:
        try:
            if await connection.fetchrow(_SHAPE) != shape:
                return False
            await connection.execute("set lock_timeout = '1s'")
            await connection.execute(_EMPTY)
        except asyncpg.PostgresError:
            return False
    return True


async def _shape(server: PostgresServer, name: str) -> asyncpg.Record:
    async with _connected(server, name) as connection:
        return await connection.fetchrow(_SHAPE)


async def _execute(server: PostgresServer, statement: str) -> None:
    async with _connected(server, "postgres") as connection:
        await connection.execute(statement)


@asynccontextmanager
async def _connected(server: PostgresServer, name: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(host=str(server.directory), port=5432, user="postgres", database=name)
    try:
        yield connection
    finally:
        await connection.close()


def _run(work: Awaitable[Result]) -> Result:
    """Do asynchronous work in a thread of its own, so that the test's event loop is left alone; what came of it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _as_coroutine(work)).result()


async def _as_coroutine(work: Awaitable[Result]) -> Result:
    return await work


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name in red, once each, what the run left out for want of something on this machine."""
    counts: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NOT_TESTED in reason:
            told = reason.partition(NOT_TESTED)[2]
            counts[told] = counts.get(told, 0) + 1
    for told, count in counts.items():
        terminalreporter.write_line(f"{NOT_TESTED}{told} (skipped: {count})", red=True, bold=True)
