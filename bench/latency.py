"""`python -m bench latency`: one task at a rate, a few followers on several replicas, and how old its updates are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from bench.load import Synthetic, account_lines, follow, links, lost, processes, submitted
from bench.processes import LIVE, find
from bench.services import Service

_DELAY_S: Final = 1.0
"""Before the first update, so that the followers are there."""


@dataclass(frozen=True, slots=True)
class Burst:
    """So many updates a second, `burst` of them at once, for so long, and by how many it is followed."""

    rate: float
    seconds: int
    burst: int
    size: int
    followers: int
    processes: int


async def latency(urls: Sequence[str], load: Burst) -> tuple[list[str], bool]:
    """Lines for people, and whether everybody received everything. Raises BenchError."""
    updates = max(1, round(load.rate * load.seconds))
    work = Synthetic(updates, load.rate, load.burst, load.size, _DELAY_S)
    async with AsyncExitStack() as exits:
        apis = [await exits.enter_async_context(Service("api", url)) for url in urls]
        crowds = await exits.enter_async_context(processes(load.processes))
        offset = await apis[0].offset(same_machine=bool(find(urls[0], LIVE)))
        before, began = [(await api.stats())["cpu_s"] for api in apis], time.monotonic()
        tasks = await exits.enter_async_context(submitted(apis[0], work, 1))
        addresses = links(tasks, urls, load.followers)
        accounts = await follow(crowds, addresses, offset.applied_ms, work.limit_s)
        seconds = time.monotonic() - began
        after = [(await api.stats())["cpu_s"] for api in apis]
    shares = ", ".join(f"{(b - a) / seconds:.0%}" for a, b in zip(before, after, strict=True))
    complete = not lost(accounts, updates) and not any(account.faults for account in accounts)
    return [
        f"load        {load.followers} followers over {len(urls)} replicas, 1 task, {load.seconds} s",
        f"updates     {load.rate:g} a second, {load.burst} at once, {load.size} bytes, a chunk and progress each",
        *account_lines(accounts, updates),
        f"CPU         of the replicas, of a core: {shares}",
        f"clock       {offset.offset_ms:+.2f} ms ± {offset.uncertainty_ms:.2f} ms from ours"
        + ("; the same machine: not corrected" if offset.same_machine else "; corrected"),
    ], complete
