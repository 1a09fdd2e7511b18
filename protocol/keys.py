"""Names of a task's keys in Redis (docs/protocol.md §2).

Every key of a task carries its partition as hash tag, so that one script may touch all of them on Redis Cluster.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from uuid import UUID

PARTITIONS = 16
"""Default number of partitions. Changing it needs empty streams: a task's partition is computed, not stored."""


def partition_of(task: UUID, partitions: int = PARTITIONS) -> int:
    """The partition of `task`: CRC-32 (IEEE) of the id's 16 bytes modulo `partitions`."""
    return zlib.crc32(task.bytes) % partitions


def events(partition: int) -> str:
    """The partition's event stream, read by projection."""
    return f"tasks:{{{partition}}}:events"


def dead(partition: int) -> str:
    """The partition's dead-letter stream."""
    return f"tasks:{{{partition}}}:dead"


@dataclass(frozen=True, slots=True)
class TaskKeys:
    """The four keys that an append touches: head (hash), log (stream), events (stream), live (sharded channel)."""

    head: str
    log: str
    events: str
    live: str

    @classmethod
    def of(cls, task: UUID, partitions: int = PARTITIONS) -> TaskKeys:
        """The keys of `task` when there are `partitions` partitions."""
        partition = partition_of(task, partitions)
        prefix = f"tasks:{{{partition}}}"
        return cls(f"{prefix}:head:{task}", f"{prefix}:log:{task}", events(partition), f"{prefix}:live:{task}")
