"""The flushers of a process: one when there is one server, on a cluster one for each partition that a task is in.

A flusher waits while it exchanges. A partition is on one node, so a node that does not answer makes those flushers wait
that have something for it, and no others. Each is started for an attempt and ends with the last one that it serves: a
process that runs one task at a time has one, whatever partitions its tasks were in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.keys import partition_of
from protocol.log import Owned
from protocol.nodes import Nodes
from worker.emitter import Emitter
from worker.errors import AttemptLost
from worker.flusher import Flusher


@dataclass(frozen=True, slots=True)
class _Lane:
    """A flusher that runs, and whom it serves. An attempt has one flusher from its first event to its last."""

    flusher: Flusher
    emitters: set[Emitter] = field(default_factory=set)


class Flushers:
    """`make` makes a flusher. Thread-safe."""

    def __init__(self, make: Callable[[], Flusher], nodes: Nodes, partitions: int) -> None:
        self._make = make
        self._nodes = nodes
        self._partitions = partitions
        self._lanes: dict[int, _Lane] = {}
        self._stopped = False
        self._lock = threading.Lock()

    def open(self, owned: Owned, n: int) -> Emitter:
        """An emitter for an attempt whose last event was `n`; its lease is renewed until `close`.

        Raises AttemptLost after `stop`.
        """
        number = self._lane_of(owned)
        with self._lock:
            if self._stopped:
                raise AttemptLost("the worker has stopped")
            lane = self._lanes.get(number)
            if lane is None:
                lane = _Lane(self._make())
                lane.flusher.start()
                self._lanes[number] = lane
            emitter = lane.flusher.open(owned, n)
            lane.emitters.add(emitter)
            return emitter

    def close(self, emitter: Emitter) -> None:
        """Forget an emitter; its lease is renewed no more."""
        number = self._lane_of(emitter.owned)
        with self._lock:
            lane = self._lanes[number]
            lane.flusher.close(emitter)
            lane.emitters.discard(emitter)
            if not lane.emitters and not self._stopped:
                del self._lanes[number]
                lane.flusher.end()

    def stop(self) -> None:
        """Send what is left, within a limit, and end the threads; side by side, for the limit is for all of them."""
        with self._lock:
            self._stopped = True
            stopping = [threading.Thread(target=lane.flusher.stop) for lane in self._lanes.values()]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    @property
    def lanes(self) -> set[int]:
        """Those that have a flusher."""
        return set(self._lanes)

    def _lane_of(self, owned: Owned) -> int:
        return self._nodes.lane(partition_of(owned.task, self._partitions))
