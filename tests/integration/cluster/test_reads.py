"""What a client is told of many tasks while a node hangs: those of the others as their heads have them, in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.projection.read import TaskReader
from api.storage.changes import NewTask
from api.storage.tasks import TaskStore
from tests.integration.cluster.conftest import World
from tests.support.cluster import ClusterNode
from tests.unit.projection.samples import EPOCH, at

TIMEOUT_S: Final = 0.5


@pytest.fixture
def hanging(world: World) -> Iterator[ClusterNode]:
    """A node that a test may pause; it goes on afterwards."""
    yield world.cluster.nodes[1]
    world.cluster.revive()


@pytest.fixture
async def tasks(world: World, engine: AsyncEngine) -> list[UUID]:
    """One on each node, claimed, of which the rows know nothing."""
    store = TaskStore(engine)
    tasks = [world.task_on(node) for node in world.cluster.nodes]
    for task in tasks:
        await store.insert(NewTask(task, "synthetic", {}, EPOCH, at(0)))
        world.claim(task)
    return tasks


@pytest.fixture
def reader(world: World, engine: AsyncEngine) -> TaskReader:
    return TaskReader(TaskStore(engine), world.api, timeout_s=TIMEOUT_S)


async def attempts(reader: TaskReader, tasks: list[UUID]) -> list[int]:
    """By the list of tasks."""
    shown = {row.id: row.attempt for row in (await reader.page()).rows}
    return [shown[task] for task in tasks]


async def test_a_list_shows_the_heads_of_the_nodes_that_answer_while_one_hangs(
    reader: TaskReader, tasks: list[UUID], hanging: ClusterNode
) -> None:
    clock = asyncio.get_running_loop().time
    hanging.pause()
    began = clock()

    assert await attempts(reader, tasks) == [1, 0, 1]
    assert clock() - began < 4 * TIMEOUT_S
    assert reader.heads_failed == 1
    assert await attempts(reader, tasks) == [1, 0, 1], "the node is in doubt now, and the others are not"

    hanging.resume()
    assert await attempts(reader, tasks) == [1, 1, 1]
