"""Many partitions that share a few commits: those whose turn has not come have lost nothing, and wait safely."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Final
from uuid import UUID

from api.storage.changes import ApplyStats, Changes
from protocol.keys import PARTITIONS, partition_of
from tests.integration.projection.conftest import World, eventually
from tests.unit.projection.samples import chunk, result, running

COMMIT_S: Final = 0.5
LIMIT_S: Final = 4 * COMMIT_S
"""Less than the last of sixteen waits for its turn, of which three come at a time."""


def task_in(partition: int) -> UUID:
    return next(UUID(int=number) for number in count(1) if partition_of(UUID(int=number)) == partition)


async def test_a_slow_postgresql_fails_no_commit_that_waits_for_its_turn_and_loses_it_nothing(
    clustered_world: World,
) -> None:
    world, healthy = clustered_world, []
    tasks = [task_in(partition) for partition in range(PARTITIONS)]

    async def commit_slowly(changes: Changes) -> ApplyStats:
        await asyncio.sleep(COMMIT_S)
        stats = await world.apply(changes)
        healthy.append(slow.projection.healthy())
        return stats

    async def all_delivered() -> bool:
        return [await world.pending(task) for task in tasks] == [1] * PARTITIONS

    await world.submit(*tasks)
    slow = world.start("slow", apply=commit_slowly, apply_timeout_s=LIMIT_S, stall_s=LIMIT_S)
    for task in tasks:
        await world.append(running(1, task=task), chunk(2, task=task), result(3, task=task), task=task)
    await eventually(all_delivered)
    idle = world.start("idle", claim_idle_s=LIMIT_S, claim_interval_s=0.01)
    for task in tasks:
        await world.is_trimmed(task)

    assert [await world.archived(task) for task in tasks] == [[1, 2, 3]] * PARTITIONS
    assert (slow.counters.storage_failures, slow.counters.duplicates, slow.counters.flushes) == (0, 0, PARTITIONS)
    assert (idle.counters.reclaimed, idle.counters.flushes) == (0, 0)
    assert healthy == [True] * PARTITIONS
