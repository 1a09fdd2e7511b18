"""Tasks as a client may see them: the row, and for an unfinished one what its head knows beyond it, newest wins.

Projection writes a transition within 50 ms and progress within a second; a follower has seen both by then. So nobody is
told less over REST than over WebSocket, the reader folds the two events that the head leads to, the newest status and
the newest of all, and puts them over the row as projection is going to. When Redis cannot be asked the row alone is
the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from api.projection.fold import fold, merge, overlay
from api.projection.frames import FrameEvent, event_of
from api.storage.changes import Changes, TaskChange, TaskEpoch, TaskRow
from api.storage.tasks import TaskStore
from protocol.events import State
from protocol.log import AsyncLog, Snapshot

log = structlog.get_logger(__name__)

HEAD_TIMEOUT_S: Final = 1.0
"""A round trip takes 1 ms; a server that does not answer must not hold up the reads of PostgreSQL for long."""


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks, newest first, and the id to go on before; None when there are no more."""

    rows: list[TaskRow]
    before: UUID | None


class TaskReader:
    """Reads tasks. Every method raises StorageError and its subclasses, none because of Redis."""

    def __init__(self, store: TaskStore, tasks: AsyncLog, *, timeout_s: float = HEAD_TIMEOUT_S) -> None:
        self._store = store
        self._tasks = tasks
        self._timeout_s = timeout_s
        self.heads_failed = 0
        """How often since the start of the process a head, or any of a list, could not be read."""

    async def get(self, task: UUID) -> TaskRow | None:
        """The task; None when there is none."""
        row, _ = await self._read(task)
        return row

    async def result(self, task: UUID) -> tuple[State, bytes | None] | None:
        """The task's state and, when it has succeeded, its result as JSON in UTF-8; None when there is no task."""
        row, last = await self._read(task)
        if row is None:
            return None
        if last is not None and last.event.type == "result":
            return State.SUCCEEDED, last.result().encode()
        return row.state, await self._store.result(task) if row.state is State.SUCCEEDED else None

    async def page(
        self, *, kind: str | None = None, state: State | None = None, limit: int = 50, before: UUID | None = None
    ) -> TaskPage:
        """At most `limit` tasks, newest first, older than `before`.

        `state` selects by row. A task that has just left the state is left out, so a page may hold less than `limit`
        before the last; one that has just come into it may be missing until its row follows.
        """
        rows = await self._store.page(kind=kind, state=state, limit=limit + 1, before=before)
        following = rows[limit - 1].id if len(rows) > limit else None
        rows = rows[:limit]
        unfinished = [row.id for row in rows if not row.state.terminal]
        snapshots = dict(zip(unfinished, await self._snapshots(unfinished), strict=True))
        shown = [_merged(row, snapshots.get(row.id))[0] for row in rows]
        return TaskPage([row for row in shown if state in {None, row.state}], following)

    async def _read(self, task: UUID) -> tuple[TaskRow | None, FrameEvent | None]:
        """The task and, when the row was unfinished, its newest event. The row is read first, so the head is newer."""
        row = await self._store.get(task)
        if row is None or row.state.terminal:
            return row, None
        snapshot = (await self._snapshots([task]))[0]
        if snapshot is not None and snapshot.head.epoch != row.epoch:  # rebuilt between the two reads
            row = await self._store.get(task) or row
        return _merged(row, snapshot)

    async def _snapshots(self, tasks: Sequence[UUID]) -> Sequence[Snapshot | None]:
        """What Redis knows of `tasks`, in one round trip; nothing of those whose server cannot be asked."""
        found = await self._tasks.snapshots(tasks, timeout_s=self._timeout_s)
        errors = [snapshot for snapshot in found if isinstance(snapshot, Exception)]
        if errors:
            self.heads_failed += 1
            reason = f"{type(errors[0]).__name__}: {errors[0]}"
            log.warning("Heads not read", action="heads_not_read", tasks=len(errors), reason=reason)
        return [None if isinstance(snapshot, Exception) else snapshot for snapshot in found]


def _merged(row: TaskRow, snapshot: Snapshot | None) -> tuple[TaskRow, FrameEvent | None]:
    """The row with what `snapshot` knows beyond it, and the newest event."""
    if snapshot is None or snapshot.head.epoch != row.epoch:
        return row, None
    task, head = str(row.id), snapshot.head
    try:
        last = None if snapshot.last is None else event_of(snapshot.last, task)
        events = [] if head.status is None else [event_of(head.status, task)]
        changes = fold(row.id, head.epoch, events if last is None else [*events, last])
    except ValueError as error:  # projection makes a dead letter of it
        log.warning("Head not understood", action="head_not_understood", task=task, reason=str(error))
        return row, None
    key = TaskEpoch(row.id, head.epoch)
    position = TaskChange(*key, seq=head.seq, attempt=head.attempt)
    return overlay(row, merge(changes, Changes({key: position})).tasks[key]), last
