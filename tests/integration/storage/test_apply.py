"""What a write commits and counts, what it refuses, and that writes at the same time do not hurt each other."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api.projection.fold import merge
from api.storage.apply import apply_changes
from api.storage.archive import Archive
from api.storage.changes import ApplyStats, Changes, NewTask
from api.storage.errors import InvalidData, StatementTimedOut, StorageError, StorageUnavailable
from api.storage.tasks import TaskStore
from protocol.events import State
from tests.unit.projection.samples import (
    EPOCH,
    OTHER,
    TASK,
    at,
    changes,
    chunk,
    progress,
    result,
    running,
    seqs,
    status,
)


async def submit(store: TaskStore, *tasks: UUID, epoch: str = EPOCH) -> None:
    for task in tasks or (TASK,):
        await store.insert(NewTask(task, "synthetic", {}, epoch, at(0)))


async def test_three_statements_write_whatever_there_is(engine: AsyncEngine, store: TaskStore) -> None:
    tasks = [uuid4() for _ in range(50)]
    await submit(store, *tasks)
    parts = [changes(*(chunk(seq, task=task) for seq in range(1, 41)), task=task) for task in tasks]
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    stats = await apply_changes(engine, merge(*parts))

    assert stats == ApplyStats(statements=3, tasks_changed=50, events_stored=2000)
    assert len(statements) == 3


async def test_nothing_to_write_needs_no_statement(engine: AsyncEngine) -> None:
    assert await apply_changes(engine, Changes()) == ApplyStats()


async def test_what_is_there_already_is_counted_and_not_written_again(engine: AsyncEngine, store: TaskStore) -> None:
    await submit(store)
    await apply_changes(engine, changes(running(1), progress(2)))

    again = await apply_changes(engine, changes(running(1), progress(2)))
    more = await apply_changes(engine, changes(progress(2), chunk(3)))

    assert again == ApplyStats(statements=3, tasks_changed=0, events_stored=0, duplicates=2)
    assert more == ApplyStats(statements=3, tasks_changed=1, events_stored=1, duplicates=1)


async def test_tasks_without_a_row_are_left_out_and_the_others_written(
    engine: AsyncEngine, store: TaskStore, archive: Archive
) -> None:
    await submit(store)

    stats = await apply_changes(engine, merge(changes(chunk(1)), changes(chunk(1, task=OTHER), task=OTHER)))

    assert (stats.tasks_unknown, stats.events_stored) == (1, 1)
    assert await archive.read(OTHER, 0, 10) == []


async def test_one_statement_is_enough_to_find_that_nothing_is_known(engine: AsyncEngine) -> None:
    assert await apply_changes(engine, changes(chunk(1))) == ApplyStats(statements=1, tasks_unknown=1)


async def test_changes_of_another_epoch_than_the_rows_are_left_out(
    engine: AsyncEngine, store: TaskStore, archive: Archive
) -> None:
    await submit(store, epoch="e2")
    late = changes(chunk(1, "late"), result(2))

    stats = await apply_changes(engine, merge(late, changes(chunk(1, "new"), epoch="e2")))

    assert stats == ApplyStats(statements=3, tasks_changed=1, tasks_stale=1, events_stored=1)
    assert await archive.read(TASK, 0, 10) == [(1, chunk(1, "new"))]
    assert await store.result(TASK) is None


async def test_the_result_is_written_with_the_end(engine: AsyncEngine, store: TaskStore) -> None:
    await submit(store)
    await apply_changes(engine, changes(running(1)))
    assert await store.result(TASK) is None

    await apply_changes(engine, changes(result(2, {"b": 1, "a": [10**30, "\0"]})))

    assert await store.result(TASK) == b'{"b":1,"a":[1000000000000000000000000000000,"\\u0000"]}'


async def test_a_result_of_null_is_a_result(engine: AsyncEngine, store: TaskStore) -> None:
    await submit(store)

    await apply_changes(engine, changes(result(1, None)))

    assert await store.result(TASK) == b"null"


async def test_a_value_that_is_refused_leaves_nothing_of_the_batch(
    engine: AsyncEngine, store: TaskStore, archive: Archive
) -> None:
    await submit(store)
    too_large = running(2).replace(b'"attempt":1', b'"attempt":3000000000')

    with pytest.raises(InvalidData, match="out of int32 range"):
        await apply_changes(engine, merge(changes(running(1)), changes(too_large)))

    assert await archive.read(TASK, 0, 10) == []


async def test_a_server_that_refuses_a_value_is_told_from_one_that_is_away(
    engine: AsyncEngine, store: TaskStore
) -> None:
    await submit(store)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE events ADD CHECK (seq < 100)"))

    with pytest.raises(InvalidData, match="violates check constraint"):
        await apply_changes(engine, changes(chunk(100)))

    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE events"))
    with pytest.raises(StorageError, match="does not exist") as raised:
        await apply_changes(engine, changes(chunk(1)))
    assert not isinstance(raised.value, InvalidData | StorageUnavailable)


@pytest.mark.parametrize(
    ("limit", "error"), [("lock_timeout", StorageUnavailable), ("statement_timeout", StatementTimedOut)]
)
async def test_a_row_that_somebody_holds_is_waited_for_within_limits(
    engine: AsyncEngine, store: TaskStore, limit: str, error: type[StorageError]
) -> None:
    await submit(store)
    impatient = create_async_engine(engine.url, connect_args={"server_settings": {limit: "50"}})
    async with engine.begin() as holder:
        await holder.execute(text("SELECT 1 FROM tasks FOR UPDATE"))

        with pytest.raises(error):
            await apply_changes(impatient, changes(chunk(1)))
    await impatient.dispose()


async def test_writers_at_the_same_time_neither_deadlock_nor_lose(
    engine: AsyncEngine, store: TaskStore, archive: Archive
) -> None:
    tasks = [uuid4() for _ in range(8)]
    await submit(store, *tasks)
    rng = random.Random(7)
    batches = []
    for seq in range(1, 25):
        parts = [changes(chunk(seq, task=task), task=task) for task in rng.sample(tasks, len(tasks))]
        batches += [merge(*parts), merge(*parts[:4])]
    rng.shuffle(batches)

    await asyncio.gather(*(apply_changes(engine, batch) for batch in batches))

    for task in tasks:
        assert seqs(await archive.read(task, 0, 100)) == list(range(1, 25))
        row = await store.get(task)
        assert row is not None
        assert row.seq == 24


async def test_a_batch_of_one_event_of_8_mib_is_written(
    engine: AsyncEngine, store: TaskStore, archive: Archive
) -> None:
    await submit(store)
    large = result(1, "x" * 8 * 2**20)

    await apply_changes(engine, changes(large))

    assert await archive.read(TASK, 0, 1) == [(1, large)]
    found = await store.get(TASK)
    assert found is not None
    assert found.state is State.SUCCEEDED


async def test_a_failure_and_its_retry_in_one_batch_leave_the_retry(engine: AsyncEngine, store: TaskStore) -> None:
    await submit(store)
    history = [running(1), status(2, State.QUEUED, error={"type": "x", "message": "y"}), running(3, attempt=2)]

    await apply_changes(engine, changes(*history))

    found = await store.get(TASK)
    assert found is not None
    assert (found.state, found.error, found.attempt, found.started_at) == (State.RUNNING, None, 2, at(1))
