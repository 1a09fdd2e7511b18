"""Nothing is left behind: sockets and subscriptions after the storm, connections and processes after the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import httpx
from redis.asyncio import Redis
from sqlalchemy.engine import make_url

from local.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.servers import Postgres
    from tests.chaos.stack import Stack

_PATIENCE_S: Final = 15.0
"""What a server needs to notice that its peer is gone."""
_POLL_S: Final = 0.2


async def check_stats(system: Stack) -> list[str]:
    """After the last follower has gone, no replica holds a socket or a subscription."""
    async with httpx.AsyncClient(timeout=5) as http:

        async def held() -> list[str]:
            found = []
            for url in system.urls:
                stats = (await http.get(f"{url}/stats")).json()
                found += [f"{url} holds {stats[name]} {name}" for name in ("sockets", "subscriptions") if stats[name]]
            return found

        return await _until_empty(held)


async def check_connections(system: Stack) -> list[str]:
    """After the last process of ours has ended, the servers have no client but us."""
    servers = [system.valkey, *(system.cluster.nodes if system.cluster else [])]
    async with connected(system.postgres) as database, AsyncExitStack() as stack:
        redises = [await stack.enter_async_context(Redis.from_url(server.url)) for server in servers]

        async def held() -> list[str]:
            backends = await database.fetch(
                "SELECT application_name, state FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            clients = []
            for redis in redises:
                own = await redis.client_id()
                clients += [client for client in await redis.client_list() if int(client["id"]) != own]
            return [
                *(f"PostgreSQL has a connection of {row['application_name']!r}, {row['state']}" for row in backends),
                *(f"Redis has a client {client['name']!r}, {client['cmd']}" for client in clients),
            ]

        return await _until_empty(held)


def check_processes(running: Callable[[], list[int]], before: Collection[int]) -> list[str]:
    """After the stack has ended, no process runs that did not run before it was started."""
    if wait_until(lambda: set(running()) <= set(before), timeout_s=_PATIENCE_S):
        return []
    return [f"the process {pid} was left behind" for pid in sorted(set(running()) - set(before))]


@asynccontextmanager
async def connected(postgres: Postgres) -> AsyncIterator[Any]:
    """A connection of our own."""
    url = make_url(postgres.url)
    database = await asyncpg.connect(user="postgres", database=url.database, host=url.query["host"])
    try:
        yield database
    finally:
        await database.close()


async def _until_empty(held: Callable[[], Awaitable[list[str]]]) -> list[str]:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = await held()
        if not found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(_POLL_S)
