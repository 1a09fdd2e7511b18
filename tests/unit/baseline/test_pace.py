"""Waiting for a workload, on a clock that only the waits move."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from baseline.storage.appending import Owned
from baseline.worker import pace
from baseline.worker.errors import Cancelled, TimeLimitReached
from baseline.worker.outbox import Outbox
from baseline.worker.pace import Pace


@dataclass
class Clock:
    """Monotonic seconds; `waits` are what was waited."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now


class Interrupted(threading.Event):
    """An event whose waits take no time but the clock's."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        if not self.is_set():
            self._clock.waits.append(timeout)
            self._clock.now += timeout
        return self.is_set()


@dataclass
class Paced:
    clock: Clock
    outbox: Outbox
    pace: Pace


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> Paced:
    clock, outbox = Clock(), Outbox(Owned(1, 1), lambda _: None)
    monkeypatch.setattr(pace, "time", clock)
    outbox.interrupted = Interrupted(clock)
    return Paced(clock, outbox, Pace(outbox, deadline=clock.now + 100))


def test_the_time_that_the_work_takes_is_part_of_the_pause(paced: Paced) -> None:
    for _ in range(100):
        paced.clock.now += 0.03
        paced.pace.wait(0.1)

    assert paced.clock.now == pytest.approx(1010)


def test_one_slow_step_is_caught_up(paced: Paced) -> None:
    paced.clock.now += 0.5
    for _ in range(10):
        paced.pace.wait(0.1)

    assert paced.clock.now == pytest.approx(1001)


def test_a_task_that_was_stopped_for_long_does_not_catch_up_in_a_burst(paced: Paced) -> None:
    paced.clock.now += 60
    waited_from = paced.clock.now
    for _ in range(20):
        paced.pace.wait(0.1)

    assert paced.clock.now - waited_from == pytest.approx(1.0, abs=0.11)  # a second of them without a wait


def test_a_pause_ends_at_the_time_limit(paced: Paced) -> None:
    paced.pace.wait(3600)

    assert paced.clock.now == pytest.approx(1100)
    with pytest.raises(TimeLimitReached):
        paced.pace.check()


def test_a_cancel_ends_the_pause(paced: Paced) -> None:
    paced.outbox.cancel()
    paced.pace.wait(5)

    assert paced.clock.waits == []
    with pytest.raises(Cancelled):
        paced.pace.check()


def test_nothing_to_end_is_nothing_raised(paced: Paced) -> None:
    paced.pace.wait(0)
    paced.pace.check()

    assert paced.clock.waits == []
