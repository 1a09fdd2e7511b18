"""Guarantee 5: what Redis keeps is bounded. At the bound tasks wait, and lose neither an event nor an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from redis import Redis

from client.follow import Follower
from client.tasks import Tasks
from tests.chaos.stack import Stack
from tests.chaos.test_followers import collect, complete
from tests.support.waiting import until_so

pytestmark = pytest.mark.timeout(180)

_TASKS: Final = 4
_CHUNKS: Final = 1_000
_SIZE: Final = 4_096
_ROOM: Final = 24 * 2**20
"""The logs of all tasks are 16 MiB, and the streams as much until projection has been there."""
_FULL_S: Final = 7.0
"""More than two leases (3 s)."""
_SOON_S: Final = 60.0


@pytest.fixture
def redis(system: Stack) -> Iterator[Redis]:
    """A client; its server's limit is taken away afterwards."""
    with Redis.from_url(system.redis_url) as client:
        yield client
        client.config_set("maxmemory", 0)


def refused(redis: Redis) -> int:
    """Calls that there was no memory for."""
    errors: Any = redis.info("errorstats")
    return int(errors.get("errorstat_OOM", {"count": 0})["count"])


async def submit(url: str) -> str:
    params = {"updates": _CHUNKS, "rate": 250, "burst": 10, "size": _SIZE, "progress": False}
    async with Tasks(url) as tasks:
        return str((await tasks.submit("synthetic", params))["id"])


async def test_a_full_redis_makes_tasks_wait_until_projection_has_made_room(system: Stack, redis: Redis) -> None:
    memory: Any = redis.info("memory")
    redis.config_set("maxmemory", memory["used_memory"] + _ROOM)
    redis.config_resetstat()
    ids = [await submit(system.urls[number % 2]) for number in range(_TASKS)]
    followers = [Follower(system.urls[number % 2], task) for task in ids for number in range(2)]
    following = [asyncio.create_task(collect(follower)) for follower in followers]
    await until_so(lambda: all(one.cursor is not None and one.cursor.seq > 10 for one in followers), within_s=_SOON_S)

    system.postgres.pause()
    await until_so(lambda: refused(redis) > 0, within_s=_SOON_S)
    await asyncio.sleep(_FULL_S)
    assert not any(task.done() for task in following)
    system.postgres.resume()
    seen = await asyncio.wait_for(asyncio.gather(*following), _SOON_S)

    assert [complete(updates, chunks=_CHUNKS) for updates in seen] == [True] * len(followers)
    async with httpx.AsyncClient() as http:
        for task in ids:
            answer = (await http.get(f"{system.urls[0]}/tasks/{task}")).json()
            assert (answer["state"], answer["attempt"]) == ("succeeded", 1)
