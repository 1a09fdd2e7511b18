"""What all processes have used: this one reports itself, and reads what all report (docs/protocol.md §10).

Redis may be away: what cannot be told to it is told once in the log, and this process's own numbers are always there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeVar

import structlog
from redis.exceptions import RedisError

from protocol.async_nodes import AsyncNodes
from protocol.usage import CLEAN_EVERY, FORGOTTEN_MS, INTERVAL_S, KEY, Usage, forgotten, listed
from service.usage import cpu_s, memory_bytes

log = structlog.get_logger(__name__)

T = TypeVar("T")

_PATIENCE_S: Final = 1.0
"""How long a reading waits for Redis; without it there is less to tell, and that is told at once."""
_NAME_DIGITS: Final = 8
"""Of the random number of a server of Redis. Its address is nobody's business who may read this."""


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """What one server of Redis has used since its start; `at_ms` is when it said so, by our clock.

    `name` is another one after every start, so that the counters of a name never go back.
    """

    name: str
    cpu_s: float
    memory_bytes: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class ServerUsage:
    """All servers of Redis together."""

    cpu_s: float
    memory_bytes: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not in the readings: the reports of the other processes, and so many servers of Redis."""

    reports: bool
    redis_nodes: int


@dataclass(frozen=True, slots=True)
class Readings:
    """This process now, all that report (this one among them, as it is now), and Redis, as far as it tells."""

    own: Usage
    processes: list[Usage]
    nodes: list[NodeUsage]
    missing: Missing

    @property
    def server(self) -> ServerUsage | None:
        """All nodes together; None when one does not tell, for the others would pass for all of them."""
        if not self.nodes or self.missing.redis_nodes:
            return None
        cpu_s, memory_bytes = sum(node.cpu_s for node in self.nodes), sum(node.memory_bytes for node in self.nodes)
        return ServerUsage(cpu_s, memory_bytes, max(node.at_ms for node in self.nodes))


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
        entries, nodes = await asyncio.gather(_within(self._entries()), self._nodes())
        own = self._own()
        found = [node for node in nodes if node is not None]
        missing = Missing(reports=entries is None, redis_nodes=len(nodes) - len(found))
        fields = {**(entries or {}), own.field.encode(): own.encode().encode()}
        return Readings(own, listed(fields, own.at_ms), found, missing)

    async def _report(self, *, clean: bool) -> None:
        own = self._own()

        def report(pipe: Any) -> None:
            pipe.hset(KEY, own.field, own.encode())
            pipe.pexpire(KEY, FORGOTTEN_MS)

        await self._redis.ask(KEY, report)
        if clean and (old := forgotten(await self._entries(), own.at_ms)):
            await self._redis.ask(KEY, lambda pipe: pipe.hdel(KEY, *old))

    async def _entries(self) -> Mapping[bytes, bytes]:
        (entries,) = await self._redis.ask(KEY, lambda pipe: pipe.hgetall(KEY))
        return dict(entries)

    async def _nodes(self) -> list[NodeUsage | None]:
        """One for each server, None for one that does not tell; there is one at least."""
        servers: list[Any] = await _within(self._redis.servers()) or []
        return await asyncio.gather(*(_within(_node(server)) for server in servers)) or [None]

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


async def _within(question: Awaitable[T]) -> T | None:
    """The answer; None when Redis does not give it within a second."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await question
    except (RedisError, OSError):  # TimeoutError is an OSError
        return None


async def _node(server: Any) -> NodeUsage | None:
    """Of the main process of a server, all its threads."""
    info: Mapping[str, Any] = await server.info("server", "cpu", "memory")
    try:
        used_s = float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
        return NodeUsage(str(info["run_id"])[:_NAME_DIGITS], used_s, int(info["used_memory"]), time.time() * 1000)
    except (KeyError, ValueError):
        return None
