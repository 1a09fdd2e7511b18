"""The flushers of a worker on a cluster: a node that hangs holds up nobody who does not need it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Final
from uuid import UUID

import pytest

from protocol.log import Log
from tests.integration.cluster.conftest import PARTITIONS, World
from tests.integration.worker.tasks import until
from worker import connections
from worker.emitter import Emitter, EmitterLimits
from worker.errors import AttemptLost
from worker.flusher import Flusher
from worker.flushers import Flushers

_EVENTS: Final = 200
_PATIENCE_S: Final = 20.0
_ANSWER_S: Final = 300.0
"""How long a call waits for a node: longer than the patience, and than any test."""


@pytest.fixture
def flushers(world: World) -> Iterator[Flushers]:
    made = Flushers(partial(Flusher, world.worker), world.nodes, PARTITIONS)
    yield made
    made.stop()


@pytest.fixture
def patient(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flushers]:
    """Flushers that wait for an answer until there is one: whoever had to wait for another's would give up."""
    monkeypatch.setattr(connections, "_SOCKET_TIMEOUT_S", _ANSWER_S)
    with closing(connections.connect(world.cluster.url, "tests-patient", max_connections=8)) as nodes:
        log = Log(nodes, partitions=PARTITIONS)
        made = Flushers(partial(Flusher, log, EmitterLimits(patience_s=_PATIENCE_S)), nodes, PARTITIONS)
        yield made
        world.cluster.revive()
        made.stop()


@pytest.fixture
def threads() -> Callable[[], int]:
    """How many flushers run that this test has started."""
    before = set(threading.enumerate())
    return lambda: sum(thread.name == "flusher" for thread in {*threading.enumerate()} - before)


def emit_one_by_one(emitter: Emitter, count: int) -> None:
    for number in range(count):
        emitter.chunk(number)
        emitter.wait_flushed()


async def test_a_node_that_hangs_holds_up_its_own_tasks_only(world: World, patient: Flushers) -> None:
    hanging, other = world.cluster.nodes[:2]
    stuck, free = (patient.open(world.claim(world.task_on(node)), 0) for node in (hanging, other))
    emit_one_by_one(stuck, 1)
    hanging.pause()
    stuck.chunk("waits")

    emit_one_by_one(free, _EVENTS)  # raises AttemptLost when it has to wait

    world.cluster.revive()
    stuck.wait_flushed()
    assert [seq for seq, _ in (await world.api.read(stuck.owned.task, 0, 10)).events] == [1, 2]
    assert len((await world.api.read(free.owned.task, 0, 2 * _EVENTS)).events) == _EVENTS


async def test_a_task_goes_on_over_the_move_of_its_partition(world: World, flushers: Flushers) -> None:
    emitter = flushers.open(world.claim(world.task_in(5)), 0)
    source = world.cluster.owner(5)
    target = next(node for node in world.cluster.nodes if node is not source)
    for step in world.cluster.moving(5, target):
        emitter.chunk(step)
    emitter.chunk("moved")
    emitter.wait_flushed()

    events = (await world.api.read(emitter.owned.task, 0, 100)).events
    assert [seq for seq, _ in events] == list(range(1, len(events) + 1))
    assert b'"moved"' in events[-1][1]


def test_there_are_flushers_for_partitions_with_tasks_only(
    world: World, flushers: Flushers, threads: Callable[[], int]
) -> None:
    first, second, other = (flushers.open(world.claim(world.task_in(partition)), 0) for partition in (1, 1, 9))
    assert (flushers.lanes, threads()) == ({1, 9}, 2)

    flushers.close(first)
    flushers.close(other)
    until(lambda: threads() == 1)
    emit_one_by_one(second, 1)
    assert flushers.lanes == {1}

    flushers.close(second)
    until(lambda: threads() == 0)
    assert flushers.lanes == set()


def test_a_thread_that_cannot_be_started_spoils_one_attempt_and_no_other(world: World) -> None:
    class Unlucky(Flusher):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    kinds = iter([Unlucky, Flusher])
    flushers = Flushers(lambda: next(kinds)(world.worker), world.nodes, PARTITIONS)
    first, second = (world.claim(world.task_in(1)) for _ in range(2))
    with pytest.raises(RuntimeError):
        flushers.open(first, 0)

    emit_one_by_one(flushers.open(second, 0), 1)
    flushers.stop()


def test_who_closes_does_not_wait_for_a_flusher_that_waits(
    world: World, patient: Flushers, threads: Callable[[], int]
) -> None:
    node = world.cluster.nodes[0]
    emitter = patient.open(world.claim(world.task_on(node)), 0)
    node.pause()
    emitter.chunk("waits")
    emitter.lose("the test has")

    patient.close(emitter)

    assert (patient.lanes, threads()) == (set(), 1)
    world.cluster.revive()
    until(lambda: threads() == 0)


async def test_tasks_that_begin_and_end_in_one_partition_lose_nothing_while_its_flusher_comes_and_goes(
    world: World, flushers: Flushers, threads: Callable[[], int]
) -> None:
    tasks = [world.task_in(3) for _ in range(60)]

    def run(task: UUID) -> None:
        emitter = flushers.open(world.claim(task), 0)
        emit_one_by_one(emitter, 3)
        flushers.close(emitter)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, tasks))

    for task in tasks:
        assert [seq for seq, _ in (await world.api.read(task, 0, 10)).events] == [1, 2, 3]
    assert flushers.lanes == set()
    until(lambda: threads() == 0)


def test_after_the_stop_nothing_is_opened(world: World, flushers: Flushers, threads: Callable[[], int]) -> None:
    emitter = flushers.open(world.claim(world.task_in(1)), 0)
    flushers.stop()

    for partition in (1, 2):
        with pytest.raises(AttemptLost, match="the worker has stopped"):
            flushers.open(world.claim(world.task_in(partition)), 0)
    flushers.close(emitter)
    assert threads() == 0
