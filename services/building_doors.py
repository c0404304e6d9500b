"""The doors of the buildings: the word in the address of its sheet, the place it gives to a conversation, and the web chat's groups."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Chat, Community, Draft, Place, keyring
from services.context import Context, Ground
from texts.render import text

# Nothing that is mistaken for another sign when it is copied from paper: no 0 and o, no 1, i and l.
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
LENGTH = 8
HERE_FOR = timedelta(hours=2)


@dataclass
class Opened:
    """Where the doors open: the public address of the web chat, "" while it is not on in this process."""

    address: str = ""


opened = Opened()


# -- the sheets -----------------------------------------------------------------------------------------------
async def doors(session: AsyncSession, grid: str = "") -> list[Place]:
    """Every building (of the grid with this code), grid by grid, each with its door's word; one without gets it now, for good."""
    wanted = sa.select(Place).where(col(Place.kind) == "building").with_for_update()
    places = list(await session.scalars(wanted.where(col(Place.grid_code) == grid) if grid else wanted))
    places.sort(key=lambda place: (place.grid_code or "", _natural(place.name)))
    new = [place for place in places if place.door is None]
    for place in new:
        place.door = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    if new:
        changed = sa.update(Community).where(col(Community.id) == new[0].community_id)
        await session.execute(changed.values(version=col(Community.version) + 1))
        await session.flush()
    return places


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def place_of(ground: Ground, word: str) -> Place | None:
    """The place whose door has this word; None for an unknown one, such as an old sheet's."""
    word = word.strip().lower()
    return next((place for place in ground.places.values() if place.door == word), None) if len(word) == LENGTH else None


# -- the place of a conversation ------------------------------------------------------------------------------
def enter(draft: Draft, place: Place, now: datetime) -> None:
    """The draft is begun at this door: its place counts for two hours where the words name no other (domain.md §1, Where)."""
    draft.data.update(door=place.id, door_at=now.isoformat())


def carried(draft: Draft | None, now: datetime) -> dict[str, Any]:
    """What a fresh draft takes over of the door that an earlier one was begun at, while it counts."""
    data: Mapping[str, Any] = draft.data if draft is not None else {}
    return {name: data[name] for name in ("door", "door_at")} if _counts(data, now) else {}


def scanned(context: Context) -> Place | None:
    """The place of the door that the dialog's draft was begun at, while it counts."""
    data: Mapping[str, Any] = context.draft.data if context.draft is not None else {}
    return context.ground.places.get(data["door"]) if _counts(data, context.now) else None


def _counts(data: Mapping[str, Any], now: datetime) -> bool:
    return "door" in data and now - datetime.fromisoformat(data["door_at"]) <= HERE_FOR


# -- the groups of a platform that is our own -----------------------------------------------------------------
async def open_groups(session: AsyncSession, platform: str, bot: str, ground: Ground) -> None:
    """Make the community's groups on a platform of our own, each bound to its purpose, once."""
    wanted = {
        "party": "party",
        "coordinators": "coordinators",
        "public": "public",
        **{f"grid-{code}": f"grid:{code}" for code in ground.grids},
    }
    known = {chat.address: chat for chat in await _groups(session, platform, bot)}
    for address, purpose in wanted.items():
        title = text(f"door.group.{purpose.partition(':')[0]}", {"community": ground.name, "grid": ground.grid_name(address[5:])}, "zh_CN")
        chat = known.get(address)
        if chat is None:
            key_hash = keyring.hash("chat", platform, bot, address)
            chat = Chat(platform=platform, bot=bot, key_hash=key_hash, address=address, kind="group", title=title, purpose=purpose)
            session.add(chat)
        chat.blocked = False
    await session.flush()


async def close_groups(session: AsyncSession, platform: str, bot: str) -> None:
    """Nothing is posted to the groups of a platform that is not on."""
    for chat in await _groups(session, platform, bot):
        chat.blocked = True


async def _groups(session: AsyncSession, platform: str, bot: str) -> Sequence[Chat]:
    here = sa.select(Chat).where(col(Chat.platform) == platform, col(Chat.bot) == bot, col(Chat.kind) == "group")
    return (await session.scalars(here)).all()
