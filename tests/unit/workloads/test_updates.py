import json
from dataclasses import FrozenInstanceError
from types import MappingProxyType

import pytest

from workloads.updates import Chunk, Pause, Progress


def test_a_progress_as_json_has_every_field_and_the_ratio() -> None:
    progress = Progress(3, 4, "three", {"matches": 3})
    assert progress.as_json() == {
        "current": 3,
        "total": 4,
        "ratio": 0.75,
        "message": "three",
        "metrics": {"matches": 3},
    }


def test_a_progress_without_a_total_has_no_ratio() -> None:
    assert Progress(3).as_json() == {"current": 3, "total": None, "ratio": None, "message": None, "metrics": None}


@pytest.mark.parametrize(
    ("current", "total", "ratio"), [(0, 0, None), (0, 5, 0.0), (5, 5, 1.0), (6, 5, 1.0), (-1, 5, 0.0), (0.5, 2, 0.25)]
)
def test_the_ratio_is_clipped_and_never_divides_by_zero(current: float, total: float, ratio: float | None) -> None:
    assert Progress(current, total).ratio == ratio


def test_a_progress_as_json_is_json_even_when_its_metrics_are_some_other_mapping() -> None:

    progress = Progress(1, metrics=MappingProxyType({"a": 1}))
    assert json.loads(json.dumps(progress.as_json()))["metrics"] == {"a": 1}


def test_updates_are_values_that_cannot_be_changed() -> None:
    assert Chunk({"a": [1]}) == Chunk({"a": [1]})
    pause = Pause(0.5)
    with pytest.raises(FrozenInstanceError):
        pause.seconds = 1  # type: ignore[misc]
