"""The desk: one thread that claims tasks, writes what they emit, renews their leases and keeps the file bounded.

It alone talks to the file. What has gathered is written in one transaction: the first update that comes after a quiet
moment at once, later ones at most 5 ms after they were emitted, so that there are 200 transactions a second, and more
only while a task fills its outbox faster than that.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from baseline import updates
from baseline.storage import appending, claims, pruning, workers
from baseline.storage.appending import Batch
from baseline.storage.claims import Claimed, Room
from baseline.storage.database import connect, writing
from baseline.worker.attempt import handed_back
from baseline.worker.outbox import Outbox
from service import usage
from workloads.slots import spared

log = structlog.get_logger(__name__)

_GATHER_S: Final = 0.005
_TICK_S: Final = 0.02
"""How often the file is looked at for new tasks and for cancels: some microseconds each."""
_REPORT_MS: Final = 1_000
_PRUNE_S: Final = 1.0
"""At most so often: it looks at every finished task."""
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0
_OVERTIME_S: Final = 30.0
"""An attempt ends itself at its time limit. One that does not look up for so long is left to another worker."""


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """`places` are the tasks that run at once; `kept_tasks` and `kept_bytes` what is kept of finished ones.

    `spare` is how many places one kind is wanted to leave to others, as `workloads.slots.spared` takes it.
    """

    name: str
    places: int = 8
    spare: int | None = None
    lease_ms: int = 10_000
    kept_tasks: int = 1_000
    kept_bytes: int = 2**30


@dataclass(slots=True)
class _Place:
    """A running attempt: when its lease is to be renewed (Unix ms), and until when that is done (monotonic)."""

    outbox: Outbox
    kind: str
    renew_at: float
    renew_until: float


class Desk:
    """Serves the attempts of one process. `begin` starts an attempt in a thread of its own, which ends with `leave`."""

    def __init__(
        self,
        path: Path,
        settings: DeskSettings,
        max_attempts: Mapping[str, int],
        time_limit_s: Mapping[str, float],
        begin: Callable[[Outbox, Claimed], None],
    ) -> None:
        self._path = path
        self._set = settings
        self._max_attempts = max_attempts
        self._spare = spared(len(max_attempts), settings.spare)
        self._time_limit_s = time_limit_s
        self._begin = begin
        self._changed = threading.Condition()
        self._places: dict[int, _Place] = {}
        self._awake = threading.Event()
        self._urgent = threading.Event()
        self._written_at = 0.0
        self._report_at = 0.0
        self._prune = True
        self._prune_at = 0.0
        self._draining = False
        self._stop_by: float | None = None
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def leave(self, outbox: Outbox) -> None:
        """An attempt has ended; its place is free."""
        with self._changed:
            if outbox.take() is None:  # one that was abandoned has its last update still to be written
                self._places.pop(outbox.owned.number, None)
            self._prune = True
            self._changed.notify_all()
        self._awake.set()

    def drain(self, within_s: float) -> None:
        """Claim nothing more and have every task handed back; after `within_s` also those that do not look up."""
        self._draining = True
        with self._changed:
            for place in self._places.values():
                place.outbox.hand_back()
            self._changed.wait_for(lambda: not self._places, within_s)
            for place in self._places.values():
                place.outbox.abandon(*handed_back())

    def stop(self, within_s: float) -> None:
        """Write what is left, within a limit, and end the thread."""
        self._stop_by = time.monotonic() + within_s
        self._awake.set()
        self._thread.join(within_s)

    def _notify(self, urgent: bool) -> None:
        if urgent:
            self._urgent.set()
        self._awake.set()

    def _run(self) -> None:
        """Until the stop: serve. Whatever fails is told, and tried again after a growing wait."""
        backoff_s = _FIRST_BACKOFF_S
        connection: sqlite3.Connection | None = None
        while self._wait():
            try:
                connection = connection or connect(self._path)
                self._round(connection)
            except sqlite3.Error as error:
                log.warning("File failed", action="file_failed", reason=f"{type(error).__name__}: {error}")
            except Exception:  # a supervisor: one bad round must not end the thread that all tasks need
                log.exception("Desk failed", action="desk_failed")
            else:
                backoff_s = _FIRST_BACKOFF_S
                continue
            time.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)
        if connection is not None:
            with suppress(sqlite3.Error), closing(connection), writing(connection):
                workers.leave(connection, self._set.name)  # otherwise the report grows old by itself

    def _wait(self) -> bool:
        """Wait until there may be something to do; false when the thread is to end."""
        if self._stop_by is not None and (time.monotonic() >= self._stop_by or self._all_ended()):
            return False
        self._awake.wait(_TICK_S)
        early_s = self._written_at + _GATHER_S - time.monotonic()
        if early_s > 0:
            self._urgent.wait(early_s)
        self._awake.clear()
        self._urgent.clear()
        return True

    def _all_ended(self) -> bool:
        with self._changed:
            return all(place.outbox.ended and place.outbox.take() is None for place in self._places.values())

    def _round(self, connection: sqlite3.Connection) -> None:
        """One transaction for everything that is to be written, if there is anything. Raises sqlite3.Error."""
        now = updates.now_ms()
        with self._changed:
            places = dict(self._places)
        batches = {number: batch for number, place in places.items() if (batch := place.outbox.take()) is not None}
        due = [number for number, place in places.items() if number not in batches and self._is_due(place, now)]
        for number in claims.cancelling(connection) & places.keys():
            places[number].outbox.cancel()
        room = self._room(places)
        claim = not self._draining and claims.claimable(connection, room, now)
        if batches or due or claim or now >= self._report_at:
            answers, begun = self._write(connection, places, batches, due, room if claim else None)
            for number, answer in answers.items():
                self._settle(places[number], answer, written=number in batches)
            for claimed in begun:
                self._start(claimed)
        self._keep_bounded(connection)

    def _write(
        self,
        connection: sqlite3.Connection,
        places: Mapping[int, _Place],
        batches: Mapping[int, Batch],
        due: list[int],
        room: Room | None,
    ) -> tuple[dict[int, bool | None], list[Claimed]]:
        """Write, renew, claim (with a `room`) and report; what `append` and `renew` answered, and what was claimed."""
        with writing(connection):
            now = updates.now_ms()  # the lock may have been waited for
            lease = now + self._set.lease_ms
            answers: dict[int, bool | None] = {
                number: appending.append(connection, places[number].outbox.owned, batch, lease)
                for number, batch in batches.items()
            }
            answers |= {number: appending.renew(connection, places[number].outbox.owned, lease) for number in due}
            begun = [] if room is None else claims.claim(connection, room, now=now, lease=lease)
            if now >= self._report_at:
                workers.report(connection, self._set.name, now, usage.cpu_s(), usage.memory_bytes())
                self._report_at = now + _REPORT_MS
        self._written_at = time.monotonic()
        return answers, begun

    def _room(self, places: Mapping[int, _Place]) -> Room:
        own = {number: place.kind for number, place in places.items()}
        return Room(self._max_attempts, own, slots=self._set.places, spare=self._spare)

    def _settle(self, place: _Place, answer: bool | None, *, written: bool) -> None:
        if answer is None:
            place.outbox.lose("another attempt has begun, or the task has ended")
            return
        place.renew_at = updates.now_ms() + self._set.lease_ms / 3
        if answer:
            place.outbox.cancel()
        if written:
            place.outbox.settle()

    def _start(self, claimed: Claimed) -> None:
        outbox = Outbox(claimed.owned, self._notify)
        renew_until = time.monotonic() + self._time_limit_s[claimed.kind] + _OVERTIME_S
        with self._changed:
            renew_at = updates.now_ms() + self._set.lease_ms / 3
            self._places[claimed.owned.number] = _Place(outbox, claimed.kind, renew_at, renew_until)
        if self._draining:
            outbox.hand_back()
        try:
            self._begin(outbox, claimed)
        except BaseException:  # no thread to be had: the lease runs out, and the task is claimed again
            outbox.lose("it could not be started")
            self.leave(outbox)
            raise

    def _is_due(self, place: _Place, now: float) -> bool:
        return place.renew_at <= now and time.monotonic() < place.renew_until

    def _keep_bounded(self, connection: sqlite3.Connection) -> None:
        """Let go of the oldest finished tasks, with a slice of their updates each time."""
        if self._prune and time.monotonic() >= self._prune_at:
            self._prune, self._prune_at = False, time.monotonic() + _PRUNE_S
            with writing(connection):
                pruning.condemn(connection, tasks=self._set.kept_tasks, size=self._set.kept_bytes)
        if pruning.pending(connection):
            with writing(connection):
                pruning.sweep(connection)
            self._written_at = time.monotonic()
            self._awake.set()
