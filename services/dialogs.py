"""A dialog about one problem that waits for words: which problem and what for is kept in the draft until they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models import Draft, Problem
from services import problems
from services.context import Context, Refusal
from texts.screen import Screen


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say to the one who acts; `waiting`: words are still to come. `subject`: what a reply to it is about."""

    screen: Screen
    waiting: bool = False
    subject: str = ""


def wait(context: Context, kind: str, problem: Problem, **data: Any) -> None:
    """Wait for words about the problem. An earlier unfinished draft stays for its 7 days."""
    if context.account is None:
        raise LookupError("only a person with an account can be asked for words")
    context.draft = Draft(account_id=context.account.id, kind=kind, data={"problem": problem.id, **data}, updated_at=context.now)
    context.session.add(context.draft)


async def waited(context: Context, kind: str) -> tuple[Problem, dict[str, Any]]:
    """The problem that words are for, and what was kept with it; the wait is over. Raises Refusal: nothing waits."""
    draft = context.draft
    if draft is None or draft.kind != kind:
        raise Refusal("dialog.gone")
    problem, data = await problems.get(context, draft.data["problem"]), dict(draft.data)
    await context.session.delete(draft)
    context.draft = None
    return problem, data
