"""Quantiles and spreads."""

from __future__ import annotations

import math
import random

import pytest

from bench.figures import Ages, Spread, quantile, ratio


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 1.0), (0.01, 1.0), (0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)],
)
def test_a_quantile_is_the_least_value_that_its_share_does_not_exceed(share: float, expected: float) -> None:
    assert quantile([float(value) for value in range(1, 101)], share) == expected


def test_of_few_values_a_high_quantile_is_the_highest_of_them() -> None:
    assert quantile([1.0, 2.0, 3.0], 0.99) == 3.0
    assert quantile([7.0], 0.5) == 7.0


def test_nothing_has_no_quantile() -> None:
    assert math.isnan(quantile([], 0.5))
    none = Ages.of([])
    assert none.count == 0
    assert all(map(math.isnan, (none.p50, none.p95, none.p99, none.max)))


def test_ages_may_come_in_any_order() -> None:
    ages = [float(value) for value in range(1, 201)]
    random.Random(1).shuffle(ages)
    assert Ages.of(ages) == Ages(count=200, p50=100.0, p95=190.0, p99=198.0, max=200.0)


def test_repeats_are_told_by_their_median_and_their_extremes() -> None:
    assert Spread.of([3.0, 1.0, 9.0]) == Spread(3.0, 1.0, 9.0)
    assert Spread.of([2.0, 4.0]) == Spread(3.0, 2.0, 4.0)


@pytest.mark.parametrize("values", [[], [None], [1.0, None], [1.0, math.nan]])
def test_a_spread_is_not_known_when_one_of_the_repeats_is_not(values: list[float | None]) -> None:
    assert Spread.of(values) is None


def test_a_ratio_is_that_of_the_medians() -> None:
    assert ratio(Spread(30.0, 1.0, 99.0), Spread(3.0, 2.0, 4.0)) == 10.0


def test_there_is_no_ratio_to_nothing_and_none_to_what_is_not_known() -> None:
    one = Spread(1.0, 1.0, 1.0)
    assert ratio(one, Spread(0.0, 0.0, 0.0)) is None
    assert ratio(None, one) is None
    assert ratio(one, None) is None
