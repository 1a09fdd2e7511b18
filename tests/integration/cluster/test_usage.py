"""What the processes and the nodes of a cluster have used, while one of the nodes does not tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import pytest
from redis.exceptions import MovedError

from api.usage import Missing, UsageBoard
from protocol.async_nodes import AsyncNodes
from protocol.usage import KEY, Usage
from tests.integration.cluster.conftest import World
from tests.support.cluster import ClusterNode, ValkeyCluster

_AHEAD_MS: Final = 4_000
"""The other's clock is a little ahead: it is listed for nine seconds."""

away = pytest.mark.parametrize("harm", [ClusterNode.kill, ClusterNode.pause], ids=["away", "hanging"])


@pytest.fixture
def board(world: World, async_nodes: AsyncNodes) -> UsageBoard:
    """Of a replica that knows the cluster, and one more process that has reported."""
    other = Usage("other", "worker", 1.0, 1, time.time() * 1000 + _AHEAD_MS)
    keeper(world.cluster).call("HSET", KEY, other.field, other.encode())
    return UsageBoard(async_nodes, "asked")


def keeper(cluster: ValkeyCluster) -> ClusterNode:
    """The node that has the reports."""
    for node in cluster.nodes:
        try:
            node.call("EXISTS", KEY)
        except MovedError:
            continue
        return node
    raise AssertionError


async def test_every_node_tells_of_itself(board: UsageBoard) -> None:
    readings = await board.read()

    assert len({node.name for node in readings.nodes}) == 3
    assert readings.missing == Missing(reports=False, redis_nodes=0)
    assert [usage.name for usage in readings.processes] == ["asked", "other"]
    assert readings.server is not None
    assert readings.server.cpu_s == pytest.approx(sum(node.cpu_s for node in readings.nodes))


@away
async def test_without_the_node_that_has_the_reports_the_others_tell_and_the_rest_is_said_to_be_missing(
    board: UsageBoard, valkey_cluster: ValkeyCluster, harm: Callable[[ClusterNode], None]
) -> None:
    before = await board.read()
    harm(keeper(valkey_cluster))
    try:
        readings = await board.read()
    finally:
        valkey_cluster.revive()

    assert readings.missing == Missing(reports=True, redis_nodes=1)
    assert [usage.name for usage in readings.processes] == ["asked"]
    assert len(readings.nodes) == 2
    assert {node.name for node in readings.nodes} < {node.name for node in before.nodes}
    assert readings.server is None


@away
async def test_without_another_node_all_processes_are_there(
    board: UsageBoard, valkey_cluster: ValkeyCluster, harm: Callable[[ClusterNode], None]
) -> None:
    await board.read()
    other = next(node for node in valkey_cluster.nodes if node is not keeper(valkey_cluster))
    harm(other)
    try:
        readings = await board.read()
    finally:
        valkey_cluster.revive()

    assert readings.missing == Missing(reports=False, redis_nodes=1)
    assert [usage.name for usage in readings.processes] == ["asked", "other"]
    assert (len(readings.nodes), readings.server) == (2, None)


async def test_the_counters_of_a_name_never_go_back_over_the_restart_of_a_node(
    board: UsageBoard, valkey_cluster: ValkeyCluster
) -> None:
    before = {node.name: node for node in (await board.read()).nodes}
    valkey_cluster.nodes[0].kill()
    valkey_cluster.revive()

    after = {node.name: node for node in (await board.read()).nodes}

    assert len(before.keys() & after.keys()) == 2
    for name in before.keys() & after.keys():
        assert after[name].cpu_s >= before[name].cpu_s
        assert after[name].at_ms > before[name].at_ms


async def test_a_cluster_that_is_away_leaves_what_this_process_knows_of_itself(
    board: UsageBoard, valkey_cluster: ValkeyCluster
) -> None:
    for node in valkey_cluster.nodes:
        node.kill()
    try:
        readings = await board.read()
    finally:
        valkey_cluster.revive()

    assert [usage.name for usage in readings.processes] == ["asked"]
    assert (readings.nodes, readings.server) == ([], None)
    assert readings.missing == Missing(reports=True, redis_nodes=1)
