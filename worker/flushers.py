"""The flushers of a process: one when there is one server, on a cluster one for each partition that a task is in.

A flusher waits while it exchanges. A partition is on one node, so a node that does not answer makes those flushers wait
that have something for it, and no others. Each is started with its first attempt: a pool process that runs one task at
a time has few of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from protocol.keys import partition_of
from protocol.log import Owned
from protocol.nodes import Nodes
from worker.emitter import Emitter
from worker.flusher import Flusher


class Flushers:
    """`make` makes a flusher. Thread-safe."""

    def __init__(self, make: Callable[[], Flusher], nodes: Nodes, partitions: int) -> None:
        self._make = make
        self._nodes = nodes
        self._partitions = partitions
        self._flushers: dict[int, Flusher] = {}
        self._lock = threading.Lock()

    def open(self, owned: Owned, n: int) -> Emitter:
        """An emitter for an attempt whose last event was `n`; its lease is renewed until `close`."""
        return self._flusher(owned).open(owned, n)

    def close(self, emitter: Emitter) -> None:
        """Forget an emitter; its lease is renewed no more."""
        self._flusher(emitter.owned).close(emitter)

    def stop(self) -> None:
        """Send what is left, within a limit, and end the threads; side by side, for the limit is for all of them."""
        with self._lock:
            stopping = [threading.Thread(target=flusher.stop) for flusher in self._flushers.values()]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    @property
    def lanes(self) -> set[int]:
        """Those that have a flusher."""
        return set(self._flushers)

    def _flusher(self, owned: Owned) -> Flusher:
        lane = self._nodes.lane(partition_of(owned.task, self._partitions))
        with self._lock:
            flusher = self._flushers.get(lane)
            if flusher is None:
                flusher = self._flushers[lane] = self._make()
                flusher.start()
            return flusher
