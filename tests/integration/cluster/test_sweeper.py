"""The sweeper on a cluster: a node that is no use costs the tasks of the others nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest
import uuid_utils.compat
from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from api.app import create_app
from api.dispatch import sweeper
from api.live.ending import end
from api.settings import ApiSettings
from api.storage.changes import NewTask
from local.servers import Valkey
from protocol.head import ClaimOutcome
from protocol.keys import PARTITIONS, partition_of
from protocol.log import Log
from protocol.nodes import READ_TIMEOUT_S
from tests.integration.dispatch.conftest import KIND, Parts, replica
from tests.support.cluster import ClusterNode, ValkeyCluster
from tests.support.waiting import until, until_so
from worker.connections import connect

_ROWS: Final = 4
"""Of each node."""
_TIMEOUT_S: Final = 5.0
"""Of a call to Redis."""
_SEND_TIMEOUT_S: Final = 8.0
"""Of a message."""


@pytest.fixture
async def parts(cluster_url: str, redis_url: str, engine: AsyncEngine) -> AsyncIterator[Parts]:
    async with replica(cluster_url, engine, broker_url=redis_url) as made:
        yield made


@pytest.fixture
def bad(valkey_cluster: ValkeyCluster) -> Iterator[ClusterNode]:
    """A node that a test may do anything to."""
    node = valkey_cluster.nodes[0]
    yield node
    heal(node)


@pytest.fixture
def all_bad(valkey_cluster: ValkeyCluster) -> Iterator[list[ClusterNode]]:
    """The same, of every node."""
    yield valkey_cluster.nodes
    for node in valkey_cluster.nodes:
        heal(node)


def new_on(cluster: ValkeyCluster, node: ClusterNode) -> NewTask:
    wanted = cluster.partitions_of(node)
    task = next(task for task in iter(uuid_utils.compat.uuid7, None) if partition_of(task) in wanted)
    return NewTask(task, KIND, {}, "e1", datetime.now(UTC))


async def lose_workers(parts: Parts, cluster: ValkeyCluster) -> dict[ClusterNode, list[UUID]]:
    """Tasks of each node that were dispatched, and claimed by a worker that is never heard of again.

    Those of the first node are the oldest: a sweep meets them first.
    """
    made: dict[ClusterNode, list[UUID]] = {}
    with closing(connect(cluster.url, "tests-worker")) as nodes:
        log = Log(nodes, partitions=PARTITIONS)
        for node in cluster.nodes:
            rows = [(await parts.store.insert(new_on(cluster, node))).row for _ in range(_ROWS)]
            made[node] = [row.id for row in rows]
            for row in rows:
                assert await parts.dispatcher.dispatch(row)
                assert log.claim(row.id, lease_ms=1).outcome is ClaimOutcome.CLAIMED
    return made


async def queued_again(parts: Parts, tasks: list[UUID]) -> list[bool]:
    return [await parts.states(task) == ["queued"] for task in tasks]


def no_memory(node: ClusterNode) -> None:
    node.call("CONFIG", "SET", "maxmemory", "1")


def no_answer(node: ClusterNode) -> None:
    node.pause()


def no_answer_to_writes(node: ClusterNode) -> None:
    """It answers what it is asked about heads, and nothing that a sweep then does."""
    node.call("CLIENT", "PAUSE", 60_000, "WRITE")


def waits(node: ClusterNode) -> bool:
    """Whether a script that was sent to a node has to wait there."""
    with Redis.from_url(node.url) as redis:
        clients: Any = redis.client_list()
    return any(client["cmd"] == "evalsha" and "b" in client["flags"] for client in clients)


def heal(node: ClusterNode) -> None:
    node.resume()
    node.call("CLIENT", "UNPAUSE")
    node.call("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def told() -> Iterator[Callable[[], list[tuple[Any, Any]]]]:
    """The servers, and how many of their tasks, that were said to be left alone."""
    with capture_logs() as records:
        yield lambda: [(each["server"], each["tasks"]) for each in records if each.get("action") == "not_looked_at"]


@pytest.mark.parametrize("harm", [no_memory, no_answer, no_answer_to_writes])
async def test_a_node_that_is_no_use_costs_the_tasks_of_the_others_nothing(
    parts: Parts, valkey_cluster: ValkeyCluster, bad: ClusterNode, harm: Callable[[ClusterNode], None]
) -> None:
    made = await lose_workers(parts, valkey_cluster)
    hurt, *others = made.values()
    harm(bad)

    with told() as left:
        async with asyncio.timeout(2 * _TIMEOUT_S - 0.5):  # a time-out for each of its tasks would be four
            await parts.sweeper.sweep()

    for tasks in others:
        assert all(await queued_again(parts, tasks))
    assert left() == [(str(bad.address), _ROWS)]
    assert (parts.sweeper.counters.failures, parts.sweeper.counters.unreached) == (1, _ROWS)

    heal(bad)
    await until_so(bad.healthy)
    await parts.sweeper.sweep()
    assert all(await queued_again(parts, hurt))


async def test_tasks_of_a_hanging_node_that_fill_pages_are_passed_with_one_timeout(
    parts: Parts, valkey_cluster: ValkeyCluster, bad: ClusterNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_PAGE", _ROWS // 2)
    made = await lose_workers(parts, valkey_cluster)
    _, *others = made.values()
    no_answer(bad)

    async with asyncio.timeout(2 * _TIMEOUT_S - 0.5):
        await parts.sweeper.sweep()

    for tasks in others:
        assert all(await queued_again(parts, tasks))
    assert parts.sweeper.counters.unreached == _ROWS


async def test_a_replica_waits_for_one_timeout_too(
    parts: Parts, valkey_cluster: ValkeyCluster, bad: ClusterNode, redis_url: str, database_url: str
) -> None:
    _, *others = (await lose_workers(parts, valkey_cluster)).values()
    no_answer_to_writes(bad)
    app = create_app(ApiSettings(redis_url=valkey_cluster.url, broker_url=redis_url, database_url=database_url))

    async def all_queued_again() -> bool:
        return all([all(await queued_again(parts, tasks)) for tasks in others])

    async with app.router.lifespan_context(app):
        await until(all_queued_again, within_s=2 * _TIMEOUT_S - 0.5)
        heal(bad)


async def test_a_cluster_of_which_no_node_answers_costs_one_timeout_and_one_look_for_the_table_of_slots(
    parts: Parts, valkey_cluster: ValkeyCluster, all_bad: list[ClusterNode]
) -> None:
    await lose_workers(parts, valkey_cluster)
    for node in all_bad:
        no_answer(node)

    async with asyncio.timeout(_TIMEOUT_S + 2 * READ_TIMEOUT_S - 0.5):
        await parts.sweeper.sweep()

    assert parts.sweeper.counters.unreached == len(all_bad) * _ROWS


async def test_a_broker_that_hangs_is_waited_for_once_and_other_tasks_are_seen_to(
    parts: Parts, valkey_cluster: ValkeyCluster, valkey_server: Valkey
) -> None:
    node = valkey_cluster.nodes[0]
    unsent = [(await parts.store.insert(new_on(valkey_cluster, node))).row for _ in range(3)]
    unwanted = (await parts.store.insert(new_on(valkey_cluster, node))).row
    assert await parts.dispatcher.dispatch(unwanted)
    await parts.store.request_cancel(unwanted.id, datetime.now(UTC))
    valkey_server.pause()
    try:
        async with asyncio.timeout(2 * _SEND_TIMEOUT_S - 0.5):
            await parts.sweeper.sweep()
    finally:
        valkey_server.resume()

    assert await parts.states(unwanted.id) == ["cancelled"]
    assert parts.sweeper.counters.failures == 1
    await parts.sweeper.sweep()
    assert all([(await parts.stored(row.id)).dispatched_at for row in unsent])


async def test_a_sweep_that_is_cut_short_goes_on_behind_the_task_that_held_it_up(
    parts: Parts, valkey_cluster: ValkeyCluster, bad: ClusterNode
) -> None:
    made = await lose_workers(parts, valkey_cluster)
    _, *others = made.values()
    no_answer_to_writes(bad)

    cut = asyncio.create_task(parts.sweeper.sweep())
    await until_so(lambda: waits(bad))
    await end(cut)
    async with asyncio.timeout(2 * _TIMEOUT_S - 0.5):
        await parts.sweeper.sweep()

    for tasks in others:
        assert all(await queued_again(parts, tasks))
    assert parts.sweeper.counters.unreached == _ROWS - 1
