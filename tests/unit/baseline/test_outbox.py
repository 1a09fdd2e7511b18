"""The buffer between a task's thread and the desk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from baseline import updates
from baseline.storage.appending import Ending, Owned
from baseline.updates import State, Update
from baseline.worker.attempt import handed_back
from baseline.worker.errors import AttemptLost, Cancelled, HandedBack
from baseline.worker.outbox import Outbox, OutboxLimits

SOON_S = 10.0
SUCCEEDED = Ending(State.SUCCEEDED, result="1")


class Told:
    """What the desk is told; one may wait for it."""

    def __init__(self) -> None:
        self.urgent: list[bool] = []
        self._count = threading.Semaphore(0)

    def __call__(self, urgent: bool) -> None:
        self.urgent.append(urgent)
        self._count.release()

    def wait(self) -> None:
        assert self._count.acquire(timeout=SOON_S)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def outbox(told: Told) -> Outbox:
    return Outbox(Owned(1, 1), told, OutboxLimits(updates=4, patience_s=SOON_S))


@pytest.fixture
def task() -> Iterator[Callable[..., Future[Any]]]:
    """Runs something in the task's thread."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


def chunk(number: int) -> Update:
    return updates.chunk(number, number)


def test_a_batch_is_all_that_waits_and_the_same_until_it_is_settled(outbox: Outbox) -> None:
    first, second, third = chunk(0), chunk(1), chunk(2)
    assert outbox.take() is None
    outbox.emit(first)
    outbox.emit(second)

    batch = outbox.take()
    outbox.emit(third)

    assert batch is not None
    assert batch.updates == [first, second]
    assert outbox.take() is batch
    outbox.settle()
    following = outbox.take()
    assert following is not None
    assert following.updates == [third]


def test_the_desk_is_told_of_every_update_and_hurried_when_the_buffer_fills(outbox: Outbox, told: Told) -> None:
    for number in range(3):
        outbox.emit(chunk(number))
    assert told.urgent == [False, True, True]


def test_a_full_buffer_blocks_the_task_until_the_desk_takes(
    outbox: Outbox, told: Told, task: Callable[..., Future[Any]]
) -> None:
    for number in range(4):
        outbox.emit(chunk(number))
        told.wait()
    blocked = task(outbox.emit, chunk(4))
    assert not blocked.done()

    assert outbox.take() is not None

    blocked.result(SOON_S)
    outbox.settle()
    batch = outbox.take()
    assert batch is not None
    assert len(batch.updates) == 1


def test_a_buffer_of_few_large_updates_is_full_too(told: Told) -> None:
    outbox = Outbox(Owned(1, 1), told, OutboxLimits(size=1_000, patience_s=0.01))
    outbox.emit(updates.chunk(0, "x" * 1_000))
    with pytest.raises(AttemptLost, match=r"took nothing for 0\.01 s"):
        outbox.emit(chunk(1))
    assert outbox.take() is None


def test_the_end_waits_until_it_is_written(outbox: Outbox, told: Told, task: Callable[..., Future[Any]]) -> None:
    ended = task(outbox.end, updates.result("1"), SUCCEEDED)
    told.wait()
    batch = outbox.take()
    assert batch is not None
    assert batch.ending is SUCCEEDED
    assert not ended.done()

    outbox.settle()

    ended.result(SOON_S)
    assert outbox.ended


def test_an_end_that_nobody_writes_is_lost_after_the_patience(told: Told) -> None:
    outbox = Outbox(Owned(1, 1), told, OutboxLimits(patience_s=0.01))
    with pytest.raises(AttemptLost, match="took nothing"):
        outbox.end(updates.result("1"), SUCCEEDED)


def test_a_lost_attempt_drops_what_it_has_and_wakes_the_task(
    outbox: Outbox, told: Told, task: Callable[..., Future[Any]]
) -> None:
    for number in range(4):
        outbox.emit(chunk(number))
        told.wait()
    blocked = task(outbox.emit, chunk(4))

    outbox.lose("taken over")

    with pytest.raises(AttemptLost, match="taken over"):
        blocked.result(SOON_S)
    assert outbox.take() is None
    assert outbox.interrupted.is_set()
    with pytest.raises(AttemptLost):
        outbox.emit(chunk(5))
    with pytest.raises(AttemptLost):
        outbox.end(chunk(5), SUCCEEDED)
    with pytest.raises(AttemptLost):
        outbox.check()


def test_a_loss_counts_before_a_cancel_and_a_cancel_before_a_hand_back(outbox: Outbox) -> None:
    outbox.check()
    outbox.hand_back()
    with pytest.raises(HandedBack):
        outbox.check()
    outbox.cancel()
    with pytest.raises(Cancelled):
        outbox.check()
    outbox.lose("taken over")
    with pytest.raises(AttemptLost):
        outbox.check()


def test_an_abandoned_attempt_hands_its_task_back_after_what_it_has_emitted(outbox: Outbox) -> None:
    first = chunk(0)
    outbox.emit(first)
    update, ending = handed_back()

    outbox.abandon(update, ending)

    batch = outbox.take()
    assert batch is not None
    assert batch.updates == [first, update]
    assert batch.ending is ending
    with pytest.raises(AttemptLost, match="shutting down"):
        outbox.emit(chunk(1))


def test_an_attempt_that_has_ended_is_not_abandoned_too(
    outbox: Outbox, told: Told, task: Callable[..., Future[Any]]
) -> None:
    ended = task(outbox.end, updates.result("1"), SUCCEEDED)
    told.wait()

    outbox.abandon(*handed_back())

    with pytest.raises(AttemptLost):
        ended.result(SOON_S)
    batch = outbox.take()
    assert batch is not None
    assert batch.ending is SUCCEEDED
    assert len(batch.updates) == 1
