"""Where the api's keys are: on one server, or on the nodes of a Redis Cluster. Async; a worker has `nodes`.

What is asked of a cluster goes where its slot is, and follows it when it moves. Nothing is asked of two nodes at once,
and nothing waits for a node that it does not need.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import AskError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

from protocol.keys import slot_of
from protocol.nodes import ASK_TIMEOUT_S, READ_AGAIN_S, READ_TIMEOUT_S, REDIRECTIONS, learn
from protocol.slots import ClusterUrl, Node, SlotTable

_TRY_AGAIN_S: Final = 0.1

Queue = Callable[[Any], object]
"""Puts commands on a pipeline."""


class AsyncNodes(Protocol):
    """The servers that hold the keys. Every method raises redis.RedisError and TimeoutError.

    Which of them has a key is found out within 3 s. A server that is slow to answer is in doubt from then on if the
    time-out is `timeout_s`, or inside `at`: one around a call does not tell who was slow.
    """

    def at(self, key: str) -> AbstractAsyncContextManager[Redis]:
        """The client of the server that holds `key`. An error inside may be what tells that it moved."""

    async def ask(
        self, key: str, queue: Queue, *, transaction: bool = False, timeout_s: float | None = None
    ) -> list[Any]:
        """The replies to the commands that `queue` queues, all on keys of the slot of `key`, in one round trip.

        A server has `timeout_s` to answer; without it, the time-outs of its connections hold.
        """

    async def servers(self) -> list[Redis]:
        """A client of each."""

    def lane(self, partition: int) -> int:
        """Partitions in one lane are on one server, now and always; those in different lanes need not be."""

    async def ping(self) -> None:
        """Raises when none answers."""

    async def aclose(self) -> None:
        """Disconnect."""


def nodes_of(redis: Redis | AsyncNodes) -> AsyncNodes:
    """`redis` itself, or the one server that it is a client of."""
    return OneServer(redis) if isinstance(redis, Redis) else redis


def lanes(nodes: AsyncNodes, partitions: Sequence[int]) -> list[list[int]]:
    """`partitions` by their lanes."""
    found: dict[int, list[int]] = {}
    for partition in partitions:
        found.setdefault(nodes.lane(partition), []).append(partition)
    return list(found.values())


class OneServer:
    """A server that holds everything."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    @asynccontextmanager
    async def at(self, _: str) -> AsyncIterator[Redis]:
        """Its client."""
        yield self._redis

    async def ask(
        self, _: str, queue: Queue, *, transaction: bool = False, timeout_s: float | None = None
    ) -> list[Any]:
        """As `AsyncNodes`."""
        async with asyncio.timeout(timeout_s):
            return await _ask(self._redis, queue, transaction=transaction)

    async def servers(self) -> list[Redis]:
        """The one."""
        return [self._redis]

    def lane(self, _: int) -> int:
        """One for all."""
        return 0

    async def ping(self) -> None:
        """Raises redis.RedisError."""
        await _ping(self._redis)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._redis.aclose()


class AsyncCluster:
    """The nodes of a cluster. `connect` makes the client of a server of a URL; its waits must be bounded.

    A node is asked for the table of slots when the one that serves a slot is not known or did not answer.
    """

    def __init__(self, url: ClusterUrl, connect: Callable[[str], Redis]) -> None:
        self._url = url
        self._connect = connect
        self._table = SlotTable(url.seeds)
        self._clients: dict[Node, Redis] = {}
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")

    @asynccontextmanager
    async def at(self, key: str) -> AsyncIterator[Redis]:
        """As `AsyncNodes`. Nothing is repeated here: the next call goes where the error has pointed."""
        node = await self._owner(slot_of(key))
        try:
            yield self._client(node)
        except (RedisError, OSError) as error:
            learn(self._table, error, node)
            raise

    async def ask(
        self, key: str, queue: Queue, *, transaction: bool = False, timeout_s: float | None = None
    ) -> list[Any]:
        """As `AsyncNodes`. A slot that moves is followed; what a node that is away has lost is not asked for again."""
        slot, target = slot_of(key), None
        for left in reversed(range(1 + REDIRECTIONS)):
            node = target or await self._owner(slot)
            try:
                async with asyncio.timeout(timeout_s):
                    return await _ask(self._client(node), queue, transaction=transaction, asking=target is not None)
            except (RedisError, OSError) as error:
                target = learn(self._table, error, node)
                if not left or not isinstance(error, AskError | TryAgainError):
                    raise
                if isinstance(error, TryAgainError):
                    await asyncio.sleep(_TRY_AGAIN_S)
        raise AssertionError("the last try returns or raises")

    async def servers(self) -> list[Redis]:
        """Of each node that serves slots."""
        if not self._table.owners:
            await self._read()
        if not self._table.owners:
            raise RedisConnectionError("no node answers, or none that answers serves anything")
        return [self._client(node) for node in self._table.owners]

    def lane(self, partition: int) -> int:
        """A partition is a slot: it is on one node, whatever moves."""
        return partition

    async def ping(self) -> None:
        """Raises redis.RedisError or TimeoutError when no node answers."""
        pings = [_ping(redis) for redis in await self.servers()]
        found = await asyncio.gather(*pings, return_exceptions=True)
        failures = [error for error in found if error is not None]
        if len(failures) == len(found):
            raise failures[0]

    async def aclose(self) -> None:
        """Disconnect from all."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    async def _owner(self, slot: int) -> Node:
        node = self._table.owner(slot)
        if node is None:
            await self._read()
            node = self._table.owner(slot, doubted=True)
        if node is None:
            raise RedisConnectionError(f"no node of the cluster {self._url} is known to serve the slot {slot}")
        return node

    async def _read(self) -> None:
        """Read the table from the first node that has one, unless somebody just did. Without one, the old one holds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_TIMEOUT_S) as limit, self._reading:
                try:
                    await self._read_alone()
                finally:
                    if limit.expired():  # as good as an answer; a caller who was cancelled has found out nothing
                        self._read_at = asyncio.get_running_loop().time()

    async def _read_alone(self) -> None:
        clock = asyncio.get_running_loop().time
        if clock() - self._read_at < READ_AGAIN_S:
            return
        for node in self._table.sources:
            try:
                async with asyncio.timeout(ASK_TIMEOUT_S):
                    reply = await self._client(node).execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
            except (RedisError, OSError) as error:
                learn(self._table, error, node)
                continue
            if self._table.replace(reply, node):
                break
        self._read_at = clock()
        await self._leave_the_gone()

    async def _leave_the_gone(self) -> None:
        """Disconnect from nodes that serve nothing any more."""
        gone = self._clients.keys() - {*self._table.owners, *self._url.seeds}
        for node in gone:
            if client := self._clients.pop(node, None):  # `aclose` may have been faster
                await client.aclose()

    def _client(self, node: Node) -> Redis:
        client = self._clients.get(node)
        if client is None:
            client = self._clients[node] = self._connect(self._url.of(node))
        return client


async def _ask(redis: Redis, queue: Queue, *, transaction: bool, asking: bool = False) -> list[Any]:
    """`asking`: for a slot that the server is about to get. That holds for one command, or for one transaction."""
    async with redis.pipeline(transaction=transaction or asking) as pipe:
        if asking:
            await pipe.immediate_execute_command("ASKING")  # type: ignore[no-untyped-call]
        queue(pipe)
        return await pipe.execute()


async def _ping(redis: Redis) -> None:
    async with asyncio.timeout(ASK_TIMEOUT_S):
        await redis.execute_command("PING")  # type: ignore[no-untyped-call]
