"""Loops that go on whatever happens to their steps, until they are asked to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from api.projection.status import Counters, ProjectionSettings
from api.projection.supervisor import Supervisor

SETTINGS = ProjectionSettings(first_backoff_s=0.001, last_backoff_s=0.002, stall_s=15.0)


@dataclass
class Loops:
    """A supervisor with a clock that the test moves."""

    now: float = 0.0
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(SETTINGS, self.counters, lambda: self.now)

    def failing(self, *failures: Exception, then: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """A step that raises each of `failures` once and does `then` ever after."""
        left = list(failures)

        async def step() -> None:
            if left:
                raise left.pop(0)
            await then()

        return step

    async def stop(self) -> None:
        self.supervisor.stop()

    async def wait(self) -> None:
        await self.supervisor.pause(60)


@pytest.fixture
def loops() -> Loops:
    return Loops()


async def test_a_step_is_repeated_until_the_stop(loops: Loops) -> None:
    steps = 0

    async def step() -> None:
        nonlocal steps
        steps += 1
        if steps == 5:
            loops.supervisor.stop()

    await loops.supervisor.run({"read": step})

    assert steps == 5


async def test_a_step_that_is_under_way_is_finished_when_the_stop_comes(loops: Loops) -> None:
    finished = []

    async def step() -> None:
        loops.supervisor.stop()
        await asyncio.sleep(0)
        finished.append(True)

    await loops.supervisor.run({"read": step})

    assert finished == [True]


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), OSError("reset"), TimeoutError("late")], ids=repr)
async def test_redis_failing_is_counted_told_and_tried_again(loops: Loops, error: Exception) -> None:
    told = []

    async def look() -> None:
        told.append(loops.supervisor.redis_error)
        if len(told) == 2:
            loops.supervisor.stop()

    await loops.supervisor.run({"read": loops.failing(error, then=look)})

    assert told == [f"{type(error).__name__}: {error}", None]
    assert loops.counters.redis_failures == 1


async def test_an_unexpected_error_does_not_end_the_loop(loops: Loops) -> None:
    await loops.supervisor.run({"read": loops.failing(ZeroDivisionError(), ValueError(), then=loops.stop)})

    assert loops.counters.loop_failures == 2


async def test_one_loop_that_succeeds_does_not_hide_the_failure_of_another(loops: Loops) -> None:
    seen = []

    async def healthy() -> None:
        seen.append(loops.supervisor.redis_error)
        if len(seen) == 3:
            loops.supervisor.stop()
        await asyncio.sleep(0)

    failing = loops.failing(*[RedisConnectionError("refused")] * 1000, then=loops.stop)
    await loops.supervisor.run({"read": failing, "maintain": healthy})

    assert seen[1:] == ["ConnectionError: refused"] * 2


async def test_the_stop_cuts_a_pause_short(loops: Loops) -> None:
    await asyncio.wait_for(loops.supervisor.run({"wait": loops.wait, "stop": loops.stop}), timeout=10)


async def test_a_pause_tells_whether_the_stop_came(loops: Loops) -> None:
    assert not await loops.supervisor.pause(0)

    loops.supervisor.stop()

    assert await loops.supervisor.pause(60)


async def test_it_is_healthy_while_every_loop_gives_signs(loops: Loops) -> None:
    assert not loops.supervisor.healthy(), "nothing runs yet"
    loops.supervisor.beat("read")
    loops.supervisor.beat("maintain")

    loops.now += SETTINGS.stall_s
    assert loops.supervisor.healthy()

    loops.supervisor.beat("read")
    loops.now += 0.1
    assert not loops.supervisor.healthy(), "maintain stands still"


async def test_a_stop_before_the_start_is_not_lost(loops: Loops) -> None:
    loops.supervisor.stop()

    await asyncio.wait_for(loops.supervisor.run({"read": loops.wait}), timeout=10)


async def test_a_cancellation_that_a_step_swallows_ends_its_loop_all_the_same(loops: Loops) -> None:
    begun = asyncio.Event()

    async def swallow() -> None:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    running = asyncio.create_task(loops.supervisor.run({"read": swallow}))
    await begun.wait()
    running.cancel()

    assert await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), timeout=10)
    assert running.cancelled()


async def test_a_pause_after_a_cancellation_that_was_swallowed_is_none(loops: Loops) -> None:
    begun = asyncio.Event()

    async def swallow_and_pause() -> bool:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await loops.supervisor.pause(60)

    pausing = asyncio.create_task(swallow_and_pause())
    await begun.wait()
    pausing.cancel()

    assert await asyncio.wait_for(pausing, timeout=10)
