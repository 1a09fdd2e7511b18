"""Of which kinds a task may start, by what runs."""

from __future__ import annotations

import pytest

from workloads.slots import open_kinds, spared

ABC = ("a", "b", "c")


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ({}, "abc"),
        ({"a": 5}, "abc"),
        ({"a": 6}, "bc"),
        ({"a": 5, "b": 1}, "abc"),
        ({"a": 6, "b": 1}, "c"),
        ({"a": 6, "b": 1, "c": 1}, ""),
        ({"a": 5, "b": 1, "c": 1}, "abc"),
        ({"a": 3, "b": 4}, "c"),
        ({"a": 9}, ""),
    ],
)
def test_a_kind_leaves_a_slot_to_each_other_kind_of_which_nothing_runs(running: dict[str, int], expected: str) -> None:
    assert open_kinds(running, ABC, slots=8, spare=2) == frozenset(expected)


@pytest.mark.parametrize(
    ("running", "expected"), [({"a": 7}, "abc"), ({"a": 8}, ""), ({"a": 4, "b": 3}, "abc"), ({"a": 4, "b": 4}, "")]
)
def test_without_spare_slots_a_kind_may_take_all(running: dict[str, int], expected: str) -> None:
    assert open_kinds(running, ABC, slots=8, spare=0) == frozenset(expected)


@pytest.mark.parametrize(
    ("slots", "running", "expected"),
    [
        (1, {}, "abc"),
        (1, {"a": 1}, ""),
        (2, {}, "abc"),
        (2, {"a": 1}, "bc"),
        (2, {"a": 1, "b": 1}, ""),
        (3, {"a": 1}, "bc"),
        (3, {"a": 1, "b": 1}, "c"),
    ],
)
def test_with_few_slots_a_kind_has_one_and_some_kind_may_always_take_a_free_one(
    slots: int, running: dict[str, int], expected: str
) -> None:
    assert open_kinds(running, ABC, slots=slots, spare=2) == frozenset(expected)


def test_one_kind_alone_has_all_slots() -> None:
    assert open_kinds({"a": 7}, ["a"], slots=8, spare=0) == {"a"}
    assert open_kinds({"a": 8}, ["a"], slots=8, spare=0) == frozenset()


def test_what_runs_of_a_kind_that_is_not_served_any_more_holds_a_slot_as_well() -> None:
    assert open_kinds({"old": 2, "a": 1}, ABC, slots=5, spare=2) == {"b", "c"}


@pytest.mark.parametrize(
    ("kinds", "wanted", "expected"),
    [(3, None, 2), (3, 0, 0), (3, 1, 1), (3, 7, 2), (1, None, 0), (1, 7, 0), (0, None, 0)],
)
def test_a_kind_leaves_one_slot_for_each_other_or_what_is_wanted_of_that(
    kinds: int, wanted: int | None, expected: int
) -> None:
    assert spared(kinds, wanted) == expected
