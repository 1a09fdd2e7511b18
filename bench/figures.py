"""Quantiles of ages, and how the repeats of a measurement spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank: the least of the values that `share` of them do not exceed. NaN when there is none.

    It is one of the values, never something between two: of few values a high quantile is simply the highest.
    """
    if not ordered:
        return math.nan
    rank = math.ceil(share * len(ordered))
    return ordered[min(max(rank, 1), len(ordered)) - 1]


@dataclass(frozen=True, slots=True)
class Ages:
    """How old updates were when they arrived, in ms; NaN when there were none."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, ages: Sequence[float]) -> Self:
        """Of ages in any order."""
        ordered = sorted(ages)
        p50, p95, p99 = (quantile(ordered, share) for share in (0.5, 0.95, 0.99))
        return cls(len(ordered), p50, p95, p99, ordered[-1] if ordered else math.nan)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several measurements, and their least and most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Self | None:
        """None when one of them is not known, or there are none."""
        known = [value for value in values if value is not None and not math.isnan(value)]
        if not known or len(known) < len(values):
            return None
        return cls(statistics.median(known), min(known), max(known))


def ratio(above: Spread | None, below: Spread | None) -> float | None:
    """Of the medians; None when one of them is not known, or the second is nothing."""
    if above is None or below is None or below.median <= 0:
        return None
    return above.median / below.median
