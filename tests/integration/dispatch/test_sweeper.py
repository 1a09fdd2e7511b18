"""The sweeper: what nobody moves any more is moved, and everything else is left alone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.dispatch import sweeper
from api.dispatch.broker import Broker, queue_of
from api.dispatch.sweeper import SweeperSettings
from api.live.ending import end
from api.storage.database import create_engine
from api.storage.sweep import SweepStore
from local.servers import Valkey
from protocol.calls import Appended, Body
from protocol.events import State, encode_body
from protocol.head import ClaimOutcome, Outcome
from protocol.keys import PARTITIONS, TaskKeys
from protocol.log import Log, Owned
from tests.integration.dispatch.conftest import KIND, NOWHERE, QUICK, Parts, messages, replica
from tests.support.waiting import until, until_so
from tests.support.writer import Writer, project

CHUNK = Body(encode_body(1, 1.0, "chunk", {"index": 0, "data": "late"}), "chunk")


async def lose_worker(parts: Parts, redis: Redis, task: UUID) -> Owned:
    """Claim the task as a worker that is never heard of again; returns what it believes to own."""
    claim = Log(redis, partitions=PARTITIONS).claim(task, lease_ms=1)
    assert claim.outcome is ClaimOutcome.CLAIMED

    async def lease_left_ms() -> float:
        seconds, micros = redis.time()
        return (await parts.head(task)).lease - (seconds * 1000 + micros / 1000)

    await until(lease_left_ms, lambda left: left < 0)
    return Owned(task, claim.epoch, claim.attempt)


async def test_what_moves_or_waits_for_a_worker_is_left_alone(parts: Parts, sync_redis: Redis) -> None:
    queued, running, ended = [await parts.submit() for _ in range(3)]
    Writer(sync_redis, running.id).chunks(1)
    Writer(sync_redis, ended.id).finish()
    before = messages(sync_redis)
    for _ in range(3):
        await parts.sweeper.sweep()

    assert messages(sync_redis) == before
    assert await parts.states(queued.id) == []
    assert (await parts.head(running.id)).attempt == 1
    assert parts.sweeper.counters.dispatched == 0


async def test_a_submission_that_was_never_dispatched_is_dispatched(
    redis_url: str, engine: AsyncEngine, sync_redis: Redis, parts: Parts
) -> None:
    async with replica(redis_url, engine, broker_url=NOWHERE) as without_broker:
        row = await without_broker.submit(updates=7)
    for _ in range(2):
        await parts.sweeper.sweep()

    assert [message["params"] for message in messages(sync_redis)] == [{"updates": 7}]
    assert (await parts.stored(row.id)).dispatched_at is not None
    assert parts.sweeper.counters.dispatched == 1


async def test_a_task_whose_worker_is_lost_is_queued_again_and_the_worker_is_fenced(
    parts: Parts, sync_redis: Redis
) -> None:
    row = await parts.submit()
    lost = await lose_worker(parts, sync_redis, row.id)
    await parts.sweeper.sweep()
    log = Log(sync_redis, partitions=PARTITIONS)
    (late,) = log.exchange([log.append_call(lost, 1, [CHUNK], lease_ms=1000)])

    assert await parts.states(row.id) == ["queued"]
    assert len(messages(sync_redis)) == 2
    assert isinstance(late, Appended)
    assert late.decision.outcome is Outcome.FENCED
    assert (await parts.head(row.id)).failures == 1
    assert parts.sweeper.counters.workers_lost == 1


async def test_a_task_that_loses_every_worker_fails(parts: Parts, sync_redis: Redis) -> None:
    row = await parts.submit()
    for _ in range(2):
        await lose_worker(parts, sync_redis, row.id)
        await parts.sweeper.sweep()

    events = await parts.events(row.id)
    assert [event.state for event in events] == [State.QUEUED, State.FAILED]
    assert events[-1].data["error"]["type"] == "WorkerLost"
    assert (await parts.head(row.id)).closed


async def test_a_task_that_was_to_be_cancelled_when_its_worker_was_lost_is_cancelled(
    parts: Parts, sync_redis: Redis
) -> None:
    row = await parts.submit()
    Writer(sync_redis, row.id)
    await parts.dispatcher.cancel(row)
    sync_redis.hset(TaskKeys.of(row.id).head, "lease", 1)
    await parts.sweeper.sweep()

    assert await parts.states(row.id) == ["cancelled"]


async def test_a_task_that_redis_has_forgotten_starts_again_in_a_new_epoch(
    parts: Parts, engine: AsyncEngine, sync_redis: Redis
) -> None:
    row = await parts.submit()
    writer = Writer(sync_redis, row.id)
    writer.chunks(3)
    await project(engine, sync_redis, writer)
    sync_redis.flushall()
    await parts.sweeper.sweep()
    fresh, head = await parts.stored(row.id), await parts.head(row.id)

    assert fresh.epoch == head.epoch != row.epoch
    assert head.seq > 3
    assert await parts.states(row.id) == ["queued"]
    assert [message["task"] for message in messages(sync_redis)] == [str(row.id)]
    assert parts.sweeper.counters.rebuilt == 1


async def test_a_forgotten_task_that_was_to_be_cancelled_is_cancelled(sync_redis: Redis, parts: Parts) -> None:
    row = await parts.submit()
    sync_redis.flushall()
    await parts.dispatcher.cancel(row)
    await parts.sweeper.sweep()

    assert await parts.states(row.id) == ["cancelled"]
    assert messages(sync_redis) == []


async def test_one_replica_sweeps_at_a_time(engine: AsyncEngine) -> None:
    sweeps = SweepStore(engine)
    async with sweeps.exclusive() as first, sweeps.exclusive() as second:
        assert (first, second) == (True, False)
    async with sweeps.exclusive() as again:
        assert again


async def test_two_sweepers_send_what_was_not_sent_once(redis_url: str, engine: AsyncEngine, sync_redis: Redis) -> None:
    async with replica(redis_url, engine, broker_url=NOWHERE) as without_broker:
        rows = [await without_broker.submit() for _ in range(3)]
    async with replica(redis_url, engine) as one, replica(redis_url, engine) as other:
        runs = [asyncio.create_task(parts.sweeper.run()) for parts in (one, other)]
        await until_so(lambda: one.sweeper.counters.sweeps + other.sweeper.counters.sweeps >= 5)
        await end(*runs)

    assert sorted(message["task"] for message in messages(sync_redis)) == sorted(str(row.id) for row in rows)


async def test_the_loop_survives_a_database_that_is_away(redis_url: str) -> None:
    nowhere = create_engine("postgresql://postgres@127.0.0.1:1/none", application_name="tests")
    async with replica(redis_url, nowhere) as parts:
        run = asyncio.create_task(parts.sweeper.run())
        await until_so(lambda: parts.sweeper.counters.failures >= 3)

        assert not run.done()
        assert parts.sweeper.healthy()
        await end(run)
    await nowhere.dispose()


async def test_a_sweep_rests_from_its_own_work_and_not_from_that_of_the_others_in_its_process(parts: Parts) -> None:
    await parts.submit()
    run = asyncio.create_task(parts.sweeper.run())
    await asyncio.sleep(0)  # now it waits for PostgreSQL, and others have the event loop for a second
    busy_until = time.thread_time() + 1.0
    while time.thread_time() < busy_until:
        pass

    await until_so(lambda: parts.sweeper.counters.sweeps >= 3, within_s=3.0)
    await end(run)


@pytest.mark.parametrize("cost", ["_LOOK_S", "_SEND_S"])
async def test_a_sweep_rests_from_each_task_it_has_looked_at_and_each_message_it_has_sent(
    cost: str, redis_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replica(redis_url, engine, broker_url=NOWHERE) as without_broker:
        await without_broker.submit()
    monkeypatch.setattr(sweeper, cost, 60.0)
    clock = asyncio.get_running_loop().time
    async with replica(redis_url, engine, settings=replace(QUICK, most_s=1.0)) as parts:
        run = asyncio.create_task(parts.sweeper.run())
        await until_so(lambda: parts.sweeper.counters.dispatched == 1)
        sent_at = clock()
        await until_so(lambda: parts.sweeper.counters.sweeps >= 2)
        await end(run)

    assert clock() - sent_at > 0.9, "the longest rest there is"


async def test_sweeps_that_are_cut_short_do_not_make_the_replica_look_stuck(
    redis_url: str, engine: AsyncEngine, parts: Parts, valkey_server: Valkey
) -> None:
    await parts.submit()
    async with replica(redis_url, engine, settings=SweeperSettings(interval_s=0.01, most_s=1.0)) as slow:
        valkey_server.pause()
        try:
            run = asyncio.create_task(slow.sweeper.run())
            await until_so(slow.sweeper.healthy)
            looks: list[bool] = []

            def cut_again() -> bool:
                looks.append(slow.sweeper.healthy())
                return slow.sweeper.counters.failures >= 2

            await until_so(cut_again)
        finally:
            valkey_server.resume()
        await end(run)

    assert all(looks)


async def lose_message(engine: AsyncEngine, redis: Redis, task: UUID) -> None:
    """Take the only message there is, as a worker that dies with it would, and let a long time pass."""
    assert redis.rpop(queue_of(KIND)) is not None
    long_ago = "UPDATE tasks SET dispatched_at = now() - interval '5 min', updated_at = now() - interval '5 min'"
    async with engine.begin() as connection:
        await connection.execute(text(f"{long_ago} WHERE id = :id"), {"id": task})


async def test_a_task_whose_message_is_lost_is_sent_again_when_nothing_waits(
    parts: Parts, engine: AsyncEngine, sync_redis: Redis
) -> None:
    row = await parts.submit()
    await lose_message(engine, sync_redis, row.id)

    for _ in range(2):
        await parts.sweeper.sweep()

    assert [message["task"] for message in messages(sync_redis)] == [str(row.id)]


async def test_a_task_whose_message_is_lost_is_sent_again_when_only_younger_ones_wait(
    parts: Parts, engine: AsyncEngine, sync_redis: Redis
) -> None:
    row = await parts.submit()
    await lose_message(engine, sync_redis, row.id)
    younger = await parts.submit()

    for _ in range(2):
        await parts.sweeper.sweep()

    assert sorted(message["task"] for message in messages(sync_redis)) == sorted([str(row.id), str(younger.id)])


async def test_a_task_that_may_still_be_behind_older_ones_is_left_alone(
    parts: Parts, redis_url: str, engine: AsyncEngine, sync_redis: Redis
) -> None:
    broker = Broker(redis_url, parts.redis)
    row = await parts.submit()
    await lose_message(engine, sync_redis, row.id)
    older = UUID("01900000-0000-7000-8000-000000000000")
    await broker.send(older, KIND, {})
    broker.close()

    await parts.sweeper.sweep()

    assert [message["task"] for message in messages(sync_redis)] == [str(older)]
