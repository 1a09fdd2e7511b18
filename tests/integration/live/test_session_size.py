"""How much a session sends and holds at once, and what a client that does not read costs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.live.session import Live, SessionLimits
from api.live.subscription import Budget
from api.routes import events, multiplex
from protocol.calls import Body
from tests.integration.live.conftest import replica
from tests.support.frames import SOON_S, items, seqs, whole
from tests.support.waiting import until_so
from tests.support.writer import Writer, insert_row, project

LARGE = 64 * 2**10
PAGE_BYTES = SessionLimits().page_bytes


def large(writer: Writer, count: int, size: int = LARGE) -> None:
    for _ in range(count):
        writer.append(Body(writer._body("chunk", {"index": 0, "data": "x" * size}), "chunk"))


async def test_a_frame_of_the_past_is_bounded_in_bytes(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    large(writer, 70)
    writer.finish()

    frames = await whole(live, writer.task)

    assert seqs(frames) == list(range(1, 72))
    assert max(len(frame.text) for frame in frames) <= PAGE_BYTES


async def test_an_event_larger_than_a_frame_has_one_of_its_own(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    writer.chunks(2)
    large(writer, 1, size=PAGE_BYTES)
    writer.chunks(2)
    writer.finish()

    frames = await whole(live, writer.task)

    assert [seqs([frame]) for frame in frames[1:]] == [[1, 2], [3], [4, 5, 6]]


async def test_the_past_in_the_archive_is_bounded_in_the_same_way(
    recalling: Live, engine: AsyncEngine, sync_redis: Redis
) -> None:
    writer = Writer(sync_redis)
    await insert_row(engine, writer)
    large(writer, 10)
    writer.finish()
    await project(engine, sync_redis, writer)
    writer.expire()

    reading = await recalling.reader.read(writer.task, 0, 100, PAGE_BYTES)
    frames = await whole(recalling, writer.task)

    assert reading is not None
    assert [seq for seq, _ in reading.events] == [1, 2, 3]
    assert seqs(frames) == list(range(1, 12))
    assert max(len(frame.text) for frame in frames) <= PAGE_BYTES


async def test_a_page_of_history_ends_at_4_mib_and_goes_on_behind_that(live: Live, sync_redis: Redis) -> None:
    writer = Writer(sync_redis)
    large(writer, 80)
    writer.finish()
    bodies = [await events._page(live, writer.task, None, 1_000)]
    bodies.append(await events._page(live, writer.task, events.parse_cursor(page(bodies[0])["next"], "after"), 1_000))

    assert len(bodies[0].body) <= 4 * 2**20 + 500
    assert page(bodies[1])["next"] is None
    assert [event["seq"] for body in bodies for event in page(body)["events"]] == list(range(1, 82))


def page(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_followers_of_one_connection_have_a_page_in_hand_by_turns(live: Live, sync_redis: Redis) -> None:
    writers = [Writer(sync_redis) for _ in range(2)]
    for writer in writers:
        writer.chunks(3)
        writer.finish()
    budget = Budget(2**20)
    first, second = (live.follow(writer.task, budget=budget) for writer in writers)
    for session in (first, second):
        await anext(session)
    assert seqs([await anext(first)]) == [1, 2, 3, 4]  # and it has this one in hand
    waiting = asyncio.ensure_future(anext(second))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done

    await first.aclose()
    async with asyncio.timeout(SOON_S):
        assert seqs([await waiting]) == [1, 2, 3, 4]
    await second.aclose()
    assert not budget.turn.locked()


async def test_a_turn_is_given_on_while_missing_events_are_waited_for(
    recalling: Live, engine: AsyncEngine, sync_redis: Redis
) -> None:
    lost, there = Writer(sync_redis), Writer(sync_redis)
    for writer in (lost, there):
        await insert_row(engine, writer)
        writer.chunks(2)
    sync_redis.xtrim(lost.keys.log, maxlen=0)
    there.finish()
    budget = Budget(2**20)
    first, second = (recalling.follow(writer.task, budget=budget) for writer in (lost, there))
    await anext(first)
    waiting = asyncio.ensure_future(anext(first))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(2):
        assert seqs([frame async for frame in second]) == [1, 2, 3]
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])


class Stuck:
    """A WebSocket whose client subscribes, and takes nothing but so many messages."""

    def __init__(self, *commands: dict[str, Any], takes: int) -> None:
        self.sent: list[str] = []
        self.closed: list[int] = []
        self._commands = list(commands)
        self._takes = takes

    async def receive(self) -> dict[str, Any]:
        if not self._commands:
            await asyncio.Event().wait()
        return {"type": "websocket.receive", "text": json.dumps(self._commands.pop(0))}

    async def send_text(self, text: str) -> None:
        if len(self.sent) == self._takes:
            await asyncio.Event().wait()
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        del reason
        self.closed.append(code)


@pytest.mark.parametrize("takes", [0, 1, 2])
async def test_a_client_that_takes_nothing_is_closed_with_4008_even_while_all_of_its_tasks_replay(
    live: Live, sync_redis: Redis, monkeypatch: pytest.MonkeyPatch, takes: int
) -> None:
    monkeypatch.setattr(multiplex, "_SEND_S", 0.2)
    writers = [Writer(sync_redis) for _ in range(2)]
    for writer in writers:
        writer.chunks(3)
    socket: Any = Stuck(*({"subscribe": str(writer.task)} for writer in writers), takes=takes)
    async with asyncio.timeout(SOON_S):
        await multiplex._Connection(socket, live).serve()

    assert socket.closed == [4008]
    await until_so(lambda: live.hub.subscriptions == 0)


async def test_a_client_that_does_not_take_an_answer_is_closed_with_4008(
    live: Live, sync_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiplex, "_SEND_S", 0.1)
    socket: Any = Stuck({"unsubscribe": str(Writer(sync_redis).task)}, takes=0)
    async with asyncio.timeout(SOON_S):
        await multiplex._Connection(socket, live).serve()

    assert socket.closed == [4008]


async def test_many_tasks_on_one_socket_all_come_to_their_end(
    redis_url: str, nowhere: AsyncEngine, sync_redis: Redis
) -> None:
    writers = [Writer(sync_redis) for _ in range(20)]
    for writer in writers:
        writer.chunks(20)
        writer.finish()
    budget = Budget(2**20)
    async with replica(redis_url, nowhere, limits=SessionLimits(page_bytes=500)) as made, asyncio.timeout(SOON_S):

        async def follow(writer: Writer) -> list[int]:
            return [
                item["seq"]
                async for frame in made.live.follow(writer.task, budget=budget)
                for item in items([frame])
                if item["type"] != "hello"
            ]

        found = await asyncio.gather(*map(follow, writers))

    assert found == [list(range(1, 22))] * 20
