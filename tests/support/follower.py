"""A WebSocket client that remembers everything: for tests that compare what many followers saw."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.waiting import until_so

PATIENCE_S: Final = 60.0
"""For a whole task, on a machine that is busy."""


class Follower:
    """Follows one task, over as many connections as it takes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hellos: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.codes: list[int | None] = []
        """The close code of each connection; None when it was cut."""

    async def follow(self, url: str, *, cut_after: int | None = None) -> Follower:
        """Follow the task at `url`, from where this follower is, until the server closes.

        With `cut_after` the connection is torn off, without a word, after so many events of this follower.
        """
        async with asyncio.timeout(PATIENCE_S), connect(url + self._after(), max_size=None, close_timeout=2) as socket:
            try:
                async for frame in socket:
                    self._take(json.loads(frame))
                    if cut_after is not None and len(self.events) >= cut_after:
                        socket.transport.abort()
            except ConnectionClosed:
                assert cut_after is not None, f"{self.name}: closed with {socket.close_code}"
        self.codes.append(None if cut_after is not None else socket.close_code)
        return self

    async def has_seen(self, count: int) -> None:
        """Wait until this follower has seen so many events."""
        await until_so(lambda: len(self.events) >= count, within_s=PATIENCE_S)

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    @property
    def chunks(self) -> list[Any]:
        return [event["data"]["data"] for event in self.events if event["type"] == "chunk"]

    def _take(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            assert item["type"] != "gap", f"{self.name}: {item}"
            (self.hellos if item["type"] == "hello" else self.events).append(item)

    def _after(self) -> str:
        return f"?after={self.hellos[0]['epoch']}.{self.seqs[-1]}" if self.events else ""
