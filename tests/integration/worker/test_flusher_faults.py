"""What the flusher does on a real server that fails: nothing is lost, nothing comes twice, and nothing spins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from local.servers import Valkey
from protocol.events import State
from protocol.keys import TaskKeys
from tests.integration.worker.conftest import StartFlusher
from tests.integration.worker.tasks import LONG_S, Tasks, until
from worker.emitter import Emitter, EmitterLimits
from worker.errors import AttemptLost
from worker.flusher import FlusherSettings

Logged = Callable[[str], int]


@pytest.fixture
def memory(sync_redis: Redis) -> Iterator[Redis]:
    """A server whose limit of memory is taken away afterwards."""
    yield sync_redis
    sync_redis.config_set("maxmemory", "0")


def emit(emitter: Emitter, chunks: int) -> None:
    for number in range(chunks):
        emitter.chunk(number)


def test_a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing(
    tasks: Tasks, start_flusher: StartFlusher, sync_redis: Redis
) -> None:
    owned = tasks.claim()
    emitter = start_flusher(limits=EmitterLimits(buffer_events=10, batch_events=5)).open(owned, 0)
    with ThreadPoolExecutor(1) as thread:
        task = thread.submit(emit, emitter, 1_000)
        for cut in range(1, 6):
            until(lambda: len(tasks.batches(owned.task)) >= cut * 20)  # noqa: B023 - called here
            until(lambda: sync_redis.client_kill_filter(_type="normal", skipme=True) == 1)
        task.result(LONG_S)
    emitter.wait_flushed()

    assert tasks.story(owned.task) == [str(number) for number in range(1_000)]


def test_an_append_whose_answer_is_lost_is_not_made_twice(
    tasks: Tasks, start_flusher: StartFlusher, valkey_server: Valkey, logged: Logged
) -> None:
    owned = tasks.claim()
    emitter = start_flusher(socket_timeout_s=0.1).open(owned, 0)
    emitter.chunk("a")
    emitter.wait_flushed()
    valkey_server.pause()  # what is sent now is done when it goes on, but its answer comes too late
    emitter.chunk("b")
    emitter.chunk("c")
    until(lambda: logged("flush_failed") > 0)
    valkey_server.resume()
    emitter.chunk("d")
    emitter.wait_flushed()

    assert tasks.story(owned.task) == ["a", "b", "c", "d"]
    assert tasks.head(owned.task).n == 4


def test_an_end_whose_answer_is_lost_is_an_end(
    tasks: Tasks, start_flusher: StartFlusher, valkey_server: Valkey, logged: Logged
) -> None:
    owned = tasks.claim()
    emitter = start_flusher(FlusherSettings(heartbeat_s=0.01), socket_timeout_s=0.1).open(owned, 0)
    emitter.chunk("a")
    emitter.wait_flushed()
    valkey_server.pause()
    emitter.result("whole")
    until(lambda: logged("flush_failed") > 0)
    valkey_server.resume()
    emitter.wait_flushed()

    assert tasks.story(owned.task) == ["a", "succeeded"]


def test_a_restart_of_the_server_is_waited_for(
    tasks: Tasks, start_flusher: StartFlusher, valkey_server: Valkey, logged: Logged
) -> None:
    owned = tasks.claim()
    emitter = start_flusher().open(owned, 0)
    emitter.chunk("before")
    emitter.wait_flushed()
    valkey_server.stop()
    emitter.chunk("while")
    until(lambda: logged("flush_failed") > 0)
    valkey_server.start()
    emitter.chunk("after")
    emitter.wait_flushed()

    assert tasks.story(owned.task) == ["before", "while", "after"]


def test_a_server_that_forgot_everything_loses_the_attempt(
    tasks: Tasks, start_flusher: StartFlusher, sync_redis: Redis
) -> None:
    emitter = start_flusher().open(tasks.claim(), 0)
    emitter.chunk("before")
    emitter.wait_flushed()
    sync_redis.flushall()
    emitter.chunk("after")

    with pytest.raises(AttemptLost, match="append was answered with unknown"):
        emitter.wait_flushed()


def test_a_server_without_memory_is_asked_again_until_it_has_some(
    tasks: Tasks, start_flusher: StartFlusher, memory: Redis, logged: Logged
) -> None:
    owned = tasks.claim()
    emitter = start_flusher().open(owned, 0)
    emitter.chunk("before")
    emitter.wait_flushed()
    memory.config_set("maxmemory", "1")
    emitter.chunk("while")
    until(lambda: logged("append_refused") > 0)
    assert tasks.story(owned.task) == ["before"]

    memory.config_set("maxmemory", "0")
    emitter.end(State.CANCELLED)
    emitter.wait_flushed()
    assert tasks.story(owned.task) == ["before", "while", "cancelled"]


def test_a_server_without_memory_lets_those_who_wait_keep_their_tasks(
    tasks: Tasks, start_flusher: StartFlusher, memory: Redis, logged: Logged
) -> None:
    owned = tasks.claim()
    emitter = start_flusher(FlusherSettings(lease_ms=3_600_000, heartbeat_s=0.1)).open(owned, 0)
    memory.config_set("maxmemory", "1")
    emitter.chunk("while")
    until(lambda: logged("append_refused") > 0)

    def lease() -> int:
        return int(memory.hget(TaskKeys.of(owned.task).head, "lease") or 0)

    before = lease()
    until(lambda: lease() > before)


def test_the_patience_is_for_a_server_that_does_not_answer_and_not_for_one_without_memory(
    tasks: Tasks, start_flusher: StartFlusher, memory: Redis, logged: Logged
) -> None:
    owned = tasks.claim()
    emitter = start_flusher(limits=EmitterLimits(buffer_events=1, patience_s=3.0)).open(owned, 0)
    memory.config_set("maxmemory", "1")
    with ThreadPoolExecutor(1) as thread:
        task = thread.submit(emit, emitter, 3)
        until(lambda: logged("append_refused") >= 6)  # a second lies between two of them
        memory.config_set("maxmemory", "0")
        task.result(LONG_S)
    emitter.wait_flushed()
    assert tasks.story(owned.task) == ["0", "1", "2"]


@pytest.mark.parametrize("ends", [False, True], ids=["it goes on", "it has ended"])
def test_who_waits_long_for_room_loses_the_attempt(
    tasks: Tasks, start_flusher: StartFlusher, memory: Redis, ends: bool
) -> None:
    emitter = start_flusher(limits=EmitterLimits(no_room_s=1.0)).open(tasks.claim(), 0)
    memory.config_set("maxmemory", "1")
    emitter.result("all of it") if ends else emitter.chunk("some")

    with pytest.raises(AttemptLost, match="Redis had no room for events for 1 s"):
        emitter.wait_flushed()


def test_the_patience_with_a_server_that_stays_away_ends_the_attempt(
    tasks: Tasks, start_flusher: StartFlusher, valkey_server: Valkey
) -> None:
    emitter = start_flusher(limits=EmitterLimits(buffer_events=5, batch_events=5, patience_s=0.2)).open(
        tasks.claim(), 0
    )
    valkey_server.stop()

    with pytest.raises(AttemptLost, match=r"Redis took no events for 0\.2 s"):
        emit(emitter, 100)


def test_the_tries_on_a_server_that_is_away_are_ever_further_apart(
    tasks: Tasks, start_flusher: StartFlusher, valkey_server: Valkey, logged: Logged
) -> None:
    flusher = start_flusher(FlusherSettings(heartbeat_s=0.001, stop_timeout_s=0.1))
    emitters = [flusher.open(tasks.claim(), 0) for _ in range(20)]
    began = time.monotonic()
    valkey_server.stop()
    for _ in range(20):
        for emitter in emitters:  # what is emitted meanwhile does not hurry it
            emitter.chunk("x")
    until(lambda: logged("flush_failed") >= 5)

    assert time.monotonic() - began >= 0.05 + 0.1 + 0.2 + 0.4
    assert logged("flusher_failed") == 0


def test_the_stop_does_not_wait_long_for_a_server_that_is_away(
    tasks: Tasks, start_flusher: StartFlusher, valkey_server: Valkey
) -> None:
    flusher = start_flusher(FlusherSettings(stop_timeout_s=0.3))
    emitter = flusher.open(tasks.claim(), 0)
    valkey_server.stop()
    emitter.chunk("x")
    began = time.monotonic()
    flusher.stop()

    assert time.monotonic() - began < 5
    with pytest.raises(AttemptLost):
        emitter.wait_flushed()
