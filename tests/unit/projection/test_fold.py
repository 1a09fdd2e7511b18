"""Which events write which registers, and how a change is put over a row (the tables in `api.projection.fold`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from api.projection.fold import merge, overlay
from api.storage.changes import Changes, TaskChange, TaskEpoch
from protocol.events import State
from tests.unit.projection.samples import (
    EPOCH,
    OTHER,
    TASK,
    at,
    change,
    changes,
    chunk,
    progress,
    raw,
    result,
    row,
    running,
    status,
)

BROKEN = {"type": "value_error", "message": "broken"}
BROKEN_TEXT = '{"type":"value_error","message":"broken"}'

REGISTERS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "start of an attempt": (
        running(5),
        {"state": State.RUNNING, "state_seq": 5, "progress": None, "progress_seq": 5, "started_at": at(5)},
    ),
    "progress": (
        progress(5, 30),
        {
            "state": State.RUNNING,
            "state_seq": 5,
            "progress": '{"current":30,"total":100}',
            "progress_seq": 5,
            "started_at": at(5),
        },
    ),
    "retry": (status(5, State.QUEUED), {"state": State.QUEUED, "state_seq": 5}),
    "failure": (
        status(5, State.FAILED, error=BROKEN),
        {"state": State.FAILED, "state_seq": 5, "error": BROKEN_TEXT, "finished_at": at(5)},
    ),
    "cancellation": (
        status(5, State.CANCELLED),
        {"state": State.CANCELLED, "state_seq": 5, "finished_at": at(5)},
    ),
    "result": (
        result(5, {"pi": "3.14"}),
        {"state": State.SUCCEEDED, "state_seq": 5, "result": '{"pi":"3.14"}', "finished_at": at(5)},
    ),
    "result that is null": (
        result(5, None),
        {"state": State.SUCCEEDED, "state_seq": 5, "result": "null", "finished_at": at(5)},
    ),
    "chunk": (chunk(5), {}),
}


@pytest.mark.parametrize(("event", "registers"), REGISTERS.values(), ids=REGISTERS)
def test_an_event_writes_its_registers_and_no_other(event: bytes, registers: dict[str, Any]) -> None:
    assert change(event) == TaskChange(TASK, EPOCH, seq=5, attempt=1, updated_at=at(5), **registers)


@pytest.mark.parametrize(("event", "registers"), REGISTERS.values(), ids=REGISTERS)
def test_the_archive_keeps_every_event(event: bytes, registers: dict[str, Any]) -> None:
    del registers
    kept = changes(event).events[TaskEpoch(TASK, EPOCH)]

    assert list(kept) == [5]


def test_superseded_progress_stays_in_the_archive_while_the_newest_is_in_the_row() -> None:
    folded = changes(running(1), progress(2, 10), progress(3, 20))
    key = TaskEpoch(TASK, EPOCH)

    assert folded.tasks[key].progress == '{"current":20,"total":100}'
    assert list(folded.events[key]) == [1, 2, 3]


def test_nothing_changes_nothing() -> None:
    assert changes() == merge() == Changes()


HISTORY: Sequence[bytes] = (
    running(1),
    progress(2, 50),
    chunk(3),
    status(4, State.QUEUED, error=BROKEN),
    running(5, attempt=2),
    chunk(6, attempt=2),
    progress(7, 10, attempt=2),
    result(8, "done", attempt=2, ts=1.0),
)


def test_a_task_that_was_tried_again_starts_with_its_first_attempt_and_ends_with_its_last() -> None:
    ended = change(*HISTORY)

    assert (ended.state, ended.state_seq, ended.seq, ended.attempt) == (State.SUCCEEDED, 8, 8, 2)
    assert (ended.started_at, ended.updated_at) == (at(1), at(7))
    assert (ended.error, ended.result) == (None, '"done"')


def test_an_attempt_begins_without_the_progress_of_the_one_before() -> None:
    begun = change(*HISTORY[:5])

    assert (begun.progress, begun.progress_seq) == (None, 5)


def test_a_retry_leaves_the_progress_until_the_next_attempt_begins() -> None:
    waiting = change(*HISTORY[:4])

    assert (waiting.state, waiting.progress, waiting.progress_seq) == (
        State.QUEUED,
        '{"current":50,"total":100}',
        2,
    )


@pytest.mark.parametrize("cut", range(len(HISTORY) + 1))
def test_two_halves_merge_to_the_whole_in_either_order(cut: int) -> None:
    front, back = changes(*HISTORY[:cut]), changes(*HISTORY[cut:])

    assert merge(front, back) == merge(back, front) == changes(*HISTORY)


def test_a_clock_that_goes_back_does_not_take_updated_at_back() -> None:
    assert change(chunk(1, ts=2000.0), chunk(2, ts=1000.0)).updated_at == change(chunk(1, ts=2000.0)).updated_at


def test_tasks_are_kept_apart() -> None:
    together = merge(changes(running(1)), changes(result(1, task=OTHER), task=OTHER))

    assert together.tasks[TaskEpoch(TASK, EPOCH)] == change(running(1))
    assert together.tasks[TaskEpoch(OTHER, EPOCH)] == change(result(1, task=OTHER), task=OTHER)


def test_epochs_of_a_task_are_kept_apart_because_they_give_the_same_seqs_to_different_events() -> None:
    together = merge(changes(chunk(7, "lost")), changes(chunk(7, "again"), epoch="e2"))

    assert together.events[TaskEpoch(TASK, EPOCH)][7].data == '{"index":7,"data":"lost"}'
    assert together.events[TaskEpoch(TASK, "e2")][7].data == '{"index":7,"data":"again"}'


def test_overlay_shows_what_is_newer_and_decodes_it() -> None:
    shown = overlay(row(), change(running(1), progress(2, 30)))

    assert shown == row(
        state=State.RUNNING,
        state_seq=2,
        attempt=1,
        seq=2,
        progress={"current": 30, "total": 100},
        progress_seq=2,
        started_at=at(1),
        updated_at=at(2),
    )


def test_overlay_leaves_a_row_that_is_ahead_as_it_is() -> None:
    ahead = overlay(row(), change(*HISTORY))

    assert overlay(ahead, change(running(1), progress(2, 30))) == ahead


def test_overlay_takes_each_register_by_its_own_seq() -> None:
    shown = overlay(row(state=State.RUNNING, state_seq=4, seq=4), change(progress(3, 30)))

    assert (shown.state_seq, shown.progress, shown.progress_seq) == (4, {"current": 30, "total": 100}, 3)


def test_overlay_of_another_epoch_changes_nothing() -> None:
    assert overlay(row(), change(result(9), epoch="e2")) == row()


def test_a_result_of_a_foreign_form_reaches_the_row_as_the_same_value() -> None:
    assert change(raw(1, "result", {"took": 3, "result": [1, 2]})).result == "[1,2]"
