"""Waiting for what another process does: bounded polls, never a guess at how long it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

_POLL_S: Final = 0.01


async def until(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool] = bool, *, within_s: float = 10.0) -> T:
    """Ask again and again; the first answer that `holds`. Fails with the last one after `within_s`."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    while True:
        answer = await ask()
        if holds(answer):
            return answer
        assert clock() < deadline, f"after {within_s:g} s it is still {answer!r}"
        await asyncio.sleep(_POLL_S)


async def until_so(holds: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """As `until`, for what this process knows."""

    async def ask() -> bool:
        return holds()

    await until(ask, within_s=within_s)
