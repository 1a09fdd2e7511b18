"""When to write: a batch is due by size or by time. It knows no clock, no Redis and no database of its own.

A transition may wait `urgent_s`, everything else `interval_s`, counted from the first item of its sort. What waits goes
along with what is urgent. So there are at most 1/urgent_s writes a second by time, at any rate of events, and a batch
holds no more than `max_events` and `max_bytes`, unless its only item does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """Items until they are due. `clock` returns seconds that never go back."""

    def __init__(
        self, *, interval_s: float, urgent_s: float, max_events: int, max_bytes: int, clock: Callable[[], float]
    ) -> None:
        self._interval_s = interval_s
        self._urgent_s = urgent_s
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._clock = clock
        self._items: list[T] = []
        self._due_at: float | None = None
        self.events = 0
        self.bytes = 0

    def fits(self, *, events: int, size: int) -> bool:
        """Whether there is room for such an item; in an empty batch there always is."""
        if not self._items:
            return True
        return self.events + events <= self._max_events and self.bytes + size <= self._max_bytes

    def add(self, item: T, *, events: int, size: int, urgent: bool) -> None:
        """Take an item of `events` events and `size` bytes, which `fits`."""
        at = self._clock() + (self._urgent_s if urgent else self._interval_s)
        self._due_at = at if self._due_at is None else min(self._due_at, at)
        self._items.append(item)
        self.events += events
        self.bytes += size

    def due_in(self) -> float | None:
        """Seconds until the batch is to be written: 0.0 when it is due, None when it is empty."""
        if self._due_at is None:
            return None
        if self.events >= self._max_events or self.bytes >= self._max_bytes:
            return 0.0
        return max(0.0, self._due_at - self._clock())

    def take(self) -> list[T]:
        """All items in the order they came; the batch is empty afterwards."""
        items, self._items = self._items, []
        self._due_at = None
        self.events = self.bytes = 0
        return items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)
