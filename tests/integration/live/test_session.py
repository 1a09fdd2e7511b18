"""Sessions over a real server: where they begin, how they go on, and how they end (docs/protocol.md §6 to §8)."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.live.errors import BadCursor, NoSuchTask
from api.live.session import Live, SessionLimits
from protocol.calls import LogLimits
from protocol.cursor import Cursor
from tests.integration.live.conftest import replica
from tests.support.frames import Follower, controls, cursor, data, hello, items, seqs, whole
from tests.support.waiting import until_so
from tests.support.writer import Writer, insert_row, project

SHORT = LogLimits(max_events=4)


def commands(redis: Redis, name: str) -> int:
    """How many commands of this name the server has answered."""
    stats: Any = redis.info("commandstats")
    return int(stats.get(f"cmdstat_{name}", {}).get("calls", 0))


async def test_a_follower_from_the_start_gets_what_was_and_what_comes_and_then_the_end(
    live: Live, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    writer.chunks(3)
    async with Follower(live, writer.task) as follower:
        await follower.until_seq(3)
        writer.chunks(2)
        writer.progress(50)
        writer.finish({"answer": 42})
        frames = await follower.to_the_end()

    assert controls(frames) == [hello(writer.epoch, 3, resumed=False)]
    assert seqs(frames) == [1, 2, 3, 4, 5, 6, 7]
    assert data(frames) == [1, 2, 3, 4, 5]
    assert items(frames)[-1]["data"] == {"result": {"answer": 42}}
    assert cursor(frames[-1]) == Cursor(7, writer.epoch)


async def test_the_hello_comes_alone_and_first(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(2)
    async with Follower(live, writer.task) as follower:
        assert items(follower.frames) == [{"task": str(writer.task), **hello(writer.epoch, 2, resumed=False)}]
        assert cursor(follower.frames[0]) == Cursor(0, writer.epoch)


async def test_a_follower_of_a_finished_task_gets_its_history_and_the_end(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(1_200, batch=100)
    writer.finish()

    frames = await whole(live, writer.task)

    assert seqs(frames) == list(range(1, 1_202))
    assert live.counters.replayed == 1_201
    assert live.hub.subscriptions == 0


async def test_a_resumed_follower_gets_what_follows_its_cursor(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(10)
    writer.finish()
    for after in (Cursor(4, writer.epoch), Cursor(4)):
        frames = await whole(live, writer.task, after)

        assert controls(frames) == [hello(writer.epoch, 11, resumed=True)]
        assert seqs(frames) == [5, 6, 7, 8, 9, 10, 11]


async def test_a_cursor_at_the_end_of_a_finished_task_is_answered_by_the_end(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(2)
    writer.finish()

    frames = await whole(live, writer.task, Cursor(3, writer.epoch))

    assert (controls(frames), seqs(frames)) == ([hello(writer.epoch, 3, resumed=True)], [])


async def test_of_a_live_batch_that_overlaps_what_was_delivered_only_the_rest_is_sent(
    live: Live, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    async with Follower(live, writer.task) as follower:
        writer.chunks(1)
        await follower.until_seq(1)
        writer.append_unpublished(3)
        frames = ['[{"seq":2,"type":"x"}]', '[{"seq":2,"type":"x"},{"seq":3,"type":"x"},{"seq":4,"type":"π"}]']
        for last, frame in zip((2, 4), frames, strict=True):
            sync_redis.execute_command("SPUBLISH", writer.keys.live, f"{writer.epoch} 2 {last} m\n{frame}")  # type: ignore[no-untyped-call]
        received = await follower.until_seq(4)

    assert [frame.text for frame in received[-2:]] == [frames[0], '[{"seq":3,"type":"x"},{"seq":4,"type":"π"}]']


async def test_followers_that_come_at_any_time_get_the_same(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    followers = []
    for _ in range(5):
        writer.chunks(4, batch=2)
        followers.append(await Follower(live, writer.task).__aenter__())
    writer.finish()

    for follower in followers:
        assert seqs(await follower.to_the_end()) == list(range(1, 22))


async def test_a_finished_task_that_redis_has_forgotten_is_read_from_the_archive(
    recalling: Live, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.chunks(700, batch=70)
    writer.finish("done")
    await project(engine, sync_redis, writer)
    writer.expire()

    frames = await whole(recalling, writer.task)
    resumed = await whole(recalling, writer.task, Cursor(699, writer.epoch))

    assert seqs(frames) == list(range(1, 702))
    assert controls(resumed) == [hello(writer.epoch, 701, resumed=True)]
    assert seqs(resumed) == [700, 701]


async def test_what_the_log_has_lost_is_healed_from_the_archive(
    recalling: Live, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis, limits=SHORT)
    await insert_row(engine, writer)
    writer.chunks(20, batch=3)
    await project(engine, sync_redis, writer)
    async with Follower(recalling, writer.task, Cursor(2)) as follower:
        await follower.until_seq(20)
        writer.finish()
        frames = await follower.to_the_end()

    assert controls(frames) == [hello(writer.epoch, 20, resumed=True)]
    assert seqs(frames) == list(range(3, 22))


async def test_what_has_left_the_log_and_is_not_yet_in_the_archive_is_waited_for(
    recalling: Live, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis, limits=SHORT)
    await insert_row(engine, writer)
    writer.chunks(10)
    writer.finish()
    async with Follower(recalling, writer.task) as follower:
        reads = commands(sync_redis, "xrange")
        ending = asyncio.create_task(follower.to_the_end())
        await until_so(lambda: commands(sync_redis, "xrange") >= reads + 2)  # it looked, and looked again
        await project(engine, sync_redis, writer)
        frames = await ending

    assert seqs(frames) == list(range(1, 12))
    assert recalling.counters.gaps == 0


async def test_what_is_nowhere_is_told_as_a_gap_and_the_rest_follows(
    redis_url: str, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis, limits=SHORT)
    await insert_row(engine, writer)
    writer.chunks(10, batch=1)
    writer.finish()
    await project(engine, sync_redis, writer, entries=slice(4, 6))  # 5 and 6; the log has 8 to 11
    async with replica(redis_url, engine, limits=SessionLimits(patience_s=0.1)) as made:
        frames = await whole(made.live, writer.task)

    gap = {"type": "gap", "epoch": writer.epoch}
    assert controls(frames)[1:] == [{**gap, "after": 0, "before": 5}, {**gap, "after": 6, "before": 8}]
    assert seqs(frames) == [5, 6, 8, 9, 10, 11]
    assert made.live.counters.gaps == 2


async def test_an_unknown_task_is_told_at_once(recalling: Live) -> None:
    with pytest.raises(NoSuchTask, match="there is no task"):
        await whole(recalling, uuid4())


async def test_a_bare_cursor_ahead_of_the_task_is_refused(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(3)
    with pytest.raises(BadCursor, match="ahead of the task, whose newest event is 3"):
        await whole(live, writer.task, Cursor(4))


@pytest.mark.parametrize("seq", [4, 2, 0])
async def test_a_cursor_of_another_epoch_starts_over(live: Live, sync_redis: Redis, seq: int) -> None:
    writer = Writer(sync_redis)
    writer.chunks(3)
    writer.finish()

    frames = await whole(live, writer.task, Cursor(seq, "abc"))

    assert controls(frames) == [hello(writer.epoch, 4, resumed=False)]
    assert seqs(frames) == [1, 2, 3, 4]


async def test_a_cursor_of_this_epoch_ahead_of_the_task_starts_over(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(3)
    writer.finish()

    frames = await whole(live, writer.task, Cursor(50, writer.epoch))

    assert controls(frames) == [hello(writer.epoch, 4, resumed=False)]
    assert seqs(frames) == [1, 2, 3, 4]


async def test_a_new_epoch_in_the_middle_is_told_and_followed_from_its_start(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    async with Follower(live, writer.task) as follower:
        writer.chunks(5)
        await follower.until_seq(5)
        first = writer.epoch
        writer.expire()
        writer.begin("abc")
        writer.chunks(2)
        writer.finish()
        frames = await follower.to_the_end()

    assert [(item["epoch"], item["resumed"]) for item in controls(frames)] == [(first, False), ("abc", False)]
    assert seqs(frames) == [1, 2, 3, 4, 5, 1, 2, 3]


async def test_a_new_epoch_is_told_even_while_events_of_the_old_one_are_looked_for(
    recalling: Live, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis, limits=SHORT)
    await insert_row(engine, writer)
    writer.chunks(10)
    async with Follower(recalling, writer.task) as follower:
        writer.expire()
        writer.begin("abc")
        writer.chunks(2)
        writer.finish()
        frames = await follower.to_the_end()

    assert controls(frames)[1:] == [hello("abc", 3, resumed=False)]
    assert seqs(frames) == [1, 2, 3]


async def test_a_server_that_came_back_older_makes_its_followers_start_over(live: Live, sync_redis: Redis) -> None:
    """An append-only file that was not synced, or a replica that was promoted: the epoch is the same (§4.6)."""
    writer = Writer(sync_redis)
    writer.chunks(2)
    head, log = sync_redis.dump(writer.keys.head), sync_redis.dump(writer.keys.log)
    assert isinstance(head, bytes)
    assert isinstance(log, bytes)
    async with Follower(live, writer.task) as follower:
        writer.chunks(8)
        await follower.until_seq(10)
        sync_redis.restore(writer.keys.head, 0, head, replace=True)
        sync_redis.restore(writer.keys.log, 0, log, replace=True)
        sync_redis.hset(writer.keys.head, "lease", 0)
        writer.begin(writer.epoch, seq=2)
        sync_redis.client_kill_filter(_type="pubsub")
        writer.chunks(1)
        writer.finish()
        frames = await follower.to_the_end()

    assert [item["resumed"] for item in controls(frames)] == [False, False]
    assert seqs(frames) == [*range(1, 11), 1, 2, 3, 4]
