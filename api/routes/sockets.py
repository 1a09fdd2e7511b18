"""Open WebSockets of this process, so that an orderly end can close them with a code that says *resume*."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from api.live.ending import end

GOING_AWAY: Final = 4001


class Sockets:
    """The tasks that send to the open sockets. Made in the event loop that serves them."""

    def __init__(self) -> None:
        self._senders: set[asyncio.Task[Any]] = set()
        self.goodbye: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the process goes away. Answers that take long wait for it too, and end then."""

    @property
    def draining(self) -> bool:
        """Whether the process goes away."""
        return self.goodbye.done()

    @contextmanager
    def open(self, sender: asyncio.Task[Any]) -> Iterator[None]:
        """Count `sender` in; when the process ends it is cancelled."""
        self._senders.add(sender)
        if self.draining:
            sender.cancel()
        try:
            yield
        finally:
            self._senders.discard(sender)

    async def drain(self, timeout_s: float) -> None:
        """Have every socket closed with GOING_AWAY, and wait until they are."""
        if not self.draining:
            self.goodbye.set_result(None)
        try:
            async with asyncio.timeout(timeout_s):
                await end(*self._senders)
        except TimeoutError:
            return  # what is left is a peer that does not answer; its connection ends with the process

    def __len__(self) -> int:
        return len(self._senders)
