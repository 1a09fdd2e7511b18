"""Writing updates of an attempt: the one way in which a task changes after it was submitted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from baseline.updates import State, Update


@dataclass(frozen=True, slots=True)
class Ending:
    """What the last update of an attempt makes of its task. `result` and `error` are JSON.

    `lease` is when the next attempt may begin, for the state `queued`; `failure` counts the attempt as failed.
    """

    state: State
    lease: float | None = None
    failure: bool = False
    result: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Updates of one attempt in their order, at least one; with an `ending` the last of them is the attempt's last."""

    updates: Sequence[Update]
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Owned:
    """A task as its owner names it: an older attempt is refused."""

    number: int
    attempt: int


_APPEND: Final = """
    UPDATE tasks SET
        state = coalesce(:state, state),
        seq = seq + :count,
        size = size + :size,
        lease = :lease,
        failures = failures + :failure,
        progress = coalesce(:progress, progress),
        result = :result,
        error = :error,
        updated = :ts,
        finished = :finished,
        cancel = CASE WHEN :finished IS NULL THEN cancel ELSE 0 END
    WHERE number = :number AND attempt = :attempt AND state = 'running'
    RETURNING seq, cancel
"""
_INSERT: Final = "INSERT INTO updates (task, seq, attempt, ts, type, data) VALUES (?, ?, ?, ?, ?, ?)"


def append(connection: sqlite3.Connection, owned: Owned, batch: Batch, lease: float) -> bool | None:
    """Write a batch and renew the lease up to `lease`; None when the attempt is not the task's any more.

    Otherwise whether a client asks for the end of the task.
    """
    newest, ending = batch.updates[-1], batch.ending
    ended = ending is not None and ending.state.terminal
    told = [update.progress for update in batch.updates if update.progress is not None]
    row = connection.execute(
        _APPEND,
        {
            "number": owned.number,
            "attempt": owned.attempt,
            "state": None if ending is None else ending.state.value,
            "count": len(batch.updates),
            "size": sum(update.size for update in batch.updates),
            "lease": lease if ending is None else ending.lease,
            "failure": ending is not None and ending.failure,
            "progress": told[-1] if told else None,
            "result": None if ending is None else ending.result,
            "error": None if ending is None else ending.error,
            "ts": newest.ts,
            "finished": newest.ts if ended else None,
        },
    ).fetchone()
    if row is None:
        return None
    seq, cancel = row
    first = seq - len(batch.updates) + 1
    rows = (
        (owned.number, first + place, owned.attempt, update.ts, update.type, update.data)
        for place, update in enumerate(batch.updates)
    )
    connection.executemany(_INSERT, rows)
    return bool(cancel)


def renew(connection: sqlite3.Connection, owned: Owned, lease: float) -> bool | None:
    """Renew a lease, also one that ran out while nobody claimed the task. Answers as `append`."""
    row = connection.execute(
        "UPDATE tasks SET lease = ? WHERE number = ? AND attempt = ? AND state = 'running' RETURNING cancel",
        (lease, owned.number, owned.attempt),
    ).fetchone()
    return None if row is None else bool(row[0])


def end_unowned(connection: sqlite3.Connection, number: int, update: Update, ending: Ending) -> None:
    """End a task that nobody owns, in an attempt of its own: a lost owner that comes back is refused."""
    (attempt,) = connection.execute(
        "UPDATE tasks SET attempt = attempt + 1, state = 'running' WHERE number = ? RETURNING attempt", (number,)
    ).fetchone()
    append(connection, Owned(number, attempt), Batch([update], ending), 0)
