"""What must not be kept: drafts after 7 days, exact coordinates after 30, anonymous return addresses 30 days after closing,
documents made for somebody after 7."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import AnonymousToken, CheckIn, Conversation, Draft, Media
from services import documents, web_history
from services.context import Context

DRAFT_DAYS, COORDS_DAYS = 7, 30


async def nightly(context: Context, _subject: str) -> str:
    """Forget what is over its time (domain.md §6 privacy purge); how much of each."""
    session = context.session
    old = sa.select(col(Draft.id)).where(col(Draft.updated_at) < context.now - timedelta(days=DRAFT_DAYS))
    drafts = list(await session.scalars(old))
    if drafts:
        await session.execute(sa.delete(Media).where(col(Media.owner).in_([f"draft:{draft}" for draft in drafts])))
        await session.execute(sa.update(Conversation).where(col(Conversation.draft_id).in_(drafts)).values(draft_id=None, step=""))
        await session.execute(sa.delete(Draft).where(col(Draft.id).in_(drafts)))
    coords = await session.execute(
        sa.update(CheckIn)
        .where(col(CheckIn.coords).is_not(None), col(CheckIn.at) < context.now - timedelta(days=COORDS_DAYS))
        .values(coords=None)
    )
    await web_history.forget_answers(context)
    tokens = await session.execute(
        sa.update(AnonymousToken)
        .where(col(AnonymousToken.purge_at) <= context.now, col(AnonymousToken.return_address).is_not(None))
        .values(return_address=None, chat_hash="")
    )
    exports = await documents.forget_expired(context)
    return f"drafts={len(drafts)} coords={coords.rowcount} addresses={tokens.rowcount} exports={exports}"  # type: ignore[attr-defined]
