"""What a follower of a session has received, in the terms of the protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any, Self
from uuid import UUID

from api.live.session import Frame, Live
from protocol.cursor import Cursor

SOON_S = 10.0


def items(frames: Iterable[Frame]) -> list[dict[str, Any]]:
    """Every item of every frame, control events included."""
    return [item for frame in frames for item in json.loads(frame.text)]


def seqs(frames: Iterable[Frame]) -> list[int]:
    """Of the events, in the order in which they came."""
    return [item["seq"] for item in items(frames) if item["type"] not in {"hello", "gap"}]


def data(frames: Iterable[Frame]) -> list[Any]:
    """Of the chunks."""
    return [item["data"]["data"] for item in items(frames) if item["type"] == "chunk"]


def controls(frames: Iterable[Frame]) -> list[dict[str, Any]]:
    """The control events without the id of the task."""
    found = [item for item in items(frames) if item["type"] in {"hello", "gap"}]
    return [{key: value for key, value in item.items() if key != "task"} for item in found]


def hello(epoch: str, seq: int, *, resumed: bool) -> dict[str, Any]:
    return {"type": "hello", "epoch": epoch, "seq": seq, "resumed": resumed}


def cursor(frame: Frame) -> Cursor:
    """Of one who has seen `frame`."""
    return Cursor(frame.seq, frame.epoch)


class Follower:
    """Reads a session step by step: each wait is bounded."""

    def __init__(self, live: Live, task: UUID, after: Cursor | None = None) -> None:
        self.overflows = 0
        self.frames: list[Frame] = []
        self._session = live.follow(task, after, self._overflowed)

    async def __aenter__(self) -> Self:
        """After the hello."""
        await self.next()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.aclose()

    async def next(self) -> Frame:
        """One more frame."""
        async with asyncio.timeout(SOON_S):
            frame = await anext(self._session)
        self.frames.append(frame)
        return frame

    async def until_seq(self, seq: int) -> list[Frame]:
        """All frames once the event `seq` has come."""
        while self.frames[-1].seq < seq:
            await self.next()
        return self.frames

    async def to_the_end(self) -> list[Frame]:
        """All frames once the session has ended by itself."""
        async with asyncio.timeout(SOON_S):
            async for frame in self._session:
                self.frames.append(frame)
        return self.frames

    def _overflowed(self) -> None:
        self.overflows += 1


async def whole(live: Live, task: UUID, after: Cursor | None = None) -> list[Frame]:
    """Everything that a session has, from its hello to its own end."""
    async with Follower(live, task, after) as follower:
        return await follower.to_the_end()
