"""Keeping the file bounded: the oldest finished tasks go, and their updates with them, a slice at a time."""

from __future__ import annotations

import sqlite3
from typing import Final

SLICE: Final = 2_000
"""Updates deleted in one transaction: some milliseconds, in which nobody else can write."""

_BEYOND: Final = """
    DELETE FROM tasks WHERE number IN (
        SELECT number FROM (
            SELECT number, row_number() OVER newest AS place, sum(size) OVER newest AS bytes
            FROM tasks WHERE finished IS NOT NULL WINDOW newest AS (ORDER BY finished DESC, number DESC)
        ) WHERE place > :tasks OR bytes > :bytes AND place > 1
    ) RETURNING number
"""
_SLICE: Final = """
    DELETE FROM updates WHERE (task, seq) IN (
        SELECT task, seq FROM updates WHERE task = ? LIMIT ?
    )
"""


def condemn(connection: sqlite3.Connection, *, tasks: int, size: int) -> int:
    """Delete finished tasks beyond the newest `tasks`, or beyond `size` bytes of updates; how many went.

    Nobody finds them any more; what is left of them goes with `sweep`. The newest one always stays.
    """
    gone = connection.execute(_BEYOND, {"tasks": tasks, "bytes": size}).fetchall()
    connection.executemany("DELETE FROM submissions WHERE task = ?", gone)
    connection.executemany("INSERT INTO condemned (task) VALUES (?)", gone)
    return len(gone)


def sweep(connection: sqlite3.Connection) -> bool:
    """Delete a slice of what is condemned; whether there was any."""
    row = connection.execute("SELECT task FROM condemned LIMIT 1").fetchone()
    if row is None:
        return False
    if connection.execute(_SLICE, (row[0], SLICE)).rowcount < SLICE:
        connection.execute("DELETE FROM condemned WHERE task = ?", row)
    return True


def pending(connection: sqlite3.Connection) -> bool:
    """Whether there is anything to sweep, without a lock on the file."""
    return connection.execute("SELECT 1 FROM condemned LIMIT 1").fetchone() is not None
