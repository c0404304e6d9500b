"""What the conversations of administration share: who may be told how, and a card that is put away."""

from __future__ import annotations

from models import Draft
from services.context import Context, Refusal

KINDS = ("role", "handover", "roster", "announcement", "unit_leave")


def require_staff(context: Context) -> None:
    """Raises Refusal for whoever does not work for the community."""
    if not (context.actor.staff or context.actor.has("admin")):
        raise Refusal("refused.permission")


async def drop(context: Context, draft_id: str) -> None:
    """Forget what a card of administration was about; nothing when it is gone or somebody else's."""
    draft = await context.session.get(Draft, draft_id)
    if draft is not None and context.account is not None and draft.account_id == context.account.id and draft.kind in KINDS:
        await context.session.delete(draft)
