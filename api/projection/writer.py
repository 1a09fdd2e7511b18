"""Commit, then acknowledge, around the entries that PostgreSQL does not take.

- It is the turn of other lanes: the batch waits. That is no failure, and their time-outs bound it. After a stop, a lane
  whose turn comes when the last commit failed, whosever it was, does not try: all end within about one time-out.
- PostgreSQL cannot be reached: the batch is kept and tried again, for as long as it takes.
- PostgreSQL refuses a value: the batch is halved until the entry that holds it is alone; that becomes a dead letter.
- PostgreSQL gives up a statement: the batch is halved too; an entry alone goes back to the group, and becomes a dead
  letter when it was delivered often enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

import structlog

from api.projection.entries import Entry, Parsed
from api.projection.fold import merge
from api.projection.status import Counters, ProjectionSettings
from api.projection.streams import GroupStreams
from api.projection.supervisor import Supervisor
from api.storage.changes import ApplyStats, Changes
from api.storage.errors import InvalidData, StatementTimedOut, StorageError

log = structlog.get_logger(__name__)

Apply = Callable[[Changes], Awaitable[ApplyStats]]
"""Commits changes; raises StorageError and its subclasses. `functools.partial(apply_changes, engine)` is one."""


@dataclass(slots=True)
class Turns:
    """What those share that commit so many at a time."""

    places: asyncio.Semaphore
    failing: bool = False
    """Whether PostgreSQL did not take the last commit, for a reason that may hold for others too."""


class Writer:
    """Writes batches of the loop `loop` with `apply`. Every method raises redis.RedisError and TimeoutError."""

    def __init__(
        self,
        streams: GroupStreams,
        apply: Apply,
        *,
        supervisor: Supervisor,
        loop: str,
        turns: Turns,
        settings: ProjectionSettings,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._streams = streams
        self._apply = apply
        self._supervisor = supervisor
        self._loop = loop
        self._turns = turns
        self._set = settings
        self._counters = counters
        self._clock = clock
        self.error: str | None = None
        """Why the last write failed; None when it did not."""
        self.batch: Sequence[Parsed] = ()
        """What is being written."""
        self.queued = False
        """Whether it waits for its turn."""

    async def write(self, batch: list[Parsed]) -> None:
        """Commit and acknowledge `batch`. What a stop interrupts stays pending, and will be claimed."""
        self.batch = batch
        try:
            await self._write_parts([batch])
        finally:
            self.batch = ()

    async def bury(self, entry: Entry, error: str) -> None:
        """Make a dead letter of `entry`."""
        await self._streams.bury(entry, error)
        self._counters.dead_letters += 1
        log.error("Entry is a dead letter", action="dead_letter", partition=entry.partition, id=entry.id, reason=error)

    async def _write_parts(self, parts: list[list[Parsed]]) -> None:
        while parts:
            part = parts.pop()
            try:
                if not await self._commit(part):
                    return
            except (InvalidData, StatementTimedOut) as error:
                parts += await self._without_culprit(part, error)
            else:
                await self._streams.ack(parsed.entry for parsed in part)

    async def _without_culprit(self, part: list[Parsed], error: StorageError) -> list[list[Parsed]]:
        """What is left to write of a part that was refused: its halves in reverse, or nothing of a single entry."""
        if len(part) > 1:
            middle = len(part) // 2
            return [part[middle:], part[:middle]]
        entry = part[0].entry
        if isinstance(error, InvalidData) or entry.deliveries >= self._set.max_deliveries:
            await self.bury(entry, f"{type(error).__name__}: {error}")
        else:
            self._counters.given_back += 1
        return []

    async def _commit(self, part: list[Parsed]) -> bool:
        """Apply until it is done; False when a stop came first. Raises InvalidData and StatementTimedOut."""
        changes = merge(*(parsed.changes for parsed in part))
        backoff_s = self._set.first_backoff_s
        while True:
            try:
                return await self._apply_in_turn(changes, entries=len(part))
            except (InvalidData, StatementTimedOut):
                raise
            except (StorageError, TimeoutError) as error:
                self._counters.storage_failures += 1
                self.error = f"{type(error).__name__}: {error}"
                log.warning("Write failed", action="write_failed", reason=self.error, entries=len(part))
            self._supervisor.beat(self._loop)
            if await self._supervisor.pause(backoff_s):
                return False
            backoff_s = min(backoff_s * 2, self._set.last_backoff_s)

    async def _apply_in_turn(self, changes: Changes, *, entries: int) -> bool:
        """Apply once; False when that would only keep others from their end."""
        self.queued = True
        async with self._turns.places:
            self.queued = False
            if self._turns.failing and self._supervisor.stopping:
                return False
            self._supervisor.beat(self._loop)
            started = self._clock()
            try:
                async with asyncio.timeout(self._set.apply_timeout_s):
                    stats = await self._apply(changes)
            except (StorageError, TimeoutError) as error:
                self._turns.failing = not isinstance(error, InvalidData)
                raise
            self._turns.failing = False
        self._written(stats, entries=entries, took_ms=(self._clock() - started) * 1000)
        return True

    def _written(self, stats: ApplyStats, *, entries: int, took_ms: float) -> None:
        self.error = None
        self._counters.flushes += 1
        self._counters.statements += stats.statements
        self._counters.duplicates += stats.duplicates
        self._counters.unknown_tasks += stats.tasks_unknown
        self._counters.stale_tasks += stats.tasks_stale
        self._counters.last_flush_ms = took_ms
        facts = asdict(stats) | {"entries": entries, "took_ms": round(took_ms, 1)}
        if stats.tasks_unknown or stats.tasks_stale:  # a row that was deleted; what a lost Redis left behind
            log.warning("Events without a row that takes them", action="events_dropped", **facts)
        else:
            log.debug("Batch written", action="batch_written", **facts)
