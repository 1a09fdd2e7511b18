"""On a Redis Cluster, a node dies under load and comes back: nothing is lost of what was promised."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from local.children import adopt_orphans
from protocol.keys import partition_of
from tests.chaos.checker import check
from tests.chaos.leaks import check_connections, check_processes
from tests.chaos.record import Submitted
from tests.chaos.stack import Stack, descendants, stack
from tests.chaos.storm import Storm
from tests.support.waiting import until_so

_TASKS: Final = 30
_AWAY_S: Final = 4.0
"""Longer than the others take to agree that it is gone (2 s), and than a lease lasts (3 s)."""
_SETTLE_S: Final = 120.0


@pytest.fixture
def clustered() -> Iterator[Stack]:
    adopt_orphans()
    before = descendants()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as folder,
        stack(Path(folder), lease_ms=3_000, clustered=True) as made,
    ):
        yield made
        assert made.end() == [], "every process must end when it is asked to"
        assert asyncio.run(check_connections(made)) == []
    assert check_processes(descendants, before) == []


class NodeLoss(Storm):
    """The same load with one fault: a node is killed when every task runs, and started again after a while."""

    async def _load(self, group: asyncio.TaskGroup) -> None:
        for number in range(self._tasks):
            params = {"updates": 120, "rate": 20, "size": 40} if number % 3 else {"digits": 120, "pace_ms": [40, 60]}
            asked = Submitted("synthetic" if number % 3 else "compute_pi", params)
            group.create_task(self._one(number, asked, chance=0.1 + number / 100))

    async def _faults(self) -> None:
        cluster = self._system.cluster
        assert cluster is not None
        await until_so(self._all_are_under_way, within_s=60)
        node = cluster.nodes[0]
        await asyncio.to_thread(node.kill)
        self.record.may_restart = True  # what was not yet written to the append-only file is lost with a kill
        self.record.faults.append("kill a node")
        await asyncio.sleep(_AWAY_S)
        await asyncio.to_thread(node.start)

    def _all_are_under_way(self) -> bool:
        seen = {transcript.task for transcript in self.record.transcripts if len(transcript.updates) > 10}
        return len(seen) == self._tasks


@pytest.mark.timeout(300)
async def test_a_node_that_is_killed_under_load_costs_nothing_that_was_promised(clustered: Stack) -> None:
    storm = NodeLoss(clustered, seed=1, tasks=_TASKS, seconds=30, followers=3)
    record = await storm.run()

    assert await check(clustered, record, settle_s=_SETTLE_S) == []
    assert len(record.accepted) == _TASKS
    assert len(record.transcripts) >= _TASKS
    assert clustered.cluster is not None
    hurt = set(clustered.cluster.partitions_of(clustered.cluster.nodes[0]))
    assert 0 < sum(partition_of(UUID(task)) in hurt for task in record.accepted) < _TASKS
