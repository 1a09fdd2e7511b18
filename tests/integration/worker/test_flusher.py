"""What the flusher does on a real server while all is well."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import UUID

import pytest
from redis import Redis

from protocol.calls import Appended, Body
from protocol.events import State, encode_body
from protocol.keys import TaskKeys
from protocol.log import Owned
from tests.integration.worker.conftest import StartFlusher
from tests.integration.worker.tasks import LONG_S, Tasks, until
from worker.emitter import Emitter, EmitterLimits
from worker.errors import AttemptLost
from worker.flusher import FlusherSettings

CHUNKS = 40
BEATING = FlusherSettings(lease_ms=60_000, heartbeat_s=0.02)


def emit_everything(emitter: Emitter) -> None:
    emitter.status(State.RUNNING)
    for number in range(CHUNKS):
        emitter.chunk(number)
        emitter.progress({"current": number})
    emitter.result("whole")
    emitter.wait_flushed()


def test_one_flusher_brings_all_of_hundreds_of_tasks_once_and_in_order(
    tasks: Tasks, start_flusher: StartFlusher
) -> None:
    flusher = start_flusher(limits=EmitterLimits(buffer_events=20, batch_events=8))
    owned = [tasks.claim() for _ in range(300)]
    with ThreadPoolExecutor(len(owned)) as threads:
        list(threads.map(emit_everything, [flusher.open(each, 0) for each in owned]))

    for each in owned:
        assert tasks.story(each.task) == ["running", *map(str, range(CHUNKS)), "succeeded"]
        assert tasks.head(each.task).closed


def test_one_event_alone_leaves_at_once(tasks: Tasks, start_flusher: StartFlusher) -> None:
    owned = tasks.claim()
    emitter = start_flusher().open(owned, 0)
    emitter.chunk("a")
    emitter.wait_flushed()
    emitter.chunk("b")
    emitter.wait_flushed()

    assert tasks.batches(owned.task) == [1, 1]


def test_what_waits_while_the_server_is_slow_goes_in_one_batch(
    tasks: Tasks, start_flusher: StartFlusher, sync_redis: Redis
) -> None:
    owned = tasks.claim()
    emitter = start_flusher().open(owned, 0)
    sync_redis.client_pause(10_000, all=False)
    for number in range(300):
        emitter.chunk(number)
    sync_redis.client_unpause()
    emitter.wait_flushed()

    assert tasks.story(owned.task) == [str(number) for number in range(300)]
    assert len(tasks.batches(owned.task)) <= 2  # what the flusher took at first, and all the rest


def test_a_handed_over_attempt_goes_on_after_its_last_event(tasks: Tasks, start_flusher: StartFlusher) -> None:
    owned = tasks.claim()
    flusher = start_flusher()
    first = flusher.open(owned, 0)
    first.chunk("a")
    first.wait_flushed()
    flusher.close(first)

    second = flusher.open(owned, 1)
    second.chunk("b")
    second.wait_flushed()

    assert tasks.story(owned.task) == ["a", "b"]


def test_a_silent_task_keeps_its_lease_until_it_is_closed(tasks: Tasks, start_flusher: StartFlusher) -> None:
    flusher = start_flusher(BEATING)
    silent, other = tasks.claim(lease_ms=100), tasks.claim()
    emitter = flusher.open(silent, 0)
    until(lambda: lease(tasks, silent) - lease(tasks, other) > 500)  # far over the 100 ms that it was claimed for

    flusher.close(emitter)
    flusher.open(other, 0)
    seen = lease(tasks, other)
    until(lambda: lease(tasks, other) > seen)
    left = lease(tasks, silent)
    for _ in range(3):
        seen = lease(tasks, other)
        until(lambda: lease(tasks, other) > seen)  # noqa: B023 - called here
    assert lease(tasks, silent) == left


def test_an_attempt_that_ended_gives_its_lease_up_and_no_heartbeat_takes_it_back(
    tasks: Tasks, start_flusher: StartFlusher
) -> None:
    flusher = start_flusher(BEATING)
    ended, other = tasks.claim(), tasks.claim()
    emitter = flusher.open(ended, 0)
    emitter.end(State.QUEUED, failure=True)
    emitter.wait_flushed()
    flusher.open(other, 0)
    for _ in range(3):
        seen = lease(tasks, other)
        until(lambda: lease(tasks, other) > seen)  # noqa: B023 - called here

    head = tasks.head(ended.task)
    assert (head.lease, head.failures, head.state) == (0, 1, State.QUEUED)


@pytest.mark.parametrize("silent", [True, False], ids=["by a heartbeat", "by an append"])
@pytest.mark.parametrize("how", ["fenced", "closed", "unknown"])
def test_an_attempt_that_is_not_its_own_any_more_is_lost(
    tasks: Tasks, start_flusher: StartFlusher, how: str, silent: bool
) -> None:
    owned = tasks.claim()
    emitter = start_flusher(BEATING if silent else None).open(owned, 0)
    match how:
        case "fenced":
            tasks.take_over(owned.task)
        case "closed":
            end(tasks, tasks.take_over(owned.task))
        case _:
            tasks.forget(owned.task)
    if not silent:
        emitter.chunk("late")

    until(emitter.interrupted.is_set)
    with pytest.raises(AttemptLost, match=f"{'renew' if silent else 'append'} was answered with {how}"):
        emitter.wait_flushed()


def test_a_cancel_is_heard_by_a_silent_task(tasks: Tasks, start_flusher: StartFlusher) -> None:
    owned = tasks.claim()
    emitter = start_flusher(BEATING).open(owned, 0)
    tasks.cancel(owned.task)

    until(emitter.interrupted.is_set)
    assert emitter.cancelled


def test_a_cancelled_attempt_that_goes_on_is_given_up_after_the_grace(
    tasks: Tasks, start_flusher: StartFlusher
) -> None:
    given_up = threading.Event()
    settings = FlusherSettings(lease_ms=60_000, heartbeat_s=0.02, grace_s=0.2)
    flusher = start_flusher(settings, on_stuck=given_up.set)
    stuck, other = tasks.claim(), tasks.claim()
    emitter = flusher.open(stuck, 0)
    flusher.open(other, 0)
    tasks.cancel(stuck.task)

    assert given_up.wait(LONG_S)
    left = lease(tasks, stuck)
    with pytest.raises(AttemptLost, match="it did not end in time"):
        emitter.chunk("late")
    for _ in range(3):
        seen = lease(tasks, other)
        until(lambda: lease(tasks, other) > seen)  # noqa: B023 - called here
    assert lease(tasks, stuck) == left


def test_an_attempt_past_its_time_limit_is_given_up_unless_it_has_ended(
    tasks: Tasks, start_flusher: StartFlusher, sync_redis: Redis
) -> None:
    flusher = start_flusher(FlusherSettings(lease_ms=60_000, heartbeat_s=0.02, grace_s=0.2))
    ended, stuck = (flusher.open(tasks.claim(), 0) for _ in range(2))
    sync_redis.client_pause(10_000, all=False)
    ended.result("whole")
    ended.end_by = stuck.end_by = time.monotonic() - 1
    sync_redis.client_unpause()

    until(stuck.interrupted.is_set)
    ended.wait_flushed()
    with pytest.raises(AttemptLost):
        stuck.raise_if_lost()


def test_a_long_backlog_makes_a_task_wait_and_its_batches_large(
    tasks: Tasks, start_flusher: StartFlusher, sync_redis: Redis
) -> None:
    ahead_s = 0.0
    flusher = start_flusher(FlusherSettings(backlog_high=10, slowest_s=60), clock=lambda: time.monotonic() + ahead_s)
    slow, free = (tasks.claim(task) for task in of_two_partitions(tasks))
    with sync_redis.pipeline() as pipe:
        for _ in range(10 + 6_000):  # 600 times more than may be, at 0.1 s each: the longest wait
            pipe.xadd(TaskKeys.of(slow.task).events, {"task": "other"})
        pipe.execute()
    slowed, other = flusher.open(slow, 0), flusher.open(free, 0)
    slowed.chunk(0)
    slowed.wait_flushed()
    for number in range(1, 100):
        slowed.chunk(number)
    for _ in range(5):  # rounds in which the slowed task has no part
        other.chunk("x")
        other.wait_flushed()
    assert tasks.batches(slow.task) == [1]

    ahead_s = 60.0
    other.chunk("x")  # the flusher looks at the clock
    slowed.wait_flushed()
    assert tasks.batches(slow.task) == [1, 99]


def test_the_stop_does_not_wait_for_a_long_backlog(
    tasks: Tasks, start_flusher: StartFlusher, sync_redis: Redis
) -> None:
    flusher = start_flusher(FlusherSettings(backlog_high=1, slowest_s=60), EmitterLimits(batch_events=4))
    owned = tasks.claim()
    with sync_redis.pipeline() as pipe:
        for _ in range(1_000):
            pipe.xadd(TaskKeys.of(owned.task).events, {"task": "other"})
        pipe.execute()
    emitter = flusher.open(owned, 0)
    emitter.chunk(0)
    emitter.wait_flushed()
    for number in range(1, 10):
        emitter.chunk(number)

    flusher.stop()

    assert tasks.batches(owned.task) == [1, 4, 4, 1]


def test_the_stop_sends_all_that_is_left_of_all_tasks(
    tasks: Tasks, start_flusher: StartFlusher, sync_redis: Redis
) -> None:
    flusher = start_flusher(limits=EmitterLimits(batch_events=4))
    owned = [tasks.claim() for _ in range(200)]  # more than go in one round
    sync_redis.client_pause(10_000, all=False)
    for each in owned:
        emitter = flusher.open(each, 0)
        for number in range(10):
            emitter.chunk(number)
    with ThreadPoolExecutor(1) as thread:
        stop = thread.submit(flusher.stop)
        sync_redis.client_unpause()
        stop.result()

    assert all(tasks.story(each.task) == list(map(str, range(10))) for each in owned)


def test_the_stop_wakes_a_task_that_waits_for_room(
    tasks: Tasks, start_flusher: StartFlusher, sync_redis: Redis
) -> None:
    flusher = start_flusher(FlusherSettings(stop_timeout_s=0.05), EmitterLimits(buffer_events=5))
    emitter = flusher.open(tasks.claim(), 0)
    sync_redis.client_pause(10_000, all=False)
    with ThreadPoolExecutor(1) as thread:
        task = thread.submit(emit_everything, emitter)
        flusher.stop()
        with pytest.raises(AttemptLost, match="the worker has stopped"):
            task.result()
    sync_redis.client_unpause()


def lease(tasks: Tasks, owned: Owned) -> int:
    return tasks.head(owned.task).lease


def end(tasks: Tasks, owned: Owned) -> None:
    body = Body(encode_body(owned.attempt, 1.0, "result", {"result": None}), "result", State.SUCCEEDED)
    (answer,) = tasks.log.exchange([tasks.log.append_call(owned, 1, [body], lease_ms=0)])
    assert isinstance(answer, Appended), answer


def of_two_partitions(tasks: Tasks) -> tuple[UUID, UUID]:
    first = tasks.new()
    return first, next(task for _ in count() if TaskKeys.of(task := tasks.new()).events != TaskKeys.of(first).events)
