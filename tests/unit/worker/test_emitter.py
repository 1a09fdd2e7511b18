"""The buffer between a workload and the flusher: what leaves it, what it refuses, and when it makes the task wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from protocol.events import State
from protocol.head import Outcome, Renewal, RenewOutcome
from tests.unit.worker.emitting import LONG_S, Desk, answer, data, label
from worker.emitter import MAX_EVENT_BYTES, EmitterLimits
from worker.errors import AttemptLost, UpdateRefused

HELD_BACK_S = 0.05
"""A call that has not returned after this is waiting."""


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def task() -> Iterator[ThreadPoolExecutor]:
    """The thread of a task."""
    with ThreadPoolExecutor(1) as thread:
        yield thread


def assert_waiting(call: Future[None]) -> None:
    with pytest.raises(TimeoutError):
        call.result(HELD_BACK_S)


def test_nothing_emitted_is_nothing_to_take(desk: Desk) -> None:
    assert desk.emitter.take() is None
    assert desk.notified == 0


def test_what_waits_leaves_in_one_batch_in_order() -> None:
    desk = Desk(n=4)
    desk.emitter.status(State.RUNNING)
    desk.emitter.chunk("a")
    desk.emitter.progress({"current": 1})
    desk.emitter.chunk("b")

    batch = desk.take()

    assert batch.n == 5
    assert [label(body) for body in batch.bodies] == ["running", "c0", "p1", "c1"]


def test_the_next_batch_continues_the_numbers(desk: Desk) -> None:
    desk.emitter.chunk("a")
    desk.emitter.chunk("b")
    desk.send()
    desk.emitter.chunk("c")

    batch = desk.take()

    assert batch.n == 3
    assert data(batch.bodies[0]) == {"index": 2, "data": "c"}


def test_an_event_carries_the_attempt_and_when_it_was_emitted(desk: Desk) -> None:
    desk.now_s = 1763971200.1234
    desk.emitter.chunk("a")
    desk.now_s += 60

    assert desk.take().bodies[0].data.startswith(b'"attempt":3,"ts":1763971200123.400,"type":"chunk",')


def test_an_event_is_what_its_data_was_when_it_was_emitted(desk: Desk) -> None:
    found = ["first"]
    desk.emitter.chunk(found)
    found.append("later")

    assert data(desk.take().bodies[0])["data"] == ["first"]


def test_the_same_batch_is_taken_until_it_is_settled(desk: Desk) -> None:
    desk.emitter.chunk("a")
    batch = desk.take()
    desk.emitter.chunk("b")

    assert desk.take() is batch
    desk.emitter.settle(answer())
    assert desk.send() == ["c1"]


def test_a_duplicate_is_a_success(desk: Desk) -> None:
    desk.emitter.chunk("a")
    desk.take()
    desk.emitter.settle(answer(Outcome.DUPLICATE))
    desk.emitter.chunk("b")

    assert desk.take().n == 2


def test_of_the_progress_that_waits_only_the_newest_is_sent(desk: Desk) -> None:
    for current in range(3):
        desk.emitter.progress({"current": current})
        desk.emitter.chunk("x")

    assert desk.send() == ["c0", "c1", "p2", "c2"]


def test_progress_that_is_on_its_way_is_not_superseded(desk: Desk) -> None:
    desk.emitter.progress({"current": 0})
    desk.take()
    desk.emitter.progress({"current": 1})

    assert desk.send() == ["p0"]
    assert desk.send() == ["p1"]


def test_superseded_progress_makes_room_and_never_blocks() -> None:
    desk = Desk(EmitterLimits(buffer_events=2, patience_s=0))
    for current in range(100):
        desk.emitter.progress({"current": current})

    assert desk.send() == ["p99"]


def test_the_flusher_is_notified_once_until_it_finds_nothing(desk: Desk) -> None:
    desk.emitter.chunk("a")
    desk.emitter.chunk("b")
    desk.send()
    desk.emitter.chunk("c")  # the flusher looks again after an answer
    assert desk.notified == 1

    desk.send()
    assert desk.emitter.take() is None
    desk.emitter.chunk("d")
    assert desk.notified == 2


def test_a_batch_has_at_most_so_many_events() -> None:
    desk = Desk(EmitterLimits(batch_events=3))
    for _ in range(7):
        desk.emitter.chunk("x")

    assert [desk.send() for _ in range(3)] == [["c0", "c1", "c2"], ["c3", "c4", "c5"], ["c6"]]


def test_a_batch_has_at_most_so_many_bytes_but_always_an_event() -> None:
    desk = Desk(EmitterLimits(batch_bytes=500))
    for size in (300, 300, 2_000, 50, 50):
        desk.emitter.chunk("x" * size)

    assert [desk.send() for _ in range(4)] == [["c0"], ["c1"], ["c2"], ["c3", "c4"]]


def test_progress_that_a_cut_left_behind_is_still_superseded() -> None:
    desk = Desk(EmitterLimits(batch_events=2))
    desk.emitter.chunk("x")
    desk.emitter.chunk("x")
    desk.emitter.progress({"current": 0})
    desk.emitter.chunk("x")
    assert desk.send() == ["c0", "c1"]
    desk.emitter.progress({"current": 1})

    assert desk.send() == ["c2", "p1"]


@pytest.mark.parametrize("failure", [True, False])
def test_only_the_batch_with_the_last_event_ends_the_attempt(failure: bool) -> None:
    desk = Desk(EmitterLimits(batch_events=2))
    desk.emitter.chunk("x")
    desk.emitter.chunk("x")
    desk.emitter.end(State.QUEUED, "again", failure=failure)

    first = desk.take()
    assert (first.ends, first.failure) == (False, False)
    desk.emitter.settle(answer())
    last = desk.take()
    assert (last.ends, last.failure) == (True, failure)


def test_an_end_does_not_change_the_batch_that_is_on_its_way(desk: Desk) -> None:
    desk.emitter.chunk("x")
    desk.take()
    desk.emitter.result("whole")

    assert not desk.take().ends
    desk.emitter.settle(answer())
    assert desk.take().ends


@pytest.mark.parametrize("limits", [{"buffer_events": 3}, {"buffer_bytes": 1_500}], ids=["events", "bytes"])
def test_a_full_buffer_makes_the_task_wait_until_the_flusher_has_taken(
    task: ThreadPoolExecutor, limits: dict[str, Any]
) -> None:
    desk = Desk(EmitterLimits(**limits, patience_s=2 * LONG_S))
    for _ in range(3):
        desk.emitter.chunk("x" * 500)
    call = task.submit(desk.emitter.chunk, "y")
    assert_waiting(call)

    desk.take()

    call.result(LONG_S)
    desk.emitter.settle(answer())
    assert desk.send() == ["c3"]


def test_the_patience_with_a_full_buffer_ends_the_attempt_and_empties_it() -> None:
    desk = Desk(EmitterLimits(buffer_events=1, patience_s=0.01))
    desk.emitter.chunk("x")

    with pytest.raises(AttemptLost, match=r"Redis took no events for 0\.01 s"):
        desk.emitter.chunk("y")

    assert desk.emitter.interrupted.is_set()
    assert desk.emitter.take() is None


def test_the_patience_at_the_end_is_limited_too() -> None:
    desk = Desk(EmitterLimits(patience_s=0.01))
    desk.emitter.result("whole")
    desk.take()

    with pytest.raises(AttemptLost):
        desk.emitter.wait_flushed()


def test_a_loss_wakes_a_task_that_waits_for_room(task: ThreadPoolExecutor) -> None:
    desk = Desk(EmitterLimits(buffer_events=1, patience_s=LONG_S))
    desk.emitter.chunk("x")
    call = task.submit(desk.emitter.chunk, "y")
    assert_waiting(call)

    desk.emitter.lose("taken over")

    with pytest.raises(AttemptLost, match="taken over"):
        call.result(LONG_S)


def test_the_end_waits_for_the_answer_to_the_last_batch(desk: Desk, task: ThreadPoolExecutor) -> None:
    desk.emitter.result("whole")
    call = task.submit(desk.emitter.wait_flushed)
    desk.take()
    assert_waiting(call)

    desk.emitter.settle(answer())

    call.result(LONG_S)


def test_a_loss_wakes_a_task_that_waits_for_the_end(desk: Desk, task: ThreadPoolExecutor) -> None:
    desk.emitter.result("whole")
    desk.take()
    call = task.submit(desk.emitter.wait_flushed)
    assert_waiting(call)

    desk.emitter.lose("taken over")

    with pytest.raises(AttemptLost, match="taken over"):
        call.result(LONG_S)


def test_an_answer_that_comes_after_the_loss_changes_nothing(desk: Desk) -> None:
    desk.emitter.chunk("x")
    desk.take()
    desk.emitter.lose("first reason")
    desk.emitter.settle(answer())
    desk.emitter.settle(answer(Outcome.FENCED))

    assert desk.emitter.take() is None
    with pytest.raises(AttemptLost, match="first reason"):
        desk.emitter.chunk("y")


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in {Outcome.APPENDED, Outcome.DUPLICATE}])
def test_every_other_answer_loses_the_attempt(desk: Desk, outcome: Outcome) -> None:
    desk.emitter.chunk("x")
    desk.take()

    desk.emitter.settle(answer(outcome))

    assert desk.emitter.interrupted.is_set()
    with pytest.raises(AttemptLost, match=f"append was answered with {outcome}"):
        desk.emitter.raise_if_lost()


@pytest.mark.parametrize("outcome", RenewOutcome)
def test_only_a_renewed_lease_keeps_the_attempt(desk: Desk, outcome: RenewOutcome) -> None:
    desk.emitter.settle_renewal(Renewal(outcome))

    assert desk.emitter.interrupted.is_set() is (outcome is not RenewOutcome.RENEWED)


@pytest.mark.parametrize(
    "tell",
    [
        lambda desk: desk.emitter.settle(answer(cancel=True)),
        lambda desk: desk.emitter.settle_renewal(Renewal(RenewOutcome.RENEWED, cancel=True)),
    ],
    ids=["append", "renew"],
)
def test_a_cancel_interrupts_and_lets_the_task_end_itself(desk: Desk, tell: Callable[[Desk], None]) -> None:
    desk.emitter.chunk("x")
    desk.take()

    tell(desk)

    assert desk.emitter.cancelled
    assert desk.emitter.interrupted.is_set()
    desk.emitter.end(State.CANCELLED)


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    "refused",
    [float("nan"), float("-inf"), object(), {1, 2}, b"x", "\ud800", {"\udfff": 1}, circle(), deep(), "x" * 1_000_000],
    ids=["NaN", "infinity", "object", "set", "bytes", "surrogate", "surrogate key", "circle", "deep", "large"],
)
def test_what_cannot_be_sent_is_refused_whole(desk: Desk, refused: Any) -> None:
    desk.emitter.chunk("a")
    with pytest.raises(UpdateRefused):
        desk.emitter.chunk(refused)
    with pytest.raises(UpdateRefused):
        desk.emitter.progress({"current": 0, "message": refused})
    with pytest.raises(UpdateRefused):
        desk.emitter.result(refused)
    desk.emitter.chunk("b")

    batch = desk.take()

    assert [label(body) for body in batch.bodies] == ["c0", "c1"]
    assert not batch.ends


def test_the_largest_event_is_one_megabyte(desk: Desk) -> None:
    desk.emitter.chunk("")
    frame = len(desk.take().bodies[0].data)
    desk.emitter.settle(answer())

    desk.emitter.chunk("x" * (MAX_EVENT_BYTES - frame))
    with pytest.raises(UpdateRefused, match="a chunk of 1,000,001 bytes is over the limit of 1,000,000"):
        desk.emitter.chunk("x" * (MAX_EVENT_BYTES - frame + 1))

    assert desk.send() == ["c1"]
