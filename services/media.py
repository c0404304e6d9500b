"""Photos and recordings: encrypted on disk under their hash, listed in the Media table."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import col

from models import Media, keyring, new_id
from services.context import Context


class MediaStore:
    """The folder of stored files. `use` sets it at start."""

    root = Path("data/media")

    def use(self, root: Path) -> None:
        """Keep files under `root` from now on."""
        self.root = root

    def path(self, sha256: str) -> Path:
        """Where the file with this hash lies."""
        return self.root / sha256[:2] / sha256

    def write(self, data: bytes) -> str:
        """Store the bytes (encrypted, atomically); their SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{sha256}.{new_id()}.part")
            with part.open("wb") as file:
                file.write(keyring.encrypt(data))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        return sha256

    def read(self, sha256: str) -> bytes:
        """The bytes. Raises FileNotFoundError."""
        return keyring.decrypt(self.path(sha256).read_bytes())


store = MediaStore()


async def keep(context: Context, owner: str, data: bytes, kind: str = "photo", mime: str = "image/jpeg", stage: str = "before") -> Media:
    """Store a file for `owner` ("draft:ID", "problem:ID"); the same bytes twice for one owner are one row."""
    sha256 = store.write(data)
    found = await context.session.scalar(sa.select(Media).where(col(Media.owner) == owner, col(Media.sha256) == sha256))
    if found is None:
        found = Media(owner=owner, kind=kind, stage=stage, sha256=sha256, mime=mime, size=len(data), at=context.now)
        context.session.add(found)
        await context.session.flush()
    return found


async def forget_unless_ours(context: Context, data: bytes) -> None:
    """Destroy the stored file with these bytes where no row names it: the web chat stores what it is sent, and not all may stay."""
    sha256 = hashlib.sha256(data).hexdigest()
    if await context.session.scalar(sa.select(col(Media.id)).where(col(Media.sha256) == sha256).limit(1)) is None:
        store.path(sha256).unlink(missing_ok=True)


async def of(context: Context, owner: str) -> tuple[str, ...]:
    """The ids of an owner's files, oldest first."""
    return tuple(await context.session.scalars(sa.select(col(Media.id)).where(col(Media.owner) == owner).order_by(col(Media.id))))


async def hand_over(context: Context, owner: str, to: str) -> None:
    """Give an owner's files to another ("draft:ID" to "problem:ID")."""
    await context.session.execute(
        sa.update(Media).where(col(Media.owner) == owner).values(owner=to).execution_options(synchronize_session=False)
    )
