"""`python -m bench followers`: many followers of several tasks; whether all get everything, and what one costs.

Memory is what is resident. A replica that had as many followers before has the room for them already, and shows less.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from bench.load import (
    Synthetic,
    account_lines,
    follow,
    links,
    lost,
    processes,
    submitted,
    until_subscribed,
)
from bench.processes import LIVE, find
from bench.services import Service

_SIZE: Final = 32
_CONNECTED_A_SECOND: Final = 100
"""Connections are made faster, but the tasks must not begin before the last one."""
_DELAY_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Crowding:
    """So many followers, divided among so many tasks of `rate` updates a second each."""

    followers: int
    tasks: int
    rate: float
    seconds: int
    processes: int


@dataclass(frozen=True, slots=True)
class _Usage:
    """Of all replicas together."""

    at_s: float
    cpu_s: float
    memory_bytes: int


async def followers(urls: Sequence[str], load: Crowding) -> tuple[list[str], bool]:
    """Lines for people, and whether everybody received everything. Raises BenchError."""
    updates = max(1, round(load.rate * load.seconds))
    delay_s = _DELAY_S + load.followers / _CONNECTED_A_SECOND
    work = Synthetic(updates, load.rate, 1, _SIZE, delay_s)
    async with AsyncExitStack() as exits:
        apis = [await exits.enter_async_context(Service("api", url)) for url in urls]
        crowds = await exits.enter_async_context(processes(load.processes))
        offset = await apis[0].offset(same_machine=bool(find(urls[0], LIVE)))
        alone = await _usage(apis)
        tasks = await exits.enter_async_context(submitted(apis[0], work, load.tasks))
        following = asyncio.create_task(
            follow(crowds, links(tasks, urls, load.followers), offset.applied_ms, work.limit_s)
        )
        exits.callback(following.cancel)
        connecting = asyncio.create_task(until_subscribed(apis, load.followers, delay_s))
        exits.callback(connecting.cancel)
        await asyncio.wait([following, connecting], return_when=asyncio.FIRST_COMPLETED)
        await (following if following.done() else connecting)  # raises what ended it
        connected = await _usage(apis)
        accounts = await following
        done = await _usage(apis)
    delivered = sum(account.traffic.messages for account in accounts)
    complete = not lost(accounts, updates) and not any(account.faults for account in accounts)
    return [
        f"load        {load.followers:,} followers over {len(urls)} replicas, {load.tasks} tasks, {load.seconds} s",
        f"updates     {load.rate:g} a second of each task, a chunk and progress each",
        *account_lines(accounts, updates),
        *_cost_lines(alone, connected, done, load.followers, delivered),
    ], complete


def _cost_lines(alone: _Usage, connected: _Usage, done: _Usage, followers: int, frames: int) -> list[str]:
    memory = (connected.memory_bytes - alone.memory_bytes) / followers / 1024
    cpu_s, seconds = done.cpu_s - connected.cpu_s, done.at_s - connected.at_s
    return [
        f"memory      {memory:.1f} KiB each; without, with, after: {_mib(alone)}, {_mib(connected)}, {_mib(done)}",
        f"CPU         {cpu_s / seconds:.0%} of a core for all replicas; {cpu_s / frames * 1e6:.0f} µs a frame",
    ]


def _mib(usage: _Usage) -> str:
    return f"{usage.memory_bytes / 2**20:.1f} MiB"


async def _usage(apis: Sequence[Service]) -> _Usage:
    stats = [await api.stats() for api in apis]
    cpu_s = sum(one["cpu_s"] for one in stats)
    return _Usage(time.monotonic(), cpu_s, sum(one["memory_bytes"] for one in stats))
