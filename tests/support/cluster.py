"""A Redis Cluster on this machine: three Valkey nodes, each with a third of the slots, that keep their data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from local.ports import free_port
from local.server import ServerMissing, running
from local.servers import Valkey
from local.waiting import wait_until
from protocol.keys import PARTITIONS, SLOTS, events, slot_of
from protocol.slots import Node
from tests.support.absent import do_without

NODES: Final = 3
_NODE_TIMEOUT_MS: Final = 2_000
_AGREE_S: Final = 30.0
_MOVE_KEYS: Final = 100
_MOVE_TIMEOUT_MS: Final = 5_000


class ClusterNode(Valkey):
    """One node. It belongs to no cluster before it is told so, and remembers that over its own end."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._bus_port: int | None = None

    @property
    def address(self) -> Node:
        assert self.port is not None
        return Node("127.0.0.1", self.port)

    def call(self, *command: Any) -> Any:
        """The answer to one command."""
        with Redis.from_url(self.url) as redis:
            return redis.execute_command(*command)

    def healthy(self) -> bool:
        """Whether it sees all nodes, and serves its slots."""
        with Redis.from_url(self.url) as redis:
            try:
                info: Any = redis.cluster("INFO")
                return info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == SLOTS
            except RedisError:
                return False

    def _prepare(self) -> None:
        super()._prepare()
        self._bus_port = self._bus_port or free_port()

    def _command(self) -> Sequence[str | Path]:
        settings = {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-port": str(self._bus_port),
            "cluster-node-timeout": str(_NODE_TIMEOUT_MS),
            "cluster-require-full-coverage": "no",
        }
        return [*super()._command(), *(word for key, value in settings.items() for word in (f"--{key}", value))]


class ValkeyCluster:
    """Nodes that run and know each other."""

    def __init__(self, nodes: Sequence[ClusterNode]) -> None:
        self.nodes = list(nodes)

    @property
    def url(self) -> str:
        """`redis+cluster://…`, with every node."""
        return f"redis+cluster://{','.join(str(node.address) for node in self.nodes)}"

    def form(self) -> None:
        """Make one cluster of the nodes."""
        for number, node in enumerate(self.nodes):
            first, last = SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1
            node.call("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        first_node = self.nodes[0]
        for node in self.nodes[1:]:
            address = first_node.address
            node.call("CLUSTER", "MEET", address.host, address.port, first_node._bus_port)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        assert wait_until(lambda: all(node.healthy() for node in self.nodes), timeout_s=_AGREE_S), "no cluster yet"

    def revive(self) -> None:
        """Undo whatever was done to the nodes."""
        for node in self.nodes:
            node.resume()
            node.start()
        self.wait_until_whole()

    def empty(self) -> None:
        for node in self.nodes:
            node.call("FLUSHALL")

    def add_replica(self, node: ClusterNode, primary: ClusterNode) -> None:
        """Make `node`, which runs, follow `primary` and take over when that is lost."""
        address = primary.address
        node.call("CLUSTER", "MEET", address.host, address.port, primary._bus_port)
        primary_id = primary.call("CLUSTER", "MYID").decode()
        assert wait_until(lambda: primary_id in node.call("CLUSTER", "NODES").decode(), timeout_s=_AGREE_S)
        node.call("CLUSTER", "REPLICATE", primary_id)
        assert wait_until(lambda: node.call("ROLE")[3] == b"connected", timeout_s=_AGREE_S)

    def owner(self, partition: int) -> ClusterNode:
        """The node that serves a partition."""
        slot = slot_of(events(partition))
        slots = self.nodes[0].call("CLUSTER", "SLOTS")
        port = next(primary[1] for first, last, primary, *_ in slots if first <= slot <= last)
        return next(node for node in self.nodes if node.address.port == port)

    def partitions_of(self, node: ClusterNode) -> list[int]:
        """Those that a node serves."""
        return [partition for partition in range(PARTITIONS) if self.owner(partition) is node]

    def move(self, partition: int, target: ClusterNode) -> None:
        """Move a partition to another node."""
        for _ in self.moving(partition, target):
            pass

    def moving(self, partition: int, target: ClusterNode) -> Iterator[str]:
        """The same step by step: `begun`; `half way`, when its keys are there and its slot is not; `done`."""
        source, slot = self.owner(partition), slot_of(events(partition))
        source_id, target_id = (node.call("CLUSTER", "MYID").decode() for node in (source, target))
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        yield "begun"
        while names := source.call("CLUSTER", "GETKEYSINSLOT", slot, _MOVE_KEYS):
            source.call("MIGRATE", "127.0.0.1", target.port, "", 0, _MOVE_TIMEOUT_MS, "KEYS", *names)
        yield "half way"
        for node in (target, source, *self.nodes):
            node.call("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        yield "done"


@contextmanager
def cluster() -> Iterator[ValkeyCluster]:
    """A cluster that is formed and empty; it ends afterwards."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="tests-")))
        try:
            nodes = [exits.enter_context(running(ClusterNode(folder / f"node-{i}"))) for i in range(NODES)]
        except ServerMissing as missing:
            do_without(str(missing))
        made = ValkeyCluster(nodes)
        made.form()
        yield made
