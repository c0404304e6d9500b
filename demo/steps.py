"""How a row of the demo takes a step of its life: as the table of lives has it, with the history row that services/moves.py would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models import StateLog
from models.lifecycle import LIVES

if TYPE_CHECKING:
    from datetime import datetime

    from models import Claim, Commitment, Meeting, Problem, Task


def moved(
    thing: Problem | Task | Claim | Meeting | Commitment, event: str, at: datetime, who: tuple[str | None, str], note: str = ""
) -> StateLog:
    """Move the row to where the event leads; its history row. `who`: the person's id, None for the program, and the role.

    Raises LookupError for a move that the table does not have.
    """
    kind = type(thing).__name__.lower()
    source, row = thing.state, LIVES[kind].find(event, thing.state)
    if row is None:
        raise LookupError(f"{kind} {thing.id}: models/lifecycle.py has no {event!r} from {source}")
    thing.state, thing.version = row.ends_in(source), thing.version + 1
    actor, role = who
    return StateLog(
        object_kind=kind, object_id=thing.id, event=event, source=source, target=thing.state, actor_id=actor, actor_role=role,
        at=at, note=note,
    )  # fmt: skip
