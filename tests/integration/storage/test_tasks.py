"""Rows of tasks on a real PostgreSQL: submissions and their keys, reads, pages, and what is noted of a task."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.apply import apply_changes
from api.storage.changes import NewTask, TaskRow
from api.storage.errors import IdempotencyConflict, InvalidData
from api.storage.sweep import SweepStore
from api.storage.tasks import TaskStore
from protocol.events import State
from tests.unit.projection.samples import EPOCH, TASK, at, changes, progress, result, row, running

NEW = NewTask(TASK, "synthetic", {}, EPOCH, at(0))
NOBODY = UUID(int=404)


def new(number: int, **values: Any) -> NewTask:
    """A submission whose id rises with `number`, made so many ms after T0."""
    return replace(NEW, id=UUID(int=number), created_at=at(number), **values)


def numbers(rows: list[TaskRow]) -> list[int]:
    return [row.id.int for row in rows]


async def finish(engine: AsyncEngine, number: int) -> None:
    task = UUID(int=number)
    await apply_changes(engine, changes(result(1, task=task), task=task))


async def test_a_submission_is_read_as_it_was_made(store: TaskStore) -> None:
    params = {"text": "\0 ü 🙂", "large": 10**30, "nested": [{"a": None}], "small": 1e-300}

    submitted = await store.insert(replace(NEW, params=params, idempotency_key="k", request_hash="h"))

    assert submitted.created
    assert submitted.row == row(params=params, idempotency_key="k")
    assert await store.get(TASK) == submitted.row


async def test_a_task_that_is_not_there_is_none(store: TaskStore) -> None:
    assert await store.get(NOBODY) is None
    assert await store.result(NOBODY) is None
    assert await store.position(NOBODY) is None


async def test_how_far_a_task_is_known_is_told_without_the_rest(store: TaskStore, engine: AsyncEngine) -> None:
    await store.insert(new(1))
    assert await store.position(UUID(int=1)) == (EPOCH, 0, False)

    await finish(engine, 1)

    assert await store.position(UUID(int=1)) == (EPOCH, 1, True)


async def test_the_same_key_and_request_find_the_same_task(store: TaskStore) -> None:
    first = await store.insert(new(1, idempotency_key="k", request_hash="h"))
    second = await store.insert(new(2, idempotency_key="k", request_hash="h"))

    assert (second.created, second.row) == (False, first.row)
    assert await store.get(UUID(int=2)) is None


async def test_a_key_that_comes_with_another_request_is_a_conflict(store: TaskStore) -> None:
    await store.insert(new(1, idempotency_key="k", request_hash="h"))

    with pytest.raises(IdempotencyConflict) as conflict:
        await store.insert(new(2, idempotency_key="k", request_hash="other"))
    assert conflict.value.key == "k"


async def test_submissions_without_a_key_are_all_different(store: TaskStore) -> None:
    assert (await store.insert(new(1))).created
    assert (await store.insert(new(2))).created


async def test_of_many_submissions_under_one_key_at_the_same_time_one_is_made(store: TaskStore) -> None:
    news = [new(number, idempotency_key="k", request_hash="h") for number in range(1, 21)]

    submitted = await asyncio.gather(*map(store.insert, news))

    assert sum(one.created for one in submitted) == 1
    assert len({one.row.id for one in submitted}) == 1


@pytest.mark.parametrize(
    "values",
    [{"params": {"x": float("nan")}}, {"params": {"x": "\ud800"}}, {"kind": "\0"}, {"idempotency_key": "\ud800"}],
    ids=["NaN", "lone surrogate", "NUL in a text", "lone surrogate in a key"],
)
async def test_a_value_that_cannot_be_stored_is_refused(store: TaskStore, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidData):
        await store.insert(replace(NEW, **values))

    assert await store.get(TASK) is None


async def test_an_id_that_is_taken_is_refused(store: TaskStore) -> None:
    await store.insert(NEW)

    with pytest.raises(InvalidData, match="pk_tasks"):
        await store.insert(NEW)


async def test_pages_go_from_the_newest_to_the_oldest(store: TaskStore) -> None:
    for number in range(1, 6):
        await store.insert(new(number))

    assert numbers(await store.page(limit=2)) == [5, 4]
    assert numbers(await store.page(limit=2, before=UUID(int=4))) == [3, 2]
    assert numbers(await store.page(limit=2, before=UUID(int=2))) == [1]
    assert numbers(await store.page(limit=2, before=UUID(int=1))) == []


async def test_pages_can_be_confined_to_a_kind_and_a_state(store: TaskStore, engine: AsyncEngine) -> None:
    for number in range(1, 7):
        await store.insert(new(number, kind="even" if number % 2 == 0 else "odd"))
    await finish(engine, 4)
    await finish(engine, 5)

    assert numbers(await store.page(kind="even")) == [6, 4, 2]
    assert numbers(await store.page(state=State.SUCCEEDED)) == [5, 4]
    assert numbers(await store.page(kind="odd", state=State.QUEUED)) == [3, 1]
    assert numbers(await store.page(kind="none")) == []


async def test_a_dispatch_is_noted(store: TaskStore) -> None:
    for number in (1, 2, 3):
        await store.insert(new(number))

    assert await store.mark_dispatched(UUID(int=2), at(50))
    assert not await store.mark_dispatched(NOBODY, at(50))

    dispatched = await store.get(UUID(int=2))
    assert dispatched is not None
    assert dispatched.dispatched_at == at(50)


async def test_the_first_wish_to_cancel_is_kept(store: TaskStore) -> None:
    await store.insert(NEW)

    assert await store.request_cancel(TASK, at(5))
    assert not await store.request_cancel(TASK, at(6))
    assert not await store.request_cancel(NOBODY, at(6))

    found = await store.get(TASK)
    assert found is not None
    assert found.cancel_requested_at == at(5)


async def test_unfinished_tasks_are_listed_oldest_first(store: TaskStore, engine: AsyncEngine) -> None:
    sweeps = SweepStore(engine)
    for number in range(1, 6):
        await store.insert(new(number))
    await finish(engine, 2)

    assert [row.id.int for row in await sweeps.unfinished(2)] == [1, 3]
    assert [row.id.int for row in await sweeps.unfinished(2, after=UUID(int=3))] == [4, 5]


async def test_a_new_epoch_begins_where_the_row_stands(store: TaskStore, engine: AsyncEngine) -> None:
    await store.insert(NEW)
    await apply_changes(engine, changes(running(1), progress(2)))

    moved = await store.begin_epoch(TASK, EPOCH, "e2")

    assert moved is not None
    assert (moved.epoch, moved.seq, moved.state) == ("e2", 2, State.RUNNING)
    assert await store.begin_epoch(NOBODY, EPOCH, "e2") is None


async def test_what_the_old_epoch_left_cannot_take_the_seqs_of_the_new_one(
    store: TaskStore, engine: AsyncEngine
) -> None:
    await store.insert(NEW)
    await apply_changes(engine, changes(running(1)))
    await store.begin_epoch(TASK, EPOCH, "e2")

    await apply_changes(engine, changes(*(progress(seq) for seq in range(2, 9))))
    await apply_changes(engine, changes(running(2, attempt=2), result(3, attempt=2), epoch="e2"))

    found = await store.get(TASK)
    assert found is not None
    assert (found.state, found.seq, found.attempt, found.progress) == (State.SUCCEEDED, 3, 2, None)


async def test_of_two_that_begin_an_epoch_one_wins_and_both_are_told_which(store: TaskStore) -> None:
    await store.insert(NEW)

    rows = await asyncio.gather(*(store.begin_epoch(TASK, EPOCH, f"e{number}") for number in range(2, 8)))

    assert len({found.epoch for found in rows if found is not None}) == 1


async def test_a_row_that_this_code_does_not_know_in_full_is_still_read(store: TaskStore, engine: AsyncEngine) -> None:
    """A column that a later migration adds does not disturb the replicas that still run."""
    await store.insert(NEW)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE tasks ADD COLUMN later integer DEFAULT 1"))

    assert await store.get(TASK) == row()
