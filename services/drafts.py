"""The drafts of the dialogs about orders and tasks: what somebody has begun to say, one row, kept by the turn."""

from __future__ import annotations

from typing import Any

from models import Draft
from services.context import Context


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
