"""The seam between replay and live: many followers come, go and return at any moment of a fast stream."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, closing, suppress
from random import Random
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.live.session import Frame, Live
from protocol.cursor import Cursor
from tests.integration.live.conftest import replica
from tests.support.frames import SOON_S, Follower, controls, cursor, data, seqs
from tests.support.waiting import until_so
from tests.support.writer import Writer
from worker.connections import connect

EVENTS: Final = 2_000
FOLLOWERS: Final = 40


class Stream(threading.Thread):
    """Appends as fast as it goes, in batches of 1 to 5, beside the event loop."""

    def __init__(self, writer: Writer, random: Random) -> None:
        super().__init__(name="stream")
        self.writer = writer
        self._random = random

    def run(self) -> None:
        while (left := EVENTS - 1 - self.writer.seq) > 0:
            self.writer.chunks(min(left, self._random.randint(1, 5)))
        self.writer.finish()


async def come_and_stay(live: Live, stream: Stream, start: int) -> list[Frame]:
    await until_so(lambda: stream.writer.seq >= start)
    async with Follower(live, stream.writer.task) as follower:
        return await follower.to_the_end()


async def come_and_go(live: Live, task: UUID, random: Random) -> list[Frame]:
    """Leave after some frames, cut off in the middle of a wait at times, and return with the cursor."""
    frames: list[Frame] = []
    after: Cursor | None = None
    while True:
        follower = Follower(live, task, after)
        async with follower:
            with suppress(TimeoutError, StopAsyncIteration):
                async with asyncio.timeout(random.choice([0.001, 0.01, 0.1, SOON_S])):
                    for _ in range(random.choice([1, 10, 100])):
                        await follower.next()
            frames += follower.frames
            after = cursor(frames[-1])
            if seqs(frames)[-1:] == [EVENTS]:
                return frames


@pytest.mark.parametrize("seed", range(2))
async def test_every_follower_gets_every_event_once_and_in_order(
    any_redis_url: str, nowhere: AsyncEngine, seed: int
) -> None:
    random = Random(seed)
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(replica(any_redis_url, nowhere)) for _ in range(2)]
        nodes = stack.enter_context(closing(connect(any_redis_url, "tests-worker")))
        stream = Stream(Writer(nodes), random)
        followers = [
            come_and_stay(random.choice(replicas).live, stream, random.randrange(EVENTS)) for _ in range(FOLLOWERS)
        ]
        wanderers = [
            come_and_go(random.choice(replicas).live, stream.writer.task, Random(seed * FOLLOWERS + i))
            for i in range(FOLLOWERS // 4)
        ]
        stream.start()
        stayed, wandered = await asyncio.gather(asyncio.gather(*followers), asyncio.gather(*wanderers))
        stream.join()

        for frames in stayed:
            assert seqs(frames) == list(range(1, EVENTS + 1))
            assert data(frames) == list(range(1, EVENTS))
            assert len(controls(frames)) == 1
        for frames in wandered:
            assert seqs(frames) == list(range(1, EVENTS + 1))
            assert [item["resumed"] for item in controls(frames)][1:] == [True] * (len(controls(frames)) - 1)
        assert sum(made.live.counters.backstop_heals for made in replicas) == 0
        assert sum(made.live.counters.gaps for made in replicas) == 0
        await until_so(lambda: all(made.hub.subscriptions == 0 for made in replicas))
