"""The projection of one replica: from the consumer group to rows, at least once and with the effect of once.

Three supervised loops. *read* reads, batches and writes; while it writes it does not read, so that little more than a
batch is all it holds. *hold* keeps that from being claimed by others while a write takes long. *maintain* trims the
streams and measures the lag. An entry is acknowledged after the commit of its events. When the process dies before, the
entry stays pending, and whoever is alive claims it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.projection.batcher import Batcher
from api.projection.entries import Entry, Parsed, parse
from api.projection.frames import Malformed
from api.projection.status import Counters, ProjectionSettings, ProjectionStatus
from api.projection.streams import GroupStreams
from api.projection.supervisor import Supervisor
from api.projection.writer import Apply, Turns, Writer
from protocol.async_nodes import AsyncNodes

log = structlog.get_logger(__name__)

_YIELD_EVENTS: Final = 200
_YIELD_BYTES: Final = 128 * 1024
"""Parsed in one go, some 2 ms: live delivery shares the event loop."""
_FIRST_ENTRY_BYTES: Final = 64 * 1024.0
"""What an entry is taken to weigh before one was seen."""


class Projection:
    """Reads `partitions` as `consumer` of `group` and hands what they change to `apply`. `redis` must not decode.

    The partitions are on one server; `Lanes` is for all of them, wherever they are. Those that share `turns`
    commit so many at a time.
    """

    def __init__(
        self,
        redis: Redis | AsyncNodes,
        apply: Apply,
        *,
        partitions: Sequence[int],
        consumer: str,
        group: str = "projection",
        settings: ProjectionSettings | None = None,
        turns: Turns | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._set = settings or ProjectionSettings()
        self._partitions = partitions
        self._clock = clock
        self._counters = Counters()
        self._supervisor = Supervisor(self._set, self._counters, clock)
        self._streams = GroupStreams(redis, partitions, group, consumer)
        self._writer = Writer(
            self._streams,
            apply,
            supervisor=self._supervisor,
            loop="read",
            turns=turns or Turns(asyncio.Semaphore(1)),
            settings=self._set,
            counters=self._counters,
            clock=clock,
        )
        self._batch: Batcher[Parsed] = Batcher(
            interval_s=self._set.interval_s,
            urgent_s=self._set.urgent_s,
            max_events=self._set.max_events,
            max_bytes=self._set.max_bytes,
            clock=clock,
        )
        self._accepting: Sequence[Entry] = ()
        self._stopped = asyncio.Event()
        self._lag: dict[int, int] = {}
        self._entry_bytes = _FIRST_ENTRY_BYTES
        self._behind = False
        self._own_claimed = False
        self._claim_at = self._forget_at = clock()

    async def run(self) -> None:
        """Work until `stop`, then finish the batch, acknowledge and leave the group. Cancelling skips the finish."""
        names = {"consumer": self._streams.consumer, "group": self._streams.group}
        log.info("Projection started", action="projection_started", **names)
        try:
            loops = {"read": self._read_step, "hold": self._hold_step, "maintain": self._maintain_step}
            await self._supervisor.run(loops)
            await self._leave()
        finally:
            self._stopped.set()
            log.info("Projection stopped", action="projection_stopped", **names)

    async def stop(self) -> None:
        """Ask `run` to end and wait until it has. Raises TimeoutError after `drain_timeout_s`."""
        self._supervisor.stop()
        if self._supervisor.started:
            async with asyncio.timeout(self._set.drain_timeout_s):
                await self._stopped.wait()

    def healthy(self) -> bool:
        """Whether all loops move. A loop that waits for PostgreSQL or Redis to come back does move; see `status`."""
        return self._supervisor.healthy()

    def status(self) -> ProjectionStatus:
        """A snapshot for readiness and metrics."""
        return ProjectionStatus(
            healthy=self.healthy(),
            storage_error=self._writer.error,
            redis_error=self._supervisor.redis_error,
            lag=dict(self._lag),
            waiting_events=self._batch.events,
            counters=asdict(self._counters),
        )

    async def _read_step(self) -> None:
        """Write the batch if it is due, otherwise read on until it is."""
        due_in_s = self._batch.due_in()
        if due_in_s == 0:
            await self._writer.write(self._batch.take())
            return
        if self._clock() >= self._claim_at:
            self._claim_at = self._clock() + self._set.claim_interval_s
            await self._claim()
        pause_s = 0.0 if due_in_s is None or self._behind else min(due_in_s, self._set.read_pause_s)
        if pause_s and await self._supervisor.pause(pause_s):
            return
        due_in_s = self._batch.due_in()
        wait_s = self._set.block_s if due_in_s is None else min(due_in_s, self._set.block_s)
        count = self._read_count()
        entries = await self._streams.read(count, int(wait_s * 1000))
        self._behind = len(entries) >= count
        await self._accept(entries)

    def _read_count(self) -> int:
        """Entries a partition to ask for, so that an answer from all of them is about as large as a batch."""
        fit = self._set.max_bytes / (self._entry_bytes * len(self._partitions))
        return max(1, min(self._set.read_count, int(fit)))

    async def _claim(self) -> None:
        """Take over what others, or this consumer in an earlier life, were given and did not acknowledge."""
        alone_from = self._set.max_deliveries
        entries = []
        if not self._own_claimed:
            entries += await self._streams.claim(
                self._set.read_count, 0, alone_from=alone_from, of=self._streams.consumer
            )
            self._own_claimed = True
        waiting = [*(parsed.entry for parsed in self._batch), *entries]
        idle_ms = int(self._set.claim_idle_s * 1000)
        entries += await self._streams.claim(self._read_count(), idle_ms, alone_from=alone_from, but=waiting)
        if entries:
            self._counters.reclaimed += len(entries)
            log.info("Entries claimed", action="entries_claimed", entries=len(entries))
            await self._accept(entries)
            if any(entry.deliveries >= alone_from for entry in entries):
                self._claim_at = self._clock()  # it went well; there may be more that come one by one

    async def _accept(self, entries: Sequence[Entry]) -> None:
        """Parse entries into the batch; write it when the next one does not fit, and suspicious ones alone."""
        self._accepting = entries
        try:
            await self._accept_all(entries)
        finally:
            self._accepting = ()

    async def _accept_all(self, entries: Sequence[Entry]) -> None:
        events = size = 0
        for entry in entries:
            self._counters.entries += 1
            # Up at once, down slowly: what was large lately may come again.
            self._entry_bytes = max(entry.size, self._entry_bytes + (entry.size - self._entry_bytes) / 16)
            if (parsed := await self._open(entry)) is None:
                continue
            self._counters.events += parsed.events
            if entry.deliveries >= self._set.max_deliveries:
                await self._writer.write([parsed])
                continue
            if not self._batch.fits(events=parsed.events, size=entry.size):
                await self._writer.write(self._batch.take())
            urgent = parsed.urgent or entry.deliveries > 1  # late already
            self._batch.add(parsed, events=parsed.events, size=entry.size, urgent=urgent)
            events, size = events + parsed.events, size + entry.size
            if events >= _YIELD_EVENTS or size >= _YIELD_BYTES:
                events = size = 0
                await asyncio.sleep(0)

    async def _open(self, entry: Entry) -> Parsed | None:
        """Read an entry; None for one that is a dead letter now."""
        if entry.deliveries >= 2 * self._set.max_deliveries:
            await self._writer.bury(entry, f"delivered {entry.deliveries} times and never acknowledged")
            return None
        try:
            return parse(entry)
        except Malformed as error:
            await self._writer.bury(entry, str(error))
            return None

    async def _hold_step(self) -> None:
        """Wait; then keep all that is in hand, if a write is under way.

        Waiting for a PostgreSQL that fails is no fault of the entries, and must not make dead letters of them: their
        deliveries are counted anew. While it does not fail they keep their count, which tells what ends a process.
        """
        await self._supervisor.pause(self._set.hold_interval_s)
        if self._writer.queued:
            self._supervisor.beat("read")
        if self._writer.batch:
            in_hand = [*(parsed.entry for parsed in (*self._writer.batch, *self._batch)), *self._accepting]
            await self._streams.hold(in_hand, anew=self._writer.error is not None)

    async def _maintain_step(self) -> None:
        """Trim, measure, wait."""
        self._lag = {lag.partition: lag.total for lag in await self._streams.trim()}
        self._counters.trims += 1
        if self._clock() >= self._forget_at:
            self._forget_at = self._clock() + self._set.forget_interval_s
            await self._streams.forget_idle()
        await self._supervisor.pause(self._set.trim_interval_s)

    async def _leave(self) -> None:
        """The end: write what is left, unless PostgreSQL is away, acknowledge it, and leave the group."""
        try:
            if len(self._batch) and self._writer.error is None:
                await self._writer.write(self._batch.take())
            await self._streams.leave()
        except (RedisError, OSError, TimeoutError) as error:  # what is not acknowledged will be claimed
            log.warning("Redis failed at the end", action="leave_failed", reason=str(error))
