"""Waiting for news of a task."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from baseline import updates
from baseline.api import watcher as watcher_module
from baseline.api.watcher import TooManyWaiting, Watcher
from baseline.storage import reading
from baseline.storage.database import writing
from tests.unit.baseline.files import File

SOON_S = 10.0
FOR_EVER_S = 600.0


@pytest.fixture
async def watcher(path: Path) -> AsyncIterator[Watcher]:
    watcher = Watcher(path, limit=3)
    yield watcher
    watcher.close()


async def soon(task: asyncio.Task[None]) -> None:
    await asyncio.wait_for(task, SOON_S)


def wait(watcher: Watcher, number: int, after: int, timeout_s: float = FOR_EVER_S) -> asyncio.Task[None]:
    return asyncio.create_task(watcher.wait(number, after, timeout_s))


async def test_an_update_wakes_who_waits_for_it(watcher: Watcher, file: File) -> None:
    row, other = file.submit(), file.submit()
    waiting, elsewhere = wait(watcher, row.number, 0), wait(watcher, other.number, 0)
    await asyncio.sleep(0)
    assert len(watcher) == 2

    file.claim()

    await soon(waiting)
    assert not elsewhere.done()
    assert len(watcher) == 1


async def test_an_update_that_came_before_the_wait_is_not_missed(watcher: Watcher, file: File) -> None:
    """The request has read the task, and the update comes before it waits: no later commit would wake it."""
    row = file.submit()
    keeps_it_looking = wait(watcher, file.submit().number, 0)
    await asyncio.sleep(0)
    file.claim()

    await soon(wait(watcher, row.number, 0))

    assert not keeps_it_looking.done()


async def test_only_what_follows_the_cursor_is_news(watcher: Watcher, file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()
    behind, up_to_date = wait(watcher, row.number, 0), wait(watcher, row.number, 1)
    await soon(behind)
    assert not up_to_date.done()

    file.append(claimed.owned, updates.chunk(0, "a"))

    await soon(up_to_date)


async def test_a_task_that_is_gone_wakes_too(watcher: Watcher, file: File) -> None:
    row = file.finish()
    waiting = wait(watcher, row.number, row.seq)
    await asyncio.sleep(0)

    with writing(file.connection):
        file.connection.execute("DELETE FROM tasks")

    await soon(waiting)


async def test_a_wait_has_an_end(watcher: Watcher, file: File) -> None:
    await soon(wait(watcher, file.submit().number, 0, timeout_s=0.01))
    assert len(watcher) == 0


async def test_so_many_may_wait_and_no_more(watcher: Watcher, file: File) -> None:
    number = file.submit().number
    waiting = [wait(watcher, number, 0) for _ in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(TooManyWaiting, match="3 clients"):
        await watcher.wait(number, 0, FOR_EVER_S)

    waiting.pop().cancel()
    await asyncio.sleep(0)
    waiting.append(wait(watcher, number, 0))
    file.claim()
    for each in waiting:
        await soon(each)


async def test_at_the_end_everyone_is_woken_and_nobody_waits_any_more(watcher: Watcher, file: File) -> None:
    number = file.submit().number
    waiting = wait(watcher, number, 0)
    await asyncio.sleep(0)

    watcher.drain()

    await soon(waiting)
    await soon(wait(watcher, number, 0))


async def test_a_look_that_fails_is_told_and_repeated(
    watcher: Watcher, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "_BACKOFF_S", 0.01)
    failures = iter([True, True])

    def fail_twice(connection: sqlite3.Connection, numbers: list[int]) -> dict[int, int]:
        if next(failures, False):
            raise sqlite3.OperationalError("disk I/O error")
        return seqs(connection, numbers)

    seqs = reading.seqs
    monkeypatch.setattr(reading, "seqs", fail_twice)
    row = file.submit()
    with capture_logs() as logged:
        waiting = wait(watcher, row.number, 0)
        await asyncio.sleep(0)
        file.claim()
        await soon(waiting)

    assert [entry["action"] for entry in logged] == ["watcher_failed"] * 2
    assert watcher.healthy
