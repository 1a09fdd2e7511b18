"""What a process needs to run attempts: the composition root of the worker, made after the fork."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from protocol.log import Log
from worker.attempt import Runner
from worker.flusher import Flusher
from worker.settings import WorkerSettings
from workloads.registry import Kind

log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT_S: Final = 3.0
_SOCKET_TIMEOUT_S: Final = 5.0
"""Shorter than a lease: an answer that takes longer is asked for again, which append makes harmless."""


class RedisUnreachable(Exception):
    """Redis did not answer within the time that a start may take."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of one worker process."""

    redis: Redis
    flusher: Flusher
    runner: Runner

    @classmethod
    def start(cls, settings: WorkerSettings, kinds: Mapping[str, Kind], drain: threading.Event) -> Runtime:
        """Connect lazily and start the flusher."""
        # One for each task that claims, and the flusher's; beyond 100 redis-py would refuse.
        redis = connect(settings.redis_url, settings.worker_name, max_connections=settings.worker_concurrency + 1)
        tasks = Log(redis, partitions=settings.partitions, limits=settings.log_limits)
        # A thread cannot be ended; a pool process runs one task, and the main process starts another.
        on_stuck = _end_process if settings.worker_pool == "prefork" else None
        flusher = Flusher(tasks, settings.emitter_limits, settings.flusher, on_stuck=on_stuck)
        flusher.start()
        return cls(redis, flusher, Runner(tasks, flusher, kinds, settings.lease_ms, drain))

    def stop(self) -> None:
        """Send what is left and disconnect."""
        self.flusher.stop()
        self.redis.close()


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def connect(url: str, name: str, *, max_connections: int = 1) -> Redis:
    """A client whose every wait is bounded. It does not retry by itself: its callers know what may be sent again."""
    redis: Redis = Redis.from_url(
        url,
        max_connections=max_connections,
        client_name=name.replace(" ", "-"),
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return redis


def wait_for_redis(url: str, name: str, *, timeout_s: float) -> None:
    """Wait until Redis answers. Raises RedisUnreachable with address and reason after `timeout_s`."""
    redis = connect(url, name)
    at = "{host}:{port}".format(**{"host": "localhost", "port": 6379, **redis.connection_pool.connection_kwargs})
    deadline = time.monotonic() + timeout_s
    backoff_s = 0.1
    try:
        while True:
            try:
                redis.ping()
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
        redis.close()
