"""The emitter of one attempt: a bounded buffer between a workload and the flusher (docs/protocol.md §5.3).

Emitting costs the task a lock and an append; it waits only when the buffer is full. What waits in the buffer is one
batch: a progress update that a newer one supersedes is dropped from it, chunks and transitions never are.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from protocol.calls import Appended, Body
from protocol.events import EventType, State, encode_body, status_data
from protocol.head import Outcome, Renewal, RenewOutcome
from protocol.log import Owned
from worker.errors import AttemptLost, UpdateRefused

MAX_EVENT_BYTES: Final = 1_000_000
"""One event is one frame at least, and clients commonly refuse messages over 1 MiB."""


@dataclass(frozen=True, slots=True)
class EmitterLimits:
    """Bounds of a buffer and of a batch.

    `patience_s` is how long a full buffer, or the end, waits for a Redis that does not answer; `no_room_s` how long it
    waits for one that answers that it has no room.
    """

    buffer_events: int = 1_000
    buffer_bytes: int = 4 * 2**20
    batch_events: int = 500
    batch_bytes: int = 256 * 2**10
    patience_s: float = 60.0
    no_room_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent in one append: events n, n+1 … of the attempt."""

    n: int
    bodies: list[Body]
    ends: bool
    failure: bool


class Emitter:
    """Takes the updates of one attempt from its task's thread and hands them, in batches, to the flusher's.

    `notify` tells the flusher that there is something to send. `clock` returns Unix time in seconds.
    """

    def __init__(
        self,
        owned: Owned,
        n: int,
        notify: Callable[[Emitter], None],
        limits: EmitterLimits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.owned = owned
        self._n = n
        self._notify = notify
        self._limits = limits
        self._clock = clock
        self._changed = threading.Condition()
        self._pending: list[Body | None] = []
        self._events = 0
        self._bytes = 0
        self._progress_at: int | None = None
        self._in_flight: Batch | None = None
        self._announced = False
        self._ends = False
        self._failure = False
        self._chunks = 0
        self._refusals = 0
        self._lost: str | None = None
        self.cancelled = False
        self.end_by = math.inf
        """When the attempt is to have ended, by the flusher's clock: its time limit, or when it was cancelled."""
        self.interrupted = threading.Event()
        """Set when the task should look up from a pause: cancelled or lost."""

    @property
    def ended(self) -> bool:
        """Whether the last event of the attempt was emitted."""
        return self._ends

    def progress(self, progress: Mapping[str, Any]) -> None:
        """Tell how far the task is. Raises AttemptLost, UpdateRefused."""
        data = status_data(State.RUNNING, progress=progress)
        self._emit(self._body("status", data, State.RUNNING, progress=True))

    def chunk(self, data: Any) -> None:
        """Emit a piece of the result. Raises AttemptLost, UpdateRefused."""
        self._emit(self._body("chunk", {"index": self._chunks, "data": data}, None))
        self._chunks += 1

    def status(self, state: State, message: str | None = None) -> None:
        """Put the task in a state that does not end the attempt. Raises AttemptLost."""
        self._emit(self._body("status", status_data(state, message=message), state))

    def end(
        self, state: State, message: str | None = None, *, error: Mapping[str, Any] | None = None, failure: bool = False
    ) -> None:
        """The last event of the attempt: the terminal event of the task, or `queued` for its next attempt."""
        body = self._body("status", status_data(state, message=message, error=error), state)
        self._emit(body, ends=True, failure=failure)

    def result(self, result: Any) -> None:
        """The last event of a task that succeeded. Raises AttemptLost, UpdateRefused."""
        self._emit(self._body("result", {"result": result}, State.SUCCEEDED), ends=True)

    def wait_flushed(self) -> None:
        """Wait until everything emitted is in Redis. Raises AttemptLost, also after the patience."""
        with self._changed:
            self._wait_for(lambda: not self._events and self._in_flight is None)

    def lose(self, reason: str) -> None:
        """The attempt is no longer this worker's; what is buffered is dropped."""
        with self._changed:
            self._lost = self._lost or reason
            self._pending.clear()
            self._events = self._bytes = 0
            self._progress_at = self._in_flight = None
            self._changed.notify_all()
        self.interrupted.set()

    def cancel(self) -> None:
        """A client asked for the end."""
        self.cancelled = True
        self.interrupted.set()

    def raise_if_lost(self) -> None:
        """Raise AttemptLost when the attempt is no longer this worker's."""
        if self._lost is not None:
            raise AttemptLost(self._lost)

    def take(self) -> Batch | None:
        """For the flusher: what to send now; the same again until it is settled."""
        with self._changed:
            if self._in_flight is None and self._events:
                self._in_flight = self._cut()
                self._changed.notify_all()  # there is room again: the task need not wait for the answer
            if self._in_flight is None:
                self._announced = False
            return self._in_flight

    def settle(self, answer: Appended) -> None:
        """For the flusher: the answer to the batch that `take` gave."""
        outcome = answer.decision.outcome
        if answer.cancel:
            self.cancel()
        if outcome not in {Outcome.APPENDED, Outcome.DUPLICATE}:
            self.lose(f"append was answered with {outcome}")
            return
        with self._changed:
            if self._in_flight is not None:
                self._n += len(self._in_flight.bodies)
                self._in_flight = None
            self._changed.notify_all()

    def refused(self) -> None:
        """For the flusher: Redis answers, and has no room for the batch now."""
        with self._changed:
            self._refusals += 1
            self._changed.notify_all()

    def settle_renewal(self, answer: Renewal) -> None:
        """For the flusher: the answer to a renewed lease."""
        if answer.outcome is not RenewOutcome.RENEWED:
            self.lose(f"renew was answered with {answer.outcome}")
        elif answer.cancel:
            self.cancel()

    def _body(self, kind: EventType, data: Mapping[str, Any], state: State | None, *, progress: bool = False) -> Body:
        try:
            encoded = encode_body(self.owned.attempt, self._clock() * 1000, kind, data)
        except (TypeError, ValueError, RecursionError) as error:
            msg = f"a {kind} cannot be sent as JSON: {error}"
            raise UpdateRefused(msg) from error
        if len(encoded) > MAX_EVENT_BYTES:
            msg = f"a {kind} of {len(encoded):,} bytes is over the limit of {MAX_EVENT_BYTES:,}"
            raise UpdateRefused(msg)
        return Body(encoded, kind, state, progress)

    def _emit(self, body: Body, *, ends: bool = False, failure: bool = False) -> None:
        limits = self._limits
        with self._changed:
            if self._events >= limits.buffer_events or self._bytes >= limits.buffer_bytes:
                self._wait_for(lambda: self._events < limits.buffer_events and self._bytes < limits.buffer_bytes)
            self.raise_if_lost()
            if body.progress:
                self._supersede()
                self._progress_at = len(self._pending)
            self._pending.append(body)
            self._events += 1
            self._bytes += len(body.data)
            self._ends, self._failure = ends, failure
            announce, self._announced = not self._announced, True
        if announce:
            self._notify(self)

    def _supersede(self) -> None:
        """Drop the progress that waits: the caller has a newer one. Its place stays, so that positions hold."""
        at = self._progress_at
        if at is None:
            return
        body = self._pending[at]
        assert body is not None
        self._events -= 1
        self._bytes -= len(body.data)
        if at == len(self._pending) - 1:
            self._pending.pop()
        else:
            self._pending[at] = None

    def _cut(self) -> Batch:
        """Take a batch from the front of the buffer."""
        bodies: list[Body] = []
        size = used = 0
        for body in self._pending:
            if body is not None:
                full = len(bodies) == self._limits.batch_events or size + len(body.data) > self._limits.batch_bytes
                if bodies and full:
                    break
                bodies.append(body)
                size += len(body.data)
            used += 1
        del self._pending[:used]
        self._events -= len(bodies)
        self._bytes -= size
        if self._progress_at is not None:
            self._progress_at = self._progress_at - used if self._progress_at >= used else None
        last = self._ends and not self._events
        return Batch(self._n + 1, bodies, ends=last, failure=last and self._failure)

    def _wait_for(self, done: Callable[[], bool]) -> None:
        """Wait on the condition, which the caller holds, within the patience since Redis last answered."""
        until = time.monotonic() + self._limits.no_room_s
        while not done() and self._lost is None:
            refusals = self._refusals
            if not self._changed.wait_for(
                lambda: done() or self._lost is not None or self._refusals != refusals,  # noqa: B023 - called here
                self._limits.patience_s,
            ):
                self.lose(f"Redis took no events for {self._limits.patience_s:g} s")
            elif time.monotonic() >= until and not done():
                self.lose(f"Redis had no room for events for {self._limits.no_room_s:g} s")
        self.raise_if_lost()
