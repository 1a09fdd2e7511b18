"""What a worker asks of the file: tasks to run, and which of its own are to end."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from baseline import updates
from baseline.storage.appending import Batch, Ending, Owned, append
from baseline.updates import State, Update


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that has begun. `params` is JSON; `failures` are the attempts that failed before it."""

    owned: Owned
    id: str
    kind: str
    params: str
    failures: int


_CLAIMABLE: Final = "lease <= ? AND number NOT IN (SELECT value FROM json_each(?))"
_CLAIM: Final = f"""
    UPDATE tasks SET
        attempt = attempt + 1,
        failures = failures + (state = 'running'),
        state = 'running',
        lease = ?,
        progress = NULL,
        started = coalesce(started, ?)
    WHERE number IN (SELECT number FROM tasks WHERE {_CLAIMABLE} ORDER BY lease, number LIMIT ?)
    RETURNING number, attempt, id, kind, failures, cancel
"""  # noqa: S608 - made of constants


def claimable(connection: sqlite3.Connection, own: Collection[int], now: float) -> bool:
    """Whether there is anything to claim, without a lock on the file."""
    row = connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM tasks WHERE {_CLAIMABLE})",  # noqa: S608 - made of constants
        (now, _array(own)),
    ).fetchone()
    return bool(row[0])


def claim(
    connection: sqlite3.Connection,
    max_attempts: Mapping[str, int],
    *,
    places: int,
    own: Collection[int],
    now: float,
    lease: float,
) -> list[Claimed]:
    """Claim up to `places` tasks that are queued, or whose owner let its lease run out; not those of `own`.

    The lost attempt counts as failed. A task that has no attempts left, is of a kind that is not in `max_attempts`, or
    whose end a client asked for is ended instead.
    """
    rows = connection.execute(_CLAIM, (lease, now, now, _array(own), places)).fetchall()
    begun = []
    for number, attempt, identity, kind, failures, cancel in sorted(rows):
        owned = Owned(number, attempt)
        batch = _first(kind, failures, max_attempts.get(kind), cancel=bool(cancel))
        append(connection, owned, batch, lease)
        if batch.ending is None:
            (params,) = connection.execute("SELECT params FROM submissions WHERE task = ?", (number,)).fetchone()
            begun.append(Claimed(owned, identity, kind, params, failures))
    return begun


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
