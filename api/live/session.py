"""A session: one follower of one task, as an async iterator of frames (docs/protocol.md §8).

WebSocket, SSE and long-poll use the same iterator: subscribe and buffer, read the log after the cursor, merge, live.
It ends after the terminal event. Frames are what the worker wrote; only a frame that overlaps is decoded to be cut.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from api.live.errors import LiveUnavailable, NoSuchTask, TooSlow
from api.live.hub import Hub
from api.live.lost_ends import LostEnds
from api.live.merge import merge
from api.live.reader import HistoryUnavailable, Reader, Reading, honoured, split
from api.live.subscription import Budget, Subscription
from protocol.cursor import Cursor
from protocol.events import LiveKind, LiveMessage, encode_frame

log = structlog.get_logger(__name__)

_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0
_FIRST_PAGE: Final = 64
"""Events of the first page; later ones are sized by what the events weigh."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds and times of a session."""

    page_events: int = 500
    page_bytes: int = 256 * 2**10
    """Of a frame of the past; clients commonly refuse more than 1 MiB. A larger event has a frame of its own."""
    backstop_s: float = 15.0
    """An idle session compares itself with the head this often."""
    patience_s: float = 10.0
    """How long Redis may not answer, and how long projection may be behind, before the follower is told."""


@dataclass(slots=True)
class SessionCounters:
    """Totals of all sessions of this process."""

    opened: int = 0
    frames: int = 0
    replayed: int = 0
    gaps: int = 0
    backstop_heals: int = 0
    superseded: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """A JSON array of events, and the cursor (`epoch`, `seq`) of one who has seen it."""

    text: str
    epoch: str
    seq: int


class Live:
    """Makes sessions: what all followers of a process share."""

    def __init__(self, hub: Hub, reader: Reader, limits: SessionLimits | None = None) -> None:
        self.hub = hub
        self.reader = reader
        self.lost_ends = LostEnds(reader, hub.resync)
        """Its `run` is for whoever starts the hub."""
        self.limits = limits or SessionLimits()
        self.counters = SessionCounters()

    async def follow(
        self,
        task: UUID,
        cursor: Cursor | None = None,
        on_overflow: Callable[[], None] = lambda: None,
        budget: Budget | None = None,
    ) -> AsyncGenerator[Frame, None]:
        """Frames of `task` from after `cursor`; the first is `hello`, the last holds the terminal event.

        `on_overflow` is called, once, when the follower takes too little; the next frame then raises TooSlow. Followers
        of one connection share a `budget`, and have pages of the past in hand by turns: only one of them waits for its
        frame to be taken. Without a budget the follower has its own. Close the iterator
        (`contextlib.aclosing`) to unsubscribe. Raises NoSuchTask, BadCursor, TooSlow, LiveUnavailable.
        """
        session = _Session(self, task)
        start = await session.start(cursor)
        self.counters.opened += 1
        yield start
        async with self.hub.subscribe(task, lambda: session.overflow(on_overflow), budget) as subscription:
            try:
                async with aclosing(session.frames(subscription)) as frames:
                    async for frame in frames:
                        self.counters.frames += 1
                        yield frame
                        del frame
            finally:
                self.counters.superseded += subscription.superseded


class _Session:
    """The state of one follower: the epoch it is in, and the seq up to which it has everything."""

    def __init__(self, live: Live, task: UUID) -> None:
        self._live = live
        self._limits = live.limits
        self._task = task
        self._epoch = ""
        self._position = 0
        self._page = _FIRST_PAGE
        self._done = False
        self._too_slow = False

    async def start(self, cursor: Cursor | None) -> Frame:
        """Find the task and where to begin; returns the hello."""
        after = cursor.seq if cursor is not None else 0
        reading = await self._read(after, limit=1)
        resumed = honoured(cursor, reading)
        self._position = after if resumed else 0
        return self._hello(reading, resumed=resumed)

    def overflow(self, tell: Callable[[], None]) -> None:
        """The queue was too long."""
        self._too_slow = True
        tell()

    async def frames(self, subscription: Subscription) -> AsyncGenerator[Frame, None]:
        """Everything after the hello."""
        while not self._done:
            taken = await subscription.take(self._limits.backstop_s)
            if self._too_slow:
                raise TooSlow("the follower takes less than the task emits")
            if taken is None:
                if await self._behind():
                    subscription.resync()
                continue
            if taken.resync or any(message.epoch != self._epoch for message in taken.messages):
                del taken  # the log has them too, and the turn may be long in coming
                async with aclosing(self._replay(subscription)) as frames:
                    async for frame in frames:
                        yield frame
                        del frame
                continue
            messages = [message for message in taken.messages if message.epoch == self._epoch]
            merged = merge(self._position, messages)
            for piece in merged.pieces:
                yield self._live_frame(messages[piece.index], piece.after)
            if merged.gap and not self._done:
                subscription.resync()

    def _live_frame(self, message: LiveMessage, after: int | None) -> Frame:
        self._position = message.last
        self._done = message.kind is LiveKind.TERMINAL
        return Frame(message.frame if after is None else _cut(message.frame, after), self._epoch, message.last)

    async def _replay(self, subscription: Subscription) -> AsyncGenerator[Frame, None]:
        """Read on from the position until the newest event. What comes live meanwhile is merged afterwards.

        The turn is held while a page is in hand, and not while missing events are waited for: those that left the log
        may still be on their way to the history.
        """
        subscription.replaying = True
        clock = asyncio.get_running_loop().time
        deadline, backoff_s = None, _FIRST_BACKOFF_S
        while not self._done:
            async with subscription.turn:
                reading = await self._read(self._position, self._page)
                missing = reading.missing > 0 and not self._begins_anew(reading)
                if missing and deadline is None:
                    deadline = clock() + self._limits.patience_s
                if not missing or deadline is None or clock() >= deadline:
                    for frame in self._past(reading):
                        yield frame
                        del frame  # it may be large, and this follower may wait long for what comes next
                    if reading.seq <= self._position:
                        self._done = reading.closed
                        break
                    missing, deadline, backoff_s = False, None, _FIRST_BACKOFF_S
                del reading
            if missing:
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)
        subscription.replaying = False

    def _past(self, reading: Reading) -> Iterator[Frame]:
        """What a reading tells: that the task begins anew, that events are missing, or the events."""
        if self._begins_anew(reading):
            self._position = 0
            yield self._hello(reading, resumed=False)
        elif reading.missing:
            yield self._gap(reading.missing)
        else:
            for events in split(reading.events, self._limits.page_bytes):
                yield self._page_frame(events)

    def _begins_anew(self, reading: Reading) -> bool:
        """Whether the task is in another life, or Redis came back older than what the follower has seen."""
        return reading.epoch != self._epoch or (self._position > reading.seq and not reading.expired)

    def _page_frame(self, events: list[tuple[int, bytes]]) -> Frame:
        frame = encode_frame([event for _, event in events])
        self._live.counters.replayed += len(events)
        self._position = events[-1][0]
        fit = self._limits.page_bytes * len(events) // len(frame)
        self._page = max(1, min(self._limits.page_events, fit))
        return Frame(frame.decode(), self._epoch, self._position)

    async def _behind(self) -> bool:
        """The backstop: whether the head knows more than this session, which it should not."""
        try:
            sighting = await self._live.reader.sight(self._task)
        except (RedisError, OSError, TimeoutError):
            return False
        head = sighting.head
        if head is None or (not head.closed and head.lease <= sighting.now_ms):
            self._live.lost_ends.suspect(self._task)
        behind = head is not None and (head.epoch, head.seq) != (self._epoch, self._position)
        if behind:
            self._live.counters.backstop_heals += 1
            log.warning("Session was behind", action="backstop_heal", task=str(self._task), position=self._position)
        return behind

    async def _read(self, after: int, limit: int) -> Reading:
        """Read, within the patience. Raises NoSuchTask, LiveUnavailable."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._limits.patience_s
        backoff_s = _FIRST_BACKOFF_S
        while True:
            try:
                reading = await self._live.reader.read(self._task, after, limit, self._limits.page_bytes)
            except (RedisError, OSError, TimeoutError, HistoryUnavailable) as error:
                if clock() >= deadline:
                    raise LiveUnavailable(f"the events cannot be read: {type(error).__name__}") from error
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)
            else:
                if reading is None:
                    raise NoSuchTask(f"there is no task {self._task}")
                return reading

    def _hello(self, reading: Reading, *, resumed: bool) -> Frame:
        self._epoch = reading.epoch
        return self._control(type="hello", epoch=reading.epoch, seq=reading.seq, resumed=resumed)

    def _gap(self, missing: int) -> Frame:
        """Step over events that are nowhere, and say so."""
        self._live.counters.gaps += 1
        after, self._position = self._position, missing
        return self._control(type="gap", epoch=self._epoch, after=after, before=missing + 1)

    def _control(self, **fields: Any) -> Frame:
        return Frame(
            json.dumps([{"task": str(self._task), **fields}], separators=(",", ":")), self._epoch, self._position
        )


def _cut(frame: str, after: int) -> str:
    """The frame without the events up to the seq `after`."""
    return json.dumps(
        [event for event in json.loads(frame) if event["seq"] > after], ensure_ascii=False, separators=(",", ":")
    )
