"""Synthetic tasks of the event-driven side, and crowds that follow them over several replicas."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from bench.apart import Apart
from bench.crowd import LiveCrowd, follow_live, ready
from bench.errors import BenchError, Spoiled
from bench.figures import Ages
from bench.history import Transcript
from bench.services import Service, Task, at_replica

_PATIENCE_S: Final = 60.0
_CANCEL_S: Final = 3.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Updates of a task: how many, how many a second, at once, and how large; the first comes after `delay_s`."""

    updates: int
    rate: float
    burst: int
    size: int
    delay_s: float

    @property
    def params(self) -> dict[str, Any]:
        """Of the kind `synthetic`."""
        return {
            "updates": self.updates,
            "rate": self.rate,
            "burst": self.burst,
            "size": self.size,
            "delay_s": self.delay_s,
        }

    @property
    def limit_s(self) -> float:
        """Whoever follows for longer gives up."""
        return self.delay_s + self.updates / self.rate + _PATIENCE_S


@asynccontextmanager
async def submitted(api: Service, work: Synthetic, count: int) -> AsyncIterator[list[Task]]:
    """So many tasks; cancelled when they are left before they have ended."""
    tasks: list[Task] = []
    try:
        for _ in range(count):
            tasks.append(await api.submit("synthetic", work.params))  # noqa: PERF401 - those before a failure count
        yield tasks
    except BaseException:
        with suppress(BenchError, TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(api.cancel(task.id) for task in tasks)), _CANCEL_S)
        raise


@asynccontextmanager
async def processes(count: int) -> AsyncIterator[list[Apart]]:
    """So many processes for followers, ready to begin."""
    with ExitStack() as exits:
        crowds = [exits.enter_context(Apart()) for _ in range(count)]
        await asyncio.gather(*(crowd.call(ready) for crowd in crowds))
        yield crowds


def links(tasks: Sequence[Task], urls: Sequence[str], followers: int) -> list[str]:
    """Where each of the followers connects: they take the tasks in turn, and the replicas after each round."""
    return [
        at_replica(
            tasks[number % len(tasks)].link, urls[0], urls[(number // len(tasks) + number % len(tasks)) % len(urls)]
        )
        for number in range(followers)
    ]


async def follow(
    crowds: Sequence[Apart], addresses: Sequence[str], offset_ms: float, limit_s: float
) -> list[Transcript]:
    """The accounts of all followers, which are divided among the processes. Raises BenchError."""
    shares = [addresses[number :: len(crowds)] for number in range(len(crowds))]
    calls = [
        crowd.call(follow_live, LiveCrowd(share, offset_ms, limit_s))
        for crowd, share in zip(crowds, shares, strict=True)
    ]
    return [account for accounts in await asyncio.gather(*calls) for account in accounts]


async def until_subscribed(apis: Sequence[Service], followers: int, limit_s: float) -> None:
    """Until the replicas have so many followers. Raises Spoiled."""
    deadline = time.monotonic() + limit_s
    while (connected := sum([(await api.stats())["subscriptions"] for api in apis])) < followers:
        if time.monotonic() > deadline:
            raise Spoiled(f"after {limit_s:g} s only {connected} of {followers} followers are connected")
        await asyncio.sleep(_POLL_S)


def lost(accounts: Sequence[Transcript], updates: int) -> int:
    """Chunks and results that did not arrive."""
    return sum(updates - account.chunks + (account.result is None) for account in accounts)


def account_lines(accounts: Sequence[Transcript], updates: int) -> list[str]:
    """What the followers received, in lines for people."""
    ages = Ages.of([age for account in accounts for age in account.ages])
    frames = sum(account.traffic.messages for account in accounts)
    size = sum(account.traffic.bytes for account in accounts)
    connections = sum(account.traffic.connections for account in accounts) - len(accounts)
    faults = [fault for account in accounts for fault in account.faults]
    return [
        f"age, ms     p50 {ages.p50:.2f}, p95 {ages.p95:.2f}, p99 {ages.p99:.2f}, max {ages.max:.1f} of {ages.count}",
        f"lost        {lost(accounts, updates):,} of {len(accounts) * (updates + 1):,}; {connections} reconnections",
        f"frames      {frames:,}, {size / 1000:,.0f} kB",
        *(f"fault       {fault}" for fault in faults[:10]),
    ]
