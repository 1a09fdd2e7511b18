"""Slots are given out one at a time: whatever comes and ends, each idle kind has one, and none is out of reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from worker.shares import open_queues

QUEUES = tuple("abcd")
STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from(QUEUES)), max_size=60)
"""A message of a queue is there, or (False) one of its tasks ends."""


def days(steps: list[tuple[bool, str]], *, slots: int, spare: int) -> Iterator[Counter[str]]:
    """What runs, at the start and after each step."""
    running: Counter[str] = Counter()
    yield running
    for comes, queue in steps:
        if comes and queue in open_queues(running, QUEUES, slots=slots, spare=spare):
            running[queue] += 1
        elif not comes and running[queue]:
            running[queue] -= 1
        yield running


@given(STEPS, st.integers(len(QUEUES), 12))
def test_with_a_slot_for_each_kind_every_idle_kind_can_start_at_any_time(
    steps: list[tuple[bool, str]], slots: int
) -> None:
    for running in days(steps, slots=slots, spare=len(QUEUES) - 1):
        idle = [queue for queue in QUEUES if not running[queue]]
        assert slots - running.total() >= len(idle)
        assert open_queues(running, QUEUES, slots=slots, spare=len(QUEUES) - 1) >= set(idle)
        assert max(running.values(), default=0) <= slots - (len(QUEUES) - 1)


@given(STEPS, st.integers(1, 12), st.integers(0, 5))
def test_no_more_runs_than_there_are_slots_and_nothing_is_closed_for_good(
    steps: list[tuple[bool, str]], slots: int, spare: int
) -> None:
    for running in days(steps, slots=slots, spare=spare):
        opened = open_queues(running, QUEUES, slots=slots, spare=spare)
        assert running.total() <= slots
        assert bool(opened) == (running.total() < slots) or all(running.values())
        if running.total() == 0:
            assert opened == set(QUEUES)
