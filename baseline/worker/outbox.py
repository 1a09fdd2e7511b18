"""The outbox of one attempt: a bounded buffer between a workload's thread and the desk.

Emitting costs the task a lock and an append; it waits only when the buffer is full. What waits in the buffer is the
next batch, which the desk writes in one transaction with those of the other tasks. Nothing is merged or dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from baseline.storage.appending import Batch, Ending, Owned
from baseline.updates import Update
from baseline.worker.errors import AttemptLost, Cancelled, HandedBack


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """Bounds of a buffer. `patience_s` is how long a full one, or the end, waits for the file."""

    updates: int = 1_000
    size: int = 4 * 2**20
    patience_s: float = 60.0


class Outbox:
    """Takes the updates of one attempt from its thread.

    `notify` tells the desk that there is something to write, and whether that is urgent: the buffer is half full.
    """

    def __init__(self, owned: Owned, notify: Callable[[bool], None], limits: OutboxLimits | None = None) -> None:
        self.owned = owned
        self._notify = notify
        self._limits = limits or OutboxLimits()
        self._changed = threading.Condition()
        self._pending: list[Update] = []
        self._size = 0
        self._ending: Ending | None = None
        self._in_flight: Batch | None = None
        self._lost: str | None = None
        self._cancelled = False
        self._handed_back = False
        self.interrupted = threading.Event()
        """Set when the task should look up from a pause: `check` then raises."""

    def emit(self, update: Update) -> None:
        """Put in an update. Waits while the buffer is full; raises AttemptLost."""
        with self._changed:
            self._wait_for(lambda: len(self._pending) < self._limits.updates and self._size < self._limits.size)
            self._put(update)
            urgent = 2 * len(self._pending) >= self._limits.updates or 2 * self._size >= self._limits.size
        self._notify(urgent)

    def end(self, update: Update, ending: Ending) -> None:
        """Put in the last update and wait until everything is written. Raises AttemptLost."""
        with self._changed:
            self._raise_if_lost()
            self._put(update)
            self._ending = ending
        self._notify(False)
        with self._changed:
            self._wait_for(lambda: not self._pending and self._in_flight is None)

    @property
    def ended(self) -> bool:
        """Whether nothing more can be put in."""
        return self._ending is not None or self._lost is not None

    def check(self) -> None:
        """Raise what is to end the attempt: AttemptLost, Cancelled, HandedBack."""
        self._raise_if_lost()
        if self._cancelled:
            raise Cancelled
        if self._handed_back:
            raise HandedBack

    def cancel(self) -> None:
        """A client asked for the end."""
        self._cancelled = True
        self.interrupted.set()

    def hand_back(self) -> None:
        """The worker is about to end."""
        self._handed_back = True
        self.interrupted.set()

    def abandon(self, update: Update, ending: Ending) -> None:
        """End the attempt for a task that does not do so itself; what it emits from now on is refused."""
        with self._changed:
            if self._lost is None and self._ending is None:
                self._put(update)
                self._ending = ending
            self._lost = self._lost or "the worker is shutting down"
            self._changed.notify_all()
        self._notify(False)

    def lose(self, reason: str) -> None:
        """The attempt is no longer this worker's; what is buffered is dropped."""
        with self._changed:
            self._lost = self._lost or reason
            self._pending, self._size, self._in_flight = [], 0, None
            self._changed.notify_all()
        self.interrupted.set()

    def take(self) -> Batch | None:
        """For the desk: what to write now; the same again until it is settled."""
        with self._changed:
            if self._in_flight is None and self._pending:
                self._in_flight = Batch(self._pending, self._ending)
                self._pending, self._size = [], 0
                self._changed.notify_all()  # there is room again: the task need not wait for the transaction
            return self._in_flight

    def settle(self) -> None:
        """For the desk: what `take` gave is in the file."""
        with self._changed:
            self._in_flight = None
            self._changed.notify_all()

    def _put(self, update: Update) -> None:
        self._pending.append(update)
        self._size += update.size

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise AttemptLost(self._lost)

    def _wait_for(self, done: Callable[[], bool]) -> None:
        """Wait on the condition, which the caller holds, within the patience."""
        if not self._changed.wait_for(lambda: self._lost is not None or done(), self._limits.patience_s):
            self._lost = f"the file took nothing for {self._limits.patience_s:g} s"
            self._pending, self._size, self._in_flight = [], 0, None
        self._raise_if_lost()
