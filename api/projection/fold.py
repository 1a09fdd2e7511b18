"""From events to changes of rows, and from a row and a change to a row. Pure.

`fold` and `merge` form a join-semilattice: merging is commutative, associative and idempotent, so that any order,
repetition and grouping of the events gives the same changes. `api.storage.apply` does in SQL what `overlay` does here.

Which event writes which registers:

| event | state, error, result, finished_at | progress |
|---|---|---|
| status with progress | its state, its error | the progress |
| status running, no progress | running | null: an attempt begins, and older attempts' progress is not its own |
| status of another state, no progress | its state, its error | as it was |
| result | succeeded, the result | as it was |
| chunk | as they were | as it was |

Two different events never have the same task and seq: the append script gives each its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from api.storage.changes import ArchivedEvent, Changes, TaskChange, TaskRow
from protocol.events import Event, State

_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def fold(events: Iterable[Event], epoch: str) -> Changes:
    """What `events`, all of one epoch, change. Raises ValueError for a task that is no UUID and a `ts` out of range."""
    return merge(*(_change(event, epoch) for event in events))


def merge(*parts: Changes) -> Changes:
    """The changes of all `parts` together."""
    tasks: dict[UUID, TaskChange] = {}
    archived: dict[tuple[UUID, int], ArchivedEvent] = {}
    for part in parts:
        archived.update(part.events)
        for task, change in part.tasks.items():
            known = tasks.get(task)
            tasks[task] = change if known is None else _join(known, change)
    return Changes(tasks, archived)


def overlay(row: TaskRow, change: TaskChange) -> TaskRow:
    """The row as it will be when `change` has been applied: what a reader may show before projection has caught up."""
    if change.seq > row.seq:
        row = replace(row, seq=change.seq, epoch=change.epoch)
    if change.state is not None and change.state_seq > row.state_seq:
        row = replace(
            row,
            state=change.state,
            state_seq=change.state_seq,
            error=_decoded(change.error),
            finished_at=change.finished_at,
        )
    if change.progress_seq > row.progress_seq:
        row = replace(row, progress=_decoded(change.progress), progress_seq=change.progress_seq)
    return replace(
        row,
        attempt=max(row.attempt, change.attempt),
        started_at=_earliest(row.started_at, change.started_at),
        updated_at=max(row.updated_at, change.updated_at or row.updated_at),
    )


def _change(event: Event, epoch: str) -> Changes:
    """The changes of one event."""
    task = UUID(event.task)
    at = _instant(event.ts)
    state = event.state
    change = TaskChange(task, epoch, event.seq, event.attempt, updated_at=at)
    if state is not None:
        change = replace(
            change,
            state=state,
            state_seq=event.seq,
            error=_encoded(event.data.get("error")),
            result=_json(event.data["result"]) if event.type == "result" else None,
            started_at=at if state is State.RUNNING else None,
            finished_at=at if state.terminal else None,
        )
        progress = event.data.get("progress")
        if progress is not None or state is State.RUNNING:
            change = replace(change, progress=_encoded(progress), progress_seq=event.seq)
    if event.is_progress:
        return Changes({task: change})
    kept = ArchivedEvent(task, event.seq, event.attempt, event.ts, event.type, _json(event.data))
    return Changes({task: change}, {(task, event.seq): kept})


def _join(a: TaskChange, b: TaskChange) -> TaskChange:
    """The newest of each register of two changes of one task."""
    newest = a if a.seq >= b.seq else b
    state = a if a.state_seq >= b.state_seq else b
    progress = a if a.progress_seq >= b.progress_seq else b
    return TaskChange(
        task=a.task,
        epoch=newest.epoch,
        seq=newest.seq,
        attempt=max(a.attempt, b.attempt),
        state=state.state,
        state_seq=state.state_seq,
        error=state.error,
        result=state.result,
        progress=progress.progress,
        progress_seq=progress.progress_seq,
        started_at=_earliest(a.started_at, b.started_at),
        updated_at=_latest(a.updated_at, b.updated_at),
        finished_at=state.finished_at,
    )


def _instant(ts: float) -> datetime:
    try:
        return _UNIX_EPOCH + timedelta(milliseconds=ts)
    except OverflowError as error:
        msg = f"ts {ts!r} is no time"
        raise ValueError(msg) from error


def _earliest(a: datetime | None, b: datetime | None) -> datetime | None:
    return min((at for at in (a, b) if at is not None), default=None)


def _latest(a: datetime | None, b: datetime | None) -> datetime | None:
    return max((at for at in (a, b) if at is not None), default=None)


def _json(value: object) -> str:
    """Compact JSON, as `protocol.events.encode_body` writes it."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _encoded(value: object) -> str | None:
    return None if value is None else _json(value)


def _decoded(text: str | None) -> Mapping[str, Any] | None:
    value: Mapping[str, Any] | None = None if text is None else json.loads(text)
    return value
