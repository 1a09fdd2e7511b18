"""What is read of a task, from its log and from the archive behind it, in every state that the two can be in."""

from __future__ import annotations

from uuid import uuid4

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import _ArchiveHistory
from api.live.reader import HistoryUnavailable, Reader, Reading
from protocol.calls import LogLimits
from protocol.keys import PARTITIONS
from protocol.log import AsyncLog
from tests.support.writer import Writer, insert_row, project

SHORT = LogLimits(max_events=4)
"""A log that keeps the newest four events."""


@pytest.fixture
def reader(redis: AsyncRedis, engine: AsyncEngine) -> Reader:
    return Reader(AsyncLog(redis, partitions=PARTITIONS), _ArchiveHistory(engine))


def seqs(reading: Reading | None) -> list[int]:
    assert reading is not None
    return [seq for seq, _ in reading.events]


async def test_a_task_that_nobody_knows_is_none(reader: Reader) -> None:
    assert await reader.read(uuid4(), 0, 10) is None
    assert (await reader.sight(uuid4())).head is None


async def test_a_task_that_waits_for_its_head_is_known_by_its_row(
    reader: Reader, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.expire()

    assert await reader.read(writer.task, 0, 10) == Reading(writer.epoch, 0, closed=False, events=[], expired=True)


async def test_the_log_answers_after_any_position_within_the_limit(reader: Reader, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(9, batch=3)

    assert seqs(await reader.read(writer.task, 0, 100)) == list(range(1, 10))
    assert seqs(await reader.read(writer.task, 4, 2)) == [5, 6]
    assert await reader.read(writer.task, 9, 10) == Reading(writer.epoch, 9, closed=False, events=[])
    head = (await reader.sight(writer.task)).head
    assert head is not None
    assert (head.epoch, head.seq) == (writer.epoch, 9)


async def test_a_position_ahead_of_the_task_is_told_by_the_newest_seq(reader: Reader, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(3)

    assert await reader.read(writer.task, 50, 10) == Reading(writer.epoch, 3, closed=False, events=[])


async def test_what_the_log_has_lost_is_read_from_the_archive_up_to_where_the_log_begins(
    reader: Reader, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis, limits=SHORT)
    await insert_row(engine, writer)
    writer.chunks(10)
    await project(engine, sync_redis, writer)

    assert seqs(await reader.read(writer.task, 2, 100)) == [3, 4, 5, 6]
    assert seqs(await reader.read(writer.task, 2, 3)) == [3, 4, 5]
    assert seqs(await reader.read(writer.task, 6, 100)) == [7, 8, 9, 10]


async def test_the_same_event_has_the_same_bytes_in_log_and_archive(
    reader: Reader, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.progress(1)
    writer.chunks(2)
    writer.finish({"π": [3.10, "x"]})
    await project(engine, sync_redis, writer)
    from_log = await reader.read(writer.task, 0, 10)
    writer.expire()
    from_archive = await reader.read(writer.task, 0, 10)

    assert from_log is not None
    assert from_archive is not None
    assert from_archive.events == from_log.events
    assert (from_archive.epoch, from_archive.seq, from_archive.closed) == (writer.epoch, 4, True)
    assert (from_log.expired, from_archive.expired) == (False, True)


async def test_events_that_neither_has_are_missing_up_to_the_first_that_the_log_has(
    reader: Reader, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis, limits=SHORT)
    await insert_row(engine, writer)
    writer.chunks(10)

    assert await reader.read(writer.task, 2, 100) == Reading(writer.epoch, 10, closed=False, events=[], missing=6)


async def test_events_that_neither_has_are_missing_up_to_the_first_that_the_archive_has(
    reader: Reader, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis, limits=SHORT)
    await insert_row(engine, writer)
    writer.chunks(10, batch=1)
    await project(engine, sync_redis, writer, entries=slice(4, None))

    assert await reader.read(writer.task, 1, 100) == Reading(writer.epoch, 10, closed=False, events=[], missing=4)
    assert seqs(await reader.read(writer.task, 4, 100)) == [5, 6]


async def test_a_hole_in_the_archive_ends_what_is_read_and_is_missing_next(
    reader: Reader, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.chunks(6, batch=1)
    writer.finish()
    await project(engine, sync_redis, writer, entries=slice(0, 2))
    await project(engine, sync_redis, writer, entries=slice(4, None))
    writer.expire()

    assert seqs(await reader.read(writer.task, 0, 100)) == [1, 2]
    missing = await reader.read(writer.task, 2, 100)
    assert missing == Reading(writer.epoch, 7, closed=True, events=[], missing=4, expired=True)
    assert seqs(await reader.read(writer.task, 4, 100)) == [5, 6, 7]


async def test_an_archive_without_the_end_is_missing_it_up_to_the_seq_of_the_row(
    reader: Reader, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    writer.chunks(3, batch=1)
    writer.finish()
    await project(engine, sync_redis, writer, entries=slice(3, None))
    writer.expire()

    assert await reader.read(writer.task, 0, 2) == Reading(
        writer.epoch, 4, closed=True, events=[], missing=3, expired=True
    )
    assert seqs(await reader.read(writer.task, 3, 10)) == [4]


async def test_a_history_that_does_not_answer_is_said_to_be_unavailable(
    redis: AsyncRedis, nowhere: AsyncEngine
) -> None:
    with pytest.raises(HistoryUnavailable):
        await Reader(AsyncLog(redis, partitions=PARTITIONS), _ArchiveHistory(nowhere)).read(uuid4(), 0, 10)


async def test_the_log_alone_answers_while_the_history_does_not(
    redis: AsyncRedis, sync_redis: Redis, nowhere: AsyncEngine
) -> None:
    writer = Writer(sync_redis)
    writer.chunks(3)
    reader = Reader(AsyncLog(redis, partitions=PARTITIONS), _ArchiveHistory(nowhere))

    assert seqs(await reader.read(writer.task, 1, 10)) == [2, 3]
