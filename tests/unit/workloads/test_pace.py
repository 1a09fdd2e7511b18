from random import Random
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from workloads.pace import Pace, PaceMs, Seed
from workloads.updates import Pause

_PACE: TypeAdapter[Any] = TypeAdapter(PaceMs)
_SEED: TypeAdapter[Any] = TypeAdapter(Seed)


def test_pauses_are_drawn_from_the_seeded_range_and_given_in_seconds() -> None:
    pace = Pace((100, 500), seed=42)
    expected = Random(42)
    for _ in range(5):
        assert list(pace.pause()) == [Pause(expected.uniform(100, 500) / 1000)]


def test_a_pause_can_be_a_multiple_of_what_is_drawn() -> None:
    assert list(Pace((200, 200), seed=0).pause(2)) == [Pause(0.4)]


def test_no_pace_is_no_pause() -> None:
    assert list(Pace((0, 0), seed=0).pause()) == []


@pytest.mark.parametrize("value", [[0, 0], [100, 500], [500, 500], [0, 60_000]])
def test_a_pace_is_two_ascending_whole_numbers(value: list[int]) -> None:
    assert _PACE.validate_python(value) == tuple(value)


@pytest.mark.parametrize(
    "value", [[500, 100], [-1, 5], [0, 60_001], [1], [1, 2, 3], [1.5, 2], [True, 2], ["1", "2"], "12", 5, None]
)
def test_anything_else_is_no_pace(value: object) -> None:
    with pytest.raises(ValidationError):
        _PACE.validate_python(value)


@pytest.mark.parametrize("value", [-1, 2**32, True, 1.0, "1", None])
def test_a_seed_is_a_whole_number_of_32_bits(value: object) -> None:
    assert _SEED.validate_python(2**32 - 1) == 2**32 - 1
    with pytest.raises(ValidationError):
        _SEED.validate_python(value)
