"""Tasks on a real server, as the api makes them and as followers see them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from redis import Redis

from protocol import calls
from protocol.events import Event, parse_event
from protocol.head import HEAD_FIELDS, ClaimOutcome, Head, parse_head
from protocol.keys import TaskKeys
from protocol.log import Log, Owned

LEASE_MS: Final = 60_000
LONG_S: Final = 20.0
"""What happens at all happens within this."""


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again. Fails when it has not come true within LONG_S."""
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, f"it has not happened within {LONG_S:g} s"
        time.sleep(0.005)


@dataclass(frozen=True)
class Tasks:
    """Makes heads and reads what became of them."""

    redis: Redis

    @property
    def log(self) -> Log:
        return Log(self.redis, partitions=16)

    def new(self) -> UUID:
        task = uuid4()
        self.log.exchange([calls.create(TaskKeys.of(task), epoch="e1")])
        return task

    def claim(self, task: UUID | None = None, *, lease_ms: int = LEASE_MS) -> Owned:
        task = task or self.new()
        claim = self.log.claim(task, lease_ms=lease_ms)
        assert claim.outcome is ClaimOutcome.CLAIMED, claim
        return Owned(task, claim.epoch, claim.attempt)

    def take_over(self, task: UUID) -> Owned:
        """Claim a task after its owner was silent for too long."""
        self.expire(task)
        return self.claim(task)

    def expire(self, task: UUID) -> None:
        """Let the lease have run out long ago."""
        self.redis.hset(TaskKeys.of(task).head, "lease", "1")

    def cancel(self, task: UUID) -> None:
        self.log.exchange([calls.cancel(TaskKeys.of(task))])

    def forget(self, task: UUID) -> None:
        self.redis.delete(TaskKeys.of(task).head)

    def head(self, task: UUID) -> Head:
        values: Any = self.redis.hmget(TaskKeys.of(task).head, HEAD_FIELDS)
        found = parse_head(values)
        assert found is not None
        return found

    def events(self, task: UUID) -> list[Event]:
        """The events of the log. Their seqs are contiguous and those of its entries."""
        entries: Any = self.redis.xrange(TaskKeys.of(task).log)
        events = [parse_event(fields[b"e"]) for _, fields in entries]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [entry for entry, _ in entries] == [f"{event.seq}-0".encode() for event in events]
        return events

    def story(self, task: UUID) -> list[str]:
        """The events in short: the data of a chunk, the state of anything else, progress left out."""
        return [
            str(event.data["data"]) if event.type == "chunk" else str(event.state)
            for event in self.events(task)
            if not event.is_progress
        ]

    def batches(self, task: UUID) -> list[int]:
        """How many events each append had."""
        entries: Any = self.redis.xrange(TaskKeys.of(task).events)
        found = [fields for _, fields in entries if fields.get(b"task") == str(task).encode()]
        return [int(fields[b"last"]) - int(fields[b"first"]) + 1 for fields in found]
