"""Tasks as the api handles them: insert, find, cancel."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from baseline import updates
from baseline.storage.appending import Ending, end_unowned
from baseline.updates import State


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A row of tasks without its result. Times are Unix time in milliseconds; `error` and `progress` are JSON."""

    number: int
    id: str
    kind: str
    state: State
    attempt: int
    seq: int
    lease: float | None
    size: int
    created: float
    started: float | None
    updated: float
    finished: float | None
    error: str | None
    progress: str | None


@dataclass(frozen=True, slots=True)
class FullTask:
    """A task with what it was given and, once it has succeeded, what it returned; both are JSON."""

    row: TaskRow
    params: str
    result: str | None = None


@dataclass(frozen=True, slots=True)
class NewTask:
    """A submission. `params` is JSON, as the kind's model writes it."""

    id: str
    kind: str
    params: str


class TooManyTasks(Exception):
    """So many tasks are unfinished that no more are taken."""

    def __init__(self, unfinished: int) -> None:
        super().__init__(f"{unfinished} tasks are unfinished, and no more are taken")


_COLUMNS: Final = (
    "number, id, kind, state, attempt, seq, lease, size, created, started, updated, finished, error, progress"
)
_INSERT: Final = f"""
    INSERT INTO tasks (id, kind, size, lease, created, updated) VALUES (?, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}
"""  # noqa: S608 - made of constants


def insert(connection: sqlite3.Connection, task: NewTask, *, limit: int) -> FullTask:
    """Store a task; it may be claimed at once. Raises TooManyTasks when `limit` are unfinished."""
    (unfinished,) = connection.execute("SELECT count(*) FROM tasks WHERE lease IS NOT NULL").fetchone()
    if unfinished >= limit:
        raise TooManyTasks(unfinished)
    now = updates.now_ms()
    size = len(task.params.encode())
    row = _task(connection.execute(_INSERT, (task.id, task.kind, size, now, now, now)).fetchone())
    connection.execute("INSERT INTO submissions (task, params) VALUES (?, ?)", (row.number, task.params))
    return FullTask(row, task.params)


def find(connection: sqlite3.Connection, identity: str) -> TaskRow | None:
    """The task of this id."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM tasks WHERE id = ?", (identity,)).fetchone()  # noqa: S608 - made of constants
    return None if row is None else _task(row)


def find_full(connection: sqlite3.Connection, identity: str) -> FullTask | None:
    """The task of this id, with everything."""
    row = find(connection, identity)
    if row is None:
        return None
    query = "SELECT params, result FROM tasks JOIN submissions ON task = number WHERE number = ?"
    return FullTask(row, *connection.execute(query, (row.number,)).fetchone())


def cancel(connection: sqlite3.Connection, identity: str) -> FullTask | None:
    """Ask for the end of a task; one that no worker owns ends here. One that has ended stays as it is."""
    row = find(connection, identity)
    if row is not None and not row.state.terminal:
        if row.state is State.QUEUED or row.lease is None or row.lease <= updates.now_ms():
            end_unowned(connection, row.number, updates.status(State.CANCELLED), Ending(State.CANCELLED))
        else:
            connection.execute("UPDATE tasks SET cancel = 1 WHERE number = ?", (row.number,))
    return find_full(connection, identity)


def _task(row: tuple[object, ...]) -> TaskRow:
    number, identity, kind, state, *rest = row
    return TaskRow(number, identity, kind, State(state), *rest)  # type: ignore[arg-type] # the columns of STRICT tables
