"""The first contact with a server, and the limits under which every statement runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.database import create_engine, ping, wait_until_reachable
from api.storage.errors import StorageError, StorageUnavailable
from local.servers import Postgres


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[str], AsyncEngine]]:
    """Makes engines that are disposed of afterwards."""
    engines = []

    def make(url: str) -> AsyncEngine:
        engines.append(create_engine(url, application_name="name of a replica"))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.dispose()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("application_name", "name of a replica"),
        ("statement_timeout", "8s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "30s"),
        ("timezone", "UTC"),
    ],
)
async def test_every_connection_has_a_name_and_limits(
    connect: Callable[[str], AsyncEngine], database_url: str, setting: str, value: str
) -> None:
    async with connect(database_url).connect() as connection:
        assert await connection.scalar(text(f"SHOW {setting}")) == value


async def test_a_server_that_answers_is_reached_at_once(engine: AsyncEngine) -> None:
    await ping(engine)
    await wait_until_reachable(engine, timeout_s=0)


async def test_a_server_that_is_not_there_is_told_with_its_address_after_the_time_given(
    connect: Callable[[str], AsyncEngine],
) -> None:
    engine = connect("postgresql://user:secret@127.0.0.1:1/x")

    with pytest.raises(
        StorageUnavailable, match=r"PostgreSQL at 127\.0\.0\.1:1 cannot be reached after 0\.2 s"
    ) as raised:
        await wait_until_reachable(engine, timeout_s=0.2)
    assert "secret" not in str(raised.value)


async def test_a_database_that_does_not_exist_is_told(
    connect: Callable[[str], AsyncEngine], engine: AsyncEngine
) -> None:
    missing = connect(engine.url.set(database="missing").render_as_string(hide_password=False))

    with pytest.raises(StorageError, match='database "missing" does not exist'):
        await ping(missing)


async def test_a_server_that_comes_up_later_is_waited_for(engine: AsyncEngine, postgres_server: Postgres) -> None:
    postgres_server.stop()
    with pytest.raises(StorageUnavailable):
        await ping(engine)
    waiting = asyncio.create_task(wait_until_reachable(engine, timeout_s=30))
    await asyncio.sleep(0)

    postgres_server.start()

    await waiting


async def test_a_server_that_hangs_is_unavailable_after_the_time_given(
    engine: AsyncEngine, postgres_server: Postgres
) -> None:
    await ping(engine)
    postgres_server.pause()

    with pytest.raises(StorageUnavailable):
        await ping(engine, timeout_s=0.2)

    postgres_server.resume()
    await ping(engine)


async def test_a_restart_of_the_server_costs_the_next_call_nothing(
    engine: AsyncEngine, postgres_server: Postgres
) -> None:
    await ping(engine)
    postgres_server.stop()
    postgres_server.start()

    await ping(engine)
