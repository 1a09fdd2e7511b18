"""How much the consumer reads at a time, and how long it keeps the event loop; nothing connects here."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from api.projection.consumer import Projection
from api.projection.entries import Entry
from api.projection.status import ProjectionSettings
from api.storage.changes import ApplyStats, Changes
from tests.unit.projection.samples import chunk, entry

MANY = ProjectionSettings(interval_s=3600.0, max_events=1_000_000, max_bytes=2**30)


def projection(settings: ProjectionSettings, partitions: int = 16) -> Projection:
    async def apply(changes: Changes) -> ApplyStats:
        raise AssertionError(changes)

    return Projection(Redis(), apply, partitions=range(partitions), consumer="a", settings=settings)


async def accepted(consumer: Projection, *entries: Entry) -> int:
    """How often another task got to run while `entries` were parsed."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(other())
    await asyncio.sleep(0)
    before = turns
    await consumer._accept(entries)
    running.cancel()
    return turns - before


@pytest.mark.parametrize(
    ("entries", "turns"),
    [
        ([entry(chunk(1))] * 199, 0),
        ([entry(chunk(1))] * 2_000, 10),
        ([entry(*map(chunk, range(1, 101)))] * 20, 10),
        ([entry(chunk(1, "x" * 70_000))] * 20, 10),
    ],
    ids=["few", "many small entries", "many events an entry", "many bytes"],
)
async def test_a_long_backlog_lets_others_run_in_between(entries: list[Entry], turns: int) -> None:
    assert await accepted(projection(MANY), *entries) == turns


async def test_it_asks_for_few_entries_until_it_knows_how_large_they_are() -> None:
    consumer = projection(ProjectionSettings())
    at_first = consumer._read_count()

    await accepted(consumer, *[entry(chunk(1))] * 200)

    assert (at_first, consumer._read_count()) == (8, 16)


async def test_after_a_large_entry_it_asks_for_fewer_at_once() -> None:
    consumer = projection(ProjectionSettings(interval_s=3600.0, max_events=1_000_000))
    await accepted(consumer, *[entry(chunk(1))] * 200)

    await accepted(consumer, entry(chunk(1, "x" * 500_000)))
    assert consumer._read_count() == 1

    await accepted(consumer, *[entry(chunk(1))] * 100)
    assert consumer._read_count() == 16


async def test_it_always_asks_for_one() -> None:
    consumer = projection(ProjectionSettings(max_bytes=1), partitions=4096)

    assert consumer._read_count() == 1
