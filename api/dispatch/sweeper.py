"""The sweeper: finds tasks that nobody moves any more, and moves them. One replica at a time does it.

| what it finds | what it does |
|---|---|
| a lease that ran out: the worker is gone | opens the next attempt and queues it, or fails the task after its last |
| a lease that ran out, and a cancel was requested | cancels the task |
| a cancel was requested, nobody owns the task | cancels the task |
| no message was ever sent (the broker was away) | sends it |
| queued for long, and the queue holds only younger tasks: the message was lost | sends it again; a claim decides |
| no head, and nothing of the task on its way to PostgreSQL: Redis forgot it | a new epoch, a new head, and queues it |
| a head that is older than the row: Redis came back older | has it forgotten |
| a head of another epoch than the row | the row takes the head's, and projection gets the log again |
| ended, and the end was not written | projection gets the log again |
| a cancel was requested, and the head does not know | tells the head |
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from api.dispatch.attempts import Attempts, Opened
from api.dispatch.broker import Broker, BrokerUnavailable
from api.dispatch.dispatcher import Dispatcher, new_epoch
from api.dispatch.unreached import Unreached
from api.storage.errors import StorageError
from api.storage.sweep import SweepStore, Unfinished
from api.storage.tasks import TaskStore
from protocol.events import State
from protocol.head import Head
from protocol.log import AsyncLog, Sighting
from workloads.registry import Kind

log = structlog.get_logger(__name__)

_PAGE: Final = 500
_REST: Final = 4
"""Times what a sweep took of the event loop, which others share: 20,000 unfinished tasks take a second of it.

That is reckoned from what it did, with the two costs below: a clock would count what the others did meanwhile.
"""
_LOOK_S: Final = 50e-6
"""Of the event loop, measured: to read a row and a head, and to find that nothing is to be done."""
_SEND_S: Final = 1.5e-3
"""The same, to send a message and to note that."""


@dataclass(frozen=True, slots=True)
class SweeperSettings:
    """Times in seconds."""

    interval_s: float = 2.0
    most_s: float = 20.0
    """One sweep; less than a transaction may stay idle, for that holds the lock."""
    submission_s: float = 5.0
    """A submission is left alone for so long: it is about to be dispatched by the replica that took it."""
    lost_after_s: float = 15.0
    """A queued task, whose time to be tried again has come, is looked for in its queue after this. A message that was
    taken starts its attempt within a second; one that is sent twice is dropped by the second claim."""


@dataclass(slots=True)
class SweeperCounters:
    """Totals since the start of the process."""

    sweeps: int = 0
    failures: int = 0
    workers_lost: int = 0
    cancelled: int = 0
    dispatched: int = 0
    rebuilt: int = 0
    unreached: int = 0
    """Tasks that a sweep has left alone, because their Redis did not answer or refused them."""


class Sweeper:
    """Of one replica. `kinds` says how often, and after which wait, an attempt is repeated."""

    def __init__(
        self,
        sweeps: SweepStore,
        store: TaskStore,
        tasks: AsyncLog,
        unreached: Unreached,
        attempts: Attempts,
        dispatcher: Dispatcher,
        broker: Broker,
        kinds: Mapping[str, Kind],
        settings: SweeperSettings | None = None,
    ) -> None:
        self._sweeps = sweeps
        self._store = store
        self._tasks = tasks
        self._unreached = unreached
        self._attempts = attempts
        self._dispatcher = dispatcher
        self._broker = broker
        self._kinds = kinds
        self._set = settings or SweeperSettings()
        self._beat: float | None = None
        self._after: UUID | None = None
        self._noticed: dict[UUID, int] = {}
        """When a sweep first saw that a task has no head or has ended, in the Unix ms of the task's Redis."""
        self._noticed_before: dict[UUID, int] = {}
        """The same, as it was known when all tasks had been looked at."""
        self._broker_is_away = False
        self._used_s = 0.0
        """Of the event loop, since the last rest."""
        self.counters = SweeperCounters()

    async def run(self) -> None:
        """Sweep again and again, until cancelled."""
        while True:
            self._beat = asyncio.get_running_loop().time()
            self._used_s = 0.0
            try:
                async with asyncio.timeout(self._set.most_s), self._sweeps.exclusive() as mine:
                    if mine:
                        await self.sweep()
            except (StorageError, BrokerUnavailable, RedisError, OSError, TimeoutError) as error:
                self.counters.failures += 1
                log.warning("Sweep failed", action="sweep_failed", reason=f"{type(error).__name__}: {error}")
            except Exception:  # a supervisor: whatever it was, the next sweep may do
                self.counters.failures += 1
                log.exception("Sweeper failed", action="sweeper_failed")
            await asyncio.sleep(min(max(self._set.interval_s, _REST * self._used_s), self._set.most_s))

    def healthy(self) -> bool:
        """Whether the loop moves: a sweep and a rest take `most_s` each, if they must."""
        now = asyncio.get_running_loop().time()
        return self._beat is not None and now - self._beat <= 3 * self._set.most_s

    async def sweep(self) -> None:
        """Look at every unfinished task once; after a sweep that was cut short, from where it was."""
        self.counters.sweeps += 1
        self._broker_is_away = False
        if self._after is None:
            self._noticed_before, self._noticed = self._noticed, {}
        try:
            while len(rows := await self._sweeps.unfinished(_PAGE, self._after)) == _PAGE:
                await self._look_at_all(rows)
            await self._look_at_all(rows)
            self._after = None
        finally:
            servers, tasks = self._unreached.tell()
            self.counters.failures += servers
            self.counters.unreached += tasks

    async def _look_at_all(self, rows: Sequence[Unfinished]) -> None:
        """A server of Redis that does not answer keeps its tasks waiting, and those of no other."""
        self._used_s += len(rows) * _LOOK_S
        asked = [row for row in rows if not await self._unreached.leaves(row.id)]
        for row, sighting in zip(asked, await self._heads(asked), strict=True):
            self._after = row.id  # whatever happens to this one, the next sweep is not stopped by it again
            if sighting is None or await self._unreached.leaves(row.id):
                continue
            head, now = sighting.head, sighting.now_ms
            if head is None or head.closed:
                self._noticed[row.id] = self._noticed_before.get(row.id, now)
            await self._look_at(row, head, now)
        if rows:
            self._after = rows[-1].id

    async def _heads(self, rows: Sequence[Unfinished]) -> list[Sighting | None]:
        tasks = [row.id for row in rows]
        reason: Exception | None = None
        try:
            seen = await self._tasks.heads(tasks)
        except (RedisError, OSError) as error:
            reason, seen = error, [None] * len(tasks)
        await self._unreached.asked(dict(zip(tasks, (one is not None for one in seen), strict=True)), reason)
        return seen

    async def _look_at(self, row: Unfinished, head: Head | None, now_ms: int) -> None:
        try:
            if head is None:
                await self._missing(row)
            elif head.epoch != row.epoch:
                await self._adopt(row, head)
            elif head.seq < row.seq or head.attempt < row.attempt:  # the row was read first: Redis came back older
                log.warning("Head is older than its row", action="head_older", task=str(row.id), kind=row.kind)
                await self._tasks.forget(row.id)
            elif head.closed:
                await self._unwritten(row)
            else:
                await self._open(row, head, now_ms)
        except BrokerUnavailable as error:
            self._broker_is_away = True  # a time-out of its own for each task would end the sweep at the first few
            self.counters.failures += 1
            log.warning("Messages cannot be sent or seen", action="broker_away", reason=str(error))
        except (RedisError, OSError) as error:
            await self._unreached.failed(row.id, error)

    async def _missing(self, row: Unfinished) -> None:
        """There is no head: the task was never dispatched, or has ended and is not written yet, or Redis forgot it."""
        if row.dispatched_at is None and row.seq == 0:
            if self._age_s(row.created_at) > self._set.submission_s:
                await self._dispatch(row.id)
        elif await self._all_written(row.id) and await self._tasks.head(row.id) is None:
            await self._rebuild(row)

    async def _adopt(self, row: Unfinished, head: Head) -> None:
        """The head was made in another epoch than the row's: the row follows, and gets what it has refused."""
        await self._store.begin_epoch(row.id, row.epoch, head.epoch)
        await self._tasks.republish(row.id)

    async def _unwritten(self, row: Unfinished) -> None:
        """The task has ended; projection is about to write it, or has lost an entry and gets the events again."""
        if await self._all_written(row.id):
            log.warning("End was not written", action="end_not_written", task=str(row.id), kind=row.kind)
            await self._tasks.republish(row.id)

    async def _open(self, row: Unfinished, head: Head, now_ms: int) -> None:
        cancel = head.cancel
        if row.cancel_requested_at is not None and not cancel:
            await self._tasks.cancel(row.id)
            cancel = True
        if head.lease > now_ms:
            return
        if cancel:
            self.counters.cancelled += await self._attempts.end(row.id, State.CANCELLED)
        elif head.lease:
            await self._lost(row, head)
        elif await self._unsent(row, head.failures):
            await self._dispatch(row.id)

    async def _all_written(self, task: UUID) -> bool:
        """Whether projection has dealt with everything that was appended before the task was noticed."""
        oldest = await self._tasks.oldest_entry_ms(task)
        return oldest is None or oldest > self._noticed[task]

    async def _unsent(self, row: Unfinished, failures: int) -> bool:
        """Whether the message of a queued task was never sent, or is nowhere any more."""
        if row.dispatched_at is None:
            return self._age_s(row.created_at) > self._set.submission_s
        sent_at = max(row.dispatched_at, row.updated_at)
        kind = self._kinds.get(row.kind)
        backoff_s = kind.retry_in_s(failures) if kind is not None and failures else 0.0
        if self._broker_is_away or self._age_s(sent_at) <= self._set.lost_after_s + backoff_s:
            return False
        oldest = await self._broker.oldest(row.kind)  # the queue is first in, first out
        return oldest is None or (oldest - sent_at).total_seconds() > self._set.lost_after_s

    async def _lost(self, row: Unfinished, head: Head) -> None:
        """The lease ran out. Whoever still runs the attempt is fenced by what is done here."""
        await self._store.mark_dispatched(row.id, None)  # should this process end before the message is sent
        message = f"the worker of attempt {head.attempt} was lost; the next attempt starts soon"
        kind = self._kinds.get(row.kind)
        opened = await self._attempts.open_next(row.id, message, 1 if kind is None else kind.max_attempts)
        if opened is Opened.NOTHING:
            return
        self.counters.workers_lost += 1
        log.warning("Worker lost", action="worker_lost", task=str(row.id), kind=row.kind, attempt=head.attempt)
        if opened is Opened.QUEUED:
            await self._dispatch(row.id)

    async def _rebuild(self, row: Unfinished) -> None:
        """Redis forgot the task: it starts again in a new epoch, which tells followers that what they know is void."""
        fresh = await self._store.begin_epoch(row.id, row.epoch, new_epoch())
        if fresh is None or fresh.state.terminal:
            return
        self.counters.rebuilt += 1
        log.warning("Task rebuilt", action="task_rebuilt", task=str(row.id), kind=row.kind, epoch=fresh.epoch)
        await self._store.mark_dispatched(row.id, None)
        epoch = await self._tasks.create(
            row.id, epoch=fresh.epoch, seq=fresh.seq, attempt=fresh.attempt, state=State.QUEUED
        )
        if epoch != fresh.epoch:  # somebody was faster; the next sweep goes on from there
            await self._store.begin_epoch(row.id, fresh.epoch, epoch)
        elif fresh.cancel_requested_at is not None:
            self.counters.cancelled += await self._attempts.end(row.id, State.CANCELLED)
        elif await self._attempts.open_next(row.id, "Redis had lost the task; it starts again", 1) is Opened.QUEUED:
            await self._dispatch(row.id)

    async def _dispatch(self, task: UUID) -> None:
        row = None if self._broker_is_away else await self._store.get(task)
        if row is not None:
            self._used_s += _SEND_S
            await self._dispatcher.send(row)
            self.counters.dispatched += 1

    @staticmethod
    def _age_s(at: datetime) -> float:
        return (datetime.now(UTC) - at).total_seconds()
