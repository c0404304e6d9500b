"""Codes that people read: `WT-20261123-0001`, and the tasks' short numbers (domain.md §1 Ids)."""

from __future__ import annotations

import re
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from models import Community, Counter
from services.context import Context
from services.workdays import local

_CODE = re.compile(r"([A-Z]{2,3})-?(\d{8})-?(\d{1,5})", re.IGNORECASE)
_DATED = re.compile(r"\d{8}-\d{1,5}")
_SHORT = re.compile(r"\d{1,4}")


async def next_code(context: Context, prefix: str, at: datetime | None = None) -> str:
    """The next code of a series: PREFIX-local date-four digits, counted per community and day by submission time."""
    day = f"{local(at or context.now):%Y%m%d}"
    name = f"{context.ground.community_id}:{prefix}:{day}"
    dialect = postgresql if context.session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Counter).values(name=name, value=1)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_={"value": Counter.value + 1})
    number = (await context.session.execute(statement.returning(Counter.value))).scalar_one()
    return f"{prefix}-{day}-{number:04d}"


async def next_task_number(context: Context) -> int:
    """The next short number of a task (#31), per community."""
    statement = (
        sa.update(Community)
        .where(Community.id == context.ground.community_id)  # type: ignore[arg-type]
        .values(next_task_number=Community.next_task_number + 1)
        .returning(col(Community.next_task_number))
        .execution_options(synchronize_session=False)
    )
    return int((await context.session.execute(statement)).scalar_one()) - 1


def tidy(code: str, prefix: str = "") -> str:
    """A code as it is stored: `wt20261123-1` becomes `WT-20261123-0001`; anything else comes back upper-cased.

    With `prefix` it may be left out: `20261123-1` is PREFIX-20261123-0001.
    """
    code = code.strip()
    if prefix and _DATED.fullmatch(code):
        code = f"{prefix}-{code}"
    found = _CODE.fullmatch(code)
    return f"{found[1].upper()}-{found[2]}-{int(found[3]):04d}" if found else code.upper()


def short(code: str) -> str:
    """The last four digits of a code of which nothing else was said (`1` is 0001); "" for anything else."""
    return f"{int(code):04d}" if _SHORT.fullmatch(code.strip()) else ""


async def next_number(context: Context, series: str) -> int:
    """The next number of a series of this community, from 1: posts, documents."""
    dialect = postgresql if context.session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Counter).values(name=f"{context.ground.community_id}:{series}", value=1)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_={"value": Counter.value + 1})
    return int((await context.session.execute(statement.returning(Counter.value))).scalar_one())
