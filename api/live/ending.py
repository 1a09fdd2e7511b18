"""How a task of asyncio is ended for certain."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_AGAIN_S: Final = 0.5
"""Longer than what is done after a cancellation takes: a close frame, the end of a subscription."""


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel `tasks` and wait until they have ended; what they raise then is dropped.

    In Python 3.11 `asyncio.wait_for`, with which redis-py sends every command, forgets a cancellation that comes
    together with the result. A task that does not end is therefore cancelled again.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
