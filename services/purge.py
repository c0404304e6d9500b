"""What must not be kept: drafts after 7 days, exact coordinates after 30, anonymous return addresses 30 days after closing."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from models import AnonymousToken, CheckIn, Conversation, Draft, Media
from services.context import Context

DRAFT_DAYS, COORDS_DAYS = 7, 30


async def nightly(context: Context, _subject: str) -> str:
    """Forget what is over its time (domain.md §6 privacy purge); how much of each."""
    session = context.session
    old = sa.select(Draft.id).where(Draft.updated_at < context.now - timedelta(days=DRAFT_DAYS))  # type: ignore[call-overload]
    drafts = list(await session.scalars(old))
    if drafts:
        await session.execute(sa.delete(Media).where(Media.owner.in_([f"draft:{draft}" for draft in drafts])))  # type: ignore[attr-defined]
        await session.execute(
            sa.update(Conversation).where(Conversation.draft_id.in_(drafts)).values(draft_id=None, step="")  # type: ignore[union-attr]
        )
        await session.execute(sa.delete(Draft).where(Draft.id.in_(drafts)))  # type: ignore[attr-defined]
    coords = await session.execute(
        sa.update(CheckIn)
        .where(CheckIn.coords.is_not(None), CheckIn.at < context.now - timedelta(days=COORDS_DAYS))  # type: ignore[union-attr,arg-type]
        .values(coords=None)
    )
    tokens = await session.execute(
        sa.update(AnonymousToken)
        .where(AnonymousToken.purge_at <= context.now, AnonymousToken.return_address.is_not(None))  # type: ignore[union-attr,operator,arg-type]
        .values(return_address=None, chat_hash="")
    )
    return f"drafts={len(drafts)} coords={coords.rowcount} addresses={tokens.rowcount}"  # type: ignore[attr-defined]
