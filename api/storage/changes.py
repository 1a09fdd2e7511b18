"""Plain values that go in and out of storage: frozen, without I/O, and with JSON kept as text where nobody reads it.

A `TaskChange` is a set of registers. Each register carries the seq that wrote it, and the newest seq wins; so changes
commute, and applying one twice changes nothing. Within an epoch a task's seq is a total order of what happened to it,
over all attempts. Between epochs it is not: events of a lost epoch may still wait in the memory of a replica when
the head that was rebuilt gives out their numbers again. So a change belongs to one epoch, and a row takes changes of
its own epoch only (`TaskStore.begin_epoch` moves it to the next).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from protocol.events import EventType, State


class TaskEpoch(NamedTuple):
    """A task under one epoch: what a change belongs to."""

    task: UUID
    epoch: str


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What a set of events of one epoch says of one task.

    `state`, `error`, `result` and `finished_at` are written together at `state_seq`, `progress` at `progress_seq`; a
    seq of 0 means that nothing wrote them. `progress`, `error` and `result` are JSON texts; a `result` of null is the
    text `null`. `seq` and `attempt` are the highest seen.
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


class ArchivedEvent(NamedTuple):
    """An event as the archive keeps it: `ts` in Unix milliseconds, `data` as JSON text."""

    seq: int
    attempt: int
    ts: float
    type: EventType
    data: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch of events changes: one `TaskChange` for each task and epoch, and the events themselves by seq."""

    tasks: Mapping[TaskEpoch, TaskChange] = field(default_factory=dict)
    events: Mapping[TaskEpoch, Mapping[int, ArchivedEvent]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApplyStats:
    """What one `apply` did.

    `tasks_unknown` have no row, `tasks_stale` came under another epoch than the row's: nothing of both was written.
    `duplicates` are events that were in the archive already.
    """

    statements: int = 0
    tasks_changed: int = 0
    tasks_unknown: int = 0
    tasks_stale: int = 0
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
