"""The command `python -m bot posters`: the sheets for the doors of the buildings (services.posters)."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.settings import Settings
from models import keyring
from models.database import Database, migrate
from services.building_doors import doors
from services.context import ground
from services.posters import html


async def print_posters(settings: Settings, out: Path, grid: str = "") -> int:
    """Write the sheets of every building (of the grid with this code); the exit code. A building gets its word once and keeps it."""
    if settings.PUBLIC_URL is None:
        print("PUBLIC_URL must be set: it is the address in the codes, https://…", file=sys.stderr)
        return 2
    keyring.use(settings.encryption_keys, settings.hash_key)
    database = Database(settings.DATABASE_URL)
    try:
        await migrate(settings.DATABASE_URL)
        async with database.transaction() as session:
            try:
                community = (await ground(session)).name
            except LookupError as error:
                print(error, file=sys.stderr)
                return 1
            places = await doors(session, grid)
    finally:
        await database.close()
    if not places:
        print(f"there is no building in grid {grid}" if grid else "there is no building yet", file=sys.stderr)
        return 1
    out.write_text(html(places, community, settings.PUBLIC_URL), "utf-8")
    print(f"{out}: {len(places)} sheets. Open it in a browser and print it on A4, without margins or headers.")
    if not settings.PUBLIC_URL.startswith("https://"):
        print("PUBLIC_URL is no https:// address: browsers will not offer a microphone or a position there", file=sys.stderr)
    return 0
