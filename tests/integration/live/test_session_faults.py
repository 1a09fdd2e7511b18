"""Sessions while Redis fails under them: a cut connection, a server that stalls, one that is started again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.live.errors import LiveUnavailable
from api.live.session import Live, SessionLimits
from local.servers import Valkey
from protocol.cursor import Cursor
from tests.integration.live.conftest import replica
from tests.support.frames import Follower, controls, cursor, hello, seqs, whole
from tests.support.writer import Writer


@asynccontextmanager
async def following_live(live: Live, writer: Writer) -> AsyncIterator[Follower]:
    """A follower that has replayed and whose last event came live."""
    async with Follower(live, writer.task) as follower:
        for _ in range(2):
            writer.chunks(1)
            await follower.until_seq(writer.seq)
        yield follower


async def test_what_is_published_while_the_connection_is_cut_is_not_lost(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    async with following_live(live, writer) as follower:
        for _ in range(5):
            assert sync_redis.client_kill_filter(_type="pubsub") == 1
            writer.chunks(2)
            await follower.until_seq(writer.seq)
        sync_redis.client_kill_filter(_type="pubsub")
        writer.finish()
        frames = await follower.to_the_end()

    assert controls(frames) == [hello(writer.epoch, 0, resumed=False)]
    assert seqs(frames) == list(range(1, 14))
    assert live.counters.backstop_heals == 0
    assert live.hub.counters.reconnects >= 5


async def test_a_stream_goes_on_where_it_was_when_a_paused_server_is_back(
    live: Live, redis: AsyncRedis, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    writer.chunks(3)
    async with following_live(live, writer) as follower:
        await redis.client_pause(300)
        late = asyncio.create_task(whole(live, writer.task, Cursor(1)))
        await asyncio.to_thread(writer.chunks, 4, batch=1)
        await asyncio.to_thread(writer.finish)

        assert seqs(await follower.to_the_end()) == list(range(1, 11))
        assert seqs(await late) == list(range(2, 11))


async def test_a_server_that_stalls_for_longer_than_the_patience_ends_a_session_and_it_can_be_resumed(
    redis_url: str, nowhere: AsyncEngine, sync_redis: Redis, valkey_server: Valkey
) -> None:
    writer = Writer(sync_redis)
    async with replica(redis_url, nowhere, limits=SessionLimits(patience_s=0.2)) as made:
        async with following_live(made.live, writer) as follower:
            valkey_server.stop()
            with pytest.raises(LiveUnavailable):
                await whole(made.live, writer.task)
            valkey_server.start()
            writer.finish()
            ended = await follower.to_the_end()

        again = await whole(made.live, writer.task, cursor(follower.frames[1]))

    assert seqs(ended) == [1, 2, 3]
    assert seqs(again) == [2, 3]


async def test_a_restarted_server_costs_a_follower_nothing(
    live: Live, sync_redis: Redis, valkey_server: Valkey
) -> None:
    writer = Writer(sync_redis)
    async with following_live(live, writer) as follower:
        valkey_server.stop()
        valkey_server.start()
        writer.chunks(3)
        await follower.until_seq(writer.seq)
        writer.chunks(2)
        writer.finish()
        frames = await follower.to_the_end()

    assert controls(frames) == [hello(writer.epoch, 0, resumed=False)]
    assert seqs(frames) == list(range(1, 9))
