"""Open WebSockets of this process, so that an orderly end can close them with a code that says *resume*."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from api.live.ending import end

_SLICE: Final = 250
_SLICE_S: Final = 0.1
"""2,500 followers a second: each that comes back costs another replica some 2 ms, so all at once would be a storm."""
_FAREWELL_S: Final = 0.5


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
        """Have every socket closed with GOING_AWAY, some at a time, and wait until they are.

        At the end of the time the rest is told at once.
        """
        if not self.draining:
            self.goodbye.set_result(None)
        told = list(self._senders)
        if not told:
            return
        try:
            async with asyncio.timeout(timeout_s):
                for start in range(0, len(told), _SLICE):
                    for sender in told[start : start + _SLICE]:
                        sender.cancel()
                    if start + _SLICE < len(told):
                        await asyncio.sleep(_SLICE_S)
                await asyncio.wait(told, timeout=_FAREWELL_S)  # to be cancelled again would cut the farewell short
                await end(*self._senders)
        except TimeoutError:
            for sender in self._senders:
                if not sender.cancelling():
                    sender.cancel()
            return  # what is left is a peer that does not answer; its connection ends with the process

    def __len__(self) -> int:
        return len(self._senders)
