"""Flushers as a worker makes them, and workers as processes, on the tests' Valkey."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs

from protocol.log import Log
from tests.integration.worker.processes import KINDS, ROOT, Broker, StartWorker, WorkerProcess, command, environment
from tests.integration.worker.tasks import Tasks, until
from worker.emitter import EmitterLimits
from worker.flusher import Flusher, FlusherSettings


class StartFlusher(Protocol):
    def __call__(
        self,
        settings: FlusherSettings | None = None,
        limits: EmitterLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_stuck: Callable[[], None] | None = None,
        socket_timeout_s: float = 5.0,
    ) -> Flusher: ...


@pytest.fixture
def tasks(sync_redis: Redis) -> Tasks:
    return Tasks(sync_redis)


@pytest.fixture
def start_flusher(redis_url: str) -> Iterator[StartFlusher]:
    """Starts flushers, each with a connection of its own, and stops them."""
    with ExitStack() as ends:

        def start(
            settings: FlusherSettings | None = None,
            limits: EmitterLimits | None = None,
            *,
            clock: Callable[[], float] = time.monotonic,
            on_stuck: Callable[[], None] | None = None,
            socket_timeout_s: float = 5.0,
        ) -> Flusher:
            redis = ends.enter_context(
                Redis.from_url(
                    redis_url,
                    client_name="flusher",
                    socket_timeout=socket_timeout_s,
                    socket_connect_timeout=socket_timeout_s,
                    retry=Retry(NoBackoff(), 0),
                )
            )
            log = Log(redis, partitions=16)
            flusher = Flusher(log, limits, settings, clock, on_stuck)
            flusher.start()
            ends.callback(flusher.stop)
            return flusher

        yield start


@pytest.fixture
def logged() -> Iterator[Callable[[str], int]]:
    """How often an action was logged."""
    records: list[MutableMapping[str, Any]]
    with capture_logs() as records:
        yield lambda action: sum(record.get("action") == action for record in list(records))


@pytest.fixture
def broker(tasks: Tasks, redis_url: str, sync_redis: Redis) -> Iterator[Broker]:
    with Celery("tests", broker=redis_url, set_as_current=False) as celery:
        yield Broker(tasks, celery, sync_redis)


@pytest.fixture
def start_worker(redis_url: str, sync_redis: Redis, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers that know the tests' kinds, and ends what is left of them."""
    with ExitStack() as ends:

        def start(pool: str = "prefork", **settings: object) -> WorkerProcess:
            defaults = {"REDIS_URL": redis_url, "WORKER_POOL": pool, "WORKER_CONCURRENCY": 2, "WORKLOADS": KINDS}
            output = tmp_path / f"worker-{len(list(tmp_path.iterdir()))}.log"
            with output.open("wb") as file:
                process = subprocess.Popen(
                    command(),
                    cwd=ROOT,
                    env=environment(defaults | settings),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            worker = WorkerProcess(process, output)
            ends.callback(worker.end)
            return worker

        yield start
    # A thread of a killed process may hold its connection a little longer, and would be given the next test's message.
    until(lambda: all(client["cmd"] != "brpop" for client in sync_redis.client_list()))
