"""Trying what a rule may refuse, where the refusal is answered otherwise than the turn would."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from services.context import Context, Refusal

Done = TypeVar("Done")


async def attempt(context: Context, work: Awaitable[Done]) -> Done | Refusal:
    """What `work` gives, or the Refusal it raised; then nothing that it had begun is left: no row, no move, no message.

    `work` may change rows and post; a draft of the dialog or `facts` it may not touch: those are not put back.
    """
    posted = len(context.posted)
    try:
        async with context.session.begin_nested():
            return await work
    except Refusal as refused:
        del context.posted[posted:]
        return refused
