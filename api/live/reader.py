"""Reads what happened to a task: from its log in Redis, and from the history behind it for what the log has lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from api.live.errors import BadCursor
from protocol.cursor import Cursor
from protocol.log import AsyncLog, Sighting

MAX_BYTES: Final = 4 * 2**20
"""What is read of the history at once when nothing less is asked for."""


class HistoryUnavailable(Exception):
    """The history cannot be read now."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the history knows a task."""

    epoch: str
    seq: int
    finished: bool


class History(Protocol):
    """The durable record behind the log. Raises HistoryUnavailable."""

    async def position(self, task: UUID) -> Position | None:
        """How far `task` is known; None when it is not."""

    async def read(self, task: UUID, after: int, limit: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """Events with a seq above `after`, in order, as (seq, JSON): at most `limit` and `max_bytes`, but one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Events after a position, without a hole, and the task's epoch, newest seq and whether that is its last.

    `missing` is 0, or the seq up to which events after the position are nowhere (any more, or not yet): `events` is
    empty then. `expired` says that Redis does not know the task.
    """

    epoch: str
    seq: int
    closed: bool
    events: list[tuple[int, bytes]]
    missing: int = 0
    expired: bool = False


def honoured(cursor: Cursor | None, reading: Reading) -> bool:
    """Whether a stream can go on after `cursor`, or has to start over (docs/protocol.md §7). Raises BadCursor."""
    if cursor is None or cursor.epoch not in {None, reading.epoch}:
        return False
    if cursor.epoch is None and cursor.seq > reading.seq:
        raise BadCursor(f"the cursor {cursor} is ahead of the task, whose newest event is {reading.seq}")
    return cursor.seq <= reading.seq


def split(events: list[tuple[int, bytes]], max_bytes: int) -> Iterator[list[tuple[int, bytes]]]:
    """The events in pieces that have, as a JSON array, at most `max_bytes`; a larger event is a piece of its own."""
    piece: list[tuple[int, bytes]] = []
    size = 1
    for event in events:
        more = len(event[1]) + 1  # and a comma or a bracket
        if piece and size + more > max_bytes:
            yield piece
            piece, size = [], 1
        piece.append(event)
        size += more
    if piece:
        yield piece


class Reader:
    """Reads tasks. Raises redis.RedisError and HistoryUnavailable."""

    def __init__(self, log: AsyncLog, history: History) -> None:
        self._log = log
        self._history = history

    async def read(self, task: UUID, after: int, limit: int, max_bytes: int = MAX_BYTES) -> Reading | None:
        """At most `limit` events of `task` after the seq `after`; None when nobody knows the task.

        Of the history they have at most `max_bytes`, or are one; a log as a whole is bounded, and is read as it is.
        """
        page = await self._log.read(task, after, limit)
        head = page.head
        if head is None:
            return await self._expired(task, after, limit, max_bytes)
        first = page.events[0][0] if page.events else head.seq + 1
        if first <= after + 1:
            return Reading(head.epoch, head.seq, head.closed, page.events)
        older = await self._history.read(task, after, min(limit, first - after - 1), max_bytes)
        events, missing = _continuous(after, older, first - 1)
        return Reading(head.epoch, head.seq, head.closed, events, missing)

    async def sight(self, task: UUID) -> Sighting:
        """What Redis knows of a task now."""
        (sighting,) = await self._log.heads([task])
        assert sighting is not None, "of one server, no answer raises"
        return sighting

    async def has_lost_the_end(self, task: UUID) -> bool:
        """Whether the history alone knows that `task` has ended. What Redis has of it is then older, and is deleted."""
        position = await self._history.position(task)
        if position is None or not position.finished:
            return False
        head = await self._log.head(task)
        if head is None:
            return True
        if head.closed or head.epoch != position.epoch or head.seq >= position.seq:
            return False
        await self._log.forget(task)
        return True

    async def _expired(self, task: UUID, after: int, limit: int, max_bytes: int) -> Reading | None:
        position = await self._history.position(task)
        if position is None:
            return None
        found = await self._history.read(task, after, limit, max_bytes)
        events, missing = _continuous(after, found, position.seq)
        return Reading(position.epoch, position.seq, position.finished, events, missing, expired=True)


def _continuous(after: int, found: list[tuple[int, bytes]], last: int) -> tuple[list[tuple[int, bytes]], int]:
    """Those of `found` that follow `after` without a hole; or how far the hole goes, `last` when nothing was found."""
    events = [event for number, event in enumerate(found, start=after + 1) if event[0] == number]
    if events or after >= last:
        return events, 0
    return [], found[0][0] - 1 if found else last
