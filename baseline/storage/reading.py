"""Reading updates: what follows a cursor, or everything that a task is now.

SQLite itself makes the JSON of an answer and hands it over as one value: each row that Python fetches would cost a
change of the interpreter lock, of which a thousand rows beside fifty clients would make a queue.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from baseline.storage.tasks import TaskRow, find
from baseline.updates import State

MAX_DELTA_UPDATES: Final = 1_000
MAX_DELTA_BYTES: Final = 4 * 2**20
"""A delta ends with the update that reaches this."""
MAX_WHOLE_BYTES: Final = 16 * 2**20
"""From here on the whole state is refused: a delta is bounded, and this is what it is for."""


class TooLarge(Exception):
    """The whole state is too large for one answer."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What follows a cursor: `events` is JSON without brackets, `last` the seq of the last event or the cursor."""

    number: int
    state: State
    attempt: int
    seq: int
    last: int
    events: bytes


@dataclass(frozen=True, slots=True)
class Whole:
    """A task and the events that make up what it is now, as JSON without brackets."""

    task: TaskRow
    events: bytes


_EVENT: Final = """
    '{"task":"' || :id || '","seq":' || seq || ',"attempt":' || attempt || ',"ts":' || printf('%.3f', ts)
    || ',"type":"' || type || '","data":' || data || '}'
"""
_DELTA: Final = f"""
    SELECT max(seq), CAST(group_concat(event, ',') AS BLOB) FROM (
        SELECT seq, {_EVENT} AS event, sum(length(data)) OVER (ORDER BY seq) - length(data) AS before
        FROM (SELECT * FROM updates WHERE task = :number AND seq > :after ORDER BY seq LIMIT {MAX_DELTA_UPDATES})
    ) WHERE before < {MAX_DELTA_BYTES}
"""  # noqa: S608 - made of constants
_WHOLE: Final = f"""
    SELECT CAST(group_concat(event, ',') AS BLOB) FROM (
        SELECT {_EVENT} AS event FROM updates
        WHERE task = :number AND (
            type = 'chunk' AND attempt = :attempt
            OR seq = :seq
            OR seq = (SELECT seq FROM updates WHERE task = :number AND type = 'status' ORDER BY seq DESC LIMIT 1)
        )
        ORDER BY seq
    )
"""  # noqa: S608 - made of constants


def delta(connection: sqlite3.Connection, identity: str, after: int) -> Delta | None:
    """The task's state and the updates after `after`, bounded by number and bytes; None when there is no such task."""
    row = connection.execute("SELECT number, state, attempt, seq FROM tasks WHERE id = ?", (identity,)).fetchone()
    if row is None:
        return None
    number, state, attempt, seq = row
    last, events = after, b""
    if after < seq:
        last, events = connection.execute(_DELTA, {"id": identity, "number": number, "after": after}).fetchone()
    return Delta(number, State(state), attempt, seq, last, events)


def whole(connection: sqlite3.Connection, identity: str) -> Whole | None:
    """The task, with the chunks of its newest attempt, its newest status and its result, in their order.

    None when there is no such task. Raises TooLarge.
    """
    task = find(connection, identity)
    if task is None:
        return None
    if task.size > MAX_WHOLE_BYTES:
        raise TooLarge(f"the whole state has {task.size:,} bytes, over {MAX_WHOLE_BYTES:,}; ask for parts, after=0")
    names = {"id": identity, "number": task.number, "attempt": task.attempt, "seq": task.seq}
    (events,) = connection.execute(_WHOLE, names).fetchone()
    return Whole(task, events or b"")


def seqs(connection: sqlite3.Connection, numbers: list[int]) -> dict[int, int]:
    """The seq of each task of `numbers`; a task that is gone is missing."""
    array = f"[{','.join(map(str, numbers))}]"
    query = "SELECT number, seq FROM tasks WHERE number IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (array,)).fetchall())
