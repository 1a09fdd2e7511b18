"""What holds for any parameters of the kinds that make their own data."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.compute_pi import ComputePi, compute_pi, pi_digits
from workloads.synthetic import NUMBER_WIDTH, IntendedFailure, Synthetic, synthetic
from workloads.updates import Chunk, Pause, Progress, Run

unhurried = settings(deadline=None)  # a busy machine is no failure

PI = "".join(islice(pi_digits(), 2000))

paces = st.tuples(st.integers(0, 60_000), st.integers(0, 60_000)).map(sorted)


def chunks(run: Run) -> Iterator[Any]:
    return (update.data for update in run if isinstance(update, Chunk))


@unhurried
@given(st.integers(1, 500), paces, st.integers(0, 2**32 - 1))
def test_any_number_of_digits_is_a_prefix_of_any_larger_number(digits: int, pace: list[int], seed: int) -> None:
    params = ComputePi.model_validate({"digits": digits, "pace_ms": pace, "seed": seed})
    assert "".join(chunks(compute_pi.run(params))) == PI[:digits]


@unhurried
@given(paces, st.integers(0, 2**32 - 1))
def test_every_pause_is_within_the_pace(pace: list[int], seed: int) -> None:
    params = ComputePi.model_validate({"digits": 20, "pace_ms": pace, "seed": seed})
    pauses = [update.seconds for update in compute_pi.run(params) if isinstance(update, Pause)]
    assert len(pauses) == (20 if pace[1] else 0)
    assert all(pace[0] / 1000 <= seconds <= pace[1] / 1000 for seconds in pauses)


@unhurried
@given(
    updates=st.integers(0, 300),
    rate=st.floats(0, 100_000),
    burst=st.integers(1, 400),
    size=st.integers(0, 40),
    progress=st.booleans(),
)
def test_the_counts_of_a_synthetic_run_are_those_asked_for(
    updates: int, rate: float, burst: int, size: int, progress: bool
) -> None:
    params = Synthetic(updates=updates, rate=rate, burst=burst, size=size, progress=progress)
    run = list(synthetic.run(params))
    data = list(chunks(synthetic.run(params)))
    assert [len(text) for text in data] == [size] * updates
    assert sum(isinstance(update, Progress) for update in run) == (updates if progress else 0)
    assert sum(isinstance(update, Pause) for update in run) == (max(0, updates - 1) // burst if rate else 0)


@unhurried
@given(st.integers(0, 300), st.integers(NUMBER_WIDTH, 40))
def test_chunks_tell_their_numbers_without_a_gap(updates: int, size: int) -> None:
    params = Synthetic(updates=updates, rate=0, size=size)
    assert [int(text[:NUMBER_WIDTH]) for text in chunks(synthetic.run(params))] == list(range(updates))


@unhurried
@given(st.integers(0, 300), st.integers(0, 300))
def test_a_failed_run_has_made_the_first_updates_of_a_whole_one(one: int, other: int) -> None:
    fail_at, updates = sorted((one, other))
    whole = synthetic.run(Synthetic(updates=updates, rate=0, progress=False))
    failing = synthetic.run(Synthetic(updates=updates, rate=0, progress=False, fail_at=fail_at))
    assert list(islice(failing, fail_at)) == list(islice(whole, fail_at))
    with pytest.raises(IntendedFailure):
        next(failing)
