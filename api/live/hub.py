"""The hub: one Pub/Sub connection a process, and the subscriptions of this process's followers.

It forwards what arrives and never waits for a follower. A subscription starts, and starts again after a lost
connection, with a resync: first the server confirms it, then the follower reads the log, so nothing falls in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.live.ending import end
from api.live.subscription import Budget, Subscription
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
        self._redis = redis
        self._partitions = partitions
        self.queue_bytes = queue_bytes
        self._channels: dict[bytes, _Channel] = {}
        self._changed: set[bytes] = set()
        self._anything_changed = asyncio.Event()
        self._beat: float | None = None
        self.counters = HubCounters()

    async def run(self) -> None:
        """Forward until cancelled. A lost connection is made again; its followers are told to resync."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            try:
                pubsub: Any
                async with self._redis.pubsub() as pubsub:
                    self._changed.clear()
                    await pubsub.ssubscribe(_IDLE_CHANNEL, *self._channels)
                    # Errors are raised as they are. By itself the connection would be made again in the middle of one,
                    # while the other task uses it too; it is given up as a whole instead.
                    pubsub.connection.retry = Retry(NoBackoff(), 0, supported_errors=())
                    backoff_s = _FIRST_BACKOFF_S
                    await _until_one_ends(self._forward(pubsub), self._tell(pubsub))
            except (RedisError, OSError, TimeoutError) as error:
                self.counters.reconnects += 1
                log.warning("Live connection lost", action="live_lost", reason=f"{type(error).__name__}: {error}")
            except Exception:  # a supervisor: one bad answer must not end live delivery
                log.exception("Hub failed", action="hub_failed")
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)

    def healthy(self, within_s: float = 10.0) -> bool:
        """Whether the connection was read within the last `within_s`."""
        return self._beat is not None and asyncio.get_running_loop().time() - self._beat <= within_s

    @property
    def subscriptions(self) -> int:
        """Followers of this process."""
        return sum(len(channel.subscriptions) for channel in self._channels.values())

    @asynccontextmanager
    async def subscribe(
        self, task: UUID, on_overflow: Callable[[], None], budget: Budget | None = None
    ) -> AsyncIterator[Subscription]:
        """A subscription to `task`. It gets its first resync when the server has confirmed it.

        Nothing is sent here, so that a follower that is cancelled breaks off nothing: `run` tells the server.
        """
        name = TaskKeys.of(task, self._partitions).live.encode()
        subscription = Subscription(budget or Budget(self.queue_bytes), lambda: self._overflowed(on_overflow))
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel(task)
            self._change(name)
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
                self._change(name)

    def _overflowed(self, on_overflow: Callable[[], None]) -> None:
        self.counters.overflows += 1
        on_overflow()

    def _change(self, channel: bytes) -> None:
        self._changed.add(channel)
        self._anything_changed.set()

    async def _tell(self, pubsub: Any) -> None:
        """Subscribe to the channels that followers came to, and leave those that the last one left."""
        this = asyncio.current_task()
        while this is not None and not this.cancelling():  # a command may forget that it was cancelled: `end`
            await self._anything_changed.wait()
            self._anything_changed.clear()
            changed, self._changed = self._changed, set()
            wanted = changed & self._channels.keys()
            if wanted:
                await pubsub.ssubscribe(*wanted)
            if changed - wanted:
                await pubsub.sunsubscribe(*changed - wanted)

    async def _forward(self, pubsub: Any) -> None:
        count = 0
        while True:
            message = await pubsub.get_message(timeout=_POLL_S)
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


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run `works` side by side until one ends, and end the others; raises what that one has raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)
    for task in done:
        task.result()
