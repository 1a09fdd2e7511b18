"""Digits of π, one at a time, by a spigot that never rounds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import gcd
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from workloads.pace import LONGEST_ATTEMPT_S, Pace, PaceMs, Seed
from workloads.registry import workload
from workloads.updates import Chunk, Progress, Run

BLOCK: Final = 64
"""Digits drawn at once and terms taken in at once: 10,000 digits cost 0.1 s with 64 and 1 s with 1; a block, 2 ms."""


class ComputePi(BaseModel):
    """How many digits of π, and how fast."""

    model_config = ConfigDict(title="Digits of π", frozen=True, extra="forbid")

    digits: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=100,
        title="Digits",
        description="How many digits to compute, the 3 before the point included.",
        examples=[100, 1000],
    )
    pace_ms: PaceMs = (100, 500)
    seed: Seed = 0


@workload("compute_pi", params=ComputePi, time_limit_s=LONGEST_ATTEMPT_S)
def compute_pi(params: ComputePi) -> Run:
    """Computes digits of π, each of them final when it appears.

    A chunk is one digit, a string of one character; the first is "3". The point is the reader's to print.
    """
    pace = Pace(params.pace_ms, params.seed)
    digits: list[str] = []
    for digit in islice(pi_digits(), params.digits):
        yield from pace.pause()
        digits.append(digit)
        yield Chunk(digit)
        yield Progress(len(digits), params.digits, metrics={"digits": len(digits)})
    whole, *decimals = digits
    return {"digits": len(digits), "pi": f"{whole}.{''.join(decimals)}" if decimals else whole}


def pi_digits() -> Iterator[str]:
    """The digits of π without end, from "3" on.

    Gibbons' streaming algorithm ("Unbounded Spigot Algorithms for the Digits of Pi", American Mathematical Monthly
    113(4), 2006) on Gosper's series, which is x₁ of

        xᵢ = 5i - 2 + i(2i - 1) / (3(3i + 1)(3i + 2)) · xᵢ₊₁

    The state is what the terms taken in so far make of the rest: π = (q·xᵢ + r) / t. The rest lies between two bounds;
    while both give the same next digit it is drawn, otherwise more terms are taken in. A "digit" here is one of base
    10**BLOCK, and terms come in products of BLOCK of them, which changes the cost and not one digit.
    """
    state, term = _terms(1, 1 + BLOCK), 1 + BLOCK
    base, width = 1, 1
    while True:
        state = state.scaled(base)
        while (drawn := state.next_digit(term)) is None:
            state, term = state.then(_terms(term, term + BLOCK)).reduced(), term + BLOCK
        state = state.without(drawn)
        yield from str(drawn).zfill(width)
        base, width = 10**BLOCK, BLOCK


class _Affine(NamedTuple):
    """The map x → (q·x + r) / t."""

    q: int
    r: int
    t: int

    def then(self, inner: _Affine) -> _Affine:
        """This map after `inner`."""
        return _Affine(self.q * inner.q, self.q * inner.r + self.r * inner.t, self.t * inner.t)

    def scaled(self, factor: int) -> _Affine:
        return _Affine(self.q * factor, self.r * factor, self.t)

    def without(self, whole: int) -> _Affine:
        return _Affine(self.q, self.r - whole * self.t, self.t)

    def reduced(self) -> _Affine:
        """The same map in lowest terms: it keeps the state at 4 bits a digit, where it would grow to 25 by 10,000."""
        common = gcd(self.q, self.r, self.t)
        return _Affine(self.q // common, self.r // common, self.t // common)

    def next_digit(self, term: int) -> int | None:
        """The whole part of the value of this map at x of `term`, if it is the same at both bounds."""
        low, high = bounds(term)
        at_low, at_high = (
            (self.q * numerator + self.r * denominator) // (self.t * denominator)
            for numerator, denominator in (low, high)
        )
        return at_low if at_low == at_high else None


def bounds(term: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Fractions that xᵢ lies between: its map takes the bounds of `term` + 1 into those of `term` (Gibbons, §6)."""
    return (27 * term - 12, 5), (675 * term - 216, 125)


def _terms(start: int, stop: int) -> _Affine:
    """The product of the maps of the terms from `start` up to `stop`, by halves: few large multiplications."""
    if stop - start > 1:
        middle = (start + stop) // 2
        return _terms(start, middle).then(_terms(middle, stop))
    i = start
    t = 3 * (3 * i + 1) * (3 * i + 2)
    return _Affine(i * (2 * i - 1), (5 * i - 2) * t, t)
