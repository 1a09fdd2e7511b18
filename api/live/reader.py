"""Reads what happened to a task: from its log in Redis, and from the history behind it for what the log has lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from protocol.log import AsyncLog


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

    async def read(self, task: UUID, after: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` events with a seq above `after`, in order, as (seq, JSON)."""


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


class Reader:
    """Reads tasks. Raises redis.RedisError and HistoryUnavailable."""

    def __init__(self, log: AsyncLog, history: History) -> None:
        self._log = log
        self._history = history

    async def read(self, task: UUID, after: int, limit: int) -> Reading | None:
        """At most `limit` events of `task` after the seq `after`; None when nobody knows the task."""
        page = await self._log.read(task, after, limit)
        head = page.head
        if head is None:
            return await self._expired(task, after, limit)
        first = page.events[0][0] if page.events else head.seq + 1
        if first <= after + 1:
            return Reading(head.epoch, head.seq, head.closed, page.events)
        older = _contiguous(after, await self._history.read(task, after, min(limit, first - after - 1)))
        if older:
            return Reading(head.epoch, head.seq, head.closed, older)
        return Reading(head.epoch, head.seq, head.closed, [], missing=first - 1)

    async def newest(self, task: UUID) -> tuple[str, int] | None:
        """Epoch and newest seq of a task that Redis knows."""
        head = await self._log.head(task)
        return None if head is None else (head.epoch, head.seq)

    async def _expired(self, task: UUID, after: int, limit: int) -> Reading | None:
        position = await self._history.position(task)
        if position is None:
            return None
        events = await self._history.read(task, after, limit)
        whole = _contiguous(after, events)
        missing = 0
        if not whole and after < position.seq:
            missing = events[0][0] - 1 if events else position.seq
        return Reading(position.epoch, position.seq, position.finished, whole, missing, expired=True)


def _contiguous(after: int, events: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The events that follow `after` without a hole."""
    return [event for number, event in enumerate(events, start=after + 1) if event[0] == number]
