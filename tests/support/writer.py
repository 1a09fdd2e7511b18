"""A worker's side of one task: its events in Redis, and what projection makes of them in PostgreSQL."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.projection.fold import fold, merge
from api.projection.frames import events_of
from api.storage.apply import apply_changes
from api.storage.changes import NewTask
from api.storage.tasks import TaskStore
from protocol import calls
from protocol.calls import Appended, Body, LogLimits
from protocol.events import State, encode_body, status_data
from protocol.head import ClaimOutcome, Outcome
from protocol.keys import PARTITIONS, TaskKeys
from protocol.log import Log, Owned
from protocol.nodes import Nodes, nodes_of

LEASE_MS: Final = 60_000


class Writer:
    """A task that is created and claimed. Its chunks have the data 1, 2, 3 and so on."""

    def __init__(self, redis: Redis | Nodes, task: UUID | None = None, *, limits: LogLimits | None = None) -> None:
        self.task = task or uuid4()
        self.keys = TaskKeys.of(self.task)
        self.seq = 0
        self._nodes = nodes_of(redis)
        self._log = Log(redis, partitions=PARTITIONS, limits=limits)
        self._chunks = 0
        self.epoch = secrets.token_hex(8)
        self.begin(self.epoch)

    def begin(self, epoch: str, *, seq: int = 0, attempt: int = 0) -> None:
        """Create the head unless there is one, and claim the task."""
        create = calls.create(self.keys, epoch=epoch, seq=seq, attempt=attempt)
        (self.epoch,) = self._log.exchange([create])  # type: ignore[assignment]
        claim = self._log.claim(self.task, lease_ms=LEASE_MS)
        assert claim.outcome is ClaimOutcome.CLAIMED
        self._owned = Owned(self.task, claim.epoch, claim.attempt)
        self._n, self.seq = claim.n, seq

    def chunks(self, count: int, *, batch: int | None = None) -> None:
        """Append `count` chunks, `batch` (all of them) at a time."""
        for start in range(0, count, batch or count):
            bodies = [self._chunk() for _ in range(min(batch or count, count - start))]
            self.append(*bodies)

    def progress(self, current: int) -> None:
        """Append one progress update."""
        data = status_data(State.RUNNING, progress={"current": current, "total": 100})
        self.append(Body(self._body("status", data), "status", State.RUNNING, progress=True))

    def finish(self, result: Any = None) -> None:
        """Append the result: the task has succeeded."""
        self.append(Body(self._body("result", {"result": result}), "result", State.SUCCEEDED))

    def append(self, *bodies: Body) -> None:
        (answer,) = self._log.exchange([self._log.append_call(self._owned, self._n + 1, bodies, lease_ms=LEASE_MS)])
        assert isinstance(answer, Appended), answer
        assert answer.decision.outcome is Outcome.APPENDED
        self._n += len(bodies)
        self.seq = answer.decision.b

    def append_unpublished(self, count: int) -> None:
        """As `chunks`, but what Pub/Sub would tell is lost: log and head alone have it."""
        for _ in range(count):
            self.seq += 1
            self._n += 1
            event = f'{{"task":"{self.task}","seq":{self.seq},'.encode() + self._chunk().data
            with self._nodes.at(self.keys.head) as redis, redis.pipeline() as pipe:
                pipe.xadd(self.keys.log, {"e": event}, id=f"{self.seq}-0")
                pipe.hset(self.keys.head, mapping={"seq": self.seq, "n": self._n})
                pipe.execute()

    def expire(self) -> None:
        """What the linger time does after the end: Redis forgets the task."""
        with self._nodes.at(self.keys.head) as redis:
            redis.delete(self.keys.head, self.keys.log)

    def _chunk(self) -> Body:
        self._chunks += 1
        return Body(self._body("chunk", {"index": self._chunks - 1, "data": self._chunks}), "chunk")

    def _body(self, kind: Any, data: dict[str, Any]) -> bytes:
        return encode_body(self._owned.attempt, time.time() * 1000, kind, data)


async def insert_row(engine: AsyncEngine, writer: Writer) -> None:
    """The row of the writer's task, as the submission makes it."""
    new = NewTask(writer.task, "synthetic", {}, writer.epoch, datetime.now(UTC))
    await TaskStore(engine).insert(new)


async def project(engine: AsyncEngine, redis: Redis, writer: Writer, *, entries: slice = slice(None)) -> None:
    """Write what projection would write of the partition stream's entries, or of some of them."""
    task = str(writer.task)
    found: Sequence[Any] = redis.xrange(writer.keys.events)  # type: ignore[assignment]
    frames = [fields[b"frame"] for _, fields in found if fields[b"task"] == task.encode()][entries]
    changes = [fold(writer.task, writer.epoch, events_of(frame, task)) for frame in frames]
    await apply_changes(engine, merge(*changes))
