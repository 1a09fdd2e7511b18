from itertools import islice
from typing import Any

import pytest
from pydantic import ValidationError

from workloads.synthetic import MAX_TOTAL_BYTES, IntendedFailure, Synthetic, chunk_data, synthetic
from workloads.updates import Chunk, Pause, Progress, Update


def finish(params: Synthetic) -> tuple[list[Update], Any]:
    updates: list[Update] = []
    run = synthetic.run(params)
    while True:
        try:
            updates.append(next(run))
        except StopIteration as end:
            return updates, end.value


def pauses(updates: list[Update]) -> list[float]:
    return [update.seconds for update in updates if isinstance(update, Pause)]


def test_it_emits_as_many_chunks_of_the_size_asked_for_each_with_its_progress() -> None:
    updates, result = finish(Synthetic(updates=3, rate=0, size=10))
    assert updates == [
        Chunk("000000abcd"),
        Progress(1, 3),
        Chunk("000001abcd"),
        Progress(2, 3),
        Chunk("000002abcd"),
        Progress(3, 3),
    ]
    assert result == {"updates": 3, "bytes": 30}


def test_progress_can_be_left_out() -> None:
    updates, _ = finish(Synthetic(updates=5, rate=0, progress=False))
    assert [type(update) for update in updates] == [Chunk] * 5


def test_no_updates_is_a_result_at_once() -> None:
    assert finish(Synthetic(updates=0)) == ([], {"updates": 0, "bytes": 0})


def test_the_rate_is_kept_by_a_pause_between_updates() -> None:
    updates, _ = finish(Synthetic(updates=3, rate=4, progress=False))
    assert [type(update) for update in updates] == [Chunk, Pause, Chunk, Pause, Chunk]
    assert pauses(updates) == [0.25, 0.25]


def test_a_burst_has_one_pause_that_keeps_the_average_rate() -> None:
    updates, _ = finish(Synthetic(updates=7, rate=10, burst=3, progress=False))
    assert [type(update) for update in updates] == [Chunk] * 3 + [Pause] + [Chunk] * 3 + [Pause] + [Chunk]
    assert pauses(updates) == [0.3, 0.3]


def test_rate_zero_never_pauses() -> None:
    assert pauses(finish(Synthetic(updates=100, rate=0, burst=7))[0]) == []


def test_a_rate_close_to_zero_pauses_for_no_longer_than_a_timer_can() -> None:
    assert pauses(finish(Synthetic(updates=2, rate=5e-324))[0]) == [86_400.0]


def test_the_delay_comes_before_everything() -> None:
    updates, _ = finish(Synthetic(updates=1, delay_s=2.5, rate=0))
    assert updates[0] == Pause(2.5)
    assert pauses(updates) == [2.5]


@pytest.mark.parametrize(("fail_at", "chunks"), [(0, 0), (1, 1), (2, 2), (3, 3)])
def test_it_fails_after_the_updates_asked_for(fail_at: int, chunks: int) -> None:
    run = synthetic.run(Synthetic(updates=3, rate=0, progress=False, fail_at=fail_at))
    assert len(list(islice(run, chunks))) == chunks
    with pytest.raises(IntendedFailure, match=f"on purpose after {fail_at} updates"):
        next(run)


def test_a_failure_beyond_the_last_update_never_comes() -> None:
    assert finish(Synthetic(updates=3, rate=0, fail_at=4))[1] == {"updates": 3, "bytes": 96}


@pytest.mark.parametrize(
    ("number", "size", "data"),
    [(7, 0, ""), (7, 1, "7"), (123_456, 3, "456"), (7, 6, "000007"), (999_999, 8, "999999ab")],
)
def test_data_tells_its_number_as_far_as_there_is_room(number: int, size: int, data: str) -> None:
    assert chunk_data(number, size) == data


def test_the_largest_chunk_is_ascii_and_as_long_as_it_should_be() -> None:
    data = chunk_data(1, 65_536)
    assert data.isascii()
    assert len(data) == 65_536


def test_the_same_parameters_give_the_same_updates() -> None:
    params = Synthetic(updates=20, burst=3)
    assert finish(params) == finish(params)


def test_the_default_is_ten_seconds_of_small_updates() -> None:
    assert Synthetic().model_dump(mode="json") == {
        "updates": 100,
        "rate": 10.0,
        "burst": 1,
        "size": 32,
        "progress": True,
        "delay_s": 0.0,
        "fail_at": None,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("updates", -1),
        ("updates", 1_000_001),
        ("updates", True),
        ("updates", "ten"),
        ("rate", -0.1),
        ("rate", 100_001),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("rate", 10**400),
        ("rate", True),
        ("rate", "10"),
        ("burst", 0),
        ("burst", 1.5),
        ("size", -1),
        ("size", 65_537),
        ("progress", "yes"),
        ("progress", 1),
        ("delay_s", 3600.5),
        ("fail_at", True),
        ("fail_at", -1),
        ("nonsense", 1),
    ],
)
def test_a_value_out_of_bounds_or_of_another_type_names_its_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Synthetic.model_validate({field: value})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_the_total_is_bounded_and_the_error_names_the_size() -> None:
    assert Synthetic(updates=4096, size=65_536).updates * 65_536 == MAX_TOTAL_BYTES
    with pytest.raises(ValidationError, match="268500992 bytes") as caught:
        Synthetic(updates=4097, size=65_536)
    assert [error["loc"] for error in caught.value.errors()] == [("size",)]


def test_an_invalid_number_of_updates_is_the_only_error_when_the_size_is_good() -> None:
    with pytest.raises(ValidationError) as caught:
        Synthetic.model_validate({"updates": "many", "size": 65_536})
    assert [error["loc"] for error in caught.value.errors()] == [("updates",)]
