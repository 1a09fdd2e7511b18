"""What a process needs to run attempts: the composition root of the worker, made after the fork."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import structlog
from redis.exceptions import RedisError

from protocol.log import Log
from protocol.nodes import Nodes
from worker.attempt import Runner
from worker.connections import address, connect
from worker.flusher import Flusher
from worker.flushers import Flushers
from worker.settings import WorkerSettings
from workloads.registry import Kind

log = structlog.get_logger(__name__)


class RedisUnreachable(Exception):
    """Redis did not answer within the time that a start may take."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of one worker process."""

    nodes: Nodes
    flushers: Flushers
    runner: Runner

    @classmethod
    def start(cls, settings: WorkerSettings, kinds: Mapping[str, Kind], drain: threading.Event) -> Runtime:
        """Connect lazily; the flushers start and end with the attempts."""
        # To each server one for each task that claims, and the flushers'; beyond 100 redis-py would refuse.
        most = settings.worker_concurrency + settings.partitions
        nodes = connect(settings.redis_url, settings.worker_name, max_connections=most)
        tasks = Log(nodes, partitions=settings.partitions, limits=settings.log_limits)
        # A thread cannot be ended; a pool process runs one task, and the main process starts another.
        on_stuck = _end_process if settings.worker_pool == "prefork" else None
        make = partial(Flusher, tasks, settings.emitter_limits, settings.flusher, on_stuck=on_stuck)
        flushers = Flushers(make, nodes, settings.partitions)
        return cls(nodes, flushers, Runner(tasks, flushers, kinds, settings.lease_ms, drain))

    def stop(self) -> None:
        """Send what is left and disconnect."""
        self.flushers.stop()
        self.nodes.close()


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_redis(url: str, name: str, *, timeout_s: float) -> None:
    """Wait until Redis answers. Raises RedisUnreachable with address and reason after `timeout_s`."""
    nodes = connect(url, name)
    at = address(url)
    deadline = time.monotonic() + timeout_s
    backoff_s = 0.1
    try:
        while True:
            try:
                nodes.ping()
            except (RedisError, OSError) as error:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    msg = f"Redis at {at} cannot be reached after {timeout_s:g} s: {error}"
                    raise RedisUnreachable(msg) from error
                log.warning("Redis not reachable yet", action="redis_wait", at=at, reason=str(error))
                time.sleep(min(backoff_s, left_s))
                backoff_s = min(backoff_s * 2, 2.0)
            else:
                return
    finally:
        nodes.close()
