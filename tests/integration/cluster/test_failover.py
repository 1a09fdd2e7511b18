"""A node is lost for good, and its replica takes over: everybody goes on there, and nobody is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from api.connections import connect_all
from local.server import running as running_server
from protocol.keys import events, partition_of
from protocol.log import AsyncLog, Log, Snapshot
from protocol.nodes import Cluster
from protocol.slots import ClusterUrl
from tests.integration.cluster.conftest import PARTITIONS, World
from tests.integration.live.conftest import running
from tests.support.cluster import ClusterNode, ValkeyCluster, cluster
from tests.support.waiting import until, until_so
from worker.connections import connect
from worker.flusher import Flusher
from worker.flushers import Flushers

LONG_S: Final = 30.0
"""The others agree that a node is gone after 2 s, and elect its replica within a second or two."""


@dataclass(frozen=True)
class Pair:
    cluster: ValkeyCluster
    primary: ClusterNode
    replica: ClusterNode


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A cluster of the test's own, of which one node has a replica."""
    with cluster() as made, running_server(ClusterNode(tmp_path / "replica")) as replica:
        made.add_replica(replica, made.nodes[1])
        yield Pair(made, made.nodes[1], replica)


@pytest.mark.parametrize("lose", [ClusterNode.kill, ClusterNode.pause], ids=["killed", "hangs"])
async def test_tasks_go_on_at_the_replica_that_takes_over(pair: Pair, lose: Callable[[ClusterNode], None]) -> None:
    api_nodes = connect_all(pair.cluster.url, "tests-api", retries=0)
    api = AsyncLog(api_nodes, partitions=PARTITIONS)
    with closing(connect(pair.cluster.url, "tests-worker", max_connections=8)) as nodes:
        worker = Log(nodes, partitions=PARTITIONS)
        world = World(pair.cluster, nodes, worker, api)
        flushers = Flushers(partial(Flusher, worker), nodes, PARTITIONS)
        own = world.claim(world.task_on(pair.primary))
        emitter = flushers.open(own, 0)
        async with running(pair.cluster.url) as hub, hub.subscribe(own.task, lambda: None) as subscription:
            emitter.chunk("before")
            emitter.wait_flushed()
            assert await subscription.take(LONG_S) is not None
            await until_so(lambda: replicated(pair, own.task), within_s=LONG_S)

            lose(pair.primary)
            emitter.chunk("during")
            await until_so(lambda: pair.replica.call("ROLE")[0] == b"master", within_s=LONG_S)

            heard = 0
            while heard < 2:
                taken = await subscription.take(LONG_S)
                assert taken is not None
                heard = max([heard, *(message.last for message in taken.messages)])
                if taken.resync:
                    page = await api.read(own.task, 0, 10)
                    heard = max(heard, page.events[-1][0])
            emitter.chunk("after")
            emitter.wait_flushed()
        assert [seq for seq, _ in (await api.read(own.task, 0, 10)).events] == [1, 2, 3]
        flushers.stop()
    await api_nodes.aclose()


async def test_what_is_told_of_many_tasks_comes_from_the_replica_soon_after_it_has_taken_over(pair: Pair) -> None:
    """What is put to the node that hangs ends by the time-out of the question, never by that of a connection."""
    api_nodes = connect_all(pair.cluster.url, "tests-api", retries=0)
    api = AsyncLog(api_nodes, partitions=PARTITIONS)
    with closing(connect(pair.cluster.url, "tests-worker")) as nodes:
        world = World(pair.cluster, nodes, Log(nodes, partitions=PARTITIONS), api)
        tasks = [world.task_on(node) for node in pair.cluster.nodes]
    await until_so(lambda: bool(pair.replica.call("KEYS", "tasks:*:head:*")), within_s=LONG_S)

    async def answered() -> list[bool]:
        return [isinstance(told, Snapshot) for told in await api.snapshots(tasks, timeout_s=0.2)]

    assert await answered() == [True, True, True]
    pair.primary.pause()
    assert await answered() == [True, False, True]

    assert await until(answered, all, within_s=LONG_S)
    await api_nodes.aclose()


async def test_a_worker_leaves_a_node_that_has_lost_its_slots_but_cuts_off_nobody_who_waits_for_it(pair: Pair) -> None:
    client = partial(Redis.from_url, socket_timeout=0.5, retry=Retry(NoBackoff(), 0))
    with closing(Cluster(ClusterUrl(f"redis+cluster://{pair.cluster.nodes[0].address}"), client)) as nodes:
        key = events(pair.cluster.partitions_of(pair.primary)[0])
        with nodes.at(key) as leaving:
            waiting, idle = (leaving.connection_pool.get_connection() for _ in range(2))
            leaving.connection_pool.release(idle)
        pair.primary.pause()
        waiting.send_command("PING")  # type: ignore[no-untyped-call]

        def served() -> bool:
            with suppress(RedisError), nodes.at(key) as redis:
                return redis.exists(key) == 0
            return False

        await until_so(served, within_s=LONG_S)
        assert (idle.is_connected, waiting.is_connected) == (False, True)
        pair.primary.resume()
        assert waiting.read_response() == b"PONG"
        del leaving
        assert not waiting.is_connected


def replicated(pair: Pair, task: UUID) -> bool:
    """Whether the replica has what was appended: it may lack what was written a moment before its primary was lost."""
    slot_keys = pair.replica.call("KEYS", f"tasks:{{{partition_of(task)}}}:log:*")
    return bool(slot_keys)
