"""Transactions, and threads that run them for an event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from baseline.storage import database
from baseline.storage.database import Database, connect, reading, writing
from tests.unit.baseline.files import File

SOON_S = 10.0


@pytest.fixture
async def threads(path: Path) -> AsyncIterator[Database]:
    threads = Database(path)
    yield threads
    threads.close()


def count(connection: sqlite3.Connection) -> int:
    return File(connection).rows("condemned")


def put(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("INSERT INTO condemned VALUES (?)", (number,))


async def test_what_is_written_is_read_from_other_threads(threads: Database) -> None:
    await asyncio.gather(*(threads.write(put, number) for number in range(20)))
    assert await asyncio.gather(*(threads.read(count) for _ in range(20))) == [20] * 20


async def test_an_error_comes_back_and_undoes_the_transaction(threads: Database) -> None:
    def put_twice(connection: sqlite3.Connection) -> None:
        put(connection, 1)
        put(connection, 1)

    with pytest.raises(sqlite3.IntegrityError):
        await threads.write(put_twice)
    assert await threads.read(count) == 0
    await threads.write(put, 1)


async def test_the_event_loop_runs_on_while_the_file_is_locked(threads: Database, path: Path) -> None:
    with closing(connect(path)) as other, writing(other):
        written = asyncio.ensure_future(threads.write(put, 1))
        for _ in range(3):  # neither reads nor the loop wait for the lock
            assert await threads.read(count) == 0
        assert not written.done()
    await asyncio.wait_for(written, SOON_S)


async def test_a_lock_is_waited_for_within_a_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    threads = Database(path)
    try:
        with closing(connect(path)) as other, writing(other):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                await threads.write(put, 1)
            assert await threads.read(count) == 0
    finally:
        threads.close()


def test_the_statements_of_a_reading_transaction_see_one_state(path: Path) -> None:
    with closing(connect(path)) as reader, closing(connect(path)) as writer, reading(reader):
        assert count(reader) == 0
        with writing(writer):
            put(writer, 1)
        assert count(reader) == 0


async def test_closing_finishes_what_runs(threads: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> int:
        begun.set()
        assert go_on.wait(SOON_S)
        return count(connection)

    running = asyncio.ensure_future(threads.read(slow))
    await asyncio.to_thread(begun.wait, SOON_S)
    closing_it = asyncio.ensure_future(asyncio.to_thread(threads.close))
    go_on.set()
    assert await running == 0
    await closing_it
