"""`python -m bench compare`: the same task on both sides at the same time, each followed by as many clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from bench.apart import Apart
from bench.clock import Offset
from bench.crowd import LiveCrowd, PollingCrowd, follow_live, follow_polling, ready
from bench.errors import BenchError, Spoiled
from bench.history import Transcript, differences
from bench.polling import Strategy
from bench.services import Service, Task
from bench.usage import Cpu, Gauge, Reading, difference, told_difference

_PATIENCE_S: Final = 60.0
"""What a run may take beyond what its pauses add up to."""
_CANCEL_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: π to so many digits, each after a random pause, and by how many clients it is followed."""

    digits: int
    pace_ms: tuple[int, int]
    clients: int
    interval_ms: int
    strategy: Strategy
    seed: int
    repeat: int
    idle_s: float

    @property
    def params(self) -> dict[str, Any]:
        """Of the task, the same on both sides."""
        return {"digits": self.digits, "pace_ms": list(self.pace_ms), "seed": self.seed}

    @property
    def limit_s(self) -> float:
        """A run that takes longer is given up."""
        return self.digits * self.pace_ms[1] / 1000 + _PATIENCE_S


@dataclass(frozen=True, slots=True)
class Span:
    """What was used in a time: seen from outside, and as the services told; `busy_s` by everything on the machine."""

    seconds: float
    seen: Cpu
    told: Cpu
    busy_s: float

    @classmethod
    def between(cls, before: Reading, after: Reading) -> Span:
        """Of two readings."""
        return cls(
            after.at_s - before.at_s,
            difference(before.seen, after.seen),
            told_difference(before.told, after.told),
            after.busy_s - before.busy_s,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One repeat. The clients' accounts by side, what it took, and the seconds until the last client was done."""

    clients: Mapping[str, list[Transcript]]
    span: Span
    done_s: Mapping[str, float]
    stats: list[Mapping[str, Any]]

    @property
    def differences(self) -> list[str]:
        """What is wrong; nothing when every client of both sides has received the same, once and in order."""
        names = {f"{side} client {n}": one for side, all_ in self.clients.items() for n, one in enumerate(all_, 1)}
        return differences(names)


@dataclass(slots=True)
class Comparison:
    """All that was measured."""

    plan: Plan
    offsets: dict[str, Offset]
    idle: Span | None
    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def compare(plan: Plan, api: str, baseline: str) -> Comparison:
    """Measure. Raises BenchError; tasks that have not ended by then are cancelled."""
    async with Service("api", api) as live, Service("baseline", baseline) as polling:
        await asyncio.gather(live.stats(), polling.stats())
        with ExitStack() as exits:
            crowds = {side: exits.enter_context(Apart()) for side in ("live", "polling")}
            await asyncio.gather(*(crowd.call(ready) for crowd in crowds.values()))
            return await _measure(plan, live, polling, crowds)


async def _measure(plan: Plan, live: Service, polling: Service, crowds: Mapping[str, Apart]) -> Comparison:
    gauge = Gauge(live, polling, bench=[crowd.pid for crowd in crowds.values()])
    gauge.find()
    gauge.drop_doubtful(await gauge.read())
    offsets = {
        "live": await live.offset(same_machine=gauge.is_here("live")),
        "polling": await polling.offset(same_machine=gauge.is_here("polling")),
    }
    gauge.notes += [
        f"the clock of the {side} side differs from ours by {offset.offset_ms:.2f} ± {offset.uncertainty_ms:.2f} ms, "
        "although both seem to be on this machine"
        for side, offset in offsets.items()
        if offset.same_machine and not offset.agrees
    ]
    comparison = Comparison(plan, offsets, await _idle(gauge, plan.idle_s), notes=gauge.notes)
    for _ in range(plan.repeat):
        comparison.runs.append(await _run(plan, gauge, crowds, offsets))
    return comparison


async def _idle(gauge: Gauge, seconds: float) -> Span | None:
    """What the servers use while nobody asks for anything."""
    if seconds <= 0:
        return None
    before = await gauge.read()
    await asyncio.sleep(seconds)  # this is what is measured
    return Span.between(before, await gauge.read())


async def _run(plan: Plan, gauge: Gauge, crowds: Mapping[str, Apart], offsets: Mapping[str, Offset]) -> Run:
    before = await gauge.read()
    async with _submitted(plan, gauge) as (live, polling):
        began = time.monotonic()
        following = {
            "live": crowds["live"].call(
                follow_live, LiveCrowd((live.link,) * plan.clients, offsets["live"].applied_ms, plan.limit_s)
            ),
            "polling": crowds["polling"].call(
                follow_polling,
                PollingCrowd(
                    polling.link,
                    plan.clients,
                    plan.strategy,
                    plan.interval_ms / 1000,
                    plan.seed,
                    offsets["polling"].applied_ms,
                    plan.limit_s,
                ),
            ),
        }
        done_s: dict[str, float] = {}

        async def timed(side: str) -> list[Transcript]:
            accounts = await following[side]
            done_s[side] = time.monotonic() - began
            return accounts

        accounts = dict(zip(following, await asyncio.gather(*map(timed, following)), strict=True))
    after = await gauge.read()
    return Run(accounts, Span.between(before, after), done_s, [before.stats, after.stats])


@asynccontextmanager
async def _submitted(plan: Plan, gauge: Gauge) -> AsyncIterator[tuple[Task, Task]]:
    """The task on both sides, submitted at the same time; cancelled when it is left before it has ended."""
    services = (gauge.live, gauge.polling)
    submitting = [asyncio.ensure_future(service.submit("compute_pi", plan.params)) for service in services]
    try:
        live, polling = await asyncio.gather(*submitting)
        yield live, polling
    except BaseException:
        await asyncio.wait(submitting, timeout=_CANCEL_S)
        for service, task in zip(services, submitting, strict=True):
            if task.done() and not task.cancelled() and task.exception() is None:
                with suppress(BenchError, TimeoutError):
                    await asyncio.wait_for(service.cancel(task.result().id), _CANCEL_S)
        raise


def checked(comparison: Comparison) -> list[str]:
    """What is wrong in any of the runs. Raises Spoiled when a comparison has no run at all."""
    if not comparison.runs:
        raise Spoiled("nothing was measured")
    return [
        f"run {number}: {sentence}"
        for number, run in enumerate(comparison.runs, start=1)
        for sentence in run.differences
    ]
