"""Whether this process can do its work: for load balancers and for `make up`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """Named checks; each raises when something does not answer, or returns a reason, or None when it is fine."""

    checks: Mapping[str, Callable[[], Awaitable[str | None]]]
    timeout_s: float = 2.0

    async def report(self) -> dict[str, str]:
        """`ok` or a reason for each check; they run at the same time."""
        results = await asyncio.gather(*(self._check(check) for check in self.checks.values()))
        return dict(zip(self.checks, results, strict=True))

    async def _check(self, check: Callable[[], Awaitable[str | None]]) -> str:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await check() or "ok"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
