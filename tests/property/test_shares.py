"""Slots are given out one at a time: whatever comes and ends, each idle kind has one, and none is out of reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from workloads.slots import open_kinds

KINDS = tuple("abcd")
STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from(KINDS)), max_size=60)
"""A task of a kind waits, or (False) one that runs ends."""


def days(steps: list[tuple[bool, str]], *, slots: int, spare: int) -> Iterator[Counter[str]]:
    """What runs, at the start and after each step."""
    running: Counter[str] = Counter()
    yield running
    for comes, kind in steps:
        if comes and kind in open_kinds(running, KINDS, slots=slots, spare=spare):
            running[kind] += 1
        elif not comes and running[kind]:
            running[kind] -= 1
        yield running


@given(STEPS, st.integers(len(KINDS), 12))
def test_with_a_slot_for_each_kind_every_idle_kind_can_start_at_any_time(
    steps: list[tuple[bool, str]], slots: int
) -> None:
    for running in days(steps, slots=slots, spare=len(KINDS) - 1):
        idle = [kind for kind in KINDS if not running[kind]]
        assert slots - running.total() >= len(idle)
        assert open_kinds(running, KINDS, slots=slots, spare=len(KINDS) - 1) >= set(idle)
        assert max(running.values(), default=0) <= slots - (len(KINDS) - 1)


@given(STEPS, st.integers(1, 12), st.integers(0, 5))
def test_no_more_runs_than_there_are_slots_and_nothing_is_closed_for_good(
    steps: list[tuple[bool, str]], slots: int, spare: int
) -> None:
    for running in days(steps, slots=slots, spare=spare):
        opened = open_kinds(running, KINDS, slots=slots, spare=spare)
        assert running.total() <= slots
        assert bool(opened) == (running.total() < slots) or all(running.values())
        if running.total() == 0:
            assert opened == set(KINDS)


@given(st.lists(st.sampled_from(KINDS), max_size=30), STEPS, st.integers(1, 12), st.integers(0, 5))
def test_a_kind_that_is_closed_stays_so_while_tasks_only_start(
    starts: list[str], steps: list[tuple[bool, str]], slots: int, spare: int
) -> None:
    *_, running = days(steps, slots=slots, spare=spare)
    opened = open_kinds(running, KINDS, slots=slots, spare=spare)
    for kind in starts:
        if kind in opened:
            running[kind] += 1
        still = open_kinds(running, KINDS, slots=slots, spare=spare)
        assert still <= opened
        opened = still
