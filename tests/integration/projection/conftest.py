"""Replicas of the projection on real servers, and what a test does to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from redis.asyncio import Redis, RedisCluster
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.connections import connect_all
from api.projection.lanes import Lanes
from api.projection.status import Counters, ProjectionSettings
from api.projection.writer import Apply
from api.storage.apply import apply_changes
from api.storage.archive import Archive
from api.storage.changes import NewTask, TaskRow
from api.storage.tasks import TaskStore
from protocol.async_nodes import AsyncNodes
from protocol.keys import events, partition_of
from tests.support.cluster import ValkeyCluster
from tests.unit.projection.samples import EPOCH, TASK, at, fields, seqs

GROUP: Final = "projection"
QUICK: Final[dict[str, Any]] = {
    "interval_s": 0.1,
    "urgent_s": 0.01,
    "read_pause_s": 0.005,
    "block_s": 0.05,
    "hold_interval_s": 0.05,
    "trim_interval_s": 0.05,
    "first_backoff_s": 0.02,
    "last_backoff_s": 0.05,
}
WAIT_S: Final = 20.0


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `condition` holds. Raises TimeoutError when it does not within WAIT_S."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():  # noqa: ASYNC110 - what a server holds sets no event of ours
            await asyncio.sleep(0.005)


@dataclass
class Replica:
    """A projection that runs."""

    projection: Lanes
    running: asyncio.Task[None]

    @property
    def counters(self) -> Counters:
        return Counters(**self.projection.status().counters)

    async def stop(self) -> None:
        """As a process that is asked to end."""
        await self.projection.stop()
        await self.running

    async def kill(self) -> None:
        """As a process that dies: nothing is finished, nothing given back."""
        self.running.cancel()
        await asyncio.wait([self.running])


@dataclass
class World:
    """Both servers, and replicas by the names of their consumers."""

    redis: Any
    """For looking at the streams, and for changing them."""
    engine: AsyncEngine
    replicas: dict[str, Replica]
    nodes: AsyncNodes | None = None
    """For the replicas; when None they have `redis`."""

    @property
    def apply(self) -> Apply:
        return partial(apply_changes, self.engine)

    def start(self, consumer: str = "a", *, apply: Apply | None = None, **settings: Any) -> Replica:
        projection = Lanes(
            self.nodes or self.redis,
            apply or self.apply,
            partitions=range(16),
            consumer=consumer,
            group=GROUP,
            settings=ProjectionSettings(**QUICK | settings),
        )
        replica = Replica(projection, asyncio.create_task(projection.run()))
        self.replicas[consumer] = replica
        return replica

    async def submit(self, *tasks: UUID, epoch: str = EPOCH) -> None:
        for task in tasks or (TASK,):
            await TaskStore(self.engine).insert(NewTask(task, "synthetic", {}, epoch, at(0)))

    async def append(self, *raw: bytes, task: UUID = TASK, **rest: Any) -> str:
        """Add an entry to the task's partition stream as append.lua does; returns its id."""
        entry: dict[Any, Any] = fields(*raw, task=task, **rest)
        entry_id: Any = await self.redis.xadd(events(partition_of(task)), entry)
        return str(entry_id.decode())

    async def row(self, task: UUID = TASK) -> TaskRow:
        row = await TaskStore(self.engine).get(task)
        assert row is not None
        return row

    async def result(self, task: UUID = TASK) -> bytes | None:
        return await TaskStore(self.engine).result(task)

    async def history(self, task: UUID = TASK) -> list[tuple[int, bytes]]:
        return await Archive(self.engine).read(task, 0, 100_000)

    async def archived(self, task: UUID = TASK) -> list[int]:
        return seqs(await self.history(task))

    async def pending(self, task: UUID = TASK) -> int:
        """Entries of the task's partition that were delivered and not acknowledged."""
        summary: dict[str, Any] = await self.redis.xpending(events(partition_of(task)), GROUP)
        return int(summary["pending"])

    async def sql(self, statement: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement))

    async def has_archived(self, count: int, task: UUID = TASK) -> None:
        """Wait until `count` events of the task are in the archive."""

        async def all_there() -> bool:
            return len(await self.archived(task)) >= count

        await eventually(all_there)

    async def is_trimmed(self, task: UUID = TASK) -> None:
        """Wait until everything in the task's partition stream is acknowledged and gone."""

        async def empty() -> bool:
            return not await self.redis.xlen(events(partition_of(task)))

        await eventually(empty)


@pytest.fixture
async def world(redis: Redis, engine: AsyncEngine) -> AsyncIterator[World]:
    async with running(World(redis, engine, {})) as world:
        yield world


@pytest.fixture
async def clustered_world(valkey_cluster: ValkeyCluster, engine: AsyncEngine) -> AsyncIterator[World]:
    nodes = connect_all(valkey_cluster.url, "tests", retries=0)
    async with (
        RedisCluster.from_url(valkey_cluster.nodes[0].url) as redis,
        running(World(redis, engine, {}, nodes)) as world,
    ):
        yield world
    await nodes.aclose()


@pytest.fixture(params=["world", "clustered_world"])
def any_world(request: pytest.FixtureRequest) -> World:
    """On both topologies, in turn."""
    world: World = request.getfixturevalue(request.param)
    return world


@asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    yield world
    for replica in world.replicas.values():
        await replica.kill()
