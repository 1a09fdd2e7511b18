"""Processes that die, servers that go away and come back, groups that vanish: the rows are the same afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from api.projection import streams
from api.projection.fold import overlay
from api.storage.changes import ApplyStats, Changes
from api.storage.database import create_engine
from local.servers import Postgres, Valkey
from protocol.events import State
from protocol.keys import events, partition_of
from tests.integration.projection.conftest import GROUP, World, eventually
from tests.support.cluster import ValkeyCluster
from tests.unit.projection.samples import TASK, change, chunk, progress, result, row, running

LIFE = [running(1), progress(2), chunk(3), result(4, "done")]
CLAIMS_AT_ONCE: dict[str, Any] = {"claim_idle_s": 0.0, "claim_interval_s": 0.01}


@pytest.fixture
async def other_world(redis_url: str, database_url: str) -> AsyncIterator[World]:
    """The same servers through connections of its own: another process, which outlives the first."""
    engine = create_engine(database_url, application_name="other")
    async with Redis.from_url(redis_url) as redis:
        other = World(redis, engine, {})
        yield other
        for replica in other.replicas.values():
            await replica.kill()
    await engine.dispose()


async def test_a_death_between_commit_and_acknowledgement_changes_no_row(any_world: World) -> None:
    committed = asyncio.Event()

    async def commit_and_hang(changes: Changes) -> ApplyStats:
        await any_world.apply(changes)
        committed.set()
        await asyncio.Event().wait()
        raise AssertionError

    await any_world.submit()
    await any_world.append(*LIFE)
    dying = any_world.start("dying", apply=commit_and_hang)
    await committed.wait()
    await dying.kill()
    before = await any_world.row(), await any_world.history()
    assert await any_world.pending() == 1

    heir = any_world.start("heir", **CLAIMS_AT_ONCE)
    await any_world.is_trimmed()

    assert (await any_world.row(), await any_world.history()) == before
    assert before[0] == overlay(row(), change(*LIFE))
    assert (heir.counters.reclaimed, heir.counters.duplicates) == (1, 4)


async def test_a_death_before_the_commit_leaves_the_entry_to_the_living(any_world: World) -> None:
    reached = asyncio.Event()

    async def hang(changes: Changes) -> ApplyStats:
        del changes
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    await any_world.submit()
    await any_world.append(*LIFE)
    dying = any_world.start("dying", apply=hang)
    await reached.wait()
    living = any_world.start("living", **CLAIMS_AT_ONCE | {"claim_idle_s": 3600.0})
    await dying.kill()
    assert await any_world.archived() == []

    await living.stop()
    any_world.start("claiming", **CLAIMS_AT_ONCE)
    await any_world.is_trimmed()

    assert await any_world.row() == overlay(row(), change(*LIFE))


async def test_a_consumer_that_starts_again_under_its_name_takes_up_what_it_had_at_once(any_world: World) -> None:
    reached = asyncio.Event()

    async def hang(changes: Changes) -> ApplyStats:
        del changes
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    await any_world.submit()
    await any_world.append(*LIFE)
    dying = any_world.start("a", apply=hang)
    await reached.wait()
    await dying.kill()

    any_world.start("a", claim_idle_s=3600.0)
    await any_world.is_trimmed()

    assert (await any_world.row()).state is State.SUCCEEDED


async def test_an_entry_whose_acknowledgement_failed_is_claimed_and_changes_nothing_again(world: World) -> None:
    async def forbid_the_acknowledgement(changes: Changes) -> ApplyStats:
        stats = await world.apply(changes)
        if not stats.duplicates:
            await world.redis.acl_setuser("default", enabled=True, commands=["-xack"])
        return stats

    await world.submit()
    await world.append(*LIFE)
    replica = world.start(apply=forbid_the_acknowledgement, **CLAIMS_AT_ONCE)

    async def failed() -> bool:
        return replica.counters.redis_failures > 0

    await eventually(failed)
    await world.redis.acl_setuser("default", enabled=True, commands=["+xack"])
    await world.is_trimmed()

    assert await world.row() == overlay(row(), change(*LIFE))
    assert replica.counters.duplicates >= 4


async def test_a_group_that_vanishes_is_made_again_and_reads_from_the_start(world: World) -> None:
    await world.submit()
    replica = world.start()
    await world.append(running(1))
    await world.is_trimmed()

    await world.redis.xgroup_destroy(events(partition_of(TASK)), GROUP)
    await world.append(chunk(2), result(3))
    await world.is_trimmed()

    assert await world.archived() == [1, 2, 3]
    assert replica.projection.healthy()


async def test_a_stream_that_is_deleted_while_a_read_waits_for_it_is_made_again(world: World) -> None:
    await world.submit()
    replica = world.start(block_s=3.0)
    await world.append(running(1))
    await world.is_trimmed()

    await world.redis.flushall()
    await world.append(chunk(2), result(3))
    await world.has_archived(3)

    assert await world.archived() == [1, 2, 3]
    assert replica.projection.healthy()


async def test_postgresql_goes_away_and_comes_back_and_nothing_is_lost(world: World, postgres_server: Postgres) -> None:
    await world.submit()
    await world.append(running(1))
    replica = world.start()
    await world.is_trimmed()

    postgres_server.stop()
    for seq in range(2, 50):
        await world.append(chunk(seq))
    await world.append(result(50))

    async def noticed() -> bool:
        return replica.projection.status().storage_error is not None and replica.counters.storage_failures >= 2

    await eventually(noticed)
    assert replica.projection.healthy(), "waiting for PostgreSQL is no standstill"
    assert await world.pending() > 0

    postgres_server.start()
    await world.is_trimmed()

    assert await world.archived() == list(range(1, 51))
    assert (await world.row()).state is State.SUCCEEDED
    assert replica.projection.status().storage_error is None
    assert replica.counters.dead_letters == 0


async def test_what_waits_for_postgresql_is_not_taken_by_others_and_its_deliveries_are_not_counted(
    world: World, other_world: World
) -> None:
    await world.submit()
    await world.sql("ALTER TABLE events RENAME TO hidden")
    waiting = world.start("waiting", **CLAIMS_AT_ONCE)
    await world.append(*LIFE)

    async def tried_often() -> bool:
        return waiting.counters.storage_failures >= often

    often = 5
    await eventually(tried_often)
    stream = events(partition_of(TASK))
    (held,) = await world.redis.xpending_range(stream, GROUP, "-", "+", 10)
    idle = other_world.start("idle", claim_idle_s=1.5, claim_interval_s=0.01)
    often = 40  # at most twenty a second: for longer than what nobody holds is left alone
    await eventually(tried_often)

    assert (held["consumer"], held["times_delivered"]) == (b"waiting", 1)
    assert idle.counters.reclaimed == 0

    await world.sql("ALTER TABLE hidden RENAME TO events")
    await world.is_trimmed()
    assert await world.archived() == [1, 2, 3, 4]


async def test_a_stop_while_postgresql_is_away_ends_in_time_and_leaves_the_entries_pending(world: World) -> None:
    await world.submit()
    await world.sql("ALTER TABLE events RENAME TO hidden")
    replica = world.start()
    await world.append(*LIFE)

    async def failed() -> bool:
        return replica.counters.storage_failures > 0

    await eventually(failed)
    await asyncio.wait_for(replica.stop(), timeout=10)
    assert await world.pending() == 1

    await world.sql("ALTER TABLE hidden RENAME TO events")
    world.start("heir", **CLAIMS_AT_ONCE)
    await world.is_trimmed()
    assert await world.archived() == [1, 2, 3, 4]


async def test_redis_goes_away_and_comes_back(world: World, valkey_server: Valkey) -> None:
    await world.submit()
    replica = world.start()
    await world.append(running(1))
    await world.is_trimmed()

    valkey_server.stop()

    async def noticed() -> bool:
        return replica.projection.status().redis_error is not None

    await eventually(noticed)
    valkey_server.start()
    await world.redis.connection_pool.disconnect()
    await world.append(result(2))
    await world.is_trimmed()

    assert await world.archived() == [1, 2]
    assert (await world.row()).state is State.SUCCEEDED
    assert replica.projection.status().redis_error is None


async def test_a_node_that_hangs_is_counted_and_tried_again_and_the_others_are_read_meanwhile(
    clustered_world: World, valkey_cluster: ValkeyCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CALL_TIMEOUT_S", 0.2)
    world, hanging = clustered_world, valkey_cluster.owner(partition_of(TASK))
    other = next(task for task in iter(uuid4, None) if valkey_cluster.owner(partition_of(task)) is not hanging)
    await world.submit(TASK, other)
    replica = world.start()
    await world.append(running(1))
    await world.is_trimmed()

    async def noticed() -> bool:
        return replica.counters.redis_failures >= 3 and replica.projection.status().redis_error is not None

    hanging.pause()
    await eventually(noticed)
    await world.append(running(1, task=other), task=other)
    await world.has_archived(1, other)
    assert replica.projection.healthy(), "waiting for Redis is no standstill"
    hanging.resume()
    await world.append(result(2))
    await world.is_trimmed()

    assert await world.archived() == [1, 2]
