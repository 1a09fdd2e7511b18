"""Heads and logs on a cluster whose nodes go away, whose partitions move, and that a process does not know yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic
from typing import Final

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TryAgainError

from api.connections import connect_all
from protocol.head import CancelOutcome, ClaimOutcome, Outcome
from protocol.keys import events, partition_of
from protocol.log import Sighting, Snapshot
from protocol.nodes import Nodes
from protocol.usage import KEY
from tests.integration.cluster.conftest import LEASE_MS, PARTITIONS, World, chunk
from worker.connections import connect

IN_TIME_S: Final = 6.0
"""Half a lease: to find out who serves what takes 3 s at most, and the machine may be busy."""


@pytest.fixture
def killed(world: World) -> Iterator[int]:
    """The number of a node that was killed; it runs again afterwards."""
    yield 1
    world.cluster.revive()


async def test_calls_for_all_nodes_go_out_together_and_are_answered_in_order(world: World) -> None:
    owned = [world.claim(world.task_in(partition)) for partition in range(PARTITIONS)]
    calls = [world.worker.append_call(own, 1, [chunk(1)], lease_ms=LEASE_MS) for own in owned]

    answers = world.worker.exchange(calls)
    again = world.worker.exchange(calls)

    assert [answer.decision.outcome for answer in answers] == [Outcome.APPENDED] * PARTITIONS  # type: ignore[union-attr]
    assert [answer.decision.outcome for answer in again] == [Outcome.DUPLICATE] * PARTITIONS  # type: ignore[union-attr]
    snapshots = await world.api.snapshots([own.task for own in owned])
    assert [isinstance(snapshot, Snapshot) and snapshot.head.seq for snapshot in snapshots] == [1] * PARTITIONS
    sightings = await world.api.heads([own.task for own in owned])
    assert [sighting is not None and sighting.head is not None for sighting in sightings] == [True] * PARTITIONS


async def test_what_is_on_a_node_that_is_away_fails_alone_and_is_there_when_it_is_back(
    world: World, killed: int
) -> None:
    owned = [world.claim(world.task_on(node)) for node in world.cluster.nodes]
    world.cluster.nodes[killed].kill()
    calls = [world.worker.append_call(own, 1, [chunk(1)], lease_ms=LEASE_MS) for own in owned]

    answers = world.worker.exchange(calls)

    assert [isinstance(answer, RedisConnectionError) for answer in answers] == [False, True, False]
    sightings = await world.api.heads([own.task for own in owned])
    assert [isinstance(sighting, Sighting) for sighting in sightings] == [True, False, True]
    snapshots = await world.api.snapshots([own.task for own in owned])
    assert [isinstance(snapshot, Snapshot) for snapshot in snapshots] == [True, False, True]
    with pytest.raises(RedisConnectionError):
        await world.api.head(owned[killed].task)
    with pytest.raises(RedisConnectionError):
        world.worker.exchange([calls[killed]])

    world.cluster.revive()
    assert world.append(world.claim(world.task_on(world.cluster.nodes[killed])), 1) is Outcome.APPENDED


async def test_a_partition_that_has_moved_is_found_by_everybody_at_once(world: World) -> None:
    own = world.claim(world.task_in(3))
    assert world.append(own, 1) is Outcome.APPENDED
    assert await world.api.head(own.task) is not None
    source = world.cluster.owner(3)
    target = next(node for node in world.cluster.nodes if node is not source)

    world.cluster.move(3, target)

    assert world.cluster.owner(3) is target
    assert world.append(own, 2) is Outcome.APPENDED
    assert [seq for seq, _ in (await world.api.read(own.task, 0, 10)).events] == [1, 2]


async def test_while_the_keys_of_a_partition_are_moved_its_tasks_are_read_and_claimed_where_they_are(
    world: World,
) -> None:
    """They are at the other node, which answers those who were sent there; an append waits until the slot follows."""
    own, unclaimed = world.claim(world.task_in(3)), world.task_in(3)
    assert world.append(own, 1) is Outcome.APPENDED
    source = world.cluster.owner(3)
    target = next(node for node in world.cluster.nodes if node is not source)
    append = world.worker.append_call(own, 2, [chunk(2)], lease_ms=LEASE_MS)

    for step in world.cluster.moving(3, target):
        if step == "half way":
            page = await world.api.read(own.task, 0, 10)
            assert ([seq for seq, _ in page.events], page.head is not None and page.head.seq) == ([1], 1)
            assert world.worker.claim(unclaimed, lease_ms=LEASE_MS).outcome is ClaimOutcome.CLAIMED
            assert (await world.api.cancel(own.task)).outcome is CancelOutcome.CANCELLING
            (answer,) = world.worker.exchange([append])
            assert isinstance(answer, TryAgainError)

    assert world.append(own, 2) is Outcome.APPENDED


@pytest.fixture
async def newcomer(world: World, killed: int) -> AsyncIterator[Nodes]:
    """Who starts while a node is away, and asks that one first."""
    world.cluster.nodes[killed].kill()
    seeds = sorted(world.cluster.nodes, key=lambda node: node is not world.cluster.nodes[killed])
    url = f"redis+cluster://{','.join(str(node.address) for node in seeds)}"
    asynchronous = connect_all(url, "tests", retries=0)
    await asynchronous.ping()
    await asynchronous.aclose()
    with closing(connect(url, "tests")) as nodes:
        yield nodes


async def test_a_process_that_starts_while_a_node_is_away_finds_the_others(newcomer: Nodes, world: World) -> None:
    newcomer.ping()
    task = world.task_on(world.cluster.nodes[0])

    assert newcomer.lane(partition_of(task)) == partition_of(task)
    with newcomer.at(f"tasks:{{{partition_of(task)}}}:events") as redis:
        assert redis.ping()


async def test_nobody_answers_where_there_is_no_cluster(redis_url: str) -> None:
    alone = redis_url.removeprefix("redis://").removesuffix("/0")
    for url in (f"redis+cluster://{alone}", "redis+cluster://127.0.0.1:1"):
        nodes = connect_all(url, "tests", retries=0)
        with pytest.raises(RedisConnectionError, match="no node answers"):
            await nodes.ping()
        with closing(connect(url, "tests")) as others, pytest.raises(RedisConnectionError, match="no node answers"):
            others.ping()
        await nodes.aclose()


@pytest.fixture
def hanging(world: World) -> Iterator[None]:
    """Nobody answers; they go on afterwards."""
    for node in world.cluster.nodes:
        node.pause()
    yield
    world.cluster.revive()


@pytest.mark.usefixtures("hanging")
async def test_that_nobody_answers_is_known_in_time_however_many_are_asked(world: World) -> None:
    clock = asyncio.get_running_loop().time
    names = [f"{host}:{node.port}" for host in ("127.0.0.1", "localhost", "127.1") for node in world.cluster.nodes]
    nodes = connect_all(f"redis+cluster://{','.join(names)}", "tests", retries=0)
    began = clock()

    with pytest.raises(RedisConnectionError, match="no node of the cluster"):
        await nodes.ask(KEY, lambda pipe: pipe.hgetall(KEY))

    assert clock() - began < IN_TIME_S
    await nodes.aclose()


@pytest.mark.usefixtures("hanging")
def test_that_nobody_answers_is_known_to_a_worker_in_time_too(world: World) -> None:
    names = [f"{host}:{node.port}" for host in ("127.0.0.1", "localhost", "127.1") for node in world.cluster.nodes]
    began = monotonic()

    with (
        closing(connect(f"redis+cluster://{','.join(names)}", "tests")) as nodes,
        pytest.raises(RedisConnectionError, match="no node of the cluster"),
        nodes.at(KEY),
    ):
        pass

    assert monotonic() - began < IN_TIME_S


@pytest.fixture
def hanging_but_one(world: World) -> Iterator[str]:
    """The URL of a cluster of which one node answers, named last; they go on afterwards."""
    answering, *silent = world.cluster.nodes
    for node in silent:
        node.pause()
    yield f"redis+cluster://{','.join(str(node.address) for node in (*silent, answering))}"
    world.cluster.revive()


def test_nodes_that_hang_keep_nobody_for_long_from_the_one_that_answers(hanging_but_one: str, world: World) -> None:
    served, *_ = world.cluster.partitions_of(world.cluster.nodes[0])
    with closing(connect(hanging_but_one, "tests")) as nodes, ThreadPoolExecutor(4) as flushers:
        began = monotonic()

        list(flushers.map(lambda _: nodes.ping(), range(4)))

        assert monotonic() - began < IN_TIME_S
        with nodes.at(events(served)) as redis:
            assert redis.ping()


def test_what_has_no_partition_is_on_one_node_too(nodes: Nodes) -> None:
    with nodes.at(KEY) as redis:
        redis.hset(KEY, "worker:a", "{}")
    with nodes.at(KEY) as redis:
        assert redis.hgetall(KEY) == {b"worker:a": b"{}"}
