"""What waits for one follower: a queue with a bound in bytes, filled by the hub, which never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from protocol.events import LiveKind, LiveMessage


@dataclass(frozen=True, slots=True)
class Taken:
    """Messages in the order they came; `resync` says that others may have been missed before or among them."""

    messages: list[LiveMessage]
    resync: bool


@dataclass(slots=True)
class Budget:
    """Bytes that may wait for one connection, over all of its subscriptions.

    Whoever has a page of the past in hand, from its reading until it is sent, holds the `turn`: one a connection.
    """

    max_bytes: int
    used: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)

    @property
    def exceeded(self) -> bool:
        """Whether more waits than may."""
        return self.used > self.max_bytes


class Subscription:
    """One follower's queue.

    When too much waits for its connection, superseded progress is dropped from it. When that does not help it
    overflows: it is emptied and, unless the follower is replaying anyway, `on_overflow` is called once and nothing is
    taken any more.
    """

    def __init__(self, budget: Budget, on_overflow: Callable[[], None]) -> None:
        self._budget = budget
        self._on_overflow = on_overflow
        self._queue: list[LiveMessage] = []
        self._bytes = 0
        self._resync = False
        self._overflowed = False
        self._filled = asyncio.Event()
        self.replaying = True
        self.superseded = 0

    @property
    def turn(self) -> asyncio.Lock:
        """Of the connection, to have a page of the past in hand."""
        return self._budget.turn

    def offer(self, message: LiveMessage) -> None:
        """Queue a message; never waits."""
        if self._overflowed:
            return
        self._queue.append(message)
        self._account(_size(message))
        if self._budget.exceeded:
            self._drop_superseded()
        if self._budget.exceeded:
            self._overflow()
        self._filled.set()

    def resync(self) -> None:
        """Messages may have been missed: the follower is to read the log."""
        self._resync = True
        self._filled.set()

    async def take(self, timeout_s: float) -> Taken | None:
        """Everything that waits, or None when nothing came within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._filled.wait()
        except TimeoutError:
            return None
        self._filled.clear()
        taken = Taken(self._queue, self._resync)
        self._empty()
        self._resync = False
        return taken

    def close(self) -> None:
        """Nothing is taken any more: what waits is dropped, and its bytes are given back."""
        self._overflowed = True
        self._empty()

    def _drop_superseded(self) -> None:
        """Keep the newest of the messages that hold only progress; the one after a dropped one accounts for it."""
        newest = max((i for i, m in enumerate(self._queue) if m.kind is LiveKind.PROGRESS), default=-1)
        kept: list[LiveMessage] = []
        dropped: LiveMessage | None = None
        for i, each in enumerate(self._queue):
            message = each if dropped is None else _accounting_for(dropped, each)
            if message.kind is LiveKind.PROGRESS and i != newest:
                dropped = message
                self._account(-_size(message))
                self.superseded += 1
            else:
                kept.append(message)
                dropped = None
        self._queue = kept

    def _overflow(self) -> None:
        self._empty()
        if self.replaying:
            self._resync = True
        else:
            self._overflowed = True
            self._on_overflow()

    def _account(self, size: int) -> None:
        self._bytes += size
        self._budget.used += size

    def _empty(self) -> None:
        self._account(-self._bytes)
        self._queue = []


def _accounting_for(dropped: LiveMessage, message: LiveMessage) -> LiveMessage:
    """`message` with the range of `dropped` before its own, unless something between the two is missing."""
    if message.epoch != dropped.epoch or not dropped.first < message.first <= dropped.last + 1:
        return message
    return replace(message, first=dropped.first)


def _size(message: LiveMessage) -> int:
    """Bytes on the wire. Whether a text is ASCII is known without looking at it."""
    frame = message.frame
    return len(frame) if frame.isascii() else len(frame.encode())
