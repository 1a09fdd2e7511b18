"""The hub: one Pub/Sub connection a process, and the subscriptions of this process's followers.

It forwards what arrives and never waits for a follower. A subscription starts, and starts again after a lost
connection, with a resync: first the server confirms it, then the follower reads the log, so nothing falls in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.live.subscription import Subscription
from protocol.events import LiveMessage
from protocol.keys import TaskKeys

log = structlog.get_logger(__name__)

_POLL_S: Final = 1.0
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 2.0
_YIELD_EVERY: Final = 64
"""Messages forwarded in one go, some 2 ms, before others on the event loop have their turn."""
_IDLE_CHANNEL: Final = "tasks:{0}:hub"
"""Nobody publishes here: a Pub/Sub connection without any channel cannot be read."""


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

    def __init__(self, redis: Redis, *, partitions: int, queue_bytes: int) -> None:
        self._pubsub: Any = redis.pubsub()
        self._partitions = partitions
        self._queue_bytes = queue_bytes
        self._channels: dict[bytes, _Channel] = {}
        self._beat: float | None = None
        self.counters = HubCounters()

    async def run(self) -> None:
        """Forward until cancelled. A lost connection is made again; its followers are told to resync."""
        backoff_s = _FIRST_BACKOFF_S
        try:
            while True:
                try:
                    await self._pubsub.ssubscribe(_IDLE_CHANNEL, *self._channels)
                    backoff_s = _FIRST_BACKOFF_S
                    await self._forward()
                except (RedisError, OSError, TimeoutError) as error:
                    self.counters.reconnects += 1
                    log.warning("Live connection lost", action="live_lost", reason=f"{type(error).__name__}: {error}")
                except Exception:  # a supervisor: one bad answer must not end live delivery
                    log.exception("Hub failed", action="hub_failed")
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)
        finally:
            await self._pubsub.aclose()

    def healthy(self, within_s: float = 10.0) -> bool:
        """Whether the connection was read within the last `within_s`."""
        return self._beat is not None and asyncio.get_running_loop().time() - self._beat <= within_s

    @property
    def subscriptions(self) -> int:
        """Followers of this process."""
        return sum(len(channel.subscriptions) for channel in self._channels.values())

    @asynccontextmanager
    async def subscribe(self, task: UUID, on_overflow: Callable[[], None]) -> AsyncIterator[Subscription]:
        """A subscription to `task`. It gets its first resync when the server has confirmed it."""
        name = TaskKeys.of(task, self._partitions).live.encode()
        subscription = Subscription(self._queue_bytes, lambda: self._overflowed(on_overflow))
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel(task)
            channel.subscriptions.add(subscription)
            await self._command(self._pubsub.ssubscribe, name)
        else:
            channel.subscriptions.add(subscription)
            subscription.resync()  # confirmed before, or its confirmation resyncs once more
        try:
            yield subscription
        finally:
            channel.subscriptions.discard(subscription)
            if not channel.subscriptions and self._channels.get(name) is channel:
                del self._channels[name]
                await self._command(self._pubsub.sunsubscribe, name)

    def _overflowed(self, on_overflow: Callable[[], None]) -> None:
        self.counters.overflows += 1
        on_overflow()

    async def _command(self, command: Callable[[bytes], Any], channel: bytes) -> None:
        """Tell the server; when it cannot be told now, `run` subscribes to everything again anyway."""
        try:
            await command(channel)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("Channel not told", action="channel_not_told", reason=str(error))

    async def _forward(self) -> None:
        count = 0
        while True:
            message = await self._pubsub.get_message(timeout=_POLL_S)
            self._beat = asyncio.get_running_loop().time()
            if message is None:
                continue
            channel = self._channels.get(message["channel"])
            if channel is None:
                continue
            if message["type"] == "smessage":
                self._publish(channel, message["data"])
            elif message["type"] == "ssubscribe":
                for subscription in channel.subscriptions:
                    subscription.resync()
            count += 1
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

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
