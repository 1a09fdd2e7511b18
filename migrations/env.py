"""What Alembic runs: migrations of the database that DATABASE_URL names (`postgresql+asyncpg://…`).

Several replicas may start this at once: an advisory lock lets one migrate, and the others find nothing left to do.
`--sql` prints the statements instead of running them; it needs no server and no DATABASE_URL.
"""

from __future__ import annotations

import asyncio
import os

import structlog
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from api.storage.database import CONNECT_TIMEOUT_S, asyncpg_url, wait_until_reachable
from api.storage.errors import StorageError
from api.storage.tables import metadata
from service.logs import configure_logging
from service.settings import LogFormat

log = structlog.get_logger("migrations")

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
    engine = create_async_engine(asyncpg_url(_database_url()), poolclass=NullPool, connect_args=arguments)
    try:
        asyncio.run(_migrate(engine))
    except StorageError as error:
        log.error("Cannot migrate", action="migration_failed", reason=_reason(error))  # noqa: TRY400 - no traceback wanted
        raise SystemExit(1) from error


def _reason(error: StorageError) -> str:
    hint = "; a database keeps the password that it was made with" if "password authentication" in str(error) else ""
    return f"{error}{hint}"


def _offline() -> None:
    context.configure(
        dialect_name="postgresql", target_metadata=metadata, literal_binds=True, dialect_opts={"paramstyle": "named"}
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _offline()  # prints the statements; nothing else may be there
else:
    log_format: LogFormat = "json" if os.environ.get("LOG_FORMAT") == "json" else "text"
    configure_logging(log_format, os.environ.get("LOG_LEVEL") or "info")
    _online()
