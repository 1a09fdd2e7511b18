"""Tasks that have ended in PostgreSQL, of which a Redis that came back older does not know the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.live.ending import end
from api.live.lost_ends import LostEnds
from api.live.reader import Reader
from api.live.session import Live, SessionLimits
from tests.integration.live.conftest import replica
from tests.support.frames import controls, hello, seqs, whole
from tests.support.waiting import until_so
from tests.support.writer import Writer, insert_row, project

OFTEN = SessionLimits(backstop_s=0.1)


@contextmanager
def taken_back(redis: Redis, writer: Writer) -> Iterator[None]:
    """What happens to the task meanwhile, Redis has lost afterwards; nobody owns the task then."""
    names = (writer.keys.head, writer.keys.log)
    dumps = [redis.dump(name) or b"" for name in names]
    yield
    for name, dump in zip(names, dumps, strict=True):
        redis.restore(name, 0, dump, replace=True)
    redis.hset(writer.keys.head, "lease", 0)


async def test_a_follower_gets_the_end_that_only_postgresql_has(
    redis_url: str, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.chunks(2)
    with taken_back(sync_redis, writer):
        writer.chunks(1)
        writer.finish("done")
        await project(engine, sync_redis, writer)
    async with replica(redis_url, engine, limits=OFTEN) as made:
        frames = await asyncio.gather(whole(made.live, writer.task), whole(made.live, writer.task))
        assert made.live.lost_ends.counters.found >= 1
    for each in frames:
        assert controls(each) == [hello(writer.epoch, 2, resumed=False)]
        assert seqs(each) == [1, 2, 3, 4]
    assert sync_redis.exists(writer.keys.head, writer.keys.log) == 0


async def test_a_follower_of_a_task_that_waits_is_left_alone(
    redis_url: str, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.chunks(2)
    await project(engine, sync_redis, writer)
    sync_redis.hset(writer.keys.head, "lease", 0)
    async with replica(redis_url, engine, limits=OFTEN) as made:
        following = asyncio.create_task(whole(made.live, writer.task))
        await until_so(lambda: made.live.lost_ends.counters.looked_at >= 2)
        writer.finish()
        frames = await following

        assert (made.live.lost_ends.counters.found, made.live.counters.backstop_heals) == (0, 0)
    assert seqs(frames) == [1, 2, 3]


async def test_without_postgresql_delivery_goes_on_and_the_end_is_looked_for_again(
    redis_url: str, nowhere: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    sync_redis.hset(writer.keys.head, "lease", 0)
    async with replica(redis_url, nowhere, limits=OFTEN) as made:
        following = asyncio.create_task(whole(made.live, writer.task))
        await until_so(lambda: made.live.lost_ends.counters.failures >= 2)
        writer.chunks(1)
        writer.finish()

        assert seqs(await following) == [1, 2]


async def test_a_head_of_another_epoch_than_the_finished_row_is_kept(
    recalling: Live, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.finish()
    await project(engine, sync_redis, writer)
    writer.expire()
    writer.begin("another")

    assert not await recalling.reader.has_lost_the_end(writer.task)
    assert sync_redis.exists(writer.keys.head)


async def test_a_head_that_knows_of_the_end_is_kept(recalling: Live, engine: AsyncEngine, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.finish()
    await project(engine, sync_redis, writer)

    assert not await recalling.reader.has_lost_the_end(writer.task)
    assert sync_redis.exists(writer.keys.head)


async def test_a_failure_that_nobody_foresaw_keeps_no_other_task_waiting(recalling: Live) -> None:
    class Startled(Reader):
        async def has_lost_the_end(self, task: UUID) -> bool:
            if task == first:
                raise ValueError("what is this?")
            return True

    first, second = uuid4(), uuid4()
    told: list[UUID] = []
    ends = LostEnds(Startled(recalling.reader._log, recalling.reader._history), told.append)
    ends.suspect(first)
    ends.suspect(second)
    looking = asyncio.create_task(ends.run())
    await until_so(lambda: told == [second])
    await end(looking)

    assert (ends.counters.looked_at, ends.counters.found, ends.counters.failures) == (2, 1, 1)


async def test_a_task_that_nobody_knows_has_lost_nothing(recalling: Live) -> None:
    assert not await recalling.reader.has_lost_the_end(uuid4())
