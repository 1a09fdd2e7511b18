"""What a worker asks of the file: tasks to run, and which of its own are to end."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from baseline import updates
from baseline.storage.appending import Batch, Ending, Owned, append
from baseline.updates import State, Update
from workloads.slots import open_kinds


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that has begun. `params` is JSON; `failures` are the attempts that failed before it."""

    owned: Owned
    id: str
    kind: str
    params: str
    failures: int


@dataclass(frozen=True, slots=True)
class Room:
    """What a worker has room for. `spare` of its `slots` are as in `workloads.slots.open_kinds`.

    It runs the kinds in `max_attempts`, which tells how many attempts each allows. `own` are the tasks that it runs,
    by number, and their kinds.
    """

    max_attempts: Mapping[str, int]
    own: Mapping[int, str]
    slots: int
    spare: int

    @property
    def free(self) -> int:
        """Slots in which nothing runs."""
        return self.slots - len(self.own)

    def takes(self, kind: str, running: Mapping[str, int]) -> bool:
        """Whether a task of `kind` may be claimed while so many of each are `running`; one that it does not know, too.

        That one is claimed to be ended.
        """
        known = self.max_attempts.keys()
        return kind not in known or kind in open_kinds(running, known, slots=self.slots, spare=self.spare)


_KINDS: Final = """
    WITH RECURSIVE waiting(kind) AS (
        SELECT min(kind) FROM tasks WHERE lease IS NOT NULL
        UNION ALL
        SELECT (SELECT min(kind) FROM tasks WHERE lease IS NOT NULL AND kind > waiting.kind)
        FROM waiting WHERE kind IS NOT NULL
    )
    SELECT kind FROM waiting WHERE kind IS NOT NULL
"""
"""Of the tasks that have not ended: a seek for each kind, where DISTINCT would look at every task."""
_CLAIMABLE: Final = """
    SELECT lease, number, kind FROM tasks
    WHERE kind = ? AND lease <= ? AND number NOT IN (SELECT value FROM json_each(?))
    ORDER BY lease, number LIMIT ?
"""
_CLAIM: Final = """
    UPDATE tasks SET
        attempt = attempt + 1,
        failures = failures + (state = 'running'),
        state = 'running',
        lease = ?,
        progress = NULL,
        started = coalesce(started, ?)
    WHERE number IN (SELECT value FROM json_each(?))
    RETURNING number, attempt, id, kind, failures, cancel
"""


def claimable(connection: sqlite3.Connection, room: Room, now: float) -> bool:
    """Whether there is anything to claim, without a lock on the file."""
    return room.free > 0 and bool(_candidates(connection, room, now, limit=1))


def claim(connection: sqlite3.Connection, room: Room, *, now: float, lease: float) -> list[Claimed]:
    """Claim tasks that are queued, or whose owner let its lease run out: the oldest of those there is room for.

    The lost attempt counts as failed. A task that has no attempts left, is of a kind that the worker does not know, or
    whose end a client asked for is ended instead. In a transaction that writes: nobody else claims meanwhile.
    """
    rows = connection.execute(_CLAIM, (lease, now, _array(_chosen(connection, room, now)))).fetchall()
    begun = []
    for number, attempt, identity, kind, failures, cancel in sorted(rows):
        owned = Owned(number, attempt)
        batch = _first(kind, failures, room.max_attempts.get(kind), cancel=bool(cancel))
        append(connection, owned, batch, lease)
        if batch.ending is None:
            (params,) = connection.execute("SELECT params FROM submissions WHERE task = ?", (number,)).fetchone()
            begun.append(Claimed(owned, identity, kind, params, failures))
    return begun


def _chosen(connection: sqlite3.Connection, room: Room, now: float) -> list[int]:
    """What to claim, the oldest first. A kind that is passed over stays so: each that starts leaves less room."""
    running = Counter(room.own.values())
    chosen: list[int] = []
    for _, number, kind in sorted(_candidates(connection, room, now, limit=room.free)):
        if len(chosen) < room.free and room.takes(kind, running):
            running[kind] += 1
            chosen.append(number)
    return chosen


def _candidates(connection: sqlite3.Connection, room: Room, now: float, limit: int) -> list[tuple[float, int, str]]:
    """Lease, number and kind of the oldest that may be claimed, up to `limit` of each kind there is room for now."""
    running, own = Counter(room.own.values()), _array(room.own)
    kinds = [kind for (kind,) in connection.execute(_KINDS) if room.takes(kind, running)]
    return [row for kind in kinds for row in connection.execute(_CLAIMABLE, (kind, now, own, limit))]


def cancelling(connection: sqlite3.Connection) -> set[int]:
    """The numbers of all tasks whose end a client asked for and whose owner has not ended them yet."""
    return {number for (number,) in connection.execute("SELECT number FROM tasks WHERE cancel = 1")}


def _first(kind: str, failures: int, allowed: int | None, *, cancel: bool) -> Batch:
    """How an attempt begins, or why there is none."""
    if cancel:
        return Batch([updates.status(State.CANCELLED)], Ending(State.CANCELLED))
    if allowed is None:
        return _failed(updates.error("UnknownKind", f"no worker knows the kind {kind!r}"))
    if failures >= allowed:
        return _failed(updates.error("WorkerLost", f"the worker was lost; {failures} attempts have failed"))
    return Batch([updates.status(State.RUNNING)])


def _failed(error: str) -> Batch:
    last: Update = updates.status(State.FAILED, error=error)
    return Batch([last], Ending(State.FAILED, error=error))


def _array(numbers: Collection[int]) -> str:
    """As JSON: a list can be bound as one value."""
    return f"[{','.join(map(str, numbers))}]"
