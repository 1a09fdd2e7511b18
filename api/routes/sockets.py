"""Open WebSockets of this process, so that an orderly end can close them with a code that says *resume*."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

GOING_AWAY: Final = 4001


class Sockets:
    """The tasks that send to the open sockets."""

    def __init__(self) -> None:
        self._senders: set[asyncio.Task[None]] = set()
        self._gone = asyncio.Event()
        self.draining = False

    @contextmanager
    def open(self, sender: asyncio.Task[None]) -> Iterator[None]:
        """Count `sender` in; when the process ends it is cancelled."""
        self._senders.add(sender)
        if self.draining:
            sender.cancel()
        try:
            yield
        finally:
            self._senders.discard(sender)
            if not self._senders:
                self._gone.set()

    async def drain(self, timeout_s: float) -> None:
        """Have every socket closed with GOING_AWAY, and wait until they are."""
        self.draining = True
        if not self._senders:
            return
        self._gone.clear()
        for sender in self._senders:
            sender.cancel()
        try:
            async with asyncio.timeout(timeout_s):
                await self._gone.wait()
        except TimeoutError:
            return  # what is left is a peer that does not answer; its connection ends with the process

    def __len__(self) -> int:
        return len(self._senders)
