"""What the api itself says about a task that no worker owns: it ends it, or opens its next attempt.

Each step reserves the task and appends one event under the attempt that this opens, so whoever ran an older attempt is
fenced, and two replicas that try the same do it once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final
from uuid import UUID

from protocol.calls import Body
from protocol.events import State, encode_body, status_data
from protocol.head import Claim, ClaimOutcome, Outcome
from protocol.log import AsyncLog, Owned

_LEASE_MS: Final = 5_000
"""From reserve to append: one round trip. When this process dies in between, the next sweep starts over after it."""


class Opened(Enum):
    """What became of a task whose worker is gone."""

    NOTHING = "nothing"
    QUEUED = "queued"
    FAILED = "failed"


class Attempts:
    """Raises redis.RedisError."""

    def __init__(self, tasks: AsyncLog) -> None:
        self._tasks = tasks

    async def end(self, task: UUID, state: State) -> bool:
        """End a task that nobody owns; False when somebody was faster."""
        claim = await self._tasks.reserve(task, lease_ms=_LEASE_MS)
        return claim.outcome is ClaimOutcome.CLAIMED and await self._append(task, claim, state)

    async def open_next(self, task: UUID, message: str, max_attempts: int) -> Opened:
        """Open the next attempt for a worker; after `max_attempts` failed or lost ones the task fails instead."""
        claim = await self._tasks.reserve(task, lease_ms=_LEASE_MS)
        if claim.outcome is not ClaimOutcome.CLAIMED:
            return Opened.NOTHING
        if claim.failures < max_attempts:
            return Opened.QUEUED if await self._append(task, claim, State.QUEUED, message) else Opened.NOTHING
        error = {"type": "WorkerLost", "message": f"the worker was lost; {claim.failures} attempts have failed"}
        return Opened.FAILED if await self._append(task, claim, State.FAILED, error=error) else Opened.NOTHING

    async def _append(
        self,
        task: UUID,
        claim: Claim,
        state: State,
        message: str | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> bool:
        data = status_data(state, message=message, error=error)
        body = Body(encode_body(claim.attempt, time.time() * 1000, "status", data), "status", state)
        answer = await self._tasks.append(Owned(task, claim.epoch, claim.attempt), claim.n + 1, [body])
        return answer.decision.outcome in {Outcome.APPENDED, Outcome.DUPLICATE}  # an answer may have been lost
