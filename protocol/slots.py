"""Redis Cluster as its clients know it: the nodes that a URL names, and which node serves which slot. Pure.

`protocol.nodes` and `protocol.async_nodes` ask the nodes; docs/protocol.md §2.3 says what they rely on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

_SCHEMES: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
_DEFAULT_PORT: Final = 6379

NO_CLUSTER_AS_BROKER: Final = (
    "a Redis Cluster cannot carry the task messages: BROKER_URL must name a Redis that stands alone (redis://…)"
)
"""What a process that is set so says when it refuses to start."""


@dataclass(frozen=True, slots=True)
class Node:
    """The address of a server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_cluster(url: str) -> bool:
    """Whether `url` names a cluster, and not one server."""
    return urlsplit(url).scheme in _SCHEMES


class ClusterUrl:
    """`redis+cluster://[user:password@]host[:port][,host[:port]…][?option=value]`, or `rediss+cluster://` for TLS.

    The nodes that it names are those that are asked first; one that answers is enough. User, password and options hold
    for every node. Raises ValueError.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise ValueError("expected redis+cluster:// or rediss+cluster://")
        if parts.path not in {"", "/", "/0"}:
            raise ValueError("a cluster has the database 0 only")
        self._parts = parts
        self._user, at, hosts = parts.netloc.rpartition("@")
        self._user += at
        self.seeds = tuple(_seed(host) for host in hosts.split(","))

    def of(self, node: Node, *, timeout_s: float | None = None) -> str:
        """The URL of one node, as for a server that stands alone. `timeout_s`: for each wait, whatever else is set."""
        query = self._parts.query
        if timeout_s is not None:  # of an option that comes twice, redis-py takes the first
            query = f"socket_connect_timeout={timeout_s}&socket_timeout={timeout_s}&{query}"
        return urlunsplit(SplitResult(_SCHEMES[self._parts.scheme], f"{self._user}{node}", "/0", query, ""))

    def __str__(self) -> str:
        """The nodes that it names, without a password."""
        return ",".join(map(str, self.seeds))


def _seed(text: str) -> Node:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("expected host:port, or several of them with commas between")
    return Node(parts.hostname, parts.port or _DEFAULT_PORT)


class SlotTable:
    """Which node serves a slot, as far as is known, and which nodes are in doubt. Whoever changes it does so alone."""

    def __init__(self, seeds: Iterable[Node]) -> None:
        self._seeds = tuple(seeds)
        self._ranges: list[tuple[int, int, Node]] = []
        self._moved: dict[int, Node] = {}
        self._doubted: set[Node] = set()
        self._failed: dict[Node, int] = {}
        self._failures = count(1)

    def owner(self, slot: int, *, doubted: bool = False) -> Node | None:
        """Of `slot`; None when it is not known or, unless `doubted`, when the table should be read again first."""
        node = self._moved.get(slot) or next((n for first, last, n in self._ranges if first <= slot <= last), None)
        return node if doubted or node not in self._doubted else None

    @property
    def owners(self) -> tuple[Node, ...]:
        """Every node that serves slots."""
        return tuple(dict.fromkeys([*(node for _, _, node in self._ranges), *self._moved.values()]))

    @property
    def sources(self) -> list[Node]:
        """Nodes to ask for the table, those first that are likely to answer: the last that failed comes last.

        That holds over a new table, until the node answers: else one that hangs would be asked first each time.
        """
        known = dict.fromkeys([*self.owners, *self._seeds])
        return sorted(known, key=lambda node: self._failed.get(node, 0))

    def replace(self, reply: Sequence[Any], asked: Node) -> bool:
        """Take the answer of `asked` to CLUSTER SLOTS; False when it knows of no slots: it is in no cluster (yet)."""
        ranges = [(int(first), int(last), named(primary[0], primary[1], asked)) for first, last, primary, *_ in reply]
        if ranges:
            self._ranges, self._moved = ranges, {}
            self._doubted.clear()
            self._failed.pop(asked, None)
            known = {*self.owners, *self._seeds}
            self._failed = {node: number for node, number in self._failed.items() if node in known}
        return bool(ranges)

    def moved(self, slot: int, node: Node) -> None:
        """A node has said that `node` serves `slot`."""
        self._moved = {**self._moved, slot: node}
        self._doubted.discard(node)

    def doubt(self, node: Node) -> None:
        """`node` did not answer as one that serves its slots."""
        self._doubted.add(node)
        self._failed[node] = next(self._failures)


def named(host: bytes | str | None, port: int, by: Node) -> Node:
    """The node that `by` speaks of; without a host it is its own."""
    text = host.decode() if isinstance(host, bytes) else host
    return Node(by.host if text in {None, "", "?"} else str(text), port)
