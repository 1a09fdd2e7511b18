"""Where a worker's keys are: on one server, or on the nodes of a Redis Cluster. Sync; the api has `async_nodes`.

A cluster is a table of slots and a plain client for each node, so that one node's failure is seen by its own calls and
by no others. `redis.cluster.RedisCluster` is not used, for reasons that are in docs/decisions/0004-redis-cluster.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Final, Protocol

from redis import Redis
from redis.exceptions import AskError, ClusterDownError, MovedError, NoScriptError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from protocol.calls import Call
from protocol.keys import slot_of
from protocol.slots import ClusterUrl, Node, SlotTable, named

READ_AGAIN_S: Final = 0.25
"""The table is read no more often: after a failover it takes the nodes seconds to agree on a new one."""
ASK_TIMEOUT_S: Final = 1.0
"""For the table of slots, or for a sign of life: a node that needs longer is no help now."""
READ_TIMEOUT_S: Final = 3.0
"""For the table from whichever node, with the time that another caller's reading takes."""
REDIRECTIONS: Final = 4
"""A call follows so many; a slot that moves answers with one or two."""
DOUBTFUL: Final = (RedisConnectionError, RedisTimeoutError, ClusterDownError, OSError)
"""What says that a node may serve its slots no more. TimeoutError is an OSError."""


def learn(table: SlotTable, error: object, by: Node) -> Node | None:
    """Note what an error of the node `by` says about the table; returns the node to try instead, for this call only."""
    if isinstance(error, MovedError):
        table.moved(error.slot_id, named(error.host, error.port, by))
    elif isinstance(error, AskError):
        return named(error.host, error.port, by)
    elif isinstance(error, DOUBTFUL):
        table.doubt(by)
    return None


class Nodes(Protocol):
    """The servers that hold the keys. Every method raises redis.RedisError."""

    def at(self, key: str) -> AbstractContextManager[Redis]:
        """A context with the client of the server that holds `key`. An error inside may be what tells that it moved."""

    def exchange(self, batch: Sequence[Call[Any]]) -> list[Any]:
        """Send calls, in one round trip to each server; a reply or an error for each. Raises when no server answers."""

    def lane(self, partition: int) -> int:
        """Partitions in one lane are on one server, now and always; those in different lanes need not be."""

    def ping(self) -> None:
        """Raises when it does not answer."""

    def close(self) -> None:
        """Disconnect."""


def nodes_of(redis: Redis | Nodes) -> Nodes:
    """`redis` itself, or the one server that it is a client of."""
    return OneServer(redis) if isinstance(redis, Redis) else redis


class OneServer:
    """A server that holds everything."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @contextmanager
    def at(self, _: str) -> Iterator[Redis]:
        """Its client."""
        yield self._redis

    def exchange(self, batch: Sequence[Call[Any]]) -> list[Any]:
        """As `Nodes`."""
        return _send(self._redis, batch)

    def lane(self, _: int) -> int:
        """One for all."""
        return 0

    def ping(self) -> None:
        """Raises redis.RedisError."""
        self._redis.ping()

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()


class Cluster:
    """The nodes of a cluster. `connect` makes the client of a server of a URL; its waits must be bounded. Thread-safe.

    A node is asked for the table of slots when the one that serves a slot is not known or did not answer.
    """

    def __init__(self, url: ClusterUrl, connect: Callable[[str], Redis]) -> None:
        self._url = url
        self._connect = connect
        self._table = SlotTable(url.seeds)
        self._clients: dict[Node, Redis] = {}
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._read_at = float("-inf")

    @contextmanager
    def at(self, key: str) -> Iterator[Redis]:
        """As `Nodes`. Nothing is repeated here: the next call goes where the error has pointed."""
        node = self._owner(slot_of(key))
        try:
            yield self._client(node)
        except (RedisError, OSError) as error:
            self._learn(error, node)
            raise

    def exchange(self, batch: Sequence[Call[Any]]) -> list[Any]:
        """As `Nodes`. The nodes are asked one after the other: who must not wait for one sends calls of one lane."""
        answers: list[Any] = [None] * len(batch)
        todo: dict[int, Node | None] = dict.fromkeys(range(len(batch)))
        for _ in range(1 + REDIRECTIONS):
            groups = self._by_node(batch, todo, answers)
            todo = {}
            for (node, asking), numbers in groups.items():
                try:
                    replies = _send(self._client(node), [batch[i] for i in numbers], asking=asking)
                except (RedisError, OSError) as error:
                    replies = [error] * len(numbers)
                for number, reply in zip(numbers, replies, strict=True):
                    answers[number] = reply
                    target = self._learn(reply, node)
                    if isinstance(reply, AskError):
                        todo[number] = target
            if not todo:
                break
        if batch and all(isinstance(answer, DOUBTFUL) for answer in answers):
            raise answers[0]
        return answers

    def lane(self, partition: int) -> int:
        """A partition is a slot: it is on one node, whatever moves."""
        return partition

    def ping(self) -> None:
        """Raises redis.RedisError when no node tells which serves what."""
        if not self._table.owners:
            self._read()
        if not self._table.owners:
            raise RedisConnectionError("no node answers, or none that answers serves anything")

    def close(self) -> None:
        """Disconnect from all."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _by_node(
        self, batch: Sequence[Call[Any]], todo: dict[int, Node | None], answers: list[Any]
    ) -> dict[tuple[Node, bool], list[int]]:
        """The numbers of the calls by the node they go to, and whether it is to be told that we were sent there."""
        groups: dict[tuple[Node, bool], list[int]] = {}
        for number, target in todo.items():
            try:
                node = target or self._owner(slot_of(batch[number].keys[0]))
            except RedisError as error:
                answers[number] = error
            else:
                groups.setdefault((node, target is not None), []).append(number)
        return groups

    def _learn(self, reply: object, node: Node) -> Node | None:
        with self._lock:
            return learn(self._table, reply, node)

    def _owner(self, slot: int) -> Node:
        node = self._table.owner(slot)
        if node is None:
            self._read()
            node = self._table.owner(slot, doubted=True)
        if node is None:
            raise RedisConnectionError(f"no node of the cluster {self._url} is known to serve the slot {slot}")
        return node

    def _read(self) -> None:
        """Read the table from the first node that has one, unless somebody just did. Without one, the old one holds."""
        until = time.monotonic() + READ_TIMEOUT_S
        if self._reading.acquire(timeout=READ_TIMEOUT_S):
            try:
                self._read_alone(until)
            finally:
                self._reading.release()

    def _read_alone(self, until: float) -> None:
        if time.monotonic() - self._read_at < READ_AGAIN_S:
            return
        with self._lock:
            sources = self._table.sources
        for node in sources:
            left_s = until - time.monotonic()
            if left_s <= 0:
                break
            try:
                reply = self._slots(node, timeout_s=min(ASK_TIMEOUT_S, left_s))
            except (RedisError, OSError) as error:
                self._learn(error, node)
                continue
            with self._lock:
                if self._table.replace(reply, node):
                    break
        self._read_at = time.monotonic()
        self._leave_the_gone()

    def _slots(self, node: Node, *, timeout_s: float) -> Any:
        """What a node says to CLUSTER SLOTS, over a connection of its own: those of calls wait longer."""
        with closing(self._connect(self._url.of(node, timeout_s=timeout_s))) as redis:
            return redis.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]

    def _leave_the_gone(self) -> None:
        """Disconnect from nodes that serve nothing any more, but cut off no other thread.

        What is in use is closed with the client, when the last call that has it ends.
        """
        with self._lock:
            gone = self._clients.keys() - {*self._table.owners, *self._url.seeds}
            clients = [self._clients.pop(node) for node in gone]
        for client in clients:
            client.connection_pool.disconnect(inuse_connections=False)

    def _client(self, node: Node) -> Redis:
        with self._lock:
            client = self._clients.get(node)
            if client is None:
                client = self._clients[node] = self._connect(self._url.of(node))
            return client


def _send(redis: Redis, batch: Sequence[Call[Any]], *, asking: bool = False) -> list[Any]:
    """Send calls in one round trip; `asking`: for slots that the server is about to get. Replies or errors."""

    def add(*command: Any) -> None:
        if asking:  # holds for one command
            pipe.execute_command("ASKING")  # type: ignore[no-untyped-call]
        pipe.execute_command(*command)  # type: ignore[no-untyped-call]

    def execute() -> list[Any]:
        return pipe.execute(raise_on_error=False)[1 if asking else 0 :: 2 if asking else 1]

    with redis.pipeline(transaction=False) as pipe:
        for call in batch:
            add("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args)
        replies = execute()
        missing = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        for i in missing:
            call = batch[i]
            add("EVAL", call.script.source, len(call.keys), *call.keys, *call.args)
        if missing:
            for i, reply in zip(missing, execute(), strict=True):
                replies[i] = reply
    return replies
