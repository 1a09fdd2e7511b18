"""What Alembic runs: migrations of the database that DATABASE_URL names (`postgresql+asyncpg://…`).

Several replicas may start this at once: an advisory lock lets one migrate, and the others find nothing left to do.
`--sql` prints the statements instead of running them; it needs no server and no DATABASE_URL.
"""

from __future__ import annotations

import asyncio
import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from api.storage.database import CONNECT_TIMEOUT_S, asyncpg_url, wait_until_reachable
from api.storage.tables import metadata

_ADVISORY_LOCK = 7_311_142_570_155_996_531
"""Any number that nothing else locks; this one is "eventbus" read as ASCII."""
_LOCK_TIMEOUT_MS = 120_000


def _database_url() -> str:
    url = os.environ.get("DATABASE_URL")
    if not url:
        msg = "DATABASE_URL is not set: alembic does not know which database to migrate"
        raise SystemExit(msg)
    return url


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        context.run_migrations()


async def _migrate(engine: AsyncEngine) -> None:
    try:
        await wait_until_reachable(engine)
        async with engine.connect() as connection:
            await connection.run_sync(_run)
    finally:
        await engine.dispose()


def _online() -> None:
    arguments = {"timeout": CONNECT_TIMEOUT_S, "server_settings": {"application_name": "migrations"}}
    asyncio.run(_migrate(create_async_engine(asyncpg_url(_database_url()), poolclass=NullPool, connect_args=arguments)))


def _offline() -> None:
    context.configure(
        dialect_name="postgresql", target_metadata=metadata, literal_binds=True, dialect_opts={"paramstyle": "named"}
    )
    with context.begin_transaction():
        context.run_migrations()


if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

if context.is_offline_mode():
    _offline()
else:
    _online()
