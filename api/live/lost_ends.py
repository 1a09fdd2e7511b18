"""Ends that Redis has lost: looked for when somebody waits for one.

A Redis that came back older than it was (docs/protocol.md §4.6) may not know that a task has ended, while PostgreSQL
does. Nobody writes to that task any more, so nothing would ever reach its followers. Their sessions name it here when
they have heard nothing for long. It is looked at beside them, one task after the other: delivery does not wait for
PostgreSQL, and PostgreSQL is asked one thing at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from api.live.reader import HistoryUnavailable, Reader

log = structlog.get_logger(__name__)

_MOST: Final = 1_000
"""Tasks that wait to be looked at. What is left out is named again by its followers."""
_AGAIN_S: Final = 1.0


@dataclass(slots=True)
class LostEndCounters:
    """Totals since the start of the process."""

    looked_at: int = 0
    found: int = 0
    failures: int = 0


class LostEnds:
    """`resync` is called for a task whose end was found: its followers are to read on."""

    def __init__(self, reader: Reader, resync: Callable[[UUID], None]) -> None:
        self._reader = reader
        self._resync = resync
        self._suspects: dict[UUID, None] = {}
        self._suspected = asyncio.Event()
        self.counters = LostEndCounters()

    def suspect(self, task: UUID) -> None:
        """Nobody owns `task`, and its followers hear nothing."""
        if len(self._suspects) < _MOST:
            self._suspects[task] = None
            self._suspected.set()

    async def run(self) -> None:
        """Look at what is suspected, until cancelled."""
        while True:
            await self._suspected.wait()
            self._suspected.clear()
            try:
                while self._suspects:
                    await self._look_at(next(iter(self._suspects)))
            except (RedisError, OSError, TimeoutError, HistoryUnavailable) as error:
                self.counters.failures += 1
                self._suspects.clear()  # each would wait as long for the same failure
                log.info("Ends were not looked for", action="ends_not_seen", reason=f"{type(error).__name__}: {error}")
            except Exception:  # a supervisor: the next suspect may be one that can be looked at
                self.counters.failures += 1
                log.exception("Looking for lost ends failed", action="ends_failed")
                self._suspected.set()
                await asyncio.sleep(_AGAIN_S)

    async def _look_at(self, task: UUID) -> None:
        del self._suspects[task]
        self.counters.looked_at += 1
        if await self._reader.has_lost_the_end(task):
            self.counters.found += 1
            log.warning("Redis had lost the end of a task", action="end_found", task=str(task))
            self._resync(task)
