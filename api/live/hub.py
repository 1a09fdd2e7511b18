"""The hub: the subscriptions of this process's followers, and what arrives for them.

It forwards what its links receive and never waits for a follower. On one server there is one link, on a cluster one for
each partition. A subscription starts, and starts again after a lost connection, with a resync: first the server
confirms it, then the follower reads the log, so nothing falls in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog
from redis.asyncio import Redis

from api.live.ending import end
from api.live.link import Link
from api.live.subscription import Budget, Subscription
from protocol.async_nodes import AsyncNodes, lanes, nodes_of
from protocol.events import LiveMessage
from protocol.keys import TaskKeys, partition_of

log = structlog.get_logger(__name__)

_SILENT_S: Final = 10.0
"""A link that works hears its server every second or two."""


@dataclass(slots=True)
class HubCounters:
    """Totals since the start of the process."""

    messages: int = 0
    bytes: int = 0
    malformed: int = 0
    reconnects: int = 0
    overflows: int = 0


@dataclass(slots=True)
class _Channel:
    task: UUID
    subscriptions: set[Subscription] = field(default_factory=set)


class Hub:
    """Receives for all followers of this process. `redis` must not decode, nor retry by itself."""

    def __init__(self, redis: Redis | AsyncNodes, *, partitions: int, queue_bytes: int) -> None:
        nodes = nodes_of(redis)
        self._partitions = partitions
        self.queue_bytes = queue_bytes
        self._channels: dict[bytes, _Channel] = {}
        self._links: dict[int, Link] = {}
        """By partition."""
        for lane in lanes(nodes, range(partitions)):
            self._links |= dict.fromkeys(lane, Link(nodes, lane[0], self._receive, self._reconnected))
        self._all = set(self._links.values())
        self.counters = HubCounters()

    async def run(self) -> None:
        """Forward until cancelled. A lost connection is made again; its followers are told to resync."""
        running = [asyncio.create_task(link.run()) for link in self._all]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)  # none ends by itself
        finally:
            await end(*running)

    def healthy(self) -> bool:
        """Whether any server is heard; on a cluster one node may be away."""
        return self.silent_links < len(self._all)

    @property
    def silent_links(self) -> int:
        """Connections whose server was not heard for 10 s: followers of its tasks may miss what is new."""
        now = asyncio.get_running_loop().time()
        return sum(link.beat is None or now - link.beat > _SILENT_S for link in self._all)

    @property
    def subscriptions(self) -> int:
        """Followers of this process."""
        return sum(len(channel.subscriptions) for channel in self._channels.values())

    @asynccontextmanager
    async def subscribe(
        self, task: UUID, on_overflow: Callable[[], None], budget: Budget | None = None
    ) -> AsyncIterator[Subscription]:
        """A subscription to `task`. It gets its first resync when the server has confirmed it."""
        name = TaskKeys.of(task, self._partitions).live.encode()
        link = self._links[partition_of(task, self._partitions)]
        subscription = Subscription(budget or Budget(self.queue_bytes), lambda: self._overflowed(on_overflow))
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel(task)
            link.want(name)
        else:
            subscription.resync()  # confirmed before, or its confirmation resyncs once more
        channel.subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            channel.subscriptions.discard(subscription)
            subscription.close()
            if not channel.subscriptions:
                del self._channels[name]
                link.leave(name)

    def resync(self, task: UUID) -> None:
        """Have the followers of `task` read its log, or what is behind it."""
        channel = self._channels.get(TaskKeys.of(task, self._partitions).live.encode())
        for subscription in channel.subscriptions if channel is not None else ():
            subscription.resync()

    def _overflowed(self, on_overflow: Callable[[], None]) -> None:
        self.counters.overflows += 1
        on_overflow()

    def _receive(self, name: bytes, data: bytes | None) -> None:
        """A link has a message, or the confirmation that one is going to come."""
        channel = self._channels.get(name)
        if channel is None:
            return
        if data is not None:
            self._publish(channel, data)
        else:
            self.resync(channel.task)

    def _reconnected(self) -> None:
        self.counters.reconnects += 1

    def _publish(self, channel: _Channel, data: bytes) -> None:
        self.counters.messages += 1
        self.counters.bytes += len(data)
        try:
            message = LiveMessage.parse(data)
        except ValueError:
            self.counters.malformed += 1
            log.warning("Live message is malformed", action="live_malformed", task=str(channel.task))
            return
        for subscription in channel.subscriptions:
            subscription.offer(message)
