"""The sweeper, where row and head disagree: it takes nothing for lost that is only late, and repairs what is lost."""

from __future__ import annotations

from typing import Any

from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from protocol.head import HEAD_FIELDS
from protocol.keys import PARTITIONS, TaskKeys
from protocol.log import Log
from tests.integration.dispatch.conftest import NOWHERE, Parts, replica
from tests.support.writer import Writer, project


def entries(redis: Redis, keys: TaskKeys) -> list[dict[bytes, bytes]]:
    found: Any = redis.xrange(keys.events)
    return [fields for _, fields in found]


async def test_a_submission_that_is_still_on_its_way_keeps_its_epoch(
    redis_url: str, engine: AsyncEngine, parts: Parts
) -> None:
    async with replica(redis_url, engine, broker_url=NOWHERE) as slow:
        row = await slow.submit()
    await parts.redis.delete(TaskKeys.of(row.id).head)

    await parts.sweeper.sweep()

    assert (await parts.stored(row.id)).epoch == (await parts.head(row.id)).epoch == row.epoch
    assert parts.sweeper.counters.rebuilt == 0


async def test_a_task_that_has_ended_and_expired_is_not_run_again_before_its_end_is_written(
    parts: Parts, sync_redis: Redis
) -> None:
    row = await parts.submit()
    writer = Writer(sync_redis, row.id)
    writer.finish("done")
    sync_redis.delete(writer.keys.head, writer.keys.log)

    for _ in range(3):
        await parts.sweeper.sweep()

    assert parts.sweeper.counters.rebuilt == 0
    assert (await parts.stored(row.id)).epoch == row.epoch


async def test_a_row_of_another_epoch_follows_its_head_and_gets_its_events(parts: Parts, sync_redis: Redis) -> None:
    row = await parts.submit()
    writer = Writer(sync_redis, row.id)
    writer.chunks(2)
    writer.finish("done")
    sync_redis.delete(writer.keys.events)  # acknowledged as stale
    await parts.store.begin_epoch(row.id, row.epoch, "0123456789abcdef")

    await parts.sweeper.sweep()

    assert (await parts.stored(row.id)).epoch == writer.epoch
    (entry,) = entries(sync_redis, writer.keys)
    assert (entry[b"epoch"], entry[b"first"], entry[b"last"]) == (writer.epoch.encode(), b"1", b"3")


async def test_an_end_that_projection_has_lost_is_given_to_it_again(parts: Parts, sync_redis: Redis) -> None:
    row = await parts.submit()
    writer = Writer(sync_redis, row.id)
    writer.finish("done")
    await parts.sweeper.sweep()
    assert len(entries(sync_redis, writer.keys)) == 1, "what is on its way is not sent twice"
    sync_redis.delete(writer.keys.events)

    await parts.sweeper.sweep()

    assert [entry[b"last"] for entry in entries(sync_redis, writer.keys)] == [b"1"]


async def test_a_head_that_is_older_than_its_row_is_forgotten_and_the_task_starts_again(
    parts: Parts, engine: AsyncEngine, sync_redis: Redis
) -> None:
    row = await parts.submit()
    writer = Writer(sync_redis, row.id)
    writer.chunks(1)
    older: Any = sync_redis.hmget(writer.keys.head, HEAD_FIELDS[:-1])
    writer.chunks(4)
    await project(engine, sync_redis, writer)
    sync_redis.delete(writer.keys.events)
    sync_redis.hset(writer.keys.head, mapping=dict(zip(HEAD_FIELDS, older, strict=False)))

    for _ in range(2):
        await parts.sweeper.sweep()

    fresh, head = await parts.stored(row.id), await parts.head(row.id)
    assert fresh.epoch == head.epoch != row.epoch
    assert head.seq > 5, "the seqs that followers have seen are not given out again"


async def test_a_cancel_that_the_head_does_not_know_is_told_to_it(parts: Parts, sync_redis: Redis) -> None:
    row = await parts.submit()
    running = await parts.submit()
    Log(sync_redis, partitions=PARTITIONS).claim(running.id, lease_ms=60_000)
    for each in (row, running):
        await parts.dispatcher.cancel(each)
        sync_redis.hset(TaskKeys.of(each.id).head, "cancel", "0")

    await parts.sweeper.sweep()

    assert (await parts.head(running.id)).cancel, "its worker is told with the next append"
    assert await parts.states(row.id) == ["cancelled"]
