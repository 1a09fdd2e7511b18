"""The whole system, as processes: two replicas of the api and a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.database import create_engine
from tests.support.system import Api, System, system


@pytest.fixture(scope="session")
def whole_system(request: pytest.FixtureRequest) -> Iterator[System]:
    """Its parameter: whether the tasks are on `one server`, or on `a cluster`."""
    with system(clustered=getattr(request, "param", "one server") == "a cluster") as made:
        yield made


@pytest.fixture(scope="session")
def replicas(whole_system: System) -> Iterator[tuple[Api, Api]]:
    first, second = whole_system.api("first"), whole_system.api("second")
    worker = whole_system.worker("worker", WORKER_CONCURRENCY="4", WORKER_DRAIN_S="1")
    for api in (first, second):
        api.wait_until_ready()
    yield first, second
    for process in (first, second, worker):
        process.terminate()
    assert worker.wait() == 0
    for api in (first, second):
        api.assert_ended_well()


@pytest.fixture
async def http(replicas: tuple[Api, Api]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the second replica."""
    async with httpx.AsyncClient(base_url=replicas[1].url, timeout=30) as client:
        yield client


@pytest.fixture
async def written(whole_system: System) -> AsyncIterator[AsyncEngine]:
    """The system's database."""
    engine = create_engine(whole_system.postgres.url, application_name="tests")
    yield engine
    await engine.dispose()
