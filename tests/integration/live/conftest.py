"""Live delivery as an api process has it: a hub that runs, and sessions over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import _ArchiveHistory
from api.connections import connect_all
from api.live.ending import end
from api.live.hub import Hub
from api.live.reader import Reader
from api.live.session import Live, SessionLimits
from api.storage.database import create_engine
from protocol.keys import PARTITIONS
from protocol.log import AsyncLog


@asynccontextmanager
async def running(redis_url: str, *, queue_bytes: int = 2**20) -> AsyncIterator[Hub]:
    client = connect_all(redis_url, "tests-live", retries=0)
    hub = Hub(client, partitions=PARTITIONS, queue_bytes=queue_bytes)
    task = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        await end(task)
        await client.aclose()


@pytest.fixture
async def hub(redis_url: str) -> AsyncIterator[Hub]:
    async with running(redis_url) as hub:
        yield hub


@dataclass(frozen=True)
class Replica:
    """Live delivery as one api process has it, with limits that a test can wait for."""

    hub: Hub
    live: Live


@asynccontextmanager
async def replica(
    redis_url: str, engine: AsyncEngine, *, queue_bytes: int = 2**20, limits: SessionLimits | None = None
) -> AsyncIterator[Replica]:
    client = connect_all(redis_url, "tests-api", retries=1)
    try:
        async with running(redis_url, queue_bytes=queue_bytes) as hub:
            reader = Reader(AsyncLog(client, partitions=PARTITIONS), _ArchiveHistory(engine))
            live = Live(hub, reader, limits or SessionLimits(backstop_s=60.0))
            looking = asyncio.create_task(live.lost_ends.run())
            yield Replica(hub, live)
            await end(looking)
    finally:
        await client.aclose()


@pytest.fixture
async def nowhere() -> AsyncIterator[AsyncEngine]:
    """A database that does not answer: what needs none goes on without it."""
    engine = create_engine("postgresql://postgres@127.0.0.1:1/none", application_name="tests")
    yield engine
    await engine.dispose()


@pytest.fixture
async def live(redis_url: str, nowhere: AsyncEngine) -> AsyncIterator[Live]:
    """Whose backstop comes too late to help a test."""
    async with replica(redis_url, nowhere) as made:
        yield made.live


@pytest.fixture
async def recalling(redis_url: str, engine: AsyncEngine) -> AsyncIterator[Live]:
    """As `live`, with an archive behind it."""
    async with replica(redis_url, engine) as made:
        yield made.live
