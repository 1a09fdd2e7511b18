"""The api process: what it is made of, and how it is served until SIGTERM."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from baseline.api import operations, problems, status, tasks
from baseline.api.entrance import ForwardedPrefix
from baseline.api.services import Services
from baseline.api.traffic import CountTraffic, Traffic
from baseline.api.watcher import Watcher
from baseline.settings import BaselineSettings
from baseline.storage.database import Database
from baseline.storage.schema import UnusableFile, migrate
from service.logs import configure_logging
from service.problems import BodyLimit
from workloads.registry import Registry, WorkloadError, load

log = structlog.get_logger(__name__)

_CONNECTIONS: Final = 900
"""Below the 1,024 files that a process may commonly have open. Whoever comes then is answered 503."""
_DRAIN_S: Final = 2


class Api(FastAPI):
    """The application. Its file must have been migrated. It has a watcher once it has started."""

    watcher: Watcher | None = None

    def __init__(self, settings: BaselineSettings, kinds: Registry) -> None:
        traffic = Traffic()

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
            database = Database(settings.baseline_db)
            self.watcher = Watcher(settings.baseline_db, limit=settings.baseline_waiting_limit)
            try:
                yield {
                    "services": Services(kinds, database, self.watcher, traffic, settings.baseline_queue_limit),
                }
            finally:
                self.watcher.close()
                database.close()

        super().__init__(
            title="Polling baseline",
            version="0.1.0",
            description="The same tasks, followed by asking again and again.",
            lifespan=lifespan,
        )
        self._root_path = settings.baseline_root_path
        for routes in (tasks.router(kinds), status.router, operations.router):
            self.include_router(routes)
        problems.install(self, kinds)
        self.add_middleware(BodyLimit, limit=settings.baseline_body_limit)
        self.add_middleware(CountTraffic, traffic=traffic)
        self.add_middleware(ForwardedPrefix)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. The proxy may pass on the path under which it serves us, or cut it off."""
        scope["root_path"] = self._root_path
        await super().__call__(scope, receive, send)


class Server(uvicorn.Server):
    """Wakes the clients that wait before it waits for them to go."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order."""
        app = self.config.app
        if isinstance(app, Api) and app.watcher is not None:
            app.watcher.drain()
        await super().shutdown(sockets)


def serve(settings: BaselineSettings) -> int:
    """The exit code: 0 after an orderly end, 1 when something it needs is missing."""
    configure_logging(settings.log_format, settings.log_level)
    try:
        app = Api(settings, load(settings.workloads))
        migrate(settings.baseline_db)
    except (WorkloadError, UnusableFile) as error:
        log.error("Api cannot start", action="start_failed", reason=str(error))  # noqa: TRY400 - no traceback wanted
        return 1
    server = Server(
        uvicorn.Config(
            app,
            host=settings.baseline_host,
            port=settings.baseline_port,
            access_log=False,
            log_config=None,
            proxy_headers=True,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_DRAIN_S,
            timeout_keep_alive=75,  # longer than a proxy keeps its upstream connections, or they break in its hands
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # The server puts these back at its end and raises the signal again, which would be the death of the process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run()
    return 0 if server.started else 1
