"""Plain values that go in and out of storage: frozen, without I/O, and with JSON kept as text where nobody reads it.

A `TaskChange` is a set of registers. Each register carries the seq that wrote it, and the newest seq wins; so changes
commute, and applying one twice changes nothing. A task's seq rises over attempts and over epochs alike (a head that is
rebuilt continues at the row's seq), which makes it a total order of what happened to the task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from protocol.events import EventType, State


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What a set of events says of one task.

    `state`, `error`, `result` and `finished_at` are written together at `state_seq`, `progress` at `progress_seq`; a
    seq of 0 means that nothing wrote them. `progress`, `error` and `result` are JSON texts; a `result` of null is the
    text `null`. `seq` and `attempt` are the highest seen, `epoch` is that of the highest seq.
    """

    task: UUID
    epoch: str
    seq: int
    attempt: int
    state: State | None = None
    state_seq: int = 0
    error: str | None = None
    result: str | None = None
    progress: str | None = None
    progress_seq: int = 0
    started_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ArchivedEvent:
    """An event as the archive keeps it: `ts` in Unix milliseconds, `data` as JSON text."""

    task: UUID
    seq: int
    attempt: int
    ts: float
    type: EventType
    data: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch of events changes: one `TaskChange` a task, and the events to keep by task and seq."""

    tasks: Mapping[UUID, TaskChange] = field(default_factory=dict)
    events: Mapping[tuple[UUID, int], ArchivedEvent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApplyStats:
    """What one `apply` did. `duplicates` are events that were in the archive already."""

    statements: int = 0
    tasks_changed: int = 0
    tasks_unknown: int = 0
    events_stored: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to submit. `request_hash` tells one request from another under the same `idempotency_key`."""

    id: UUID
    kind: str
    params: Mapping[str, Any]
    epoch: str
    created_at: datetime
    idempotency_key: str | None = None
    request_hash: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task's row without its result, which may be large: `TaskStore.result` reads that."""

    id: UUID
    kind: str
    params: Mapping[str, Any]
    epoch: str
    state: State
    state_seq: int
    attempt: int
    seq: int
    progress: Mapping[str, Any] | None
    progress_seq: int
    error: Mapping[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None
    dispatched_at: datetime | None
    cancel_requested_at: datetime | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The row of a submission, and whether this call made it: False when the Idempotency-Key knew it already."""

    row: TaskRow
    created: bool


