"""Names of a task's keys in Redis (docs/protocol.md §2).

Every key of a task carries its partition as hash tag, so that one script may touch all of them on Redis Cluster.
"""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

PARTITIONS = 16
"""Default number of partitions. Changing it needs empty streams: a task's partition is computed, not stored."""

SLOTS: Final = 16_384
"""Of a Redis Cluster."""


def partition_of(task: UUID, partitions: int = PARTITIONS) -> int:
    """The partition of `task`: CRC-32 (IEEE) of the id's 16 bytes modulo `partitions`."""
    return zlib.crc32(task.bytes) % partitions


def slot_of(key: str) -> int:
    """The slot of `key` on Redis Cluster: CRC-16 (XMODEM) of its hash tag, or of all of it, modulo SLOTS."""
    _, _, rest = key.partition("{")
    tag, end, _ = rest.partition("}")
    return binascii.crc_hqx((tag if tag and end else key).encode(), 0) % SLOTS


def events(partition: int) -> str:
    """The partition's event stream, read by projection."""
    return f"tasks:{{{partition}}}:events"


def dead(partition: int) -> str:
    """The partition's dead-letter stream."""
    return f"tasks:{{{partition}}}:dead"


def hub(partition: int) -> str:
    """A channel that nobody publishes to: a Pub/Sub connection without any channel cannot be read."""
    return f"tasks:{{{partition}}}:hub"


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
