"""One system for all tests of the routes: a replica with a worker, and one without, on databases of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from redis import Redis

from tests.support.system import Api, System, system

IDLE_REDIS: Final = 1
"""The Redis database of the replica without a worker."""
QUEUE_LIMIT: Final = 20
BODY_LIMIT: Final = 1_500_000
FOLLOWER_QUEUE_BYTES: Final = 500_000


@pytest.fixture(scope="session")
def routes_system() -> Iterator[System]:
    with system() as made:
        yield made


@pytest.fixture(scope="session")
def replicas(routes_system: System) -> Iterator[tuple[Api, Api]]:
    busy = routes_system.api("busy", FOLLOWER_QUEUE_BYTES=str(FOLLOWER_QUEUE_BYTES), SEND_BUFFER_BYTES="16384")
    idle = routes_system.api(
        "idle",
        REDIS_URL=routes_system.redis_url(IDLE_REDIS),
        DATABASE_URL=routes_system.database_url("idle"),
        QUEUE_LIMIT=str(QUEUE_LIMIT),
        BODY_LIMIT=str(BODY_LIMIT),
    )
    routes_system.worker("worker", WORKER_POOL="threads", WORKER_CONCURRENCY="16", WORKER_DRAIN_S="1")
    busy.wait_until_ready()
    idle.wait_until_ready()
    yield busy, idle
    for each in (busy, idle):
        each.terminate()
    for each in (busy, idle):
        each.assert_ended_well()


@pytest.fixture
def api(replicas: tuple[Api, Api]) -> Api:
    """A replica whose tasks are run."""
    return replicas[0]


@pytest.fixture
def idle(replicas: tuple[Api, Api], idle_queues: Redis) -> Api:
    """A replica whose tasks wait for ever; its queues are empty."""
    for queue in idle_queues.scan_iter("tasks.*"):
        idle_queues.delete(queue)
    return replicas[1]


@pytest.fixture
def idle_queues(routes_system: System) -> Iterator[Redis]:
    """The Redis database that holds the queues of `idle`."""
    with Redis.from_url(routes_system.redis_url(IDLE_REDIS), decode_responses=True) as redis:
        yield redis


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, timeout=30) as client:
        yield client


@pytest.fixture
def idle_http(idle: Api) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=idle.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def finished(replicas: tuple[Api, Api]) -> dict[str, Any]:
    """A task that has succeeded: its events are a status, ten chunks with progress between them, and the result."""
    with httpx.Client(base_url=replicas[0].url, timeout=30) as client:
        task = client.post("/tasks", json={"kind": "compute_pi", "params": {"digits": 10, "pace_ms": [1, 2]}}).json()
        ended: dict[str, Any] = client.get(task["links"]["self"], headers={"Prefer": "wait=20"}).json()
    assert ended["state"] == "succeeded"
    return ended
