"""What an operator asks on the command line."""

from pathlib import Path

import sqlalchemy as sa
from world import HASH, KEYS

from bot.operations import conversation_map, examine, lives_document, load_community, one_time_link
from bot.settings import Settings
from handlers import root
from models import Community, OutboxMessage, Person
from models.database import Database

ROOT = Path(__file__).parent.parent


def _settings(url: str, folder: Path) -> Settings:
    return Settings(_env_file=None, DATABASE_URL=url, DATA_DIR=folder, DEMO=False, ENCRYPTION_KEYS=KEYS, HASH_KEY=HASH)


def test_the_diagrams_in_the_docs_are_those_of_the_tables():
    assert (ROOT / "docs" / "lives.md").read_text("utf-8") == lives_document(), "run `python -m bot diagrams --write`"


def test_the_map_names_every_handler():
    shown = conversation_map()
    for route in root.walk():
        assert route.handler.__name__ in shown


async def test_a_community_is_loaded_once_and_people_get_links(database_url, tmp_path, capsys):
    settings = _settings(database_url, tmp_path)
    assert await load_community(settings, str(ROOT / "demo" / "community.json")) == 0
    assert await load_community(settings, str(ROOT / "demo" / "community.json")) == 1
    database = Database(database_url)
    async with database.transaction() as session:
        assert len(list(await session.scalars(sa.select(Community)))) == 1
        assert len(list(await session.scalars(sa.select(Person)))) > 100
    await database.close()
    assert await one_time_link(settings, "ST04") == 0
    assert "/start link-" in capsys.readouterr().out
    assert await one_time_link(settings, "nobody") == 1


async def test_a_file_that_is_no_community_is_named(database_url, tmp_path, capsys):
    (tmp_path / "bad.json").write_text('{"community": "x"}')
    assert await load_community(_settings(database_url, tmp_path), str(tmp_path / "bad.json")) == 1
    assert "lacks" in capsys.readouterr().err


async def test_the_doctor_lists_dead_letters_and_retries_them(world_sqlite, tmp_path, capsys):
    from bot.platforms.base import Refused

    def refuse(method, chat):
        if method == "send":
            raise Refused("never")

    world_sqlite.platform.fail = refuse
    await world_sqlite.person("R101").does("text", "", silent=True, text="你好")
    world_sqlite.platform.fail = lambda method, chat: None
    settings = _settings(world_sqlite.app.database.url, tmp_path)
    assert await examine(settings) == 1
    assert "refused: never" in capsys.readouterr().out
    assert await examine(settings, retry=True) == 0
    await world_sqlite.app.drain()
    assert await world_sqlite.rows(OutboxMessage, OutboxMessage.state == "dead") == []
