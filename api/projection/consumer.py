"""The projection of one replica: from the consumer group to rows, at least once and with the effect of once.

Two supervised loops. *read* reads, batches and writes; while it writes it does not read, so that one batch is all it
holds. *maintain* trims the streams and measures the lag. An entry is acknowledged after the commit of its events:

- PostgreSQL cannot be reached: the batch is kept and tried again, for as long as it takes; nothing else is read.
- PostgreSQL refuses a value: the batch is halved until the entry that holds it is alone; that one becomes a dead letter.
- PostgreSQL gives up a statement: the batch is halved too; an entry alone goes back to the group, and becomes a dead
  letter when it was delivered often enough.
- The process dies: the entries stay pending, and whoever is alive claims them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.projection import dead_letters
from api.projection.batcher import Batcher
from api.projection.entries import Entry, MalformedEntry, Parsed, parse
from api.projection.fold import merge
from api.projection.status import Counters, ProjectionSettings, ProjectionStatus
from api.projection.streams import GroupStreams
from api.storage.changes import ApplyStats, Changes
from api.storage.errors import InvalidData, StatementTimedOut, StorageError

log = structlog.get_logger(__name__)

Apply = Callable[[Changes], Awaitable[ApplyStats]]
"""Commits changes; raises StorageError and its subclasses. `functools.partial(apply_changes, engine)` is one."""

_YIELD_EVERY = 32
"""Entries parsed in one go, some 2 ms: live delivery shares the event loop."""


class Projection:
    """Reads `partitions` as `consumer` of `group` and hands what they change to `apply`. `redis` must not decode."""

    def __init__(
        self,
        redis: Redis,
        apply: Apply,
        *,
        partitions: Sequence[int],
        consumer: str,
        group: str = "projection",
        settings: ProjectionSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._apply = apply
        self._partitions = partitions
        self._consumer = consumer
        self._group = group
        self._set = settings or ProjectionSettings()
        self._clock = clock
        self._streams = GroupStreams(redis, partitions, group, consumer)
        self._batch: Batcher[Parsed] = Batcher(
            interval_s=self._set.interval_s,
            urgent_s=self._set.urgent_s,
            max_events=self._set.max_events,
            max_bytes=self._set.max_bytes,
            clock=clock,
        )
        self._counters = Counters()
        self._beats: dict[str, float] = {}
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        self._storage_error: str | None = None
        self._redis_error: str | None = None
        self._lag: dict[int, int] = {}
        self._entry_bytes = 1_000.0
        self._own_claimed = False
        self._claim_at = self._forget_at = clock()

    async def run(self) -> None:
        """Work until `stop`, then finish the batch, acknowledge and leave the group. Cancelling skips the finish."""
        self._beats = dict.fromkeys(("read", "maintain"), self._clock())
        log.info("Projection started", action="projection_started", consumer=self._consumer, group=self._group)
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._supervise("read", self._read_step), name="projection-read")
                loops.create_task(self._supervise("maintain", self._maintain_step), name="projection-maintain")
            await self._leave()
        finally:
            self._stopped.set()
            log.info("Projection stopped", action="projection_stopped", consumer=self._consumer)

    async def stop(self) -> None:
        """Ask `run` to end and wait until it has. Raises TimeoutError after `drain_timeout_s`."""
        self._stopping.set()
        if self._beats:
            async with asyncio.timeout(self._set.drain_timeout_s):
                await self._stopped.wait()

    def healthy(self, now: float | None = None) -> bool:
        """Whether both loops move. A loop that waits for PostgreSQL or Redis to come back does move; see `status`."""
        at = self._clock() if now is None else now
        return bool(self._beats) and all(at - beat <= self._set.stall_s for beat in self._beats.values())

    def status(self) -> ProjectionStatus:
        """A snapshot for readiness and metrics."""
        return ProjectionStatus(
            healthy=self.healthy(),
            storage_error=self._storage_error,
            redis_error=self._redis_error,
            lag=dict(self._lag),
            waiting_events=self._batch.events,
            counters=asdict(self._counters),
        )

    async def _supervise(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat `step` until the stop. A failure is counted, told and followed by a growing wait."""
        backoff_s = self._set.first_backoff_s
        while not self._stopping.is_set():
            self._beats[name] = self._clock()
            try:
                await step()
            except (RedisError, OSError, TimeoutError) as error:
                self._counters.redis_failures += 1
                self._redis_error = f"{type(error).__name__}: {error}"
                log.warning("Redis failed", action="redis_failed", loop=name, reason=self._redis_error)
            except Exception:  # a supervisor: whatever it was, the loop must go on
                self._counters.loop_failures += 1
                log.exception("Loop failed", action="loop_failed", loop=name)
            else:
                self._redis_error = None
                backoff_s = self._set.first_backoff_s
                continue
            await self._stopping_within(backoff_s)
            backoff_s = min(backoff_s * 2, self._set.last_backoff_s)

    async def _read_step(self) -> None:
        """Write the batch if it is due, otherwise read on until it is."""
        due_in_s = self._batch.due_in()
        if due_in_s == 0:
            await self._flush(self._batch.take())
            return
        if self._clock() >= self._claim_at:
            self._claim_at = self._clock() + self._set.claim_interval_s
            await self._claim()
        wait_s = self._set.block_s if due_in_s is None else min(due_in_s, self._set.block_s)
        await self._accept(await self._streams.read(self._read_count(), int(wait_s * 1000)))

    def _read_count(self) -> int:
        """Entries a partition to ask for, so that an answer from all of them is no larger than a batch."""
        fit = self._set.max_bytes / (self._entry_bytes * len(self._partitions))
        return max(1, min(self._set.read_count, int(fit)))

    async def _claim(self) -> None:
        """Take over what others, or this consumer in an earlier life, were given and did not acknowledge."""
        if not self._own_claimed:
            own = await self._streams.claim(self._set.read_count, 0, of=self._consumer)
            self._own_claimed = True
        else:
            own = []
        entries = own + await self._streams.claim(self._read_count(), int(self._set.claim_idle_s * 1000))
        if entries:
            self._counters.reclaimed += len(entries)
            log.info("Entries claimed", action="entries_claimed", entries=len(entries))
            await self._accept(entries)

    async def _accept(self, entries: Sequence[Entry]) -> None:
        """Parse entries into the batch; malformed ones become dead letters, suspicious ones are applied alone."""
        for number, entry in enumerate(entries, start=1):
            self._counters.entries += 1
            self._entry_bytes += (entry.size - self._entry_bytes) / 16  # follows the last 16 or so
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if entry.deliveries >= 2 * self._set.max_deliveries:
                await self._bury(entry, f"delivered {entry.deliveries} times and never acknowledged")
                continue
            try:
                parsed = parse(entry)
            except MalformedEntry as error:
                await self._bury(entry, str(error))
                continue
            self._counters.events += parsed.events
            if entry.deliveries >= self._set.max_deliveries:
                await self._flush([parsed])
            else:
                urgent = parsed.urgent or entry.deliveries > 1  # late already
                self._batch.add(parsed, events=parsed.events, size=entry.size, urgent=urgent)

    async def _flush(self, batch: list[Parsed]) -> None:
        """Commit and acknowledge `batch`, around the entries that PostgreSQL does not take."""
        parts = [batch]
        while parts:
            part = parts.pop()
            try:
                if not await self._commit(part):
                    return  # stopping while PostgreSQL is away: what is pending will be claimed
            except (InvalidData, StatementTimedOut) as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                elif isinstance(error, InvalidData) or part[0].entry.deliveries >= self._set.max_deliveries:
                    await self._bury(part[0].entry, f"{type(error).__name__}: {error}")
                else:
                    self._counters.given_back += 1
            else:
                await self._streams.ack(parsed.entry for parsed in part)

    async def _commit(self, part: list[Parsed]) -> bool:
        """Apply until it is done; False when a stop came first. Raises InvalidData and StatementTimedOut."""
        changes = merge(*(parsed.changes for parsed in part))
        backoff_s = self._set.first_backoff_s
        while True:
            self._beats["read"] = started = self._clock()
            try:
                async with asyncio.timeout(self._set.apply_timeout_s):
                    stats = await self._apply(changes)
            except (InvalidData, StatementTimedOut):
                raise
            except (StorageError, TimeoutError) as error:
                self._counters.storage_failures += 1
                self._storage_error = f"{type(error).__name__}: {error}"
                log.warning("Write failed", action="write_failed", reason=self._storage_error, entries=len(part))
            else:
                self._written(stats, entries=len(part), took_ms=(self._clock() - started) * 1000)
                return True
            if await self._stopping_within(backoff_s):
                return False
            backoff_s = min(backoff_s * 2, self._set.last_backoff_s)
            await self._hold(part)

    def _written(self, stats: ApplyStats, *, entries: int, took_ms: float) -> None:
        self._storage_error = None
        self._counters.flushes += 1
        self._counters.statements += stats.statements
        self._counters.duplicates += stats.duplicates
        self._counters.unknown_tasks += stats.tasks_unknown
        self._counters.last_flush_ms = took_ms
        log.debug("Batch written", action="batch_written", entries=entries, took_ms=round(took_ms, 1), **asdict(stats))

    async def _hold(self, part: list[Parsed]) -> None:
        """Keep a waiting batch from being claimed; when Redis is away too, being claimed does no harm."""
        try:
            await self._streams.hold(parsed.entry for parsed in part)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("Entries not held", action="entries_not_held", reason=str(error), entries=len(part))

    async def _bury(self, entry: Entry, error: str) -> None:
        await dead_letters.bury(self._redis, self._group, entry, error)
        self._counters.dead_letters += 1
        log.error("Entry is a dead letter", action="dead_letter", partition=entry.partition, id=entry.id, reason=error)

    async def _maintain_step(self) -> None:
        """Trim, measure, wait."""
        self._lag = {lag.partition: lag.total for lag in await self._streams.trim()}
        self._counters.trims += 1
        if self._clock() >= self._forget_at:
            self._forget_at = self._clock() + self._set.forget_interval_s
            await self._streams.forget_idle()
        await self._stopping_within(self._set.trim_interval_s)

    async def _leave(self) -> None:
        """The end: write what is left, acknowledge it, and leave the group."""
        try:
            if len(self._batch):
                await self._flush(self._batch.take())
            await self._streams.leave()
        except (RedisError, OSError, TimeoutError) as error:  # what is not acknowledged will be claimed
            log.warning("Redis failed at the end", action="leave_failed", reason=str(error))

    async def _stopping_within(self, seconds: float) -> bool:
        """Wait `seconds`, or less when the stop comes; returns whether it came."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True
