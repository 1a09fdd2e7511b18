"""What a workload yields while it runs, and what it returns.

A workload is a generator: it yields updates and returns its result. Between two updates it can be closed, which is how
a task is cancelled, so it should never compute for much longer than a tenth of a second without yielding.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the task is: `current` of `total` (None when nobody knows), a line to read, numbers to show.

    A later progress replaces an earlier one that has not been sent yet; nothing that must arrive belongs here.
    """

    current: float
    total: float | None = None
    message: str | None = None
    metrics: Mapping[str, JSON] | None = None

    @property
    def ratio(self) -> float | None:
        """`current` by `total`, clipped to 0..1; None when the total is unknown or 0."""
        if not self.total:
            return None
        return max(0.0, min(1.0, self.current / self.total))

    def as_json(self) -> dict[str, JSON]:
        """The form in which clients see it."""
        return {
            "current": self.current,
            "total": self.total,
            "ratio": self.ratio,
            "message": self.message,
            "metrics": None if self.metrics is None else dict(self.metrics),
        }


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the result. Every chunk arrives, once and in order."""

    data: JSON


@dataclass(frozen=True, slots=True)
class Pause:
    """A request to be resumed after so many seconds (0 or more). The runner waits, and a cancel ends the wait."""

    seconds: float


Update: TypeAlias = Progress | Chunk | Pause
Run: TypeAlias = Generator[Update, None, JSON]
"""A running workload. Its return value is the result of the task."""
