"""The drafts of the dialogs about orders and tasks: what somebody has begun to say, one row, kept by the turn."""

from __future__ import annotations

from typing import Any

from models import Draft
from services.context import Context, Refusal


def keep(context: Context, kind: str, **data: Any) -> Draft:
    """Keep `data` as the dialog's draft of this kind, over what it held; a draft of another kind is left for its own dialog."""
    if context.draft is not None and context.draft.kind == kind:
        context.draft.data = {**context.draft.data, **data}
        return context.draft
    if context.account is None:
        raise ValueError("only somebody with an account can begin a draft")
    context.draft = Draft(account_id=context.account.id, kind=kind, data=data, updated_at=context.now)
    context.session.add(context.draft)
    return context.draft


def kept(context: Context, kind: str) -> dict[str, Any]:
    """What the dialog's draft of this kind holds; {} when there is none."""
    return context.draft.data if context.draft is not None and context.draft.kind == kind else {}


async def beside(context: Context, kind: str, **data: Any) -> Draft:
    """A draft for a card with buttons, beside the dialog that may be under way."""
    if context.account is None:
        raise ValueError("only somebody with an account can begin a draft")
    draft = Draft(account_id=context.account.id, kind=kind, data=data, updated_at=context.now)
    context.session.add(draft)
    await context.session.flush()
    return draft


async def opened(context: Context, kind: str, draft_id: str) -> Draft:
    """The actor's own draft of this kind behind a card's button. Raises Refusal: it is gone, or somebody else's."""
    draft = await context.session.get(Draft, draft_id, with_for_update=True)
    if draft is None or draft.kind != kind or context.account is None or draft.account_id != context.account.id:
        raise Refusal("dialog.gone")
    return draft


async def put(context: Context, draft: Draft, **data: Any) -> None:
    """Keep `data` in the draft over what it held."""
    draft.data, draft.updated_at = {**draft.data, **data}, context.now
    await context.session.flush()
