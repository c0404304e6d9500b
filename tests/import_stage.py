"""A community that has just begun, and files made by hand, for the tests of importing."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import xlsxwriter
from sqlalchemy.ext.asyncio import AsyncSession

from models import Community, keyring
from models.database import Database
from services import importing
from services.context import Actor, Context, Grant, ground
from services.importing import Source
from services.plans import Plan
from services.workdays import ZONE
from texts.render import text
from texts.workbook import sheet, sheets

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=ZONE)
OPERATOR = Actor(None, (Grant("admin"), Grant("community_clerk")))
SQUARE = "120.15,31.2; 120.153,31.2; 120.153,31.2025; 120.15,31.2025"
CLERK = Actor(None, (Grant("community_clerk"),))


class Office:
    """The store of one community and somebody who imports into it."""

    def __init__(self, database: Database) -> None:
        self.database, self.actor, self.turns = database, OPERATOR, 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Context]:
        self.turns += 1
        async with self.database.transaction() as session:
            yield Context(session, NOW, self.actor, await ground(session), f"t{self.turns}")

    async def imports(self, *files: bytes | Source) -> Plan:
        sources = [file if isinstance(file, Source) else Source("file", file) for file in files]
        async with self.turn() as context:
            return await importing.carry_out(context, sources)

    async def faults(self, *files: bytes) -> list[str]:
        """Each fault as a person reads it, in Chinese; both languages have words for it."""
        plan = await self.imports(*files)
        assert plan.faults
        assert all(text(fault.words().name, fault.words().values, "en") for fault in plan.faults)
        return [text(fault.words().name, fault.words().values, "zh_CN") for fault in plan.faults]

    async def rows(self, model: Any) -> list[Any]:
        import sqlalchemy as sa

        async with self.database.transaction() as session:
            return list(await session.scalars(sa.select(model)))


async def found(session: AsyncSession) -> None:
    session.add(Community(name="青禾里社区"))


@asynccontextmanager
async def office_at(url: str) -> AsyncIterator[Office]:
    """A community without anything at `url`, which has its tables."""
    keyring.use({"t": b"0" * 32}, b"0" * 32)
    database = Database(url)
    try:
        async with database.transaction() as session:
            await found(session)
        yield Office(database)
    finally:
        await database.close()


def book(pages: Mapping[str, list[list[Any]]] | None = None, touch: Any = None, **rows: list[dict[str, Any]]) -> bytes:
    """A workbook of rows by sheet key and column key as they are typed; `pages` by title, cell by cell; `touch(book, pages)` at the end."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as made:
        written = {}
        for one in sheets():
            if one.key not in rows:
                continue
            page = written[one.key] = made.add_worksheet(one.title)
            page.write_row(0, 0, [column.title for column in one.columns])
            for number, row in enumerate(rows[one.key], 1):
                for key, value in row.items():
                    index = one.columns.index(sheet(one.key).column(key))
                    if isinstance(value, datetime):
                        page.write_datetime(number, index, value, made.add_format({"num_format": "yyyy-mm-dd"}))
                    else:
                        page.write(number, index, value)
        for title, lines in (pages or {}).items():
            page = written[title] = made.add_worksheet(title)
            for number, line in enumerate(lines):
                page.write_row(number, 0, line)
        if touch is not None:
            touch(made, written)
    return buffer.getvalue()


GRIDS = [{"code": "G1", "name": "一区", "branch": "一区党支部", "polygon": SQUARE}]
UNITS = [{"code": "U01", "name": "卫生中心"}]
