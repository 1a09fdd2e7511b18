"""Worker processes as they are started in earnest: what becomes of them, of their tasks and of the messages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis

from local.server import running
from local.servers import Valkey
from protocol.events import State
from tests.integration.worker.processes import ROOT, Broker, StartWorker, command, environment, gone
from tests.integration.worker.tasks import LONG_S, Tasks, until

pools = pytest.mark.parametrize("pool", ["prefork", "threads"])


@pools
def test_tasks_of_every_ending_end_and_their_messages_with_them(
    broker: Broker, start_worker: StartWorker, pool: str
) -> None:
    worker = start_worker(pool)
    good = broker.submit("counts", number=2)
    bad = broker.submit("counts", number="two")
    unlucky = broker.submit("fails", number=7)

    broker.until_told(good, "running", "0", "1", "succeeded")
    broker.until_told(bad, "running", "failed")
    broker.until_told(unlucky, "running", "7", "queued", "running", "7", "queued", "running", "7", "failed")
    until(lambda: broker.waiting("counts") + broker.waiting("fails") + broker.taken() == 0)
    worker.process.terminate()
    assert worker.process.wait(LONG_S) == 0
    assert worker.text.count("Traceback") == worker.text.count("LookupError: no luck today") == 3


@pools
def test_the_end_of_a_worker_hands_its_tasks_back_and_another_takes_them(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, pool: str
) -> None:
    worker = start_worker(pool, WORKER_DRAIN_S=0.2)
    running = [broker.submit("streams"), broker.submit("waits")]
    until(lambda: all(tasks.head(task).state is State.RUNNING for task in running))
    waiting = broker.submit("counts", number=1)  # both places are taken
    children = worker.pool

    asked = time.monotonic()
    os.killpg(worker.process.pid, signal.SIGTERM)  # as a terminal or a supervisor does
    assert worker.process.wait(LONG_S) == 0

    assert time.monotonic() - asked < 8
    assert all(map(gone, children))
    assert [tasks.head(task).state for task in (*running, waiting)] == [State.QUEUED] * 3
    assert [tasks.head(task).lease for task in running] == [0, 0]
    assert [broker.waiting(kind) for kind in ("streams", "waits", "counts")] == [1, 1, 1]
    assert broker.taken() == 0
    assert "Traceback" not in worker.text

    start_worker(pool, WORKER_CONCURRENCY=3)
    broker.until_told(waiting, "running", "0", "succeeded")
    until(lambda: all(tasks.head(task).attempt == 2 for task in running))


@pools
def test_a_task_that_ends_within_the_drain_is_not_handed_back(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, pool: str
) -> None:
    worker = start_worker(pool, WORKER_DRAIN_S=30)
    task = broker.submit("synthetic", updates=2, rate=2)
    until(lambda: tasks.head(task).state is State.RUNNING)

    worker.process.terminate()

    assert worker.process.wait(LONG_S) == 0
    assert tasks.story(task)[-1] == "succeeded"
    assert tasks.head(task).attempt == 1
    assert broker.waiting("synthetic") + broker.taken() == 0


@pools
def test_a_task_that_does_not_look_up_does_not_hold_up_the_end_of_its_worker(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, pool: str
) -> None:
    worker = start_worker(pool, WORKER_DRAIN_S=0.1, WORKER_GRACE_S=0.5)
    stuck, other = broker.submit("sticks"), broker.submit("waits")
    until(lambda: all(tasks.head(task).state is State.RUNNING for task in (stuck, other)))
    children = worker.pool

    worker.process.terminate()
    worker.process.wait(LONG_S)

    assert all(map(gone, children))
    assert "Task not handed back in time" in worker.text
    assert [tasks.head(task).state for task in (stuck, other)] == [State.RUNNING, State.QUEUED]
    assert broker.waiting("waits") == 1


def test_a_cancelled_task_that_does_not_look_up_is_ended_with_its_process(
    broker: Broker, tasks: Tasks, start_worker: StartWorker
) -> None:
    worker = start_worker(WORKER_CONCURRENCY=1, WORKER_GRACE_S=0.5, LEASE_MS=1000)
    task = broker.submit("sticks")
    until(lambda: tasks.head(task).seq > 1)
    (child,) = worker.pool

    tasks.cancel(task)

    until(lambda: gone(child))
    until(lambda: tasks.head(task).lease < time.time() * 1000)  # whoever sweeps may take it now
    after = broker.submit("counts", number=1)
    broker.until_told(after, "running", "0", "succeeded")


def test_a_task_is_handed_back_even_when_its_message_is_gone(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, sync_redis: Redis
) -> None:
    worker = start_worker(WORKER_DRAIN_S=0.1)
    task = broker.submit("waits")
    until(lambda: tasks.head(task).state is State.RUNNING)
    # After the visibility timeout another worker gets the message too, finds the task taken and acknowledges.
    sync_redis.delete("unacked", "unacked_index")

    worker.process.terminate()

    assert worker.process.wait(LONG_S) == 0
    assert tasks.head(task).state is State.QUEUED
    assert broker.waiting("waits") == 1


def test_the_message_of_a_killed_pool_process_starts_nothing_while_the_lease_is_fresh(
    broker: Broker, tasks: Tasks, start_worker: StartWorker
) -> None:
    worker = start_worker(WORKER_CONCURRENCY=1)
    task = broker.submit("streams")
    until(lambda: tasks.head(task).seq > 3)
    (child,) = worker.pool
    child.kill()

    until(lambda: "Task not claimed" in worker.text)
    until(lambda: broker.waiting("streams") + broker.taken() == 0)
    head = tasks.head(task)
    assert (head.attempt, head.state, head.closed) == (1, State.RUNNING, False)
    assert head.lease > 0
    after = broker.submit("counts", number=1)
    broker.until_told(after, "running", "0", "succeeded")  # in a new pool process
    assert tasks.head(task) == head


def test_a_killed_worker_leaves_no_pool_process(broker: Broker, tasks: Tasks, start_worker: StartWorker) -> None:
    worker = start_worker()
    task = broker.submit("streams")
    until(lambda: tasks.head(task).seq > 3)
    children = worker.pool
    worker.process.kill()

    until(lambda: all(map(gone, children)))


def test_a_pool_of_threads_lets_hundreds_of_tasks_wait_at_once(
    broker: Broker, tasks: Tasks, start_worker: StartWorker
) -> None:
    start_worker("threads", WORKER_CONCURRENCY=200)
    waiting = [broker.submit("synthetic", updates=3, rate=0, delay_s=3) for _ in range(200)]
    until(lambda: any(tasks.head(task).state is State.RUNNING for task in waiting))
    began = time.monotonic()
    until(lambda: all(tasks.head(task).closed for task in waiting))

    assert time.monotonic() - began < 2 * 3 + 10  # one after the other they take ten minutes
    assert all(len(tasks.story(task)) == 5 for task in waiting)


def test_a_cancel_reaches_a_waiting_task_in_a_pool_process(
    broker: Broker, tasks: Tasks, start_worker: StartWorker
) -> None:
    start_worker(LEASE_MS=1000)
    task = broker.submit("waits")
    until(lambda: tasks.head(task).state is State.RUNNING)

    tasks.cancel(task)

    broker.until_told(task, "running", "cancelled")


def test_a_restart_of_redis_is_survived_by_tasks_and_worker(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, valkey_server: Valkey
) -> None:
    start_worker()
    task = broker.submit("synthetic", updates=100, rate=50)
    until(lambda: tasks.head(task).seq > 10)

    valkey_server.stop()
    valkey_server.start()

    until(lambda: tasks.head(task).closed)
    assert len(tasks.story(task)) == 102
    assert tasks.head(task).attempt == 1
    after = broker.submit("counts", number=1)
    broker.until_told(after, "running", "0", "succeeded")


def test_a_message_whose_task_cannot_be_claimed_goes_back_without_haste(
    broker: Broker, start_worker: StartWorker, tmp_path: Path
) -> None:
    with running(Valkey(tmp_path / "valkey")) as elsewhere, Redis.from_url(elsewhere.url) as redis:
        worker = start_worker(REDIS_URL=elsewhere.url, BROKER_URL=broker.url)
        tasks = Tasks(redis)
        until(lambda: "ready" in worker.text)
        task = tasks.new()
        elsewhere.stop()
        began = time.monotonic()
        broker.send(task, "counts", {"number": 1})
        until(lambda: worker.text.count("Message goes back") == 3)
        assert time.monotonic() - began > 2
        elsewhere.start()

        until(lambda: tasks.story(task) == ["running", "0", "succeeded"])


def test_no_redis_at_the_start_is_told_with_address_and_reason_within_the_limit() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        ended = run(REDIS_URL=f"redis://{address}/0", WORKER_START_TIMEOUT_S=0.5)

    assert ended.returncode == 1
    assert f"Redis at {address} cannot be reached after 0.5 s" in ended.stdout
    assert "Connection refused" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_redis_that_does_not_answer_at_the_start_is_given_up_too(redis_url: str, valkey_server: Valkey) -> None:
    valkey_server.pause()
    try:
        ended = run(REDIS_URL=redis_url, WORKER_START_TIMEOUT_S=0.5)
    finally:
        valkey_server.resume()

    assert ended.returncode == 1
    assert "Timeout" in ended.stdout


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"WORKER_POOL": "gevent"}, "worker_pool"),
        ({"REDIS_URL": "localhost"}, "redis_url"),
        ({"WORKER_KINDS": "synthetic,typo"}, "WORKER_KINDS names ['typo']"),
    ],
    ids=["pool", "url", "kind"],
)
def test_wrong_settings_are_told_and_end_it_at_once(settings: dict[str, str], named: str) -> None:
    ended = run(**settings)

    assert ended.returncode == 2
    assert named in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def run(**settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(), cwd=ROOT, env=environment(settings), capture_output=True, text=True, timeout=LONG_S, check=False
    )
