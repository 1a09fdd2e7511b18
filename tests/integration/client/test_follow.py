"""The follower against a server that speaks the protocol by hand, so that each connection goes as a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import pytest
from websockets.asyncio.server import ServerConnection, serve

from client.errors import FollowEnded, GaveUp
from client.follow import Backoff, Follower, Gap, Restarted, Update
from protocol.events import Event

pytestmark = pytest.mark.timeout(30)

_TASK: Final = str(uuid4())
_EPOCH: Final = "9f3c61d07a52be48"
_GIVE_UP_S: Final = 0.5

Act = Callable[[ServerConnection], Awaitable[None]]


def hello(*, resumed: bool, epoch: str = _EPOCH) -> dict[str, Any]:
    return {"task": _TASK, "type": "hello", "epoch": epoch, "seq": 0, "resumed": resumed}


def chunk(seq: int) -> dict[str, Any]:
    data = {"index": seq - 1, "data": seq}
    return {"task": _TASK, "seq": seq, "attempt": 1, "ts": 1.0, "type": "chunk", "data": data}


def result(seq: int) -> dict[str, Any]:
    return {**chunk(seq), "type": "result", "data": {"result": None}}


def sends(*items: dict[str, Any], close: int, after_s: float = 0.0) -> Act:
    """A connection that sends each item in a frame, is quiet for a while, and closes."""

    async def act(connection: ServerConnection) -> None:
        for item in items:
            await connection.send(json.dumps([item]))
        await asyncio.sleep(after_s)
        await connection.close(close)

    return act


async def cut(connection: ServerConnection) -> None:
    connection.transport.abort()


@asynccontextmanager
async def server(acts: Sequence[Act]) -> AsyncIterator[tuple[str, list[str]]]:
    """Its URL and the paths that were asked for; the last of `acts` is what all further connections meet."""
    paths: list[str] = []

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        paths.append(connection.request.path)
        await acts[min(len(paths), len(acts)) - 1](connection)

    async with serve(handle, "127.0.0.1", 0) as made:
        port = next(iter(made.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}", paths


async def follow(url: str, seen: list[Update]) -> Follower:
    backoff = Backoff(first_s=0.01, most_s=0.05, give_up_after_s=_GIVE_UP_S)
    follower = Follower(url, _TASK, backoff=backoff)
    async for update in follower.updates():
        seen.append(update)  # noqa: PERF401 - what came before an error counts too
    return follower


def seqs(seen: Sequence[Update]) -> list[int]:
    return [update.seq for update in seen if isinstance(update, Event)]


@pytest.mark.parametrize("first", [[hello(resumed=False)], [hello(resumed=False), chunk(1)]])
async def test_a_quiet_connection_that_is_closed_is_made_again(first: list[dict[str, Any]]) -> None:
    quiet = sends(*first, close=4001, after_s=2 * _GIVE_UP_S)
    seen: list[Update] = []
    async with server([quiet, cut, sends(hello(resumed=True), chunk(1), result(2), close=1000)]) as (url, paths):
        follower = await follow(url, seen)

    assert seqs(seen) == [1, 2]
    assert follower.connections == 3
    assert paths[1:] == [f"/ws/tasks/{_TASK}?after={_EPOCH}.{len(first) - 1}"] * 2


async def test_it_gives_up_when_connections_bring_nothing_for_too_long() -> None:
    seen: list[Update] = []
    async with server([sends(hello(resumed=False), chunk(1), close=4001), cut]) as (url, paths):
        with pytest.raises(GaveUp):
            await follow(url, seen)

    assert seqs(seen) == [1]
    assert len(paths) > 2


async def test_unknown_types_and_keys_are_passed_over() -> None:
    unknown = {"task": _TASK, "type": "weather", "data": "rain"}
    later = {**chunk(2), "type": "score", "data": {}}
    ending = sends(unknown, hello(resumed=False), {**chunk(1), "mood": "fine"}, later, {}, result(3), close=1000)
    seen: list[Update] = []
    async with server([ending]) as (url, _):
        await follow(url, seen)

    assert seqs(seen) == [1, 3]


async def test_gaps_and_restarts_are_told() -> None:
    gap = {"task": _TASK, "type": "gap", "epoch": _EPOCH, "after": 1, "before": 4}
    first = sends(hello(resumed=False), chunk(1), gap, chunk(4), close=4008)
    second = sends(hello(resumed=False, epoch="1"), chunk(1), result(2), close=1000)
    seen: list[Update] = []
    async with server([first, second]) as (url, _):
        await follow(url, seen)

    assert seen[1] == Gap(1, 4)
    assert seen[3] == Restarted("1")
    assert seqs(seen) == [1, 4, 1, 2]


@pytest.mark.parametrize("code", [4504, 4509, 4599])
async def test_codes_that_say_so_end_it(code: int) -> None:
    async with server([sends(close=code)]) as (url, paths):
        with pytest.raises(FollowEnded) as caught:
            await follow(url, [])

    assert caught.value.code == code
    assert len(paths) == 1


@pytest.mark.parametrize(("size", "fits"), [(1_000_000, True), (3_000_000, False)])
async def test_a_frame_has_a_limit_and_beyond_it_there_is_no_second_try(size: int, fits: bool) -> None:
    large = {**chunk(1), "data": {"index": 0, "data": "x" * size}}
    seen: list[Update] = []
    async with server([sends(hello(resumed=False), large, result(2), close=1000)]) as (url, paths):
        if fits:
            await follow(url, seen)
        else:
            with pytest.raises(FollowEnded) as caught:
                await follow(url, seen)
            assert caught.value.code == 1009

    assert seqs(seen) == ([1, 2] if fits else [])
    assert len(paths) == 1
