"""Connections and transactions, and how an event loop uses them without being blocked."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_S: Final = 5.0
"""How long a writer waits for another; a transaction here takes milliseconds."""
_JOURNAL_LIMIT_BYTES: Final = 64 * 2**20
_READERS: Final = 4
"""Threads that read: more would only wait for the interpreter lock."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that leaves transactions to us. For one thread at a time."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    # With a write-ahead log, NORMAL loses nothing when a process dies; only a machine without power loses the newest.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}")
    return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that may write from its start on: one that began as a reader could be refused half-way."""
    with _transaction(connection, "BEGIN IMMEDIATE"):
        yield


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction whose statements all see one state."""
    with _transaction(connection, "BEGIN"):
        yield


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class Database:
    """Runs functions of a connection in threads: reads in a few, writes in one, so that they never wait in a crowd."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = ThreadPoolExecutor(_READERS, "reader")
        self._writer = ThreadPoolExecutor(1, "writer")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []

    async def read(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a transaction that reads. Raises what it raises, sqlite3.Error among it."""

        def run() -> T:
            connection = self._connection()
            with reading(connection):
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def write(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in a transaction that writes. Raises what it raises, sqlite3.Error among it."""

        def run() -> T:
            connection = self._connection()
            with writing(connection):
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

    def close(self) -> None:
        """Finish what runs, and disconnect."""
        for pool in (self._readers, self._writer):
            pool.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path)
            with self._lock:
                self._connections.append(connection)
        return connection
