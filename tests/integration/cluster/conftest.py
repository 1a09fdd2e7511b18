"""Both sides of the protocol on a cluster, and tasks that are on a node of one's choice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import pytest

from api.connections import connect_all
from protocol import calls
from protocol.async_nodes import AsyncNodes
from protocol.calls import Appended, Body
from protocol.events import encode_body
from protocol.head import ClaimOutcome, Outcome
from protocol.keys import TaskKeys, partition_of
from protocol.log import AsyncLog, Log, Owned
from protocol.nodes import Nodes
from tests.support.cluster import ClusterNode, ValkeyCluster
from worker.connections import connect

LEASE_MS: Final = 60_000
PARTITIONS: Final = 16


def chunk(number: int) -> Body:
    return Body(encode_body(1, 1.5, "chunk", {"index": number, "data": number}), "chunk")


@dataclass(frozen=True)
class World:
    """A cluster, and a worker's and an api's view of it."""

    cluster: ValkeyCluster
    nodes: Nodes
    worker: Log
    api: AsyncLog

    def task_in(self, *partitions: int) -> UUID:
        """A task that is created, in one of `partitions`."""
        task = next(task for task in iter(uuid4, None) if partition_of(task) in partitions)
        assert self.worker.exchange([calls.create(TaskKeys.of(task), epoch="e1")]) == ["e1"]
        return task

    def task_on(self, node: ClusterNode) -> UUID:
        return self.task_in(*self.cluster.partitions_of(node))

    def claim(self, task: UUID) -> Owned:
        claim = self.worker.claim(task, lease_ms=LEASE_MS)
        assert claim.outcome is ClaimOutcome.CLAIMED
        return Owned(task, claim.epoch, claim.attempt)

    def append(self, owned: Owned, n: int) -> Outcome:
        """The chunk n."""
        (answer,) = self.worker.exchange([self.worker.append_call(owned, n, [chunk(n)], lease_ms=LEASE_MS)])
        assert isinstance(answer, Appended), answer
        return answer.decision.outcome


@pytest.fixture
def nodes(cluster_url: str) -> Iterator[Nodes]:
    with closing(connect(cluster_url, "tests-worker", max_connections=8)) as nodes:
        yield nodes


@pytest.fixture
async def async_nodes(cluster_url: str) -> AsyncIterator[AsyncNodes]:
    nodes = connect_all(cluster_url, "tests-api", retries=0)
    yield nodes
    await nodes.aclose()


@pytest.fixture
def world(valkey_cluster: ValkeyCluster, nodes: Nodes, async_nodes: AsyncNodes) -> World:
    worker, api = Log(nodes, partitions=PARTITIONS), AsyncLog(async_nodes, partitions=PARTITIONS)
    return World(valkey_cluster, nodes, worker, api)
