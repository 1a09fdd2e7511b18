"""A task's history as PostgreSQL keeps it."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.apply import apply_changes
from api.storage.archive import Archive
from api.storage.changes import NewTask
from api.storage.tasks import TaskStore
from protocol.events import State, parse_event
from tests.unit.projection.samples import (
    EPOCH,
    OTHER,
    TASK,
    at,
    changes,
    chunk,
    progress,
    raw,
    result,
    running,
    seqs,
    status,
)

HISTORY = [
    running(1),
    progress(2),
    chunk(3, {"digits": "3.14"}),
    progress(4),
    status(5, State.QUEUED),
    running(6, attempt=2, ts=1_763_971_200_123.457),
    result(7, ["ü 🙂 \0", 10**30, -0.0, 1e-300], attempt=2),
]


@pytest.fixture
async def written(engine: AsyncEngine, store: TaskStore) -> list[tuple[int, bytes]]:
    """What was written, as the archive is to give it back."""
    for task in (TASK, OTHER):
        await store.insert(NewTask(task, "synthetic", {}, EPOCH, at(0)))
    await apply_changes(engine, changes(*HISTORY))
    await apply_changes(engine, changes(chunk(1, task=OTHER), task=OTHER))
    return list(enumerate(HISTORY, start=1))


async def test_every_event_comes_back_as_its_writer_wrote_it(
    archive: Archive, written: list[tuple[int, bytes]]
) -> None:
    assert await archive.read(TASK, 0, 100) == written


async def test_the_seqs_have_no_hole_where_progress_was_superseded(
    archive: Archive, written: list[tuple[int, bytes]]
) -> None:
    assert seqs(await archive.read(TASK, 0, 100)) == list(range(1, len(written) + 1))


@pytest.mark.parametrize(("after", "limit", "found"), [(0, 2, [1, 2]), (2, 3, [3, 4, 5]), (6, 10, [7]), (7, 10, [])])
async def test_it_is_read_in_pieces(
    archive: Archive, written: list[tuple[int, bytes]], after: int, limit: int, found: list[int]
) -> None:
    del written

    assert seqs(await archive.read(TASK, after, limit)) == found


@pytest.mark.parametrize(("max_bytes", "found"), [(0, [1]), (500, [1, 2]), (700, [1, 2, 3]), (10_000, [*range(1, 8)])])
async def test_it_is_read_up_to_a_size_and_one_event_at_least(
    archive: Archive, written: list[tuple[int, bytes]], max_bytes: int, found: list[int]
) -> None:
    del written

    assert seqs(await archive.read(TASK, 0, 100, max_bytes)) == found


async def test_a_task_that_is_not_there_has_no_history(archive: Archive) -> None:
    assert await archive.read(UUID(int=404), 0, 10) == []


async def test_what_json_can_say_and_python_cannot_keep_is_kept(
    archive: Archive, engine: AsyncEngine, store: TaskStore
) -> None:
    await store.insert(NewTask(TASK, "synthetic", {}, EPOCH, at(0)))
    foreign = raw(1, "chunk", {"index": 0, "data": "HERE"}).replace(b'"HERE"', rb'["\ud800", 1.10, 1e400,  "\u0041"]')

    await apply_changes(engine, changes(foreign))

    assert await archive.read(TASK, 0, 10) == [(1, foreign)]


async def test_what_comes_back_is_an_event(archive: Archive, written: list[tuple[int, bytes]]) -> None:
    del written
    events = [parse_event(event) for _, event in await archive.read(TASK, 0, 100)]

    assert [event.seq for event in events] == list(range(1, 8))
    assert events[-1].state is State.SUCCEEDED
    assert events[5].ts == pytest.approx(1_763_971_200_123.457)
