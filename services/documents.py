"""Documents made for somebody: kept encrypted, sent by name, forgotten after seven days (domain.md §9)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import ExportFile, Media
from services import audit, media
from services.context import Context

KEPT = timedelta(days=7)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def keep(context: Context, data: bytes, name: str, mime: str, kind: str, period: str = "") -> ExportFile:
    """Store a document that is now made for the actor (None: by the program) and may be fetched for seven days.

    `name` is the file name people see; a Screen with `media=(it.media_id,)` sends it. Who had it made is recorded.
    """
    made = ExportFile(
        kind=kind, period=period, name=name, requested_by=context.actor.id, made_at=context.now, expires_at=context.now + KEPT
    )  # fmt: skip
    stored = await media.keep(context, f"export:{made.id}", data, kind="document", mime=mime, stage="")
    made.media_id, made.sha256 = stored.id, stored.sha256
    context.session.add(made)
    audit.changed(context, "export.made", None, f"export_file:{made.id}")
    await context.session.flush()
    return made


async def forget_expired(context: Context) -> int:
    """Destroy the documents that are over their time; how many. What was made, for whom and its checksum stay on record."""
    over = list(
        await context.session.scalars(
            sa.select(ExportFile).where(col(ExportFile.expires_at) <= context.now, col(ExportFile.media_id) != "")
        )
    )
    for made in over:
        await context.session.execute(sa.delete(Media).where(col(Media.id) == made.media_id))
        made.media_id = ""
        shared = await context.session.scalar(sa.select(col(Media.id)).where(col(Media.sha256) == made.sha256).limit(1))
        if shared is None:
            await asyncio.to_thread(media.store.path(made.sha256).unlink, missing_ok=True)
    return len(over)
