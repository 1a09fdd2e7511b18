"""Many clients at once, in the process in which they are called (bench.apart)."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from bench.errors import Spoiled
from bench.history import Transcript
from bench.live import LiveClient
from bench.polling import PollingClient, Strategy


@dataclass(frozen=True, slots=True)
class LiveCrowd:
    """One client for each of the links. It ends after `limit_s` at the latest."""

    links: Sequence[str]
    offset_ms: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class PollingCrowd:
    """So many clients of one task. Each begins at a random moment of the interval, by `seed`."""

    link: str
    clients: int
    strategy: Strategy
    interval_s: float
    seed: int
    offset_ms: float
    limit_s: float


def ready() -> bool:
    """For a first call to a process: everything is imported then."""
    return True


def follow_live(crowd: LiveCrowd) -> list[Transcript]:
    """The accounts of the clients. Raises Spoiled, also when the time is over."""
    _allow_connections()

    async def follow() -> list[Transcript]:
        clients = [LiveClient(link, crowd.offset_ms) for link in crowd.links]
        return await _all(crowd.limit_s, [client.follow() for client in clients])

    return asyncio.run(follow())


def follow_polling(crowd: PollingCrowd) -> list[Transcript]:
    """The accounts of the clients. Raises Refused and Spoiled, the latter also when the time is over."""
    _allow_connections()
    delays = random.Random(crowd.seed)
    # Clients that wait for the server are not bound to a rate, so there is nothing to spread.
    spread_s = 0.0 if crowd.strategy == "long" else crowd.interval_s

    async def follow() -> list[Transcript]:
        async with AsyncExitStack() as exits:
            clients = [
                await exits.enter_async_context(
                    PollingClient(
                        crowd.link,
                        crowd.strategy,
                        interval_s=crowd.interval_s,
                        delay_s=delays.uniform(0, spread_s),
                        offset_ms=crowd.offset_ms,
                    )
                )
                for _ in range(crowd.clients)
            ]
            return await _all(crowd.limit_s, [client.follow() for client in clients])

    return asyncio.run(follow())


async def _all(limit_s: float, following: Sequence[Coroutine[Any, Any, Transcript]]) -> list[Transcript]:
    """All of them; the first that fails ends the others."""
    tasks: list[asyncio.Task[Transcript]] = []
    try:
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in following]
    except TimeoutError as error:
        done = sum(task.done() and not task.cancelled() for task in tasks)
        raise Spoiled(f"after {limit_s:g} s only {done} of {len(tasks)} clients are done") from error
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


def _allow_connections() -> None:
    """As many open files as the system lets us have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS has a limit that it does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
