"""What an api process dispatches with, on real servers; the queues have no worker."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.connections import connect, connect_all
from api.dispatch.attempts import Attempts
from api.dispatch.broker import Broker, queue_of
from api.dispatch.dispatcher import Dispatcher
from api.dispatch.sweeper import Sweeper, SweeperSettings
from api.dispatch.unreached import Unreached
from api.storage.changes import TaskRow
from api.storage.sweep import SweepStore
from api.storage.tasks import TaskStore
from protocol.events import Event, parse_event
from protocol.head import Head
from protocol.keys import PARTITIONS
from protocol.log import AsyncLog
from workloads.registry import load

KIND: Final = "synthetic"
MAX_ATTEMPTS: Final = 2
NOWHERE: Final = "redis://127.0.0.1:1/0"
"""Where nobody listens."""
QUICK: Final = SweeperSettings(interval_s=0.01, submission_s=0.0)


@dataclass(frozen=True)
class Parts:
    """One replica's, with times that a test can wait for."""

    store: TaskStore
    log: AsyncLog
    dispatcher: Dispatcher
    sweeper: Sweeper
    redis: AsyncRedis
    """The server of the messages."""

    async def submit(self, **params: Any) -> TaskRow:
        return await self.stored((await self.dispatcher.submit(KIND, params, None)).row.id)

    async def stored(self, task: UUID) -> TaskRow:
        row = await self.store.get(task)
        assert row is not None
        return row

    async def head(self, task: UUID) -> Head:
        head = await self.log.head(task)
        assert head is not None
        return head

    async def events(self, task: UUID) -> list[Event]:
        return [parse_event(event) for _, event in (await self.log.read(task, 0, 100)).events]

    async def states(self, task: UUID) -> list[str]:
        """Of the task's events, in their order."""
        return [str(event.state) for event in await self.events(task)]


@asynccontextmanager
async def replica(
    redis_url: str,
    engine: AsyncEngine,
    *,
    broker_url: str | None = None,
    queue_limit: int = 1_000,
    settings: SweeperSettings = QUICK,
) -> AsyncIterator[Parts]:
    async with AsyncExitStack() as stack:
        nodes = connect_all(redis_url, "tests", retries=0)
        queues = connect(broker_url or redis_url, "tests", retries=0)
        for client in (nodes, queues):
            stack.push_async_callback(client.aclose)
        broker = Broker(broker_url or redis_url, queues)
        stack.callback(broker.close)
        store, log = TaskStore(engine), AsyncLog(nodes, partitions=PARTITIONS)
        attempts = Attempts(log)
        dispatcher = Dispatcher(store, log, attempts, broker, queue_limit=queue_limit)
        sweeper = Sweeper(
            SweepStore(engine),
            store,
            log,
            Unreached(nodes, PARTITIONS),
            attempts,
            dispatcher,
            broker,
            {KIND: replace(load()[KIND], max_attempts=MAX_ATTEMPTS)},
            settings,
        )
        yield Parts(store, log, dispatcher, sweeper, queues)


@pytest.fixture
async def parts(redis_url: str, engine: AsyncEngine) -> AsyncIterator[Parts]:
    async with replica(redis_url, engine) as made:
        yield made


def messages(redis: Redis, kind: str = KIND) -> list[dict[str, Any]]:
    """The arguments of the messages that wait for a worker of `kind`, newest first."""
    found: Any = redis.lrange(queue_of(kind), 0, -1)
    return [json.loads(base64.b64decode(json.loads(message)["body"]))[1] for message in found]
