"""Many partitions that share a few commits: those whose turn has not come lose nothing, wait safely and end in time."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Final
from uuid import UUID

import pytest

from api.projection.writer import Apply
from api.storage.changes import ApplyStats, Changes
from api.storage.errors import StatementTimedOut
from protocol.keys import PARTITIONS, events, partition_of
from tests.integration.projection.conftest import GROUP, World, eventually
from tests.unit.projection.samples import chunk, result, running

COMMIT_S: Final = 0.5
LIMIT_S: Final = 4 * COMMIT_S
"""Less than the last of sixteen waits for its turn, of which three come at a time."""


def task_in(partition: int) -> UUID:
    return next(UUID(int=number) for number in count(1) if partition_of(UUID(int=number)) == partition)


async def delivered(world: World, tasks: list[UUID], count: int) -> None:
    """Wait until so many entries of each task are pending."""

    async def all_are() -> bool:
        return [await world.pending(task) for task in tasks] == [count] * len(tasks)

    await eventually(all_are)


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

    await world.submit(*tasks)
    slow = world.start("slow", apply=commit_slowly, apply_timeout_s=LIMIT_S, stall_s=LIMIT_S)
    for task in tasks:
        await world.append(running(1, task=task), chunk(2, task=task), result(3, task=task), task=task)
    await delivered(world, tasks, 1)
    idle = world.start("idle", claim_idle_s=LIMIT_S, claim_interval_s=0.01)
    for task in tasks:
        await world.is_trimmed(task)

    assert [await world.archived(task) for task in tasks] == [[1, 2, 3]] * PARTITIONS
    assert (slow.counters.storage_failures, slow.counters.duplicates, slow.counters.flushes) == (0, 0, PARTITIONS)
    assert (idle.counters.reclaimed, idle.counters.flushes) == (0, 0)
    assert healthy == [True] * PARTITIONS


async def hang(_: Changes) -> ApplyStats:
    """As a PostgreSQL that does not answer."""
    await asyncio.Event().wait()
    raise AssertionError("nothing sets it")


async def give_up(_: Changes) -> ApplyStats:
    """As a PostgreSQL that waits for a lock until the time limit of the statement, whatever it is asked to write."""
    await asyncio.sleep(LIMIT_S)
    raise StatementTimedOut("canceling statement due to statement timeout")


@pytest.mark.parametrize("apply", [hang, give_up])
async def test_a_stop_while_postgresql_hangs_ends_in_time_however_many_wait_for_their_turn(
    clustered_world: World, apply: Apply
) -> None:
    world, tasks = clustered_world, [task_in(partition) for partition in range(1, PARTITIONS)]
    await world.submit(*tasks)
    replica = world.start(apply=apply, apply_timeout_s=LIMIT_S, drain_timeout_s=2 * LIMIT_S, interval_s=3600.0)
    for n, body in enumerate((chunk, running), start=1):  # the second does not wait, and takes the first along
        for task in tasks:
            await world.append(body(n, task=task), task=task)
        await delivered(world, tasks, n)

    await replica.stop()

    assert [await world.pending(task) for task in tasks] == [2] * len(tasks)
    assert await world.redis.xinfo_consumers(events(0), GROUP) == []
    world.start("heir", claim_idle_s=0.0, claim_interval_s=0.01)
    for task in tasks:
        await world.is_trimmed(task)
    assert [await world.archived(task) for task in tasks] == [[1, 2]] * len(tasks)


async def test_a_stop_while_postgresql_is_slow_waits_for_the_turn_of_each_and_leaves_the_group(
    clustered_world: World,
) -> None:
    world, tasks = clustered_world, [task_in(partition) for partition in range(PARTITIONS)]

    async def commit_slowly(changes: Changes) -> ApplyStats:
        await asyncio.sleep(COMMIT_S)
        return await world.apply(changes)

    await world.submit(*tasks)
    replica = world.start(apply=commit_slowly, apply_timeout_s=LIMIT_S, interval_s=3600.0)
    for task in tasks:
        await world.append(chunk(1, task=task), task=task)
    await delivered(world, tasks, 1)

    await replica.stop()

    assert [await world.archived(task) for task in tasks] == [[1]] * PARTITIONS
    assert [await world.redis.xinfo_consumers(events(n), GROUP) for n in range(PARTITIONS)] == [[]] * PARTITIONS
