"""The migrations: what they make is what the tables of models/ say, twice is once, and nothing stored is lost."""

import asyncio
import logging
import sys
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from models import Community, Enrollment, PartyMember, Person, ServiceRecord, keyring
from models import database as database_module
from models.database import Database, _config, migrate

ROOT = Path(__file__).resolve().parent.parent
HEAD = ScriptDirectory.from_config(_config("sqlite://")).get_current_head()


def differences(connection: sa.Connection) -> list:
    found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), SQLModel.metadata)
    return [difference for difference in found if not _same_type(difference, connection)]


def _same_type(difference, connection: sa.Connection) -> bool:
    """Whether it is only our own name for the type that the database has (UTCDateTime, Encrypted)."""
    if not isinstance(difference, list) or difference[0][0] != "modify_type":
        return False
    stored, declared = difference[0][5], difference[0][6]
    return stored.compile(connection.dialect) == declared.dialect_impl(connection.dialect).compile(connection.dialect)


async def test_what_the_migrations_make_is_what_the_tables_say(bare_database_url):
    await migrate(bare_database_url)
    database = Database(bare_database_url)
    async with database.connection() as connection:
        assert await connection.run_sync(differences) == []
        assert (await connection.execute(sa.text("SELECT version_num FROM alembic_version"))).scalar() == HEAD
    await database.close()


async def test_a_table_that_no_migration_makes_is_noticed(bare_database_url):
    """The negative control of the test above."""
    await migrate(bare_database_url)
    database = Database(bare_database_url)
    async with database.connection() as connection:
        await connection.execute(sa.text("ALTER TABLE community DROP COLUMN timezone"))
        await connection.execute(sa.text("DROP INDEX ix_outbox_due"))
        found = str(await connection.run_sync(differences))
    await database.close()
    assert "timezone" in found
    assert "ix_outbox_due" in found


async def test_migrating_again_changes_nothing_and_loses_nothing(bare_database_url):
    keyring.use({"t": b"0" * 32}, b"0" * 32)
    await migrate(bare_database_url)
    database = Database(bare_database_url)
    async with database.transaction() as session:
        session.add(community := Community(name="青禾里社区"))
        await session.flush()
        session.add(Person(community_id=community.id, code="R101", display_name="王桂英"))
    await migrate(bare_database_url)
    async with database.transaction() as session:
        assert list(await session.scalars(sa.select(Person.display_name))) == ["王桂英"]
    await database.close()


MIGRATE = "import asyncio, sys; from models.database import migrate; print(sys.stdin.readline()); asyncio.run(migrate(sys.argv[1]))"


async def test_processes_that_start_together_migrate_once(databases):
    """The first start of several processes on one PostgreSQL server."""
    with databases.fresh("postgresql", bare=True) as url:
        pipe = asyncio.subprocess.PIPE
        starting = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATE, url, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)
            for _ in range(3)
        ]
        results = await asyncio.gather(*(process.communicate(b"go\n") for process in starting))
        assert [process.returncode for process in starting] == [0, 0, 0], [err.decode()[-500:] for _, err in results]
        database = Database(url)
        async with database.connection() as connection:
            assert await connection.run_sync(differences) == []
        await database.close()


async def test_every_revision_has_one_successor_and_the_first_has_none_before():
    scripts = ScriptDirectory.from_config(_config("sqlite://"))
    assert scripts.get_heads() == [HEAD]
    assert scripts.get_bases() == ["0001"]
    files = list((Path(database_module.__file__).parent / "migrations" / "versions").glob("*.py"))
    assert len(files) == len(list(scripts.walk_revisions()))


async def test_migrating_leaves_the_programs_logging_alone(bare_database_url):
    before = (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("bot").disabled)
    await migrate(bare_database_url)
    assert (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("bot").disabled) == before


async def test_a_folder_that_is_missing_is_made(tmp_path):
    url = f"sqlite+aiosqlite:///{tmp_path}/not/yet/there.db"
    await migrate(url)
    assert (tmp_path / "not" / "yet" / "there.db").exists()


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    file = tmp_path / "notes.db"
    file.write_text("this is not a database, and it must not become one" * 50)
    with pytest.raises(sa.exc.DatabaseError):
        await migrate(f"sqlite+aiosqlite:///{file}")
    assert file.read_text().startswith("this is not")


async def test_what_a_members_row_told_becomes_an_enrolment_and_a_record(bare_database_url):
    keyring.use({"t": b"0" * 32}, b"0" * 32)
    await asyncio.to_thread(command.upgrade, _config(bare_database_url), "0001")
    database = Database(bare_database_url)
    async with database.connection() as connection:
        tables = sa.MetaData()
        await connection.run_sync(lambda sync: tables.reflect(sync, only=["community", "person", "party_member"]))
        old = tables.tables
        await connection.execute(
            old["community"]
            .insert()
            .values(id="c", name="青禾里社区", timezone="Asia/Shanghai", config="{}", next_task_number=1, version=1)
        )
        await connection.execute(
            old["person"]
            .insert()
            .values(
                id="p",
                community_id="c",
                display_name=keyring.encrypt(b"x"),
                person_kind="member",
                consent_version=0,
                language="zh_CN",
                version=1,
            )
        )
        await connection.execute(
            old["party_member"].insert().values(
                person_id="p", kind="in_service", grid_code="G1", skill="护理/急救", health_exempt=False, under_18=False,
                enrollment="ACTIVE", enrolled_on=date(2026, 2, 3), services=3, hours=12.5, facts="{}",
            )
        )  # fmt: skip
    await database.close()
    await migrate(bare_database_url)
    database = Database(bare_database_url)
    async with database.transaction() as session:
        member, enrollment, record = [(await session.scalars(sa.select(model))).one() for model in (PartyMember, Enrollment, ServiceRecord)]
        assert (member.kind, member.skills, member.offers) == ("in_service", ["护理", "急救"], True)
        assert (enrollment.person_id, enrollment.state, enrollment.grid_code, enrollment.reason) == ("p", "ACTIVE", "G1", "")
        assert (record.year, record.times, record.hours) == (2026, 3, 12.5)
    await database.close()
