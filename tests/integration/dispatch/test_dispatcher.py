"""Submissions and cancellations: a row first, then the head, then the message, whatever is away."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.database import create_engine
from api.storage.errors import IdempotencyConflict, StorageUnavailable
from api.storage.tasks import TaskStore
from protocol.events import State
from protocol.head import ClaimOutcome
from protocol.keys import PARTITIONS
from protocol.log import Log
from service.errors import Conflict, QueueFull
from tests.integration.dispatch.conftest import KIND, NOWHERE, Parts, messages, replica
from tests.support.writer import LEASE_MS, Writer


@pytest.fixture
def worker(sync_redis: Redis) -> Log:
    return Log(sync_redis, partitions=PARTITIONS)


async def test_a_submission_is_a_row_a_head_and_one_message(parts: Parts, sync_redis: Redis) -> None:
    row = await parts.submit(updates=5)
    head = await parts.head(row.id)

    assert (row.kind, row.params, row.state) == (KIND, {"updates": 5}, State.QUEUED)
    assert row.dispatched_at is not None
    assert (head.epoch, head.seq, head.attempt, head.state) == (row.epoch, 0, 0, State.QUEUED)
    assert messages(sync_redis) == [{"task": str(row.id), "kind": KIND, "params": {"updates": 5}}]


async def test_a_kind_has_a_queue_of_its_own(parts: Parts, sync_redis: Redis) -> None:
    submitted = await parts.dispatcher.submit("compute_pi", {}, None)

    assert [message["task"] for message in messages(sync_redis, "compute_pi")] == [str(submitted.row.id)]
    assert messages(sync_redis) == []


async def test_without_the_broker_the_submission_stands_and_waits(
    redis_url: str, engine: AsyncEngine, sync_redis: Redis
) -> None:
    async with replica(redis_url, engine, broker_url=NOWHERE) as parts:
        row = await parts.submit()

        assert (row.state, row.dispatched_at) == (State.QUEUED, None)
        assert (await parts.head(row.id)).epoch == row.epoch
        assert messages(sync_redis) == []


async def test_without_redis_the_submission_stands_and_waits(engine: AsyncEngine) -> None:
    async with replica(NOWHERE, engine) as parts:
        row = await parts.submit()

        assert (row.state, row.dispatched_at) == (State.QUEUED, None)


async def test_without_the_database_nothing_is_submitted(redis_url: str, sync_redis: Redis) -> None:
    nowhere = create_engine("postgresql://postgres@127.0.0.1:1/none", application_name="tests")
    async with replica(redis_url, nowhere) as parts:
        with pytest.raises(StorageUnavailable):
            await parts.dispatcher.submit(KIND, {}, None)
    await nowhere.dispose()

    assert sync_redis.keys() == []


async def test_a_full_queue_takes_no_row_either(redis_url: str, engine: AsyncEngine, sync_redis: Redis) -> None:
    async with replica(redis_url, engine, queue_limit=1) as parts:
        first = await parts.submit()
        with pytest.raises(QueueFull) as refused:
            await parts.submit()

        assert int(refused.value.headers["Retry-After"]) > 0
        assert [row.id for row in await parts.store.page()] == [first.id]
        assert len(messages(sync_redis)) == 1


async def test_a_full_queue_still_knows_the_task_of_a_key(redis_url: str, engine: AsyncEngine) -> None:
    async with replica(redis_url, engine, queue_limit=1) as parts:
        first = await parts.dispatcher.submit(KIND, {"updates": 1}, "key")
        again = await parts.dispatcher.submit(KIND, {"updates": 1}, "key")
        with pytest.raises(IdempotencyConflict):
            await parts.dispatcher.submit(KIND, {"updates": 2}, "key")

    assert (again.row.id, again.created) == (first.row.id, False)


async def test_many_submissions_under_one_key_are_one_row_and_one_message(parts: Parts, sync_redis: Redis) -> None:
    key = str(uuid4())
    submitted = await asyncio.gather(*[parts.dispatcher.submit(KIND, {"updates": 1}, key) for _ in range(8)])

    assert len({each.row.id for each in submitted}) == 1
    assert sum(each.created for each in submitted) == 1
    assert len(messages(sync_redis)) == 1


async def test_dispatching_again_leaves_the_head_as_it_is(parts: Parts, sync_redis: Redis) -> None:
    row = await parts.submit()
    writer = Writer(sync_redis, row.id)
    writer.chunks(3)

    assert await parts.dispatcher.dispatch(row)
    assert (await parts.head(row.id)).seq == 3
    assert len(messages(sync_redis)) == 2


async def test_a_queued_task_is_ended_by_exactly_one_event_however_often_it_is_cancelled(parts: Parts) -> None:
    row = await parts.submit()
    await asyncio.gather(*[parts.dispatcher.cancel(row) for _ in range(8)])
    await parts.dispatcher.cancel(row)
    head = await parts.head(row.id)

    assert await parts.states(row.id) == ["cancelled"]
    assert (head.closed, head.state, head.cancel) == (True, State.CANCELLED, True)
    assert (await parts.stored(row.id)).cancel_requested_at is not None


async def test_a_task_that_a_worker_owns_is_left_to_the_worker(parts: Parts, sync_redis: Redis) -> None:
    row = await parts.submit()
    writer = Writer(sync_redis, row.id)
    await parts.dispatcher.cancel(row)

    assert (await parts.head(row.id)).cancel
    assert await parts.states(row.id) == []
    writer.chunks(1)  # which is told in the reply, and is not fenced


async def test_of_a_worker_and_a_cancellation_at_the_same_time_one_has_the_task(parts: Parts, worker: Log) -> None:
    rows = [await parts.submit() for _ in range(30)]
    for row in rows:
        claim, _ = await asyncio.gather(
            asyncio.to_thread(worker.claim, row.id, lease_ms=LEASE_MS), parts.dispatcher.cancel(row)
        )
        head = await parts.head(row.id)

        assert head.cancel
        if claim.outcome is ClaimOutcome.CLAIMED:
            assert (head.closed, await parts.states(row.id)) == (False, [])
        else:
            assert (head.closed, await parts.states(row.id)) == (True, ["cancelled"])


async def test_a_task_that_has_ended_otherwise_is_not_cancelled_even_if_its_row_does_not_know(
    parts: Parts, sync_redis: Redis
) -> None:
    row = await parts.submit()
    Writer(sync_redis, row.id).finish()

    with pytest.raises(Conflict) as refused:
        await parts.dispatcher.cancel(row)

    assert refused.value.extra == {"state": "succeeded"}
    assert await parts.states(row.id) == ["succeeded"]


async def test_a_wish_to_cancel_a_task_without_a_head_is_kept(redis_url: str, engine: AsyncEngine) -> None:
    async with replica(NOWHERE, engine) as away:
        row = await away.submit()
    async with replica(redis_url, engine) as parts:
        await parts.dispatcher.cancel(row)

    stored = await TaskStore(engine).get(row.id)
    assert stored is not None
    assert stored.cancel_requested_at is not None
