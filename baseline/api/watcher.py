"""Wakes those who wait for news of a task: one thread looks at the file for all of them.

SQLite tells cheaply whether anything was committed since the last look (`PRAGMA data_version`); only then one query
asks for the tasks that are waited for. While nobody waits, nothing is looked at.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import structlog

from baseline.storage import reading
from baseline.storage.database import connect

log = structlog.get_logger(__name__)

_LOOK_S: Final = 0.005
"""How often the file is looked at while someone waits; it adds half of that to the age of an update."""
_IDLE_S: Final = 1.0
_BACKOFF_S: Final = 0.5


class TooManyWaiting(Exception):
    """So many clients wait that no more may."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} clients wait already; ask without waiting")


class Watcher:
    """Belongs to the event loop that it is made in. `limit` is the number of clients that may wait."""

    def __init__(self, path: Path, *, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, dict[asyncio.Future[None], int]] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._fresh = False
        self._stopped = False
        self._draining = False
        self._looked_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return self._count

    @property
    def healthy(self) -> bool:
        """Whether the file is looked at."""
        return time.monotonic() - self._looked_at < 10 * _IDLE_S

    async def wait(self, number: int, after: int, timeout_s: float) -> None:
        """Until the task has an update after `after`, or is gone; at most `timeout_s`. Raises TooManyWaiting."""
        if self._draining:
            return
        if self._count >= self._limit:
            raise TooManyWaiting(self._limit)
        news = self._loop.create_future()
        with self._enlisted(number, after, news):
            await asyncio.wait([news], timeout=timeout_s)

    def drain(self) -> None:
        """Wake everyone, and let nobody wait any more: the process is about to end."""
        self._draining = True
        for waiting in self._waiting.values():
            for news in waiting:
                _settle(news)

    def close(self) -> None:
        """Wake everyone and end the thread."""
        self.drain()
        self._stopped = True
        self._wanted.set()
        self._thread.join(_IDLE_S)

    @contextmanager
    def _enlisted(self, number: int, after: int, news: asyncio.Future[None]) -> Iterator[None]:
        with self._lock:
            self._waiting.setdefault(number, {})[news] = after
            self._fresh = True
        self._count += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._count -= 1
            with self._lock:
                waiting = self._waiting[number]
                del waiting[news]
                if not waiting:
                    del self._waiting[number]

    def _run(self) -> None:
        """Until the close: look. What fails is told and tried again; whoever waits is answered at the time-out."""
        while not self._stopped:
            try:
                with closing(connect(self._path)) as connection:
                    self._look(connection)
            except Exception:  # a supervisor: the thread must not end
                log.exception("Watcher failed", action="watcher_failed")
                time.sleep(_BACKOFF_S)

    def _look(self, connection: sqlite3.Connection) -> None:
        """Until the close: look at the file while someone waits. Raises sqlite3.Error."""
        seen = -1
        while not self._stopped:
            self._looked_at = time.monotonic()
            if not self._wanted.wait(_IDLE_S):
                continue
            time.sleep(_LOOK_S)
            with self._lock:
                numbers, fresh, self._fresh = list(self._waiting), self._fresh, False
                if not numbers:
                    self._wanted.clear()
                    continue
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != seen or fresh:
                seen = version
                seqs = reading.seqs(connection, numbers)
                self._loop.call_soon_threadsafe(self._wake, numbers, seqs)

    def _wake(self, numbers: list[int], seqs: dict[int, int]) -> None:
        for number in numbers:
            seq = seqs.get(number)
            for news, after in self._waiting.get(number, {}).items():
                if seq is None or seq > after:
                    _settle(news)


def _settle(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)
