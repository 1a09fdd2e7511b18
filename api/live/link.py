"""A link of the hub: one Pub/Sub connection to the server of some partitions, made again whenever it is lost.

On a cluster a link has one partition, which is on one node. When the partition moves, the node ends the subscriptions;
that counts as a lost connection, and the next one is made to the node that has it then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from api.live.ending import end
from protocol.async_nodes import AsyncNodes
from protocol.keys import hub

log = structlog.get_logger(__name__)

_POLL_S: Final = 1.0
_SILENT_POLLS: Final = 5
"""Without an answer to a PING after any of them, the node hangs, or is out of reach: TCP would notice after minutes."""
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 2.0
_YIELD_EVERY: Final = 64
"""Messages forwarded in one go, some 2 ms, before others on the event loop have their turn."""

Receive = Callable[[bytes, bytes | None], None]
"""Takes a channel and a message, or None when the server has confirmed the subscription."""


class Link:
    """`partition` is one of those on the server; `lost` is called for each connection that was lost."""

    def __init__(self, nodes: AsyncNodes, partition: int, receive: Receive, lost: Callable[[], None]) -> None:
        self._nodes = nodes
        self._idle = hub(partition)
        self._receive = receive
        self._lost = lost
        self._wanted: set[bytes] = set()
        self._changed: set[bytes] = set()
        self._anything_changed = asyncio.Event()
        self._left: Counter[bytes] = Counter()
        """Ends of subscriptions that were asked for and not yet confirmed."""
        self.beat: float | None = None
        """When the server was last heard, by the event loop's clock."""

    def want(self, channel: bytes) -> None:
        """Subscribe soon. Nothing is sent here, so that whoever is cancelled breaks off nothing: `run` does it."""
        self._wanted.add(channel)
        self._change(channel)

    def leave(self, channel: bytes) -> None:
        """End the subscription soon."""
        self._wanted.discard(channel)
        self._change(channel)

    async def run(self) -> None:
        """Receive until cancelled."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            before = self.beat
            try:
                await self._receive_all()
            except (RedisError, OSError) as error:
                self._lost()
                log.warning("Live connection lost", action="live_lost", reason=f"{type(error).__name__}: {error}")
            except Exception:  # a supervisor: one bad answer must not end live delivery
                log.exception("Link failed", action="link_failed")
            if self.beat != before:
                backoff_s = _FIRST_BACKOFF_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)

    async def _receive_all(self) -> None:
        """Of one connection, until it is lost."""
        pubsub: Any
        async with self._nodes.at(self._idle) as redis, redis.pubsub() as pubsub:
            self._changed.clear()
            self._left.clear()
            await pubsub.ssubscribe(self._idle, *self._wanted)
            # Errors are raised as they are. By itself the connection would be made again in the middle of one, while
            # the other task uses it too; it is given up as a whole instead.
            pubsub.connection.retry = Retry(NoBackoff(), 0, supported_errors=())
            await _until_one_ends(self._forward(pubsub), self._tell(pubsub))

    def _change(self, channel: bytes) -> None:
        self._changed.add(channel)
        self._anything_changed.set()

    async def _tell(self, pubsub: Any) -> None:
        """Subscribe to the channels that are wanted now, and leave those that are not any more."""
        this = asyncio.current_task()
        while this is not None and not this.cancelling():  # a command may forget that it was cancelled: `end`
            await self._anything_changed.wait()
            self._anything_changed.clear()
            changed, self._changed = self._changed, set()
            wanted = changed & self._wanted
            if wanted:
                await pubsub.ssubscribe(*wanted)
            if left := changed - wanted:
                self._left.update(left)
                await pubsub.sunsubscribe(*left)

    async def _forward(self, pubsub: Any) -> None:
        count = silent = 0
        while True:
            message = await pubsub.get_message(timeout=_POLL_S)
            if message is None:
                silent += 1
                await self._probe(pubsub, silent)
                continue
            silent = 0
            self.beat = asyncio.get_running_loop().time()
            self._take(message)
            count += 1
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _probe(self, pubsub: Any, silent: int) -> None:
        """Ask for a sign of life. Polls are counted and not seconds: this process may have stood still itself."""
        if silent > _SILENT_POLLS:
            raise RedisTimeoutError(f"no answer to {_SILENT_POLLS} PINGs")
        await pubsub.ping()

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"]
        if message["type"] == "smessage":
            self._receive(channel, message["data"])
        elif message["type"] == "ssubscribe":
            self._receive(channel, None)
        elif message["type"] == "sunsubscribe":
            self._ended(channel)

    def _ended(self, channel: bytes) -> None:
        """The server has ended a subscription. Raises redis.ConnectionError when nobody had asked for that."""
        if self._left[channel] > 0:
            self._left[channel] -= 1
        else:
            raise RedisConnectionError(f"the server has ended the subscription to {channel.decode()}: it moved")


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run `works` side by side until one ends, and end the others; raises what that one has raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)
    for task in done:
        task.result()
