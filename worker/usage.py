"""What the whole worker has used, reported once a second by a thread of its main process (docs/protocol.md §10).

Redis may be away: that is said once in the log, and nothing waits for it but the thread. While any node answers the
worker gives a sign of life, whether or not it is the one that takes the reports.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, Final

import psutil
import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from protocol.keys import PARTITIONS, events
from protocol.nodes import Nodes
from protocol.usage import CLEAN_EVERY, FORGOTTEN_MS, INTERVAL_S, KEY, Usage, forgotten
from worker.sign import Sign

log = structlog.get_logger(__name__)

_MEMORY_EVERY: Final = 10
"""Reports of which one looks at the memory: the kernel walks through all of it for that, a millisecond a process."""
_STOP_TIMEOUT_S: Final = 1.0
_SPREAD: Final = [events(partition) for partition in range(PARTITIONS)]
"""Names of keys, spread over the nodes of a cluster."""


class Meter:
    """Counts this process and its pool processes, those that have ended too. `pool` tells the pids of those that live.

    One thread may use it.
    """

    def __init__(self, pool: Callable[[], Iterable[int]]) -> None:
        self._main = psutil.Process()
        self._pool = pool
        self._known: dict[int, psutil.Process] = {}
        self._cpu_s = 0.0

    def cpu_s(self) -> float:
        """Seconds of CPU in user and in system mode, to the clock tick of each process; never less than before."""
        children = self._children()
        # First ourselves, with the children that have ended. One that ends after that is missing this once; the other
        # way round it would be counted twice, and what was told too high would not be true for a long time.
        found = _cpu_s(self._main) + _sum(children, _cpu_s)
        self._cpu_s = max(self._cpu_s, found)
        return self._cpu_s

    def memory_bytes(self) -> int:
        """Resident memory; a page that processes share, as after a fork, counts once where the system tells (Linux)."""
        return int(_memory_bytes(self._main) + _sum(self._children(), _memory_bytes))

    def _children(self) -> Iterable[psutil.Process]:
        """The processes of the pool. That one is our child is made sure of once: it costs more than to measure it."""
        found = {pid: self._known.get(pid) or self._child(pid) for pid in self._pool()}
        self._known = {pid: process for pid, process in found.items() if process is not None}
        return self._known.values()

    def _child(self, pid: int) -> psutil.Process | None:
        try:
            process = psutil.Process(pid)
            return process if process.ppid() == self._main.pid else None
        except psutil.NoSuchProcess:
            return None


class Reporter:
    """Reports the worker `name` until it is stopped. Start it once, in the main process."""

    def __init__(self, nodes: Nodes, name: str, meter: Meter) -> None:
        self._nodes = nodes
        self._name = name
        self._meter = meter
        self._sign = Sign(name)
        self._answered = _SPREAD[0]
        self._memory_bytes = 0
        self._failing = self._unsigned = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Take the report back; waits a second at most, for Redis may not answer."""
        self._ending.set()
        self._thread.join(_STOP_TIMEOUT_S)

    def _run(self) -> None:
        for number in count():
            failure = self._try(partial(self._report, number))
            # a refusal is an answer: of a Redis that has no room, tasks wait as they should
            if failure is None or isinstance(failure, ResponseError) or self._reaches():
                self._give_sign()
            if self._ending.wait(INTERVAL_S):
                break
        with suppress(OSError):  # nobody believes it for long
            self._sign.take_back()
        self._try(lambda: self._remove(self._usage().field))
        self._nodes.close()

    def _report(self, number: int) -> None:
        if number % _MEMORY_EVERY == 0:
            self._memory_bytes = self._meter.memory_bytes()
        usage = self._usage()
        with self._nodes.at(KEY) as redis, redis.pipeline(transaction=False) as pipe:
            pipe.hset(KEY, usage.field, usage.encode())
            pipe.pexpire(KEY, FORGOTTEN_MS)
            pipe.execute()
        if number % CLEAN_EVERY == 0:
            with self._nodes.at(KEY) as redis:
                entries: Any = redis.hgetall(KEY)
            self._remove(*forgotten(entries, usage.at_ms))

    def _remove(self, *fields: str | bytes) -> None:
        if fields:
            with self._nodes.at(KEY) as redis:
                redis.hdel(KEY, *fields)

    def _reaches(self) -> bool:
        """Whether another node answers than the one that takes the reports; the last that did so is asked first."""
        asked: set[Redis | None] = {self._client(KEY)}
        for key in [self._answered, *_SPREAD]:
            redis = self._client(key)
            if redis is not None and redis not in asked:
                asked.add(redis)
                with suppress(RedisError, OSError), self._nodes.at(key):
                    redis.ping()
                    self._answered = key
                    return True
        return False

    def _client(self, key: str) -> Redis | None:
        """Of the node that serves `key`; None while none is known to."""
        with suppress(RedisError), self._nodes.at(key) as redis:
            return redis
        return None

    def _give_sign(self) -> None:
        try:
            self._sign.give()
        except OSError as error:
            if not self._unsigned:
                log.warning("No sign of life can be given", action="no_sign_of_life", reason=str(error))
            self._unsigned = True
        else:
            self._unsigned = False

    def _usage(self) -> Usage:
        return Usage(self._name, "worker", self._meter.cpu_s(), self._memory_bytes, time.time() * 1000)

    def _try(self, action: Callable[[], object]) -> Exception | None:
        """A supervisor: whatever goes wrong is returned, and said once, until something succeeds again."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - as said
            if not self._failing:
                reason = f"{type(error).__name__}: {error}"
                log.warning("Usage cannot be reported", action="usage_not_reported", reason=reason)
            self._failing = True
            return error
        if self._failing:
            log.info("Usage is reported again", action="usage_reported_again")
        self._failing = False
        return None


def _sum(processes: Iterable[psutil.Process], measure: Callable[[psutil.Process], float]) -> float:
    """Of those that have not ended meanwhile."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += measure(process)
    return total


def _cpu_s(process: psutil.Process) -> float:
    """Of all threads, and of the children that have ended and were waited for."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _memory_bytes(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    return int(getattr(full, "pss", full.rss))
