"""The connection to PostgreSQL: an engine whose every wait is bounded, and the first contact with the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api.storage.errors import StorageError, StorageUnavailable, translated

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S: Final = 5.0
POOL_TIMEOUT_S: Final = 5.0
STATEMENT_TIMEOUT_S: Final = 8.0
"""Counted by the server, and shorter than COMMAND_TIMEOUT_S: a server that lives says so itself (StatementTimedOut)."""
COMMAND_TIMEOUT_S: Final = 10.0
"""Counted by the client: a server that does not answer by then is taken for unreachable (StorageUnavailable)."""
LOCK_TIMEOUT_S: Final = 5.0
IDLE_TRANSACTION_TIMEOUT_S: Final = 30.0
"""A client that stops in the middle of a transaction must not hold its row locks longer than this."""
RECYCLE_S: Final = 1800
_FIRST_BACKOFF_S: Final = 0.1
_LAST_BACKOFF_S: Final = 2.0


def create_engine(url: str, *, application_name: str, pool_size: int = 5, max_overflow: int = 5) -> AsyncEngine:
    """An engine for `url` (`postgresql+asyncpg://…`; also from a plain `postgresql://…`). Does not connect yet."""
    return create_async_engine(
        asyncpg_url(url),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=POOL_TIMEOUT_S,
        pool_recycle=RECYCLE_S,
        pool_pre_ping=True,  # one round trip a checkout; without it a restart of the server fails one call a connection
        json_serializer=_json,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": COMMAND_TIMEOUT_S,
            "server_settings": {
                "application_name": application_name,
                "statement_timeout": _milliseconds(STATEMENT_TIMEOUT_S),
                "lock_timeout": _milliseconds(LOCK_TIMEOUT_S),
                "idle_in_transaction_session_timeout": _milliseconds(IDLE_TRANSACTION_TIMEOUT_S),
                "timezone": "UTC",
            },
        },
    )


async def ping(engine: AsyncEngine, *, timeout_s: float = 2.0) -> None:
    """One round trip. Raises StorageUnavailable when it fails or takes longer than `timeout_s`."""
    with translated():
        async with asyncio.timeout(timeout_s), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


async def wait_until_reachable(engine: AsyncEngine, *, timeout_s: float = 30.0) -> None:
    """Try until the server answers. Raises StorageUnavailable, with host, port and reason, after `timeout_s`."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout_s
    backoff_s = _FIRST_BACKOFF_S
    while True:
        try:
            await ping(engine)
        except StorageError as error:
            left_s = deadline - clock()
            if left_s <= 0:
                msg = f"PostgreSQL at {address(engine)} cannot be reached after {timeout_s:g} s: {error}"
                raise StorageUnavailable(msg) from error
            log.warning("Database not reachable yet", action="database_wait", at=address(engine), reason=str(error))
            await asyncio.sleep(min(backoff_s, left_s))
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)
        else:
            return


def address(engine: AsyncEngine) -> str:
    """`host:port` of the server, or the directory of its socket; never the password."""
    host = engine.url.host or engine.url.query.get("host") or "localhost"
    return f"{host}:{engine.url.port or 5432}"


def asyncpg_url(url: str) -> str:
    """`url` with asyncpg as its driver when it names none."""
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+asyncpg")
    return parsed.render_as_string(hide_password=False)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
