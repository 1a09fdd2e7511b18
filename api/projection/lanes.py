"""The projection of one replica over all partitions, wherever they are.

On one server that is one `Projection`. On a cluster it is one for each partition, and none knows of another: a node
that is away holds up its own partitions and no others, and a partition that moves to another node changes nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from api.projection.consumer import Projection
from api.projection.status import ProjectionSettings, ProjectionStatus, together
from api.projection.writer import Apply, Turns
from protocol.async_nodes import AsyncNodes, lanes, nodes_of

_WRITES: Final = 3
"""Commits at the same time, fewer than the connections to PostgreSQL: requests need some too."""


class Lanes:
    """As `Projection`, of all `partitions`."""

    def __init__(
        self,
        redis: Redis | AsyncNodes,
        apply: Apply,
        *,
        partitions: Sequence[int],
        consumer: str,
        group: str = "projection",
        settings: ProjectionSettings | None = None,
    ) -> None:
        nodes = nodes_of(redis)
        found = lanes(nodes, partitions)
        turns = Turns(asyncio.Semaphore(_WRITES))
        self._parts = [
            Projection(
                nodes,
                apply,
                partitions=lane,
                consumer=consumer,
                group=group,
                settings=(settings or ProjectionSettings()).shared_by(len(found)),
                turns=turns,
            )
            for lane in found
        ]

    async def run(self) -> None:
        """Work until `stop`; see `Projection.run`."""
        async with asyncio.TaskGroup() as running:
            for part in self._parts:
                running.create_task(part.run())

    async def stop(self) -> None:
        """Ask `run` to end and wait until it has. Raises TimeoutError after `drain_timeout_s`."""
        stopped = await asyncio.gather(*(part.stop() for part in self._parts), return_exceptions=True)
        for error in stopped:
            if error is not None:
                raise error

    def healthy(self) -> bool:
        """Whether all loops move."""
        return all(part.healthy() for part in self._parts)

    def status(self) -> ProjectionStatus:
        """A snapshot for readiness and metrics."""
        return together([part.status() for part in self._parts])
