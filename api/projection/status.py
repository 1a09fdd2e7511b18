"""What the projection is set to, and what it tells of itself: settings, counters, a snapshot for /readyz and /stats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

LEAST_EVENTS: Final = 500
"""A batch of one lane: a commit takes about as long for one event as for so many."""
_LEAST_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class ProjectionSettings:
    """Limits and times of the projection; `_s` are seconds."""

    interval_s: float = 1.0
    """How long progress and chunks may wait."""
    urgent_s: float = 0.03
    """How long a transition may wait here; with `read_pause_s` it is written 50 ms after it was appended."""
    read_pause_s: float = 0.02
    """The time from one read to the next while a batch waits: entries come together, in at most 50 reads a second."""
    max_events: int = 2_000
    max_bytes: int = 8 * 2**20
    read_count: int = 16
    """Entries a partition and read; fewer when entries are large."""
    block_s: float = 0.5
    """How long a read waits; also how long a stop can take to be seen."""
    claim_idle_s: float = 6.0
    claim_interval_s: float = 1.0
    hold_interval_s: float = 2.0
    """With `interval_s` well below `claim_idle_s`: nobody takes what is in hand because a write takes long."""
    trim_interval_s: float = 1.0
    forget_interval_s: float = 600.0
    max_deliveries: int = 5
    """From this delivery on an entry is tried alone; after twice as many it is not tried any more."""
    apply_timeout_s: float = 12.0
    """From its turn on: a commit may wait for those of other lanes."""
    first_backoff_s: float = 0.2
    last_backoff_s: float = 5.0
    stall_s: float = 30.0
    """A loop that gave no sign for so long stands still. More than any single wait of a loop."""
    drain_timeout_s: float = 20.0

    def shared_by(self, lanes: int) -> ProjectionSettings:
        """For each of so many that write side by side: together their batches hold about what one would."""
        if lanes == 1:
            return self
        return replace(
            self,
            max_events=max(LEAST_EVENTS, self.max_events // lanes),
            max_bytes=max(_LEAST_BYTES, self.max_bytes // lanes),
        )


@dataclass(slots=True)
class Counters:
    """Totals since the start of the process, but `last_flush_ms`."""

    entries: int = 0
    events: int = 0
    flushes: int = 0
    statements: int = 0
    duplicates: int = 0
    unknown_tasks: int = 0
    stale_tasks: int = 0
    dead_letters: int = 0
    reclaimed: int = 0
    given_back: int = 0
    trims: int = 0
    storage_failures: int = 0
    redis_failures: int = 0
    loop_failures: int = 0
    last_flush_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """A snapshot.

    `storage_error` and `redis_error` are why the last call failed, None when it did not; `lag` is entries by partition.
    """

    healthy: bool
    storage_error: str | None
    redis_error: str | None
    lag: Mapping[int, int]
    waiting_events: int
    counters: Mapping[str, Any]

    @property
    def total_lag(self) -> int:
        """Entries of all partitions that are not yet rows."""
        return sum(self.lag.values())

    def as_json(self) -> dict[str, Any]:
        """For /stats."""
        return asdict(self) | {"lag": {str(key): value for key, value in self.lag.items()}, "total_lag": self.total_lag}


def together(parts: Sequence[ProjectionStatus]) -> ProjectionStatus:
    """The status of parts that share the partitions."""
    if len(parts) == 1:
        return parts[0]
    names = parts[0].counters
    counters = {name: sum(part.counters[name] for part in parts) for name in names}
    counters["last_flush_ms"] = max(part.counters["last_flush_ms"] for part in parts)
    return ProjectionStatus(
        healthy=all(part.healthy for part in parts),
        storage_error=next((part.storage_error for part in parts if part.storage_error), None),
        redis_error=next((part.redis_error for part in parts if part.redis_error), None),
        lag={partition: lag for part in parts for partition, lag in part.lag.items()},
        waiting_events=sum(part.waiting_events for part in parts),
        counters=counters,
    )
