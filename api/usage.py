"""What all processes have used: this one reports itself, and reads what all report (docs/protocol.md §10).

Redis may be away: what cannot be told to it is told once in the log, and this process's own numbers are always there.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeVar

import structlog
from redis.exceptions import RedisError

from protocol.async_nodes import AsyncNodes
from protocol.usage import CLEAN_EVERY, FORGOTTEN_MS, INTERVAL_S, KEY, Usage, forgotten, listed

log = structlog.get_logger(__name__)

T = TypeVar("T")

_PATIENCE_S: Final = 1.0
"""How long a reading waits for Redis; without it there is less to tell, and that is told at once."""
_PAGE_BYTES: Final = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class ServerUsage:
    """What Redis has used since its start, all nodes of a cluster together; `at_ms` is when that was, by our clock."""

    cpu_s: float
    memory_bytes: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class Readings:
    """This process now, all that report (this one among them, as it is now), and Redis; None when it does not tell."""

    own: Usage
    processes: list[Usage]
    server: ServerUsage | None


@dataclass(slots=True)
class UsageCounters:
    """Reports made, and reports that failed."""

    reports: int = 0
    failures: int = 0


class UsageBoard:
    """The reports in Redis. `name` is that of this replica."""

    def __init__(self, redis: AsyncNodes, name: str) -> None:
        self._redis = redis
        self._name = name
        self._failing = False
        self.counters = UsageCounters()

    async def run(self) -> None:
        """Report once a second until cancelled."""
        for number in count():
            try:
                await self._report(clean=number % CLEAN_EVERY == 0)
            except Exception as error:  # noqa: BLE001 - a supervisor: whatever it is, the next report may succeed
                self._failed(error)
            else:
                self._succeeded()
            await asyncio.sleep(INTERVAL_S)

    async def withdraw(self) -> None:
        """Take the report of this process back: it ends."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._redis.ask(KEY, lambda pipe: pipe.hdel(KEY, self._own().field))
        except (RedisError, OSError) as error:  # it will not be listed for long
            log.debug("Usage not withdrawn", action="usage_not_withdrawn", reason=str(error))

    async def read(self) -> Readings:
        """Everything that is known within a second; this process at the least."""
        entries, infos = await self._ask()
        own = self._own()
        server = _server(infos, own.at_ms)
        return Readings(own, listed({**entries, own.field.encode(): own.encode().encode()}, own.at_ms), server)

    async def _report(self, *, clean: bool) -> None:
        own = self._own()

        def report(pipe: Any) -> None:
            pipe.hset(KEY, own.field, own.encode())
            pipe.pexpire(KEY, FORGOTTEN_MS)

        await self._redis.ask(KEY, report)
        if clean and (old := forgotten(await self._entries(), own.at_ms)):
            await self._redis.ask(KEY, lambda pipe: pipe.hdel(KEY, *old))

    async def _ask(self) -> tuple[Mapping[bytes, bytes], Sequence[Mapping[str, Any]]]:
        """The reports and what each server tells of itself; empty when it cannot be had within a second."""
        found = await asyncio.gather(_within(self._entries()), _within(self._infos()), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and not isinstance(error, RedisError | OSError):
                raise error
        entries, infos = (None if isinstance(answer, BaseException) else answer for answer in found)
        return entries or {}, infos or []

    async def _entries(self) -> Mapping[bytes, bytes]:
        (entries,) = await self._redis.ask(KEY, lambda pipe: pipe.hgetall(KEY))
        return dict(entries)

    async def _infos(self) -> list[Mapping[str, Any]]:
        servers: list[Any] = await self._redis.servers()
        infos: list[Mapping[str, Any]] = await asyncio.gather(*(server.info("cpu", "memory") for server in servers))
        return infos

    def _own(self) -> Usage:
        return Usage(self._name, "api", cpu_s(), memory_bytes(), time.time() * 1000)

    def _failed(self, error: Exception) -> None:
        self.counters.failures += 1
        if not self._failing:
            reason = f"{type(error).__name__}: {error}"
            log.warning("Usage cannot be reported", action="usage_not_reported", reason=reason)
        self._failing = True

    def _succeeded(self) -> None:
        self.counters.reports += 1
        if self._failing:
            log.info("Usage is reported again", action="usage_reported_again")
        self._failing = False


def cpu_s() -> float:
    """Seconds of CPU that this process has used, all its threads, in user and in system mode."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory_bytes() -> int:
    """Resident memory now, from the kernel (Linux); the highest it has been elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a counter, not a file
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def _within(question: Awaitable[T]) -> T:
    async with asyncio.timeout(_PATIENCE_S):
        return await question


def _server(infos: Sequence[Mapping[str, Any]], at_ms: float) -> ServerUsage | None:
    """Of the main process of each server, all its threads."""
    try:
        used_s = sum(float(info["used_cpu_user"]) + float(info["used_cpu_sys"]) for info in infos)
        memory_bytes = sum(int(info["used_memory"]) for info in infos)
    except (KeyError, ValueError):
        return None
    return ServerUsage(used_s, memory_bytes, at_ms) if infos else None
