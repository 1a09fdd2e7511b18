"""What of Redis a sweep leaves alone: a server that does not answer, and a partition whose tasks are refused.

Either costs a sweep what the first tasks of it cost, a time-out or some answers, and not as much for each task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from protocol.async_nodes import AsyncNodes
from protocol.keys import events, partition_of

log = structlog.get_logger(__name__)

_REFUSALS: Final = 5
"""Of one partition. One may be the trouble of one task; a partition that moves takes half a second for each."""
_SILENCE: Final = (RedisConnectionError, RedisTimeoutError, OSError)
"""What says that a server does not answer. Everything else is an answer, and comes at once."""
_NOBODY: Final = "nobody"
"""In the place of the address of a server: no node is known to serve the partition."""


class Unreached:
    """Of one sweep at a time: from one `tell` to the next."""

    def __init__(self, nodes: AsyncNodes, partitions: int) -> None:
        self._nodes = nodes
        self._partitions = partitions
        self._silent: set[Redis] = set()
        self._refusals: Counter[int] = Counter()
        self._left: dict[int, Redis | None] = {}
        """Partitions that are left alone until the end of the sweep, and their servers."""
        self._tasks: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}

    async def leaves(self, task: UUID) -> bool:
        """Whether `task` is to be left alone."""
        if not self._silent and not self._refusals:
            return False
        partition = self._partition(task)
        if partition not in self._left:
            server = await self._server(partition)
            if server not in self._silent and self._refusals[partition] < _REFUSALS:
                return False
            self._left[partition] = server
        self._count(self._left[partition])
        return True

    async def failed(self, task: UUID, error: Exception) -> None:
        """A call about `task` has failed."""
        partition = self._partition(task)
        server = await self._server(partition)
        self._count(server, error)
        if server is not None and isinstance(error, _SILENCE):
            self._silent.add(server)
        else:
            self._refusals[partition] += 1

    async def asked(self, answered: Mapping[UUID, bool], error: Exception | None) -> None:
        """Which tasks got an answer, when all were asked about at once. `error` is why none did, if that is known."""
        if all(answered.values()):
            return
        partitions = {task: self._partition(task) for task in answered}
        servers = {partition: await self._server(partition) for partition in set(partitions.values())}
        answering = {servers[partitions[task]] for task, was in answered.items() if was}
        for partition in (partitions[task] for task, was in answered.items() if not was):
            server = servers[partition]
            self._count(server, error)
            if server is None or server in answering:
                self._refusals[partition] = _REFUSALS
            else:
                self._silent.add(server)

    def tell(self) -> tuple[int, int]:
        """Log each server once and forget everything; how many there were, and of how many tasks."""
        told = len(self._tasks), self._tasks.total()
        for server, tasks in self._tasks.items():
            log.warning(
                "Redis leaves tasks waiting",
                action="not_looked_at",
                server=server,
                tasks=tasks,
                reason=self._reasons.get(server, "no answer"),
            )
        for known in (self._silent, self._refusals, self._left, self._tasks, self._reasons):
            known.clear()
        return told

    def _count(self, server: Redis | None, error: Exception | None = None) -> None:
        self._tasks[_address(server)] += 1
        if error is not None:
            self._reasons.setdefault(_address(server), f"{type(error).__name__}: {error}")

    def _partition(self, task: UUID) -> int:
        return partition_of(task, self._partitions)

    async def _server(self, partition: int) -> Redis | None:
        """The client of the server that has `partition`."""
        try:
            async with self._nodes.at(events(partition)) as server:
                return server
        except RedisError:  # nobody is known to serve it, which the call about the task has said, too
            return None


def _address(server: Redis | None) -> str:
    if server is None:
        return _NOBODY
    known = server.connection_pool.connection_kwargs
    return str(known.get("path") or f"{known.get('host')}:{known.get('port')}")
