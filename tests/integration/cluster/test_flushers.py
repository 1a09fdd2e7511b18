"""The flushers of a worker on a cluster: a node that hangs holds up nobody who does not need it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest

from tests.integration.cluster.conftest import PARTITIONS, World
from worker.emitter import Emitter
from worker.flusher import Flusher
from worker.flushers import Flushers

_EVENTS: Final = 200
_PROMPTLY_S: Final = 2.5
"""Half of what a call waits for a node that does not answer; 200 appends one by one take a tenth of this."""


@pytest.fixture
def flushers(world: World) -> Iterator[Flushers]:
    made = Flushers(partial(Flusher, world.worker), world.nodes, PARTITIONS)
    yield made
    made.stop()


def emit_one_by_one(emitter: Emitter, count: int) -> None:
    for number in range(count):
        emitter.chunk(number)
        emitter.wait_flushed()


async def test_a_node_that_hangs_holds_up_its_own_tasks_only(world: World, flushers: Flushers) -> None:
    hanging, other = world.cluster.nodes[:2]
    stuck, free = (flushers.open(world.claim(world.task_on(node)), 0) for node in (hanging, other))
    emit_one_by_one(stuck, 1)
    hanging.pause()
    try:
        stuck.chunk("waits")
        started = time.monotonic()
        emit_one_by_one(free, _EVENTS)
        took_s = time.monotonic() - started
    finally:
        world.cluster.revive()

    assert took_s < _PROMPTLY_S
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


def test_flushers_are_made_for_partitions_that_have_tasks_only(world: World, flushers: Flushers) -> None:
    for partition in (1, 1, 9):
        flushers.close(flushers.open(world.claim(world.task_in(partition)), 0))

    assert flushers.lanes == {1, 9}
