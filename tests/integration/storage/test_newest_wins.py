"""How changes come to a row: one suite for SQL (`apply_changes`) and for memory (`overlay`), which must agree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.projection.fold import overlay
from api.storage.apply import apply_changes
from api.storage.changes import Changes, NewTask, TaskRow
from api.storage.tasks import TaskStore
from protocol.events import State
from tests.unit.projection.samples import EPOCH, TASK, at, changes, chunk, progress, result, row, running, status

Become = Callable[..., Awaitable[TaskRow]]
"""The row of a fresh submission after each of some changes in turn."""

FAILED: dict[str, Any] = {"type": "value_error", "message": "broken"}


async def in_memory(*parts: Changes) -> TaskRow:
    became = row()
    for part in parts:
        for change in part.tasks.values():
            became = overlay(became, change)
    return became


@pytest.fixture(params=["memory", "sql"])
def become(request: pytest.FixtureRequest) -> Become:
    if request.param == "memory":
        return in_memory
    engine = request.getfixturevalue("engine")

    async def in_sql(*parts: Changes) -> TaskRow:
        store = TaskStore(engine)
        await store.insert(NewTask(TASK, "synthetic", {}, EPOCH, at(0)))
        for part in parts:
            await apply_changes(engine, part)
        became = await store.get(TASK)
        assert became is not None
        return became

    return in_sql


async def test_nothing_leaves_the_row_as_it_was_submitted(become: Become) -> None:
    assert await become(Changes()) == row()


async def test_a_start_writes_state_attempt_and_times(become: Become) -> None:
    assert await become(changes(running(1))) == row(
        state=State.RUNNING,
        state_seq=1,
        attempt=1,
        seq=1,
        progress_seq=1,
        started_at=at(1),
        updated_at=at(1),
    )


async def test_a_chunk_moves_seq_and_updated_at_only(become: Become) -> None:
    assert await become(changes(chunk(7))) == row(attempt=1, seq=7, updated_at=at(7))


@pytest.mark.parametrize(
    ("end", "state", "error"),
    [
        (result(9), State.SUCCEEDED, None),
        (status(9, State.FAILED, error=FAILED), State.FAILED, FAILED),
        (status(9, State.CANCELLED), State.CANCELLED, None),
    ],
    ids=["succeeded", "failed", "cancelled"],
)
async def test_an_end_writes_state_error_and_the_time_of_the_end(
    become: Become, end: bytes, state: State, error: Any
) -> None:
    became = await become(changes(running(1)), changes(end))

    assert (became.state, became.error, became.finished_at) == (state, error, at(9))
    assert (became.started_at, became.seq) == (at(1), 9)


async def test_an_older_change_does_not_take_a_newer_one_back(become: Become) -> None:
    became = await become(changes(result(9)), changes(running(1), progress(2, 10)), changes(chunk(5)))

    assert (became.state, became.finished_at, became.seq, became.updated_at) == (State.SUCCEEDED, at(9), 9, at(9))


async def test_an_older_change_fills_in_what_the_newer_one_did_not_know(become: Become) -> None:
    became = await become(changes(result(9)), changes(running(1), progress(2, 10)))

    assert became.started_at == at(1)
    assert (became.progress, became.progress_seq) == ({"current": 10, "total": 100}, 2)


async def test_the_earliest_start_stays_and_a_change_without_one_does_not_unset_it(become: Become) -> None:
    became = await become(changes(running(5)), changes(chunk(6)), changes(running(1)), changes(running(7, attempt=2)))

    assert became.started_at == at(1)


async def test_a_failure_that_is_tried_again_leaves_no_error_behind(become: Become) -> None:
    failed = changes(running(1), status(2, State.QUEUED, error=FAILED))
    became = await become(failed, changes(running(3, attempt=2)))

    assert (became.state, became.error, became.attempt) == (State.RUNNING, None, 2)


async def test_a_new_attempt_begins_without_progress(become: Become) -> None:
    became = await become(changes(running(1), progress(2, 50)), changes(running(4, attempt=2)))

    assert (became.progress, became.progress_seq) == (None, 4)


async def test_progress_of_an_attempt_before_that_comes_late_is_not_shown(become: Become) -> None:
    became = await become(changes(running(4, attempt=2)), changes(progress(2, 50)))

    assert became.progress is None


async def test_applying_again_changes_nothing(become: Become) -> None:
    once = changes(running(1), progress(2, 10), chunk(3))

    assert await become(once, once, once) == await in_memory(once)


async def test_a_change_of_another_epoch_changes_nothing(become: Become) -> None:
    assert await become(changes(running(1), result(2), epoch="e9")) == row()


async def test_texts_of_every_kind_come_through(become: Become) -> None:
    odd = {"type": "odd", "message": "\0 ü 🙂 \\u0000 \" ' {}", "large": 10**30, "small": 1e-300, "none": None}
    became = await become(changes(status(1, State.FAILED, error=odd)))

    assert became.error == odd
