"""What the servers have used, from two sources that know nothing of each other.

*Seen* is what the operating system counts, from outside. *Told* is what the services say in /stats. Both are seconds of
CPU since the start, by `<side>.<role>`: `live.api`, `live.worker`, `live.redis`, `live.postgresql` (seen only),
`polling.api`, `polling.worker`; and seen only, `hub.hub` and `bench.bench`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from bench.errors import Spoiled
from bench.processes import LIVE, POLLING, Roots, cpu_s, find, find_hub, find_servers
from bench.services import Service

Cpu = dict[str, float]
Told = dict[str, dict[str, float]]
"""As Cpu, by the name of each process: a sum falls when one is gone."""
Stats = Mapping[str, Any]

_FRESH_S: Final = 3.0
"""How long to wait for reports that are newer than the question; they are made every second."""
_POLL_S: Final = 0.3
"""Seldom, for each answer costs the servers what is to be measured."""
_TOLERANCE: Final = 0.2
_TOLERANCE_S: Final = 0.3
"""What the two sources may differ by since the start: reports are a second old, and ticks are lost."""


def told_cpu(live: Stats, polling: Stats) -> Told:
    """What the two /stats say. Without a list of processes the one that answered is all that is known of its kind."""
    told: Told = {}
    lone: dict[str, Any] = {"name": "", "role": "api", "cpu_s": live["cpu_s"]}
    for process in live.get("processes") or [lone]:
        told.setdefault(f"live.{process['role']}", {})[process["name"]] = process["cpu_s"]
    if live.get("redis"):  # null when a server does not tell: the others would pass for all
        told["live.redis"] = {node["name"]: node["cpu_s"] for node in live["redis_nodes"]}
    added_up = [{**lone, "cpu_s": polling["cpu_s"]}, {**lone, "role": "worker", "cpu_s": polling["worker"]["cpu_s"]}]
    for process in polling.get("processes") or added_up:
        told.setdefault(f"polling.{process['role']}", {})[process["name"]] = process["cpu_s"]
    return told


def by_role(told: Told) -> Cpu:
    """The processes of each role added up, since the start of each."""
    return {key: sum(processes.values()) for key, processes in told.items()}


def oldest_report_ms(live: Stats, polling: Stats) -> float:
    """When the oldest of the reports was made, as far as they say; Unix ms."""
    reports = [process["at_ms"] for stats in (live, polling) for process in stats.get("processes") or []]
    if not polling.get("processes") and polling["worker"]["at_ms"] is not None:
        reports.append(polling["worker"]["at_ms"])
    return float(min(reports, default=live["now_ms"]))


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> Cpu:
    """What was used between two readings; without what was not read twice, or was started again meanwhile."""
    return {
        key: after[key] - earlier for key, earlier in before.items() if key in after and after[key] >= earlier - 1e-9
    }


def told_difference(before: Told, after: Told) -> Cpu:
    """What each role has used between two readings; without those whose processes are not the same ones in both."""
    used = {key: difference(before[key], processes) for key, processes in after.items() if key in before}
    return {
        key: sum(one.values()) for key, one in used.items() if one.keys() == before[key].keys() == after[key].keys()
    }


def doubtful(seen: Mapping[str, float], told: Mapping[str, float]) -> list[str]:
    """The roles of which the two sources tell so different things that they cannot mean the same processes."""
    return [
        key
        for key in seen
        if key in told and abs(seen[key] - told[key]) > _TOLERANCE * max(seen[key], told[key]) + _TOLERANCE_S
    ]


@dataclass(frozen=True, slots=True)
class Reading:
    """Both sources at about the same time. `at_s` is by the monotonic clock.

    `busy_s` is what all CPUs of this machine have worked, for whatever process.
    """

    at_s: float
    seen: Cpu
    told: Told
    busy_s: float
    stats: dict[str, Stats]


@dataclass(slots=True)
class Gauge:
    """Reads what two services have used. `bench` are the pids of our own processes beside this one."""

    live: Service
    polling: Service
    bench: Iterable[int] = ()
    notes: list[str] = field(default_factory=list)
    _roots: Roots = field(default_factory=dict)

    def find(self) -> None:
        """Find the processes, as far as they are on this machine; what is not found is said in `notes`."""
        live, polling = find(self.live.url, LIVE), find(self.polling.url, POLLING)
        live |= find_servers(live.get("api", []))
        self._roots = {
            **{f"live.{role}": roots for role, roots in live.items()},
            **{f"polling.{role}": roots for role, roots in polling.items()},
            **{f"hub.{role}": roots for role, roots in find_hub(self.live.url).items()},
        }
        expected = ["live.api", "live.worker", "live.redis", "live.postgresql", "polling.api", "polling.worker"]
        if missing := [key for key in expected if key not in self._roots]:
            self.notes.append(f"not found among the processes of this machine: {', '.join(missing)}")

    def drop_doubtful(self, reading: Reading) -> None:
        """Do without the processes that are not those which the services tell of."""
        told = by_role(reading.told)
        for key in doubtful(reading.seen, told):
            self.notes.append(
                f"the processes found for {key} used {reading.seen[key]:.2f} s, its own count is "
                f"{told[key]:.2f} s: not the same ones, so they are left out"
            )
            del self._roots[key]

    def is_here(self, side: str) -> bool:
        """Whether the api of the side runs on this machine, as it seems."""
        return f"{side}.api" in self._roots

    async def read(self) -> Reading:
        """Once the reports are newer than this call. Raises Spoiled when a server has ended, or a worker is silent."""
        live, polling = await asyncio.gather(self.live.stats(), self.polling.stats())
        asked_ms, deadline = min(live["now_ms"], polling["now_ms"]), time.monotonic() + _FRESH_S
        while oldest_report_ms(live, polling) < asked_ms and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
            live, polling = await asyncio.gather(self.live.stats(), self.polling.stats())
        if not polling["worker"]["count"]:
            raise Spoiled("no worker of the baseline reports")
        seen = {key: cpu_s(roots) for key, roots in self._roots.items()}
        seen["bench.bench"] = cpu_s(map(psutil.Process, [*self.bench])) + sum(os.times()[:2])
        return Reading(
            at_s=time.monotonic(),
            seen=seen,
            told=told_cpu(live, polling),
            busy_s=_busy_s(),
            stats={"live": live, "polling": polling},
        )


def _busy_s() -> float:
    times = psutil.cpu_times()
    # What guests use is in `user` too.
    return sum(times) - sum(float(getattr(times, name, 0.0)) for name in ("idle", "iowait", "guest", "guest_nice"))
