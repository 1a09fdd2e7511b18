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

The archive keeps every event, superseded progress too. Two different events never have the same task, epoch and seq:
the append script gives each its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from api.projection.frames import FrameEvent, encode
from api.storage.changes import ArchivedEvent, Changes, TaskChange, TaskEpoch, TaskRow
from protocol.events import TERMINAL, State

_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def fold(task: UUID, epoch: str, events: Iterable[FrameEvent]) -> Changes:
    """What `events`, all of one task and epoch, change. Raises ValueError for progress or error with an infinity."""
    kept = {found.event.seq: found for found in events}
    if not kept:
        return Changes()
    statuses = [found for found in kept.values() if found.state is not None]
    change = TaskChange(
        task,
        epoch,
        seq=max(kept),
        attempt=max(found.event.attempt for found in kept.values()),
        updated_at=_instant(max(found.event.ts for found in kept.values())),
        **_registers(statuses) if statuses else {},
    )
    key = TaskEpoch(task, epoch)
    return Changes({key: change}, {key: {seq: found.event for seq, found in kept.items()}})


def merge(*parts: Changes) -> Changes:
    """The changes of all `parts` together."""
    tasks: dict[TaskEpoch, TaskChange] = {}
    events: dict[TaskEpoch, dict[int, ArchivedEvent]] = {}
    for part in parts:
        for key, change in part.tasks.items():
            known = tasks.get(key)
            tasks[key] = change if known is None else _join(known, change)
        for key, of_task in part.events.items():
            events.setdefault(key, {}).update(of_task)
    return Changes(tasks, events)


def overlay(row: TaskRow, change: TaskChange) -> TaskRow:
    """The row as it will be when `change` has been applied: what a reader may show before projection has caught up."""
    if change.epoch != row.epoch:
        return row
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
        seq=max(row.seq, change.seq),
        attempt=max(row.attempt, change.attempt),
        started_at=_earliest(row.started_at, change.started_at),
        updated_at=max(row.updated_at, change.updated_at or row.updated_at),
    )


def _registers(statuses: Sequence[FrameEvent]) -> dict[str, Any]:
    """What `statuses`, at least one, write: the newest state, the newest progress, the first start."""
    latest = max(statuses, key=_seq)
    event, state, data = latest
    registers = {
        "state": state,
        "state_seq": event.seq,
        "error": _encoded(data.get("error")),
        "result": latest.result() if event.type == "result" else None,
        "finished_at": _instant(event.ts) if state in TERMINAL else None,
    }
    running = [found.event.ts for found in statuses if found.state is State.RUNNING]
    if running:  # of a task whose start is not written yet, the newest progress is the nearest that a reader has
        registers["started_at"] = _instant(min(running))
    telling = [found for found in statuses if found.state is State.RUNNING or found.data.get("progress") is not None]
    if telling:
        newest = max(telling, key=_seq)
        registers |= {"progress": _encoded(newest.data.get("progress")), "progress_seq": newest.event.seq}
    return registers


def _join(a: TaskChange, b: TaskChange) -> TaskChange:
    """The newest of each register of two changes of one task and epoch."""
    state = a if a.state_seq >= b.state_seq else b
    progress = a if a.progress_seq >= b.progress_seq else b
    return TaskChange(
        task=a.task,
        epoch=a.epoch,
        seq=max(a.seq, b.seq),
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
    return _UNIX_EPOCH + timedelta(milliseconds=ts)


def _earliest(a: datetime | None, b: datetime | None) -> datetime | None:
    if a is None or b is None:
        return a or b
    return min(a, b)


def _latest(a: datetime | None, b: datetime | None) -> datetime | None:
    if a is None or b is None:
        return a or b
    return max(a, b)


def _encoded(value: object) -> str | None:
    return None if value is None else encode(value)


def _decoded(text: str | None) -> Mapping[str, Any] | None:
    value: Mapping[str, Any] | None = None if text is None else json.loads(text)
    return value


def _seq(found: FrameEvent) -> int:
    return found.event.seq
