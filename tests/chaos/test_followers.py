"""Guarantees 2 and 5: every follower sees everything, whatever happens to replicas, connections and other followers."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from client.follow import Backoff, Follower, Restarted, Update
from client.tasks import Tasks
from protocol.events import Event
from tests.chaos.stack import Stack

pytestmark = pytest.mark.timeout(180)

_PATIENCE: Final = Backoff(most_s=0.5, give_up_after_s=60)


async def submit(url: str, **params: Any) -> str:
    async with Tasks(url) as tasks:
        return str((await tasks.submit("synthetic", params))["id"])


async def collect(follower: Follower) -> list[Update]:
    return [update async for update in follower.updates()]


def complete(updates: list[Update], *, chunks: int) -> bool:
    """Every seq once and in order up to the terminal event, and all chunks."""
    events = [update for update in updates if isinstance(update, Event)]
    return (
        len(events) == len(updates)
        and [event.seq for event in events] == list(range(1, len(events) + 1))
        and events[-1].is_terminal
        and sum(event.type == "chunk" for event in events) == chunks
    )


async def stats(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        return dict((await http.get(f"{url}/stats")).json())


async def test_a_hundred_followers_over_two_replicas_each_get_everything(system: Stack) -> None:
    task = await submit(system.urls[0], updates=500, rate=250, burst=5, delay_s=1)

    followers = [Follower(system.urls[i % 2], task) for i in range(100)]
    seen = await asyncio.gather(*map(collect, followers))

    assert [complete(updates, chunks=500) for updates in seen] == [True] * 100


async def test_followers_of_a_killed_replica_go_on_at_the_other(system: Stack) -> None:
    task = await submit(system.urls[0], updates=600, rate=150, delay_s=1)
    followers = [Follower([system.urls[1], system.urls[0]], task, backoff=_PATIENCE) for _ in range(20)]
    following = [asyncio.create_task(collect(follower)) for follower in followers]
    async for _ in Follower(system.urls[0], task).updates():
        if all(follower.cursor is not None and follower.cursor.seq > 50 for follower in followers):
            break

    await asyncio.to_thread(system.apis[1].kill)
    seen = await asyncio.gather(*following)

    assert [complete(updates, chunks=600) for updates in seen] == [True] * 20
    assert all(follower.connections > 1 for follower in followers)


async def test_a_replica_that_ends_in_order_says_so_and_its_followers_resume(system: Stack) -> None:
    task = await submit(system.urls[0], updates=300, rate=100, delay_s=1)
    follower = Follower([system.urls[1], system.urls[0]], task, backoff=_PATIENCE)
    following = asyncio.create_task(collect(follower))
    async with connect(f"{system.urls[1].replace('http', 'ws')}/ws/tasks/{task}") as other:
        await other.recv()
        ending = asyncio.create_task(asyncio.to_thread(system.apis[1].end))
        with pytest.raises(ConnectionClosedError):
            async for _ in other:
                pass
        assert other.close_code == 4001

    assert complete(await following, chunks=300)
    assert await ending == 0


async def test_a_thousand_followers_that_are_cut_at_once_all_come_back(system: Stack) -> None:
    task = await submit(system.urls[0], updates=60, rate=4, progress=False, delay_s=4)
    followers = [Follower(system.urls[i % 2], task, backoff=_PATIENCE) for i in range(1_000)]
    following = [asyncio.create_task(collect(follower)) for follower in followers]
    async for _ in Follower(system.urls[0], task).updates():
        if all(follower.cursor is not None and follower.cursor.seq > 0 for follower in followers):
            break

    for follower in followers:
        follower.cut()
    seen = await asyncio.gather(*following)

    assert sum(complete(updates, chunks=60) for updates in seen) == 1_000
    assert all(follower.connections == 2 for follower in followers)
    assert max(follower.longest_away_s for follower in followers) < 5


@asynccontextmanager
async def a_socket_that_never_reads(url: str, task: str) -> AsyncIterator[socket.socket]:
    """A WebSocket whose handshake is done, by hand: libraries read by themselves."""
    address = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection((address.hostname, address.port or 80)) as peer:
        peer.sendall(
            f"GET /ws/tasks/{task} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        yield peer


def drain(peer: socket.socket) -> bytes:
    peer.settimeout(20)
    received = b""
    while part := peer.recv(1 << 16):
        received += part
    return received


async def test_a_follower_that_never_reads_is_let_go_and_costs_the_others_nothing(system: Stack) -> None:
    url = system.urls[0]
    before = await stats(url)
    task = await submit(url, updates=6_000, rate=1_000, burst=5, size=600, delay_s=1)
    async with a_socket_that_never_reads(url, task) as peer:
        seen = await asyncio.gather(*(collect(Follower(url, task)) for _ in range(10)))
        after = await stats(url)
        received = await asyncio.to_thread(drain, peer)

    assert [complete(updates, chunks=6_000) for updates in seen] == [True] * 10
    assert struct.pack("!H", 4008) + b"too slow" in received[-200:]
    assert after["live"]["overflows"] == before["live"]["overflows"] + 1
    assert after["memory_bytes"] - before["memory_bytes"] < 16 * 2**20  # its queue holds 1 MiB


async def test_live_delivery_goes_on_while_postgres_stands_still_and_the_rows_follow(system: Stack) -> None:
    task = await submit(system.urls[0], updates=400, rate=100, delay_s=1)
    following = asyncio.create_task(collect(Follower(system.urls[0], task)))
    await asyncio.to_thread(system.postgres.pause)
    try:
        assert complete(await asyncio.wait_for(following, 30), chunks=400)
    finally:
        await asyncio.to_thread(system.postgres.resume)

    async with Tasks(system.urls[1]) as tasks:
        assert (await tasks.wait(task, 30))["state"] == "succeeded"


async def test_when_redis_loses_everything_tasks_run_again_and_their_followers_are_told(system: Stack) -> None:
    tasks = [await submit(system.urls[0], updates=100, rate=25) for _ in range(4)]
    followers = [Follower(system.urls, task, backoff=_PATIENCE) for task in tasks for _ in range(2)]
    following = [asyncio.create_task(collect(follower)) for follower in followers]
    async for _ in Follower(system.urls[0], tasks[-1]).updates():
        if all(follower.cursor is not None and follower.cursor.seq > 20 for follower in followers):
            break

    await asyncio.to_thread(system.valkey.kill)
    shutil.rmtree(system.valkey.directory / "appendonlydir")
    await asyncio.to_thread(system.valkey.start)
    seen = await asyncio.gather(*following)

    for updates in seen:
        begun_anew = [i for i, update in enumerate(updates) if isinstance(update, Restarted)]
        assert begun_anew, "a follower must be told that what it knows is void"
        events = [update for update in updates[begun_anew[-1] :] if isinstance(update, Event)]
        last_attempt = [event for event in events if event.attempt == events[-1].attempt]
        assert events[-1].type == "result"
        assert [event.data["index"] for event in last_attempt if event.type == "chunk"] == list(range(100))
