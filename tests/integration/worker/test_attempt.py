"""An attempt from its claim to its last event, on a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from redis import Redis
from redis.exceptions import RedisError

from local.servers import Valkey
from protocol.events import State
from tests.integration.worker.conftest import StartFlusher
from tests.integration.worker.kinds import KINDS
from tests.integration.worker.tasks import LEASE_MS, LONG_S, Tasks, until
from worker.attempt import MAX_MESSAGE, Ending, Outcome, Runner
from worker.flusher import FlusherSettings
from worker.runtime import Runtime
from worker.settings import WorkerSettings

DONE = Outcome(Ending.DONE)


@dataclass(frozen=True)
class Worker:
    """A runner, and a thread for it."""

    tasks: Tasks
    runner: Runner
    thread: ThreadPoolExecutor

    def run(self, task: UUID, kind: str, **params: Any) -> Outcome:
        return self.runner.run(task, kind, params)

    def start(self, task: UUID, kind: str) -> Future[Outcome]:
        """Run it in the thread; returns when it has begun."""
        running = self.thread.submit(self.run, task, kind)
        until(lambda: self.tasks.head(task).state is State.RUNNING)
        return running

    def error(self, task: UUID) -> dict[str, str]:
        """What the last event of a task that failed tells."""
        last = self.tasks.events(task)[-1]
        assert last.state is State.FAILED
        return dict(last.data["error"])


@pytest.fixture
def worker(tasks: Tasks, start_flusher: StartFlusher) -> Iterator[Worker]:
    flusher = start_flusher(FlusherSettings(lease_ms=LEASE_MS, heartbeat_s=0.02))
    drain = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        yield Worker(tasks, Runner(tasks.log, flusher, KINDS, LEASE_MS, drain), thread)
        drain.set()


def test_a_success_is_told_from_running_to_the_result(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()

    assert worker.run(task, "counts", number=3) == DONE

    assert tasks.story(task) == ["running", "0", "1", "2", "succeeded"]
    last = tasks.events(task)[-1]
    assert (last.type, last.data) == ("result", {"result": {"counted": 3}})
    assert [event.data["index"] for event in tasks.events(task) if event.type == "chunk"] == [0, 1, 2]
    head = tasks.head(task)
    assert (head.closed, head.lease, head.failures, head.attempt) == (True, 0, 0, 1)


def test_a_failure_with_attempts_left_goes_back_to_the_queue(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()

    assert worker.run(task, "fails", number=7) == Outcome(Ending.RETRY, retry_in_s=0.1)

    assert tasks.story(task) == ["running", "7", "queued"]
    assert tasks.events(task)[-1].data["message"] == "attempt 1 failed (no luck today); the next one starts in 0.1 s"
    head = tasks.head(task)
    assert (head.state, head.closed, head.lease, head.failures) == (State.QUEUED, False, 0, 1)


def test_each_wait_is_twice_the_last_and_the_last_failure_is_the_end(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()

    outcomes = [worker.run(task, "fails") for _ in range(4)]

    assert outcomes == [Outcome(Ending.RETRY, 0.1), Outcome(Ending.RETRY, 0.2), DONE, DONE]
    assert [event.attempt for event in tasks.events(task) if event.state is State.RUNNING] == [1, 2, 3]
    assert worker.error(task) == {"type": "LookupError", "message": "no luck today"}
    assert tasks.head(task).failures == 3


def test_the_message_of_an_error_is_short_and_can_be_sent(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()
    worker.run(task, "mumbles")

    message = worker.error(task)["message"]

    assert message.startswith("?xxx")
    assert len(message) == MAX_MESSAGE


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"number": -1}, "params.number: Input should be greater than or equal to 0"),
        ({"number": "three"}, "params.number: Input should be a valid integer, unable to parse string as an integer"),
        ({"figure": 1}, "params.figure: Extra inputs are not permitted"),
    ],
)
def test_invalid_parameters_fail_at_once(worker: Worker, tasks: Tasks, params: Any, message: str) -> None:
    task = tasks.new()

    assert worker.run(task, "counts", **params) == DONE

    assert worker.error(task) == {"type": "InvalidParams", "message": message}


def test_an_unknown_kind_fails_at_once(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()

    assert worker.run(task, "guesses") == DONE

    assert worker.error(task) == {"type": "UnknownKind", "message": "no worker knows the kind 'guesses'"}


@pytest.mark.parametrize(
    ("kind", "chunks", "message"),
    [
        ("refused", ["good"], "a chunk cannot be sent as JSON: Out of range float values are not JSON compliant"),
        ("bloats", ["good"], "a result of 1,000,"),
        ("speaks", [], "a workload yields Chunk, Progress or Pause, not str"),
    ],
)
def test_an_update_that_cannot_be_sent_fails_at_once(
    worker: Worker, tasks: Tasks, kind: str, chunks: list[str], message: str
) -> None:
    task = tasks.new()

    assert worker.run(task, kind) == DONE

    assert tasks.story(task) == ["running", *chunks, "failed"]
    assert worker.error(task)["type"] == "UpdateRefused"
    assert worker.error(task)["message"].startswith(message)


@pytest.mark.parametrize("kind", ["waits", "streams"])
def test_a_cancel_ends_the_attempt_within_a_fifth_of_a_second(worker: Worker, tasks: Tasks, kind: str) -> None:
    took_s = []
    for _ in range(3):
        task = tasks.new()
        running = worker.start(task, kind)
        asked = time.monotonic()
        tasks.cancel(task)
        assert running.result(LONG_S) == DONE
        took_s.append(time.monotonic() - asked)
        assert tasks.story(task)[-1] == "cancelled"
        assert tasks.head(task).closed

    assert min(took_s) < 0.2  # a busy machine may delay one of them


def test_a_time_limit_is_a_failure(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()

    assert worker.run(task, "dawdles") == Outcome(Ending.RETRY, 1.0)
    assert worker.run(task, "dawdles") == DONE

    assert worker.error(task) == {"type": "TimeLimitReached", "message": "the attempt took longer than 0.1 s"}


def test_a_drain_hands_the_task_back_without_counting_a_failure(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()
    running = worker.start(task, "waits")

    worker.runner.drain.set()

    assert running.result(LONG_S) == Outcome(Ending.HAND_BACK)
    head = tasks.head(task)
    assert (head.state, head.lease, head.failures, head.closed) == (State.QUEUED, 0, 0, False)


def test_a_workload_that_fails_while_it_is_closed_ends_as_it_was_to_end(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()
    running = worker.start(task, "resists")
    tasks.cancel(task)

    assert running.result(LONG_S) == DONE
    assert tasks.story(task)[-1] == "cancelled"


@pytest.mark.parametrize("kind", ["waits", "streams"])
def test_an_attempt_that_another_has_taken_over_is_silent_from_then_on(worker: Worker, tasks: Tasks, kind: str) -> None:
    task = tasks.new()
    running = worker.start(task, kind)

    tasks.take_over(task)
    seen = tasks.head(task)

    assert running.result(LONG_S) == DONE
    assert tasks.head(task) == seen
    assert (seen.attempt, seen.closed) == (2, False)


@pytest.mark.parametrize("why", ["leased", "closed", "cancelled", "unknown"])
def test_a_task_that_is_not_to_be_had_is_left_alone(worker: Worker, tasks: Tasks, why: str) -> None:
    task = tasks.new()
    match why:
        case "leased":
            tasks.claim(task)
        case "closed":
            worker.run(task, "counts")
        case "cancelled":
            tasks.cancel(task)
        case _:
            tasks.forget(task)
    events = tasks.events(task)

    assert worker.run(task, "counts") == DONE

    assert tasks.events(task) == events


def test_a_task_whose_workers_were_all_lost_fails_without_another_try(worker: Worker, tasks: Tasks) -> None:
    task = tasks.new()
    tasks.claim(task)
    for _ in range(2):
        tasks.take_over(task)
    tasks.expire(task)

    assert worker.run(task, "counts") == DONE

    assert tasks.story(task) == ["failed"]
    assert worker.error(task) == {"type": "WorkerLost", "message": "the worker was lost in 3 attempts"}


def test_as_many_tasks_as_may_run_can_be_claimed_at_once(tasks: Tasks, sync_redis: Redis, redis_url: str) -> None:
    settings = WorkerSettings(redis_url=redis_url, worker_concurrency=150)
    runtime = Runtime.start(settings, KINDS, threading.Event())
    claimed = [tasks.new() for _ in range(settings.worker_concurrency)]
    with ThreadPoolExecutor(settings.worker_concurrency) as threads:
        sync_redis.client_pause(10_000, all=False)
        outcomes = threads.map(lambda task: runtime.runner.run(task, "counts", {}), claimed)
        until(lambda: sync_redis.info("clients")["connected_clients"] > settings.worker_concurrency)
        sync_redis.client_unpause()
        assert set(outcomes) == {DONE}
    runtime.stop()

    assert all(tasks.head(task).closed for task in claimed)


def test_a_server_that_is_away_leaves_the_task_to_be_tried_again(
    worker: Worker, tasks: Tasks, valkey_server: Valkey
) -> None:
    task = tasks.new()
    valkey_server.stop()
    with pytest.raises(RedisError):
        worker.run(task, "counts")

    valkey_server.start()
    worker.run(task, "counts")
    assert tasks.story(task)[-1] == "succeeded"


def test_a_task_that_is_claimed_when_the_worker_has_stopped_is_left_to_the_end_of_its_lease(worker: Worker) -> None:
    task = worker.tasks.new()
    worker.runner.flushers.stop()

    assert worker.run(task, "counts", number=1) == DONE

    assert worker.tasks.story(task) == []
    assert worker.tasks.head(task).attempt == 1
