"""How far a server's clock is from ours.

When a request left at `sent` and the answer, which says that it was `server`, came at `received`, the server looked at
its clock somewhere between: the offset is known to half the round trip, whatever the two ways took. Of many requests
the one with the shortest round trip tells most.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SAMPLES: Final = 20
"""Requests for one measurement: on a busy machine a few of so many are undisturbed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was sent and answered by our clock, and what the server's said; Unix ms."""

    sent_ms: float
    server_ms: float
    received_ms: float

    @property
    def round_trip_ms(self) -> float:
        """From the request to its answer."""
        return self.received_ms - self.sent_ms


@dataclass(frozen=True, slots=True)
class Offset:
    """The server's clock minus ours, in ms, right to ± `uncertainty_ms`.

    `applied_ms` is what times of ours are corrected by. It is 0 where both are the clock of one machine: there is
    nothing to correct then, and half a round trip may be more than the ages that are to be measured.
    """

    offset_ms: float
    uncertainty_ms: float
    same_machine: bool = False

    @property
    def applied_ms(self) -> float:
        """See above."""
        return 0.0 if self.same_machine else self.offset_ms

    @property
    def agrees(self) -> bool:
        """Whether the two may be one clock."""
        return abs(self.offset_ms) <= self.uncertainty_ms


def offset_of(samples: Iterable[Sample], *, same_machine: bool) -> Offset:
    """By the midpoint of the shortest round trip. Raises ValueError when there is no sample."""
    best = min(samples, key=lambda sample: sample.round_trip_ms)
    middle = (best.sent_ms + best.received_ms) / 2
    return Offset(best.server_ms - middle, best.round_trip_ms / 2, same_machine)


def now_ms() -> float:
    """Unix time in milliseconds, with fractions, by our clock."""
    return time.time() * 1000
