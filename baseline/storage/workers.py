"""What the worker processes last reported of themselves."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

SILENT_MS: Final = 10_000
"""A worker that has not reported for so long is gone."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker has used since its start. `at_ms` is when that was: Unix time in milliseconds."""

    name: str
    cpu_s: float
    memory_bytes: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that report, added up. `at_ms` is when the newest report was made."""

    count: int
    cpu_s: float
    memory_bytes: int
    at_ms: float | None

    @classmethod
    def of(cls, reports: Collection[Report]) -> Workers:
        """The sum, which falls when one is gone: whoever wants to know what is used over a time takes each by name."""
        return cls(
            len(reports),
            sum(one.cpu_s for one in reports),
            sum(one.memory_bytes for one in reports),
            max((one.at_ms for one in reports), default=None),
        )


def own_name() -> str:
    """Of this process: its host, and its pid there."""
    return f"{socket.gethostname()}:{os.getpid()}"


def report(connection: sqlite3.Connection, name: str, now: float, cpu_s: float, memory_bytes: int) -> None:
    """Replace the report of the worker `name`, and drop those of workers that are gone."""
    connection.execute("DELETE FROM workers WHERE beat < ?", (now - SILENT_MS,))
    connection.execute("REPLACE INTO workers VALUES (?, ?, ?, ?)", (name, now, cpu_s, memory_bytes))


def leave(connection: sqlite3.Connection, name: str) -> None:
    """Withdraw the report of a worker that ends."""
    connection.execute("DELETE FROM workers WHERE name = ?", (name,))


def reported(connection: sqlite3.Connection, now: float) -> list[Report]:
    """The workers that have reported lately, by name."""
    query = "SELECT name, cpu_s, memory_bytes, beat FROM workers WHERE beat >= ? ORDER BY name"
    return [Report(*row) for row in connection.execute(query, (now - SILENT_MS,))]


def newest_report_here(connection: sqlite3.Connection) -> float | None:
    """When a worker of this host last reported, in Unix milliseconds."""
    here = f"{socket.gethostname()}:"
    query = "SELECT max(beat) FROM workers WHERE substr(name, 1, ?) = ?"
    (at_ms,) = connection.execute(query, (len(here), here)).fetchone()
    return None if at_ms is None else float(at_ms)
