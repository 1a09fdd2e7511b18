"""From entries to rows on real servers, when nothing goes wrong."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import event

from api.projection.fold import overlay
from api.storage.changes import ApplyStats, Changes
from protocol.calls import Body
from protocol.events import State, encode_body, status_data
from protocol.keys import events, partition_of
from protocol.log import AsyncLog, Owned
from tests.integration.projection.conftest import World, eventually
from tests.unit.projection.samples import (
    EPOCH,
    OTHER,
    T0,
    TASK,
    at,
    change,
    chunk,
    progress,
    result,
    row,
    running,
    status,
)

LIFE = [running(1), *(progress(seq) if seq % 2 else chunk(seq) for seq in range(2, 12)), result(12, {"digits": "3.14"})]


async def test_what_the_append_script_appends_becomes_row_result_and_history(any_world: World) -> None:
    await any_world.submit()
    log = AsyncLog(any_world.nodes or any_world.redis, partitions=16)
    await log.create(TASK, epoch=EPOCH, state=State.QUEUED)
    claim = await log.reserve(TASK, lease_ms=10_000)
    bodies = [
        Body(encode_body(1, T0 + 1, "status", status_data(State.RUNNING)), "status", State.RUNNING),
        Body(encode_body(1, T0 + 2, "chunk", {"index": 0, "data": "\0 ü 🙂"}), "chunk"),
        Body(encode_body(1, T0 + 3, "result", {"result": 10**30}), "result", State.SUCCEEDED),
    ]
    await log.append(Owned(TASK, claim.epoch, claim.attempt), claim.n + 1, bodies)
    appended = (await log.read(TASK, 0, 10)).events

    any_world.start()
    await any_world.is_trimmed()

    assert await any_world.row() == row(
        state=State.SUCCEEDED,
        state_seq=3,
        attempt=1,
        seq=3,
        progress_seq=1,
        started_at=at(1),
        updated_at=at(3),
        finished_at=at(3),
    )
    assert await any_world.result() == b"1000000000000000000000000000000"
    assert await any_world.history() == appended


async def test_the_row_is_the_fold_of_the_events_however_they_are_cut_into_entries(any_world: World) -> None:
    await any_world.submit()
    for start, end in [(0, 1), (1, 7), (7, 8), (8, 12)]:
        await any_world.append(*LIFE[start:end])

    any_world.start()
    await any_world.is_trimmed()

    assert await any_world.row() == overlay(row(), change(*LIFE))
    assert await any_world.archived() == list(range(1, 13))


async def test_an_entry_is_acknowledged_only_after_the_commit_of_its_events(any_world: World) -> None:
    reached, released = asyncio.Event(), asyncio.Event()

    async def slowly(changes: Changes) -> ApplyStats:
        reached.set()
        await released.wait()
        return await any_world.apply(changes)

    await any_world.submit()
    await any_world.append(result(1))
    any_world.start(apply=slowly)
    await reached.wait()
    assert await any_world.pending() == 1

    released.set()
    await any_world.is_trimmed()

    assert await any_world.pending() == 0
    assert await any_world.archived() == [1]


async def test_a_transition_does_not_wait_for_the_interval_and_takes_along_what_waits(world: World) -> None:
    await world.submit()
    replica = world.start(interval_s=3600.0)
    await world.append(progress(1, 10))

    async def waits() -> bool:
        return replica.projection.status().waiting_events == 1

    await eventually(waits)
    assert await world.archived() == []

    await world.append(status(2, State.QUEUED))
    await world.is_trimmed()

    assert await world.archived() == [1, 2]
    assert (await world.row()).progress == {"current": 10, "total": 100}


async def test_the_number_of_statements_follows_the_interval_and_not_the_events(world: World) -> None:
    statements = []
    await world.submit()
    event.listen(world.engine.sync_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    replica = world.start(interval_s=0.2, urgent_s=3600.0)
    started = asyncio.get_running_loop().time()
    for seq in range(1, 1001):
        await world.append(chunk(seq) if seq % 2 else progress(seq))

    async def all_read() -> bool:
        return replica.counters.events == 1000

    await eventually(all_read)
    await replica.stop()
    took_s = asyncio.get_running_loop().time() - started
    writes = [statement for statement in statements if "unnest" in statement or "FOR NO KEY" in statement]

    assert await world.archived() == list(range(1, 1001))
    assert len(writes) == 3 * replica.counters.flushes == replica.counters.statements
    assert replica.counters.flushes <= took_s / 0.2 + 2  # one at the stop, one begun before the first


async def test_a_batch_is_bounded_in_events_and_bytes_whatever_one_read_brings(world: World) -> None:
    sizes: list[tuple[int, int]] = []

    async def measured(changes: Changes) -> ApplyStats:
        kept = [event for of_task in changes.events.values() for event in of_task.values()]
        sizes.append((len(kept), sum(len(event.data) for event in kept)))
        return await world.apply(changes)

    await world.submit()
    for seq in range(1, 200, 10):
        await world.append(*(chunk(seq + number) for number in range(10)))
    await world.append(*(chunk(seq, "x" * 2000) for seq in range(201, 206)))
    await world.append(chunk(206, "x" * 100_000))
    await world.append(*(chunk(seq) for seq in range(207, 300)))
    world.start(apply=measured, max_events=50, max_bytes=20_000, interval_s=0.5)
    await world.is_trimmed()

    assert await world.archived() == list(range(1, 300))
    assert [count for count, _ in sizes if count > 50] == [93], "an entry that has more by itself"
    assert [size for _, size in sizes if size > 20_000] == [100_023], "an event that is larger by itself"


async def test_two_consumers_share_the_work(any_world: World) -> None:
    tasks = [uuid4() for _ in range(40)]
    await any_world.submit(*tasks)
    first, second = any_world.start("a"), any_world.start("b")
    for task in tasks:
        for seq in range(1, 6):
            await any_world.append(chunk(seq, task=task), task=task)
        await any_world.append(result(6, task=task), task=task)
    for task in tasks:
        await any_world.has_archived(6, task)
    for replica in (first, second):
        await replica.stop()

    assert {(await any_world.row(task)).state for task in tasks} == {State.SUCCEEDED}
    assert min(first.counters.events, second.counters.events) > 0
    assert first.counters.events + second.counters.events == 40 * 6


async def test_a_stop_writes_what_waits_acknowledges_it_and_leaves_the_group(any_world: World) -> None:
    await any_world.submit()
    replica = any_world.start(interval_s=3600.0)
    await any_world.append(chunk(1))

    async def waits() -> bool:
        return replica.projection.status().waiting_events == 1

    await eventually(waits)
    await replica.stop()

    assert await any_world.archived() == [1]
    assert await any_world.pending() == 0
    assert await any_world.redis.xinfo_consumers(events(partition_of(TASK)), "projection") == []


async def test_a_projection_that_was_never_started_can_be_stopped(world: World) -> None:
    replica = world.start()

    await asyncio.wait_for(replica.stop(), timeout=10)


async def test_events_of_a_task_without_a_row_are_counted_and_acknowledged(world: World) -> None:
    await world.submit(TASK)
    await world.append(result(1, task=OTHER), task=OTHER)
    await world.append(result(1))
    replica = world.start()
    await world.is_trimmed(OTHER)
    await world.is_trimmed()

    assert (await world.row()).state is State.SUCCEEDED
    assert await world.archived(OTHER) == []
    assert replica.counters.unknown_tasks == 1
    assert replica.counters.dead_letters == 0


async def test_what_a_lost_epoch_left_in_the_stream_is_not_mixed_into_the_new_one(world: World) -> None:
    await world.submit(epoch="e2")
    await world.append(chunk(1, "of the old epoch"), running(2), result(3), epoch="e1")
    await world.append(running(1), chunk(2, "of the new one"), epoch="e2")
    replica = world.start()
    await world.is_trimmed()

    assert [event for _, event in await world.history()] == [running(1), chunk(2, "of the new one")]
    assert (await world.row()).state is State.RUNNING
    assert replica.counters.stale_tasks == 1


async def test_the_status_tells_what_is_left_to_do(world: World) -> None:
    held = asyncio.Event()

    async def never(changes: Changes) -> ApplyStats:
        await held.wait()
        return await world.apply(changes)

    await world.submit()
    replica = world.start(apply=never)
    for seq in range(1, 4):
        await world.append(result(seq))

    async def lags() -> bool:
        return replica.projection.status().total_lag == 3

    await eventually(lags)
    assert replica.projection.healthy()

    held.set()

    async def done() -> bool:
        return replica.projection.status().total_lag == 0

    await eventually(done)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_it_reads_in_both_versions_of_the_redis_protocol(world: World, redis_url: str, protocol: int) -> None:
    await world.submit()
    async with Redis.from_url(redis_url, protocol=protocol) as client:
        world.redis = client
        replica = world.start()
        await world.append(running(1), chunk(2))
        await world.is_trimmed()
        await replica.stop()

    assert await world.archived() == [1, 2]
