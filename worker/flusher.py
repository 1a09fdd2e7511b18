"""The flusher: one thread a process that appends what all running tasks emit, and renews their leases.

It takes everything that waits, sends it in one round trip, and repeats: with little to do an event leaves at once,
under load the batches grow by themselves. No timer adds delay; only a long backlog of projection does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import structlog
from redis.exceptions import OutOfMemoryError, RedisError, TryAgainError

from protocol.calls import Appended, Call
from protocol.head import Renewal
from protocol.log import Log, Owned
from worker.emitter import Batch, Emitter, EmitterLimits
from worker.errors import AttemptLost

log = structlog.get_logger(__name__)

_EMITTERS_A_ROUND: Final = 64
"""Appends in one round trip: with full batches 16 MiB, which Redis takes in well under a lease."""
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0
_NO_ROOM: Final = (OutOfMemoryError, TryAgainError)
"""Redis is at its `maxmemory` (projection is far behind), or the task's slot is on its way to another node."""


@dataclass(frozen=True, slots=True)
class FlusherSettings:
    """`backlog_high` is the length of a partition stream from which tasks of that partition are slowed down.

    `grace_s` after an attempt was to end (cancelled, or at its time limit) and did not, it is given up.
    """

    lease_ms: int = 10_000
    heartbeat_s: float = 3.0
    backlog_high: int = 5_000
    slowest_s: float = 1.0
    grace_s: float = 10.0
    stop_timeout_s: float = 5.0


class Flusher:
    """Serves the emitters of one process. Start it after a fork, never before.

    `on_stuck` is called when an attempt was given up because its workload does not look up.
    """

    def __init__(
        self,
        log: Log,
        limits: EmitterLimits | None = None,
        settings: FlusherSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_stuck: Callable[[], None] | None = None,
    ) -> None:
        self._log = log
        self._limits = limits or EmitterLimits()
        self._set = settings or FlusherSettings()
        self._clock = clock
        self._on_stuck = on_stuck
        self._changed = threading.Condition()
        self._ready: dict[Emitter, None] = {}
        self._later: dict[Emitter, float] = {}
        self._beats: dict[Emitter, float] = {}
        self._beats_at = self._resume_at = clock()
        self._stop_by: float | None = None
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """End the thread as soon as it has nothing to do; does not wait for it. Nothing may be open."""
        with self._changed:
            if self._stop_by is None:
                self._stop_by = self._clock()
                self._changed.notify()

    def stop(self) -> None:
        """Send what is left, within a limit, and end the thread. An attempt that still runs is lost."""
        with self._changed:
            self._stop_by = self._clock() + self._set.stop_timeout_s
            self._ready |= dict.fromkeys(self._later)
            self._later.clear()
            self._changed.notify()
        self._thread.join(self._set.stop_timeout_s)
        with self._changed:
            left = list(self._beats)
        for emitter in left:
            emitter.lose("the worker has stopped")

    def open(self, owned: Owned, n: int) -> Emitter:
        """An emitter for an attempt whose last event was `n`; its lease is renewed until `close`.

        Raises AttemptLost after `stop`.
        """
        emitter = Emitter(owned, n, self._notify, self._limits)
        with self._changed:
            if self._stop_by is not None:
                raise AttemptLost("the worker has stopped")
            self._beats[emitter] = self._clock()
            self._changed.notify()
        return emitter

    def close(self, emitter: Emitter) -> None:
        """Forget an emitter; its lease is renewed no more."""
        with self._changed:
            for known in (self._beats, self._ready, self._later):
                known.pop(emitter, None)

    def _notify(self, emitter: Emitter) -> None:
        with self._changed:
            self._ready[emitter] = None
            self._changed.notify()

    def _run(self) -> None:
        """Until the stop: send what there is. Whatever fails is told, and tried again after a growing wait."""
        backoff_s = _FIRST_BACKOFF_S
        while work := self._wait():
            ready, due = work
            try:
                self._round(ready, due)
            except (RedisError, OSError) as error:
                log.warning("Redis failed", action="flush_failed", reason=f"{type(error).__name__}: {error}")
            except Exception:  # a supervisor: one bad answer must not end the thread that all tasks need
                log.exception("Flusher failed", action="flusher_failed")
            else:
                backoff_s = _FIRST_BACKOFF_S
                continue
            self._put_back(ready, backoff_s)
            self._resume_at = self._clock() + backoff_s
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)

    def _wait(self) -> tuple[list[Emitter], list[Emitter]] | None:
        """Wait for work: emitters with something to send, and emitters whose lease is due. None ends the thread."""
        with self._changed:
            while True:
                now = self._clock()
                if self._stop_by is not None and (now >= self._stop_by or not (self._ready or self._later)):
                    return None
                if now >= self._resume_at:
                    ready, due = self._take_ready(now), self._take_due(now)
                    if ready or due:
                        return ready, due
                    times = [*self._later.values(), *([self._beats_at] if self._beats else [])]
                else:
                    times = [self._resume_at]
                self._changed.wait(max(0.0, min(times) - now) if times else None)

    def _take_ready(self, now: float) -> list[Emitter]:
        if self._later:
            for emitter in [emitter for emitter, at in self._later.items() if at <= now]:
                del self._later[emitter]
                self._ready[emitter] = None
        ready = list(islice((emitter for emitter in self._ready if emitter not in self._later), _EMITTERS_A_ROUND))
        for emitter in ready:
            del self._ready[emitter]
        return ready

    def _take_due(self, now: float) -> list[Emitter]:
        """Emitters whose lease was not renewed for `heartbeat_s`; looked for a few times within that."""
        if now < self._beats_at:
            return []
        self._beats_at = now + self._set.heartbeat_s / 8
        self._give_up_stuck(now)
        return [emitter for emitter, at in self._beats.items() if at + self._set.heartbeat_s <= now]

    def _give_up_stuck(self, now: float) -> None:
        """Its lease runs out then, and the api sees to the task; the lease of one that only waits for us goes on."""
        for emitter in [emitter for emitter in self._beats if not emitter.ended]:
            if emitter.end_by + self._set.grace_s <= now:
                log.error("Attempt does not end", action="attempt_stuck", task=str(emitter.owned.task))
                del self._beats[emitter]
                emitter.lose("it did not end in time")
                if self._on_stuck is not None:
                    self._on_stuck()

    def _round(self, ready: list[Emitter], due: list[Emitter]) -> None:
        """One round trip for batches and renewals. Raises RedisError when it failed as a whole."""
        batches: dict[Emitter, Batch] = {}
        for emitter in ready:
            batch = emitter.take()
            if batch is not None:
                batches[emitter] = batch
        renewals = [emitter for emitter in due if emitter not in batches]
        if not batches and not renewals:
            return
        calls: list[Call[Any]] = [self._append(emitter, batch) for emitter, batch in batches.items()]
        calls += [self._log.renew_call(emitter.owned, lease_ms=self._set.lease_ms) for emitter in renewals]
        answers = self._log.exchange(calls)
        for emitter, answer in zip([*batches, *renewals], answers, strict=True):
            self._settle(emitter, answer)

    def _append(self, emitter: Emitter, batch: Batch) -> Call[Appended]:
        lease_ms = 0 if batch.ends else self._set.lease_ms
        return self._log.append_call(emitter.owned, batch.n, batch.bodies, lease_ms=lease_ms, failure=batch.failure)

    def _settle(self, emitter: Emitter, answer: Appended | Renewal | Exception) -> None:
        """Tell the emitter; it comes up again when it has more, later when projection is behind."""
        if isinstance(answer, Exception):  # the server refused this call: out of memory, loading, read-only
            log.warning("Append refused", action="append_refused", task=str(emitter.owned.task), reason=str(answer))
            if isinstance(answer, _NO_ROOM):
                emitter.refused()
            self._put_back([emitter], _LAST_BACKOFF_S)
            return
        now = self._clock()
        with self._changed:
            if emitter in self._beats:
                self._beats[emitter] = now
        if answer.cancel:
            emitter.end_by = min(emitter.end_by, now)
        if isinstance(answer, Renewal):
            emitter.settle_renewal(answer)
            return
        emitter.settle(answer)
        over = answer.backlog - self._set.backlog_high
        if over > 0 and self._stop_by is None:
            self._put_back([emitter], min(self._set.slowest_s, 0.1 * over / self._set.backlog_high))
        else:
            self._notify(emitter)

    def _put_back(self, emitters: list[Emitter], wait_s: float) -> None:
        """Look at emitters that are still open again after `wait_s`."""
        with self._changed:
            for emitter in emitters:
                if emitter in self._beats:
                    self._later[emitter] = self._clock() + wait_s
