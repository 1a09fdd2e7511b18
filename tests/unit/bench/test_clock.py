"""The offset of a server's clock."""

from __future__ import annotations

import random

import pytest

from bench.clock import Offset, Sample, offset_of


def test_the_shortest_round_trip_is_believed() -> None:
    samples = [Sample(0.0, 260.0, 100.0), Sample(200.0, 307.0, 204.0), Sample(300.0, 490.0, 380.0)]
    assert offset_of(samples, same_machine=False) == Offset(offset_ms=105.0, uncertainty_ms=2.0)


def test_the_true_offset_lies_within_the_uncertainty_whatever_the_two_ways_took() -> None:
    chance = random.Random(3)
    for _ in range(200):
        true = chance.uniform(-1e6, 1e6)
        samples = []
        for sent in range(0, 20_000, 1000):
            there, back = chance.expovariate(0.1), chance.expovariate(0.5)
            samples.append(Sample(sent, sent + there + true, sent + there + back))
        offset = offset_of(samples, same_machine=False)
        assert abs(offset.offset_ms - true) <= offset.uncertainty_ms + 1e-6


def test_on_one_machine_nothing_is_corrected() -> None:
    samples = [Sample(0.0, 3.0, 4.0)]
    assert offset_of(samples, same_machine=True).applied_ms == 0.0
    assert offset_of(samples, same_machine=False).applied_ms == 1.0


def test_two_clocks_may_be_one_when_the_uncertainty_allows_it() -> None:
    assert Offset(1.0, 2.0).agrees
    assert not Offset(3.0, 2.0).agrees


def test_without_a_sample_nothing_is_known() -> None:
    with pytest.raises(ValueError, match="empty"):
        offset_of([], same_machine=False)
