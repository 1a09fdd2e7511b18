"""Sessions under pressure: followers that are slow, and live messages that Pub/Sub has lost."""

from __future__ import annotations

import pytest
from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.live.errors import TooSlow
from api.live.session import Live, SessionLimits
from tests.integration.live.conftest import replica
from tests.support.frames import Follower, controls, cursor, data, hello, items, seqs, whole
from tests.support.waiting import until_so
from tests.support.writer import Writer


async def test_a_follower_that_takes_nothing_is_told_to_resume_and_misses_nothing_when_it_does(
    redis_url: str, nowhere: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    async with replica(redis_url, nowhere, queue_bytes=2_000) as made:
        async with Follower(made.live, writer.task) as follower:
            writer.chunks(1)
            await follower.until_seq(1)
            writer.chunks(1)
            await follower.until_seq(2)  # the replay is over: this came live
            writer.chunks(50, batch=1)
            await until_so(lambda: follower.overflows > 0)
            with pytest.raises(TooSlow):
                await follower.to_the_end()
            assert follower.overflows == 1
        writer.finish()
        rest = await whole(made.live, writer.task, cursor(follower.frames[-1]))

    assert seqs(follower.frames) + seqs(rest) == list(range(1, 54))


@pytest.mark.parametrize("again", [False, True])
async def test_a_follower_that_still_replays_is_not_too_slow_for_what_comes_meanwhile(
    redis_url: str, nowhere: AsyncEngine, sync_redis: Redis, again: bool
) -> None:
    writer = Writer(sync_redis)
    if not again:
        writer.chunks(500)
    async with replica(redis_url, nowhere, queue_bytes=2_000) as made:
        async with Follower(made.live, writer.task) as follower:
            if again:
                for _ in range(2):
                    writer.chunks(1)
                    await follower.until_seq(writer.seq)
                writer.append_unpublished(500)  # a hole, which the next message shows
                writer.chunks(1)
            await follower.next()  # the first page: the replay has begun
            before = made.hub.counters.messages
            writer.chunks(100, batch=1)
            await until_so(lambda: made.hub.counters.messages >= before + 100)
            writer.finish()
            frames = await follower.to_the_end()

        assert seqs(frames) == list(range(1, writer.seq + 1))
        assert (follower.overflows, made.hub.counters.overflows) == (0, 0)


async def test_a_slow_follower_is_spared_superseded_progress_first(
    redis_url: str, nowhere: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    async with replica(redis_url, nowhere, queue_bytes=4_000) as made:
        async with Follower(made.live, writer.task) as slow, Follower(made.live, writer.task) as quick:
            for follower in (slow, quick, slow, quick):  # the second one comes live: the replay is over
                writer.chunks(1)
                await follower.until_seq(writer.seq)
            for number in range(100):
                writer.progress(number)
            writer.chunks(1)
            await quick.until_seq(writer.seq)  # so the other one has it in its queue
            writer.finish()
            frames = await slow.to_the_end()

        assert controls(frames) == [hello(writer.epoch, 0, resumed=False)]
        assert data(frames) == [1, 2, 3, 4, 5]
        assert items(frames)[-3]["data"]["progress"]["current"] == 99
        assert made.live.counters.superseded > 0
        assert seqs(frames) == sorted(set(seqs(frames)))
        assert seqs(frames)[-1] == 106


async def test_the_backstop_finds_what_pubsub_has_lost_and_counts_it(
    redis_url: str, nowhere: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    async with replica(redis_url, nowhere, limits=SessionLimits(backstop_s=0.1)) as made:
        async with Follower(made.live, writer.task) as follower:
            writer.chunks(1)
            await follower.until_seq(1)
            writer.append_unpublished(2)
            frames = await follower.until_seq(3)

        assert seqs(frames) == [1, 2, 3]
        assert made.live.counters.backstop_heals == 1


async def test_a_hole_that_a_live_message_shows_is_read_from_the_log(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    async with Follower(live, writer.task) as follower:
        writer.chunks(1)
        await follower.until_seq(1)
        writer.append_unpublished(3)
        writer.chunks(1)
        writer.finish()
        frames = await follower.to_the_end()

    assert seqs(frames) == [1, 2, 3, 4, 5, 6]
    assert live.counters.backstop_heals == 0
