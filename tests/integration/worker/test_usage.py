"""What worker processes report of themselves to Redis."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from redis import Redis

from local.server import running
from local.servers import Valkey
from protocol.events import State
from protocol.usage import FORGOTTEN_MS, KEY, Usage, decode
from tests.integration.worker.processes import Broker, StartWorker
from tests.integration.worker.tasks import LONG_S, Tasks, until

pools = pytest.mark.parametrize("pool", ["prefork", "threads"])

FIELD: Final = "worker:measured"
BUSY_S: Final = 0.1
"""Less than ten thousand digits of π cost, on any machine."""
_TICKS_S: Final = 0.2
"""The counters of each of a few processes are cut to the tick, 10 ms."""


def reported(redis: Redis) -> Usage | None:
    value: Any = redis.hget(KEY, FIELD)
    return None if value is None else decode(FIELD.encode(), value)


def report(redis: Redis, holds: Callable[[Usage], bool] = lambda _: True) -> Usage:
    """The first report that `holds`."""
    found: list[Usage] = []

    def ask() -> bool:
        usage = reported(redis)
        found[:] = [usage] if usage is not None and holds(usage) else []
        return bool(found)

    until(ask)
    return found[0]


def next_report(redis: Redis) -> Usage:
    """One that was made after this call."""
    now_ms = time.time() * 1000
    return report(redis, lambda usage: usage.at_ms >= now_ms)


def used(processes: list[psutil.Process]) -> float:
    """Seconds of CPU, without their children."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


@pools
def test_a_worker_reports_all_the_cpu_of_its_tasks_wherever_they_run(
    broker: Broker, start_worker: StartWorker, sync_redis: Redis, pool: str
) -> None:
    worker = start_worker(pool, WORKER_NAME="measured")
    idle = report(sync_redis)
    task = broker.submit("compute_pi", digits=10_000, pace_ms=[0, 0])
    until(lambda: broker.tasks.head(task).closed)

    busy = next_report(sync_redis)

    processes = [psutil.Process(worker.process.pid), *worker.pool]
    assert len(processes) == (3 if pool == "prefork" else 1)
    assert busy.cpu_s >= idle.cpu_s + BUSY_S
    assert busy.cpu_s == pytest.approx(used(processes), abs=_TICKS_S)
    assert busy.memory_bytes > 2**24
    assert (busy.name, busy.role) == ("measured", "worker")


def test_what_a_pool_process_has_used_stays_counted_when_it_has_ended(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, sync_redis: Redis
) -> None:
    worker = start_worker(WORKER_NAME="measured", WORKER_CONCURRENCY=1)
    task = broker.submit("compute_pi", digits=10_000, pace_ms=[0, 0])
    until(lambda: tasks.head(task).closed)
    before = next_report(sync_redis)
    (child,) = worker.pool
    in_the_child = used([child])
    child.kill()
    until(lambda: [process.pid for process in worker.pool] not in ([], [child.pid]))

    reports = [next_report(sync_redis).cpu_s for _ in range(3)]

    assert in_the_child > BUSY_S
    assert [before.cpu_s, *reports] == sorted([before.cpu_s, *reports])
    main = psutil.Process(worker.process.pid).cpu_times()
    assert main.children_user + main.children_system > BUSY_S  # where the system keeps it now
    assert reports[-1] == pytest.approx(
        in_the_child + used([psutil.Process(worker.process.pid), *worker.pool]), abs=0.3
    )


@pools
def test_a_worker_that_ends_in_order_takes_its_report_back(
    start_worker: StartWorker, sync_redis: Redis, pool: str
) -> None:
    worker = start_worker(pool, WORKER_NAME="measured")
    report(sync_redis)

    worker.process.terminate()

    assert worker.process.wait(LONG_S) == 0
    assert reported(sync_redis) is None
    assert "Traceback" not in worker.text


def test_the_last_report_of_a_killed_worker_stays_and_the_hash_ends_some_minutes_later(
    start_worker: StartWorker, sync_redis: Redis
) -> None:
    worker = start_worker(WORKER_NAME="measured")
    report(sync_redis)

    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait()

    assert reported(sync_redis) is not None
    left_ms: Any = sync_redis.pttl(KEY)
    assert 0 < left_ms <= FORGOTTEN_MS


def test_a_worker_removes_what_is_no_report_and_what_is_old_when_it_starts(
    start_worker: StartWorker, sync_redis: Redis
) -> None:
    now_ms = time.time() * 1000
    old, silent = (Usage(name, "worker", 1, 1, at) for name, at in (("o", now_ms - 400_000), ("s", now_ms - 10_000)))
    for usage in (old, silent):
        sync_redis.hset(KEY, usage.field, usage.encode())
    sync_redis.hset(KEY, mapping={"api:x": b"\xff\x00", "worker:y": b"[" * 100_000, b"\xff": b"7"})

    start_worker(WORKER_NAME="measured")

    until(lambda: sync_redis.hkeys(KEY) == [silent.field.encode(), FIELD.encode()])


@pools
def test_a_worker_without_redis_says_once_that_it_cannot_report_and_reports_again_when_it_is_back(
    broker: Broker, start_worker: StartWorker, tmp_path: Path, pool: str
) -> None:
    with running(Valkey(tmp_path / "valkey")) as elsewhere, Redis.from_url(elsewhere.url) as redis:
        worker = start_worker(pool, WORKER_NAME="measured", REDIS_URL=elsewhere.url, BROKER_URL=broker.url)
        report(redis)
        elsewhere.stop()
        refuse(elsewhere, times=3)

        elsewhere.start()

        next_report(redis)
        until(lambda: "Usage is reported again" in worker.text)
        task = Tasks(redis).new()
        broker.send(task, "counts", {"number": 1})
        until(lambda: Tasks(redis).head(task).state is State.SUCCEEDED)
        assert worker.text.count("Usage cannot be reported") == 1
        assert "Traceback" not in worker.text


def test_a_redis_that_does_not_answer_does_not_hold_up_the_end_of_a_worker(
    broker: Broker, start_worker: StartWorker, tmp_path: Path
) -> None:
    with running(Valkey(tmp_path / "valkey")) as elsewhere, Redis.from_url(elsewhere.url) as redis:
        worker = start_worker("threads", WORKER_NAME="measured", REDIS_URL=elsewhere.url, BROKER_URL=broker.url)
        report(redis)
        elsewhere.pause()
        try:
            asked = time.monotonic()
            worker.process.terminate()
            assert worker.process.wait(LONG_S) == 0
            assert time.monotonic() - asked < 8
        finally:
            elsewhere.resume()
        assert "Traceback" not in worker.text


def refuse(server: Valkey, times: int) -> None:
    """In the place of a server that has stopped: take so many connections and close them."""
    assert server.port is not None
    with socket.create_server(("127.0.0.1", server.port)) as listening:
        listening.settimeout(LONG_S)
        for _ in range(times):
            listening.accept()[0].close()
