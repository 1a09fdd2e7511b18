"""Loops that go on until they are asked to stop, whatever their steps raise, and that tell whether they move."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from redis.exceptions import RedisError

from api.projection.status import Counters, ProjectionSettings

log = structlog.get_logger(__name__)

Step = Callable[[], Awaitable[None]]


class Supervisor:
    """Repeats steps side by side. `clock` returns seconds that never go back."""

    def __init__(self, settings: ProjectionSettings, counters: Counters, clock: Callable[[], float]) -> None:
        self._set = settings
        self._counters = counters
        self._clock = clock
        self._stopping = asyncio.Event()
        self._beats: dict[str, float] = {}
        self._redis_errors: dict[str, str] = {}

    async def run(self, steps: Mapping[str, Step]) -> None:
        """Repeat each step, by its name, until `stop`; the step that is under way then is finished."""
        for name in steps:
            self.beat(name)
        async with asyncio.TaskGroup() as loops:
            for name, step in steps.items():
                loops.create_task(self._repeat(name, step), name=f"projection-{name}")

    def stop(self) -> None:
        """Let no further step begin."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    @property
    def started(self) -> bool:
        """Whether `run` was called."""
        return bool(self._beats)

    @property
    def redis_error(self) -> str | None:
        """Why a loop's last step failed on Redis; None when none did."""
        return next(iter(self._redis_errors.values()), None)

    def beat(self, name: str) -> None:
        """Note that the loop `name` moves: a step that waits long calls this between its waits."""
        self._beats[name] = self._clock()

    def healthy(self) -> bool:
        """Whether every loop moved lately."""
        now = self._clock()
        return self.started and all(now - beat <= self._set.stall_s for beat in self._beats.values())

    async def pause(self, seconds: float) -> bool:
        """Wait `seconds`, or less when the end comes; returns whether it came."""
        try:
            async with asyncio.timeout(0 if self._ends() else seconds):
                await self._stopping.wait()
        except TimeoutError:
            return self._ends()
        return True

    async def _repeat(self, name: str, step: Step) -> None:
        """A failure is counted, told and followed by a growing pause."""
        backoff_s = self._set.first_backoff_s
        while not self._ends():
            self.beat(name)
            try:
                await step()
            except (RedisError, OSError, TimeoutError) as error:
                self._counters.redis_failures += 1
                self._redis_errors[name] = f"{type(error).__name__}: {error}"
                log.warning("Redis failed", action="redis_failed", loop=name, reason=self._redis_errors[name])
            except Exception:  # whatever it was, the loop must go on
                self._counters.loop_failures += 1
                log.exception("Loop failed", action="loop_failed", loop=name)
            else:
                self._redis_errors.pop(name, None)
                backoff_s = self._set.first_backoff_s
                continue
            await self.pause(backoff_s)
            backoff_s = min(backoff_s * 2, self._set.last_backoff_s)

    def _ends(self) -> bool:
        """Whether a stop was asked for, or this task was cancelled.

        redis-py swallows a cancellation that comes while it connects in vain; a loop that only waited for the exception
        would then never end.
        """
        task = asyncio.current_task()
        return self._stopping.is_set() or (task is not None and task.cancelling() > 0)
