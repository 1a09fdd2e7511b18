"""Worker processes on which one kind has more tasks than slots: the others start at once, and nothing is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from celery import Celery
from redis import Redis

from local.server import running
from local.servers import Valkey
from protocol.events import State
from tests.integration.baseline.processes import Baseline
from tests.integration.worker.processes import Broker, StartWorker
from tests.integration.worker.tasks import LONG_S, Tasks, until

pools = pytest.mark.parametrize("pool", ["prefork", "threads"])

A_KINDS: Final = "synthetic,streams,waits"
B_KINDS: Final = "waits,streams,counts"
SHIPPED: Final = "compute_pi,document_analysis,synthetic"
AT_ONCE_MS: Final = 3_000
"""On a machine that is busy. Those that must wait would do so for much longer."""

_BOUNDED_S: Final = 60.0
"""Some time-outs of a broker, one after the other, at the end of a worker."""


class Timed:
    """Tasks of one kind, all submitted now. Each takes `delay_s`."""

    def __init__(self, broker: Broker, number: int, delay_s: float) -> None:
        self._tasks = broker.tasks
        self.ids = [broker.submit("synthetic", updates=1, rate=0, delay_s=delay_s) for _ in range(number)]

    @property
    def running(self) -> int:
        return sum(self._tasks.head(task).state is State.RUNNING for task in self.ids)

    @property
    def all_closed(self) -> bool:
        return all(self._tasks.head(task).closed for task in self.ids)

    def most_at_once(self) -> int:
        """How many ran at the same time, once all have ended."""
        told = [self._tasks.events(task) for task in self.ids]
        return most_at_once([(events[0].ts, events[-1].ts) for events in told])


def most_at_once(times: list[tuple[float, float]]) -> int:
    """How many ran at the same time, by when each began and ended."""
    running, most = 0, 0
    for _, change in sorted(chain.from_iterable([(began, 1), (ended, -1)] for began, ended in times)):
        running += change
        most = max(most, running)
    return most


def submit_and_time(broker: Broker, kind: str) -> float:
    """Milliseconds from the submission of a task of `kind` to its start."""
    submitted = time.time() * 1000
    task = broker.submit(kind)
    until(lambda: broker.tasks.head(task).state is State.RUNNING)
    return broker.tasks.events(task)[0].ts - submitted


def known_to_the_broker(redis: Redis, kind: str) -> set[UUID]:
    """The tasks of all messages, in the queue of `kind` and taken by a worker."""
    queued: Any = redis.lrange(f"tasks.{kind}", 0, -1)
    taken: Any = redis.hvals("unacked")
    messages = [json.loads(raw) for raw in queued] + [json.loads(raw)[0] for raw in taken]
    return {UUID(message["headers"]["id"]) for message in messages}


def give_up_what_was_taken(redis: Redis) -> None:
    """Let the visibility timeout of all messages have run out."""
    tags: Any = redis.zrange("unacked_index", 0, -1)
    redis.zadd("unacked_index", dict.fromkeys(tags, 0))


@pools
def test_tasks_of_other_kinds_start_at_once_while_one_kind_has_many_and_its_queue_is_emptied_too(
    broker: Broker, start_worker: StartWorker, pool: str
) -> None:
    start_worker(pool, WORKER_CONCURRENCY=4, WORKER_KINDS=A_KINDS)
    many = Timed(broker, 20, delay_s=0.6)
    until(lambda: many.running == 2)

    latencies = [submit_and_time(broker, "streams"), submit_and_time(broker, "waits")]

    assert broker.waiting("synthetic") > 5
    assert max(latencies) < AT_ONCE_MS
    until(lambda: many.all_closed)
    until(lambda: broker.waiting("synthetic") == 0 and broker.taken() == 2)  # those of the other two
    assert many.most_at_once() == 2


@pools
def test_the_next_task_of_a_kind_that_has_its_share_starts_when_one_ends(
    broker: Broker, start_worker: StartWorker, pool: str
) -> None:
    start_worker(pool, WORKER_CONCURRENCY=3, WORKER_KINDS=A_KINDS)
    first = Timed(broker, 1, delay_s=0)
    until(lambda: first.all_closed)
    began = time.monotonic()

    many = Timed(broker, 20, delay_s=0.1)

    until(lambda: many.all_closed)
    assert many.most_at_once() == 1
    # Without being woken, a BRPOP waits for its timeout of a second after each.
    assert time.monotonic() - began < 0.5 * 20


@pools
def test_a_redis_that_refuses_to_end_a_wait_early_only_delays_the_next_task(
    broker: Broker, start_worker: StartWorker, narrow_url: str, pool: str
) -> None:
    worker = start_worker(pool, WORKER_CONCURRENCY=3, WORKER_KINDS=A_KINDS, BROKER_URL=narrow_url)
    many = Timed(broker, 3, delay_s=0.1)

    until(lambda: many.all_closed)

    assert many.most_at_once() == 1
    assert worker.text.count("Redis lets no wait be ended early") == 1
    assert submit_and_time(broker, "streams") < AT_ONCE_MS
    assert "Traceback" not in worker.text


@pytest.fixture
def narrow_url(redis_url: str, sync_redis: Redis) -> Iterator[str]:
    """Of a user that may do all but CLIENT UNBLOCK."""
    sync_redis.acl_setuser(
        "narrow", enabled=True, passwords=["+secret"], keys=["*"], channels=["*"], commands=["+@all", "-client|unblock"]
    )
    yield redis_url.replace("redis://", "redis://narrow:secret@")
    sync_redis.acl_deluser("narrow")


@pools
def test_an_end_hands_back_what_runs_and_leaves_the_rest_in_the_queue(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, pool: str
) -> None:
    worker = start_worker(pool, WORKER_CONCURRENCY=4, WORKER_KINDS=B_KINDS, WORKER_DRAIN_S=0.1)
    many = [broker.submit("waits") for _ in range(20)]
    until(lambda: broker.taken() == 2)
    until(lambda: sum(tasks.head(task).state is State.RUNNING for task in many) == 2)

    worker.process.terminate()

    assert worker.process.wait(LONG_S) == 0
    assert (broker.waiting("waits"), broker.taken()) == (20, 0)
    assert all(tasks.head(task).state is State.QUEUED for task in many)
    assert "Traceback" not in worker.text


@pools
def test_a_killed_worker_loses_no_message_and_another_ends_all_tasks(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, sync_redis: Redis, pool: str
) -> None:
    worker = start_worker(pool, WORKER_CONCURRENCY=4, WORKER_KINDS=A_KINDS, LEASE_MS=1000)
    many = Timed(broker, 8, delay_s=1.0)
    # Both have just begun: a message that Redis has handed out, and that kombu has not written down yet, would be lost.
    until(lambda: sum(tasks.head(task).closed for task in many.ids) >= 2 and many.running == 2)

    worker.end()

    unfinished = {task for task in many.ids if not tasks.head(task).closed}
    assert unfinished <= known_to_the_broker(sync_redis, "synthetic")
    give_up_what_was_taken(sync_redis)
    until(lambda: all(tasks.head(task).lease < time.time() * 1000 for task in unfinished))
    start_worker(pool, WORKER_CONCURRENCY=4, WORKER_KINDS=A_KINDS)
    until(lambda: many.all_closed)
    until(lambda: broker.waiting("synthetic") + broker.taken() == 0)
    assert all(tasks.story(task)[-1] == "succeeded" for task in many.ids)


@pools
def test_a_connection_that_is_cut_while_a_kind_has_its_share_costs_no_task_and_no_kind(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, sync_redis: Redis, pool: str
) -> None:
    worker = start_worker(pool, WORKER_CONCURRENCY=4, WORKER_KINDS=A_KINDS)
    many = Timed(broker, 12, delay_s=1.0)
    until(lambda: many.running == 2)
    until(lambda: bool(fetching(sync_redis)))

    cut = [client_id for client_id in fetching(sync_redis) if sync_redis.client_kill_filter(_id=client_id)]

    assert cut
    latencies = [submit_and_time(broker, "streams"), submit_and_time(broker, "waits")]
    assert max(latencies) < AT_ONCE_MS
    until(lambda: many.all_closed)
    until(lambda: broker.waiting("synthetic") == 0 and broker.taken() <= 2)
    assert {tasks.head(task).attempt for task in many.ids} == {1}
    assert many.most_at_once() == 2
    assert "Connection to broker lost" in worker.text
    assert "Traceback" not in worker.text


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[Valkey]:
    """A server that has the messages alone: a test may hang it, and the tasks go on."""
    with running(Valkey(tmp_path / "carrier")) as server:
        yield server


@pytest.fixture
def carried(carrier: Valkey, tasks: Tasks) -> Iterator[Broker]:
    with Celery("tests", broker=carrier.url, set_as_current=False) as celery, Redis.from_url(carrier.url) as redis:
        yield Broker(tasks, celery, redis)


def one_runs_and_one_waits_for_its_share(broker: Broker) -> tuple[UUID, UUID]:
    first = broker.submit("waits")
    until(lambda: broker.tasks.head(first).state is State.RUNNING)
    second = broker.submit("waits")
    until(lambda: bool(fetching(broker.redis)))
    return first, second


@pools
def test_a_broker_that_hangs_when_a_share_is_free_again_is_not_waited_for_at_the_end(
    carrier: Valkey, carried: Broker, start_worker: StartWorker, pool: str
) -> None:
    worker = start_worker(pool, WORKER_CONCURRENCY=3, WORKER_KINDS=B_KINDS, BROKER_URL=carrier.url, WORKER_DRAIN_S=0.1)
    first, _ = one_runs_and_one_waits_for_its_share(carried)
    carrier.pause()
    try:
        carried.tasks.cancel(first)
        until(lambda: carried.tasks.head(first).closed)
        worker.process.terminate()

        worker.process.wait(_BOUNDED_S)  # raises when it has not ended
    finally:
        carrier.resume()


@pools
def test_a_broker_that_hangs_when_a_share_is_free_again_costs_no_task_and_no_share(
    carrier: Valkey, carried: Broker, start_worker: StartWorker, pool: str
) -> None:
    worker = start_worker(pool, WORKER_CONCURRENCY=3, WORKER_KINDS=B_KINDS, BROKER_URL=carrier.url)
    first, second = one_runs_and_one_waits_for_its_share(carried)
    carrier.pause()
    try:
        carried.tasks.cancel(first)
        until(lambda: "Connection to broker lost" in worker.text)
    finally:
        carrier.resume()

    until(lambda: carried.tasks.head(second).state is State.RUNNING)
    third = carried.submit("waits")
    assert submit_and_time(carried, "streams") < AT_ONCE_MS
    assert carried.tasks.head(third).state is State.QUEUED
    assert carried.tasks.head(second).attempt == 1


def fetching(redis: Redis) -> list[str]:
    """The ids of connections that wait for a message."""
    return [client["id"] for client in redis.client_list() if client["cmd"] == "brpop"]


def test_a_lost_pool_process_makes_room_for_the_next_task_of_its_kind(
    broker: Broker, tasks: Tasks, start_worker: StartWorker
) -> None:
    worker = start_worker(WORKER_CONCURRENCY=3, WORKER_KINDS=B_KINDS)
    first, second = broker.submit("streams"), broker.submit("streams")
    until(lambda: tasks.head(first).seq > 3)

    for process in worker.pool:
        process.kill()

    until(lambda: tasks.head(second).state is State.RUNNING)
    assert tasks.head(first).attempt == 1
    assert submit_and_time(broker, "waits") < AT_ONCE_MS


@pools
def test_tasks_that_are_due_again_do_not_take_more_than_the_share_of_their_kind(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, pool: str
) -> None:
    worker = start_worker(pool, WORKER_CONCURRENCY=3, WORKER_KINDS=B_KINDS)
    until(lambda: " ready." in worker.text)  # one that starts late would find that they are due
    later = [tasks.new() for _ in range(4)]
    for task in later:
        broker.send(task, "waits", {}, countdown=2)
    until(lambda: broker.taken() == 4)
    first = broker.submit("waits")
    until(lambda: tasks.head(first).state is State.RUNNING)

    until(lambda: broker.waiting("waits") == 4)  # they were due, and went back

    assert submit_and_time(broker, "streams") < AT_ONCE_MS
    assert all(tasks.head(task).state is State.QUEUED for task in later)
    tasks.cancel(first)
    until(lambda: sum(tasks.head(task).state is State.RUNNING for task in later) == 1)


@pools
@pytest.mark.parametrize("slots", [1, 2])
def test_with_fewer_slots_than_kinds_all_tasks_of_all_kinds_end(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, pool: str, slots: int
) -> None:
    worker = start_worker(pool, WORKER_CONCURRENCY=slots, WORKER_KINDS="synthetic,counts,fails")
    many = Timed(broker, 6, delay_s=0.2)
    others = [broker.submit(kind) for kind in ("counts", "fails", "counts", "fails")]

    until(lambda: many.all_closed and all(tasks.head(task).closed for task in others))

    until(lambda: sum(map(broker.waiting, ("synthetic", "counts", "fails"))) + broker.taken() == 0)
    assert many.most_at_once() == 1
    assert worker.text.count("Fewer slots than kinds") == 1


@pools
def test_without_spare_slots_one_kind_takes_all(broker: Broker, start_worker: StartWorker, pool: str) -> None:
    start_worker(pool, WORKER_CONCURRENCY=4, WORKER_KINDS=A_KINDS, WORKER_SPARE_SLOTS=0)
    many = Timed(broker, 8, delay_s=1.0)

    until(lambda: many.all_closed)

    assert many.most_at_once() == 4


def test_both_sides_run_equally_many_of_one_kind_at_once(
    broker: Broker, tasks: Tasks, start_worker: StartWorker, tmp_path: Path
) -> None:
    pi: dict[str, Any] = {"digits": 10, "pace_ms": [150, 150]}
    with closing(Baseline(tmp_path / "polling")) as baseline:
        baseline.folder.mkdir()
        start_worker(WORKER_CONCURRENCY=8, WORKER_KINDS=SHIPPED)
        baseline.worker(BASELINE_CONCURRENCY=8, WORKLOADS="")
        api = baseline.api(WORKLOADS="")

        live = [broker.submit("compute_pi", **pi) for _ in range(12)]
        polling = [api.submit("compute_pi", **pi) for _ in range(12)]

        until(lambda: all(tasks.head(task).closed for task in live))
        told = [api.events(task, wait=True) for task in polling]
        assert most_at_once([(events[0]["ts"], events[-1]["ts"]) for events in told]) == 6
        assert most_at_once([(tasks.events(task)[0].ts, tasks.events(task)[-1].ts) for task in live]) == 6
