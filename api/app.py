"""The composition root of an api process: what it is made of, and the order in which that starts and ends."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from api.connections import connect, connect_all
from api.dispatch.attempts import Attempts
from api.dispatch.broker import Broker
from api.dispatch.dispatcher import Dispatcher
from api.dispatch.sweeper import Sweeper
from api.dispatch.unreached import Unreached
from api.live.ending import end
from api.live.hub import Hub
from api.live.reader import HistoryUnavailable, Position, Reader
from api.live.session import Live
from api.projection.lanes import Lanes
from api.projection.read import TaskReader
from api.projection.status import ProjectionSettings
from api.routes import asyncapi, documentation, entrance, events, health, metrics, multiplex, problems, tasks, websocket
from api.routes.readiness import Readiness
from api.routes.services import Services
from api.routes.sockets import Sockets
from api.settings import ApiSettings
from api.storage.apply import apply_changes
from api.storage.archive import Archive
from api.storage.database import create_engine, ping
from api.storage.errors import StorageError
from api.storage.sweep import SweepStore
from api.storage.tasks import TaskStore
from api.usage import UsageBoard
from protocol.async_nodes import AsyncNodes
from protocol.log import AsyncLog
from service.problems import BodyLimit
from workloads.registry import Registry, load

log = structlog.get_logger(__name__)

_SOCKETS_DRAIN_S: Final = 5.0


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """The application. It connects when its lifespan starts. Raises workloads.registry.WorkloadError."""
    settings = settings or ApiSettings()
    kinds = load(settings.workloads)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            services = await _start(stack, settings, kinds)
            gc.collect()
            gc.freeze()  # 200,000 objects of imports need no look: a full collection stopped the loop for 60-130 ms
            yield {"services": services}

    app = FastAPI(
        title="Async task processing",
        version="0.1.0",
        description=(
            "Submit long-running tasks and follow them live. The WebSocket and stream side is in asyncapi.json; "
            "docs/protocol.md is the contract behind both."
        ),
        lifespan=lifespan,
        docs_url="/docs" if settings.docs_files is None else None,
        redoc_url="/redoc" if settings.docs_files is None else None,
    )
    if settings.docs_files is not None:
        documentation.install(app, settings.docs_files)
    rooms = (events, websocket, multiplex, health, metrics, asyncapi, entrance)
    for router in (tasks.router(kinds), *(room.router for room in rooms)):
        app.include_router(router)
    problems.install(app, kinds)
    app.add_middleware(BodyLimit, limit=settings.body_limit)
    app.add_middleware(entrance.ForwardedPrefix)
    return app


async def _start(stack: AsyncExitStack, settings: ApiSettings, kinds: Registry) -> Services:
    """Start the parts, each with its end on the stack: sockets first, then projection, the hub, the connections."""
    engine = create_engine(settings.database_url, application_name=settings.replica, pool_size=settings.pool_size)
    stack.push_async_callback(engine.dispose)
    redis = _nodes(stack, settings.redis_url, f"{settings.replica}-api", retries=1)
    live_redis = _nodes(stack, settings.redis_url, f"{settings.replica}-live", retries=0)
    stream_redis = _nodes(stack, settings.redis_url, f"{settings.replica}-projection", retries=1)
    broker_redis = connect(settings.broker, f"{settings.replica}-broker", retries=1)
    stack.push_async_callback(broker_redis.aclose)

    usage = UsageBoard(redis, settings.replica)
    stack.push_async_callback(usage.withdraw)
    await _background(stack, usage.run(), "usage")
    task_log = AsyncLog(redis, partitions=settings.partitions)
    store = TaskStore(engine)
    broker = Broker(settings.broker, broker_redis)
    stack.callback(broker.close)
    dispatcher = Dispatcher(store, task_log, Attempts(task_log), broker, queue_limit=settings.queue_limit)
    sweeper = _sweeper(stack, settings, engine, kinds)
    await _background(stack, sweeper.run(), "sweeper")
    hub = Hub(live_redis, partitions=settings.partitions, queue_bytes=settings.follower_queue_bytes)
    live = Live(hub, Reader(task_log, _ArchiveHistory(engine)))
    await _background(stack, hub.run(), "hub")
    await _background(stack, live.lost_ends.run(), "lost_ends")
    projection = Lanes(
        stream_redis,
        partial(apply_changes, engine),
        partitions=range(settings.partitions),
        consumer=settings.replica,
        settings=ProjectionSettings(interval_s=settings.flush_interval_s, drain_timeout_s=settings.drain_timeout_s),
    )
    await _background(stack, projection.run(), "projection", projection)
    sockets = Sockets()
    stack.push_async_callback(sockets.drain, _SOCKETS_DRAIN_S)
    return Services(
        kinds=kinds,
        dispatcher=dispatcher,
        sweeper=sweeper,
        tasks=TaskReader(store, task_log),
        live=live,
        projection=projection,
        sockets=sockets,
        usage=usage,
        readiness=_readiness(engine, redis, hub, projection, sweeper, settings.lag_limit),
    )


def _sweeper(stack: AsyncExitStack, settings: ApiSettings, engine: AsyncEngine, kinds: Registry) -> Sweeper:
    """With connections of its own that repeat nothing: it tries again every 2 s, and each task waits for one time-out.

    A submission is repeated once, for its client does not come back.
    """
    redis = _nodes(stack, settings.redis_url, f"{settings.replica}-sweeper", retries=0)
    broker_redis = connect(settings.broker, f"{settings.replica}-sweeper", retries=0)
    stack.push_async_callback(broker_redis.aclose)
    broker = Broker(settings.broker, broker_redis)
    stack.callback(broker.close)
    store, task_log = TaskStore(engine), AsyncLog(redis, partitions=settings.partitions)
    attempts = Attempts(task_log)
    dispatcher = Dispatcher(store, task_log, attempts, broker, queue_limit=settings.queue_limit)
    unreached = Unreached(redis, settings.partitions)
    return Sweeper(SweepStore(engine), store, task_log, unreached, attempts, dispatcher, broker, kinds)


def _nodes(stack: AsyncExitStack, url: str, name: str, *, retries: int) -> AsyncNodes:
    nodes = connect_all(url, name, retries=retries)
    stack.push_async_callback(nodes.aclose)
    return nodes


async def _background(stack: AsyncExitStack, work: Any, name: str, projection: Lanes | None = None) -> None:
    """Run `work` until the end of the stack; the projection is asked to finish its batch first."""
    task = asyncio.create_task(work, name=name)

    async def stop() -> None:
        if projection is not None:
            try:
                await projection.stop()
            except TimeoutError:
                log.warning("Projection not drained", action="not_drained")
        await end(task)

    stack.push_async_callback(stop)


def _readiness(
    engine: AsyncEngine, redis: AsyncNodes, hub: Hub, projection: Lanes, sweeper: Sweeper, lag_limit: int
) -> Readiness:
    async def database() -> None:
        await ping(engine)

    async def redis_answers() -> None:
        await redis.ping()

    async def live() -> str | None:
        return None if hub.healthy() else "live delivery has not heard a server for a while"

    async def projecting() -> str | None:
        status = projection.status()
        if not status.healthy:
            return "the projection stands still"
        return None if status.total_lag <= lag_limit else f"{status.total_lag} entries are not written yet"

    async def sweeping() -> str | None:
        return None if sweeper.healthy() else "the sweeper stands still"

    checks = {"database": database, "redis": redis_answers, "live": live, "projection": projecting, "sweeper": sweeping}
    return Readiness(checks)


class _ArchiveHistory:
    """The archive in PostgreSQL as the history that live delivery falls back to."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._archive = Archive(engine)
        self._store = TaskStore(engine)

    async def position(self, task: UUID) -> Position | None:
        """How far the row is."""
        try:
            found = await self._store.position(task)
        except StorageError as error:
            raise HistoryUnavailable(str(error)) from error
        return None if found is None else Position(*found)

    async def read(self, task: UUID, after: int, limit: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """Archived events."""
        try:
            return await self._archive.read(task, after, limit, max_bytes)
        except StorageError as error:
            raise HistoryUnavailable(str(error)) from error
