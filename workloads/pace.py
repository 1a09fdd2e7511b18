"""The pace of a demonstration: parameters and pauses shared by the kinds that would otherwise be done in an instant."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workloads.updates import Pause

LONGEST_PACE_MS: Final = 60_000

LONGEST_ATTEMPT_S: Final = 24 * 3600.0
"""The time limit of the kinds with a pace: 200,000 matches at the default pace take 17 hours."""


def _ascending(pace_ms: tuple[int, int]) -> tuple[int, int]:
    shortest, longest = pace_ms
    if shortest > longest:
        raise PydanticCustomError(
            "pace_reversed",
            "The shortest pause, {shortest} ms, is longer than the longest, {longest} ms",
            {"shortest": shortest, "longest": longest},
        )
    return pace_ms


PaceMs = Annotated[
    tuple[
        Annotated[int, Field(strict=True, ge=0, le=LONGEST_PACE_MS, title="Shortest")],
        Annotated[int, Field(strict=True, ge=0, le=LONGEST_PACE_MS, title="Longest")],
    ],
    AfterValidator(_ascending),
    Field(
        title="Pace (ms)",
        description="The shortest and the longest pause in milliseconds; each pause is drawn between them. "
        "[0, 0] is as fast as it goes.",
        examples=[[100, 500], [0, 0]],
    ),
]
"""The range that pauses are drawn from."""

Seed = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=2**32 - 1,
        title="Seed",
        description="Where the pauses are drawn from: the same seed gives the same pauses.",
        examples=[0, 42],
    ),
]
"""The seed of the pauses."""


class Pace:
    """Draws pauses, uniformly between the two ends of `pace_ms`. The same arguments give the same pauses."""

    def __init__(self, pace_ms: tuple[int, int], seed: int) -> None:
        self._shortest, self._longest = pace_ms
        self._random = Random(seed)

    def pause(self, times: float = 1) -> Iterator[Pause]:
        """One pause, `times` as long as drawn; none at all when the pace is [0, 0]."""
        if self._longest > 0:
            yield Pause(times * self._random.uniform(self._shortest, self._longest) / 1000)
