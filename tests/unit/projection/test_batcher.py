"""When a batch is due, by a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from api.projection.batcher import Batcher


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def batcher(clock: Clock) -> Batcher[str]:
    return Batcher(interval_s=1.0, urgent_s=0.05, max_events=10, max_bytes=1000, clock=clock)


def test_an_empty_batch_is_never_due(batcher: Batcher[str], clock: Clock) -> None:
    clock.now += 3600

    assert batcher.due_in() is None
    assert batcher.take() == []


def test_what_is_not_urgent_waits_for_the_interval(batcher: Batcher[str], clock: Clock) -> None:
    batcher.add("chunk", events=1, size=1, urgent=False)
    assert batcher.due_in() == pytest.approx(1.0)

    clock.now += 0.75
    assert batcher.due_in() == pytest.approx(0.25)

    clock.now += 0.25
    assert batcher.due_in() == 0.0


def test_the_interval_is_counted_from_the_first_item_and_later_ones_do_not_prolong_it(
    batcher: Batcher[str], clock: Clock
) -> None:
    batcher.add("first", events=1, size=1, urgent=False)
    clock.now += 0.9
    batcher.add("second", events=1, size=1, urgent=False)

    assert batcher.due_in() == pytest.approx(0.1)


def test_an_urgent_item_brings_the_whole_batch_forward(batcher: Batcher[str], clock: Clock) -> None:
    batcher.add("chunk", events=1, size=1, urgent=False)
    clock.now += 0.5
    batcher.add("end", events=1, size=1, urgent=True)

    assert batcher.due_in() == pytest.approx(0.05)
    assert batcher.take() == ["chunk", "end"]


def test_an_urgent_item_does_not_put_off_what_is_due_before_it(batcher: Batcher[str], clock: Clock) -> None:
    batcher.add("chunk", events=1, size=1, urgent=False)
    clock.now += 0.99
    batcher.add("end", events=1, size=1, urgent=True)

    assert batcher.due_in() == pytest.approx(0.01)


def test_a_later_urgent_item_does_not_put_off_an_earlier_one(batcher: Batcher[str], clock: Clock) -> None:
    batcher.add("start", events=1, size=1, urgent=True)
    clock.now += 0.04
    batcher.add("end", events=1, size=1, urgent=True)

    assert batcher.due_in() == pytest.approx(0.01)


@pytest.mark.parametrize(("events", "size"), [(10, 1), (1, 1000)], ids=["events", "bytes"])
def test_a_full_batch_is_due_at_once(batcher: Batcher[str], events: int, size: int) -> None:
    batcher.add("much", events=events, size=size, urgent=False)

    assert batcher.due_in() == 0.0


@pytest.mark.parametrize(
    ("events", "size", "fits"),
    [(4, 400, True), (5, 400, False), (4, 401, False)],
    ids=["both just fit", "an event too many", "a byte too many"],
)
def test_an_item_fits_while_neither_bound_is_passed(batcher: Batcher[str], events: int, size: int, fits: bool) -> None:
    batcher.add("first", events=6, size=600, urgent=False)

    assert batcher.fits(events=events, size=size) is fits


def test_an_empty_batch_takes_an_item_that_is_larger_than_any_batch(batcher: Batcher[str]) -> None:
    assert batcher.fits(events=1_000_000, size=1_000_000)


def test_a_batch_that_was_taken_begins_anew(batcher: Batcher[str], clock: Clock) -> None:
    batcher.add("old", events=10, size=1000, urgent=True)
    assert batcher.take() == ["old"]
    assert (len(batcher), batcher.events, batcher.bytes, batcher.due_in()) == (0, 0, 0, None)

    clock.now += 10
    batcher.add("new", events=2, size=3, urgent=False)

    assert (len(batcher), batcher.events, batcher.bytes) == (1, 2, 3)
    assert batcher.due_in() == pytest.approx(1.0)
