"""Runs the migrations on an engine of their own: SQLite's foreign keys stay off while tables are rebuilt."""

from __future__ import annotations

import asyncio
from typing import Literal

import sqlalchemy as sa
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import models  # noqa: F401  registers the tables
from models.types import Encrypted, EncryptedJSON, UTCDateTime


def _render(kind: str, value: object, _context: object) -> str | Literal[False]:
    if kind == "type":
        if isinstance(value, UTCDateTime):
            return "sa.DateTime(timezone=True)"
        if isinstance(value, Encrypted | EncryptedJSON):
            return "sa.LargeBinary()"
        if type(value).__name__ == "AutoString":
            return "sa.String()"
    return False


def _run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=_render,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":  # of several processes that start together one migrates, the others wait
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(20261123)"))
        context.run_migrations()


async def _main() -> None:
    engine = create_async_engine(context.config.attributes["url"], poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_main())
