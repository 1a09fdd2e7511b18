"""Serve until SIGTERM: wait for what the process needs, then run uvicorn."""

from __future__ import annotations

import asyncio
import signal
from typing import Any, Final

import structlog
import uvicorn
from redis.asyncio.connection import parse_url
from redis.exceptions import RedisError
from sqlalchemy.exc import ArgumentError

from api.app import create_app
from api.connections import connect_all
from api.server import Server, WebSocketProtocol
from api.settings import ApiSettings
from api.storage.database import create_engine, wait_until_reachable
from api.storage.errors import StorageError
from protocol.slots import ClusterUrl, is_cluster
from service.logs import configure_logging
from workloads.registry import WorkloadError

log = structlog.get_logger("api")

_OF_EACH_CONNECTION: Final = ("uvicorn.error",)
"""Loggers that tell, as info, of every WebSocket that comes and goes; what else they tell `api.server` says itself."""


class CannotStart(Exception):
    """Something that the api needs is missing; the message says what and why."""


async def _wait_for_redis(url: str, settings: ApiSettings) -> None:
    nodes = connect_all(url, settings.replica, retries=0)
    at = _address(url)
    deadline = asyncio.get_running_loop().time() + settings.start_timeout_s
    backoff_s = 0.1
    try:
        while True:
            try:
                await nodes.ping()
            except (RedisError, OSError) as error:
                left_s = deadline - asyncio.get_running_loop().time()
                if left_s <= 0:
                    raise CannotStart(
                        f"Redis at {at} cannot be reached after {settings.start_timeout_s:g} s: {error}"
                    ) from error
                log.warning("Redis not reachable yet", action="redis_wait", at=at, reason=str(error))
                await asyncio.sleep(min(backoff_s, left_s))
                backoff_s = min(backoff_s * 2, 2.0)
            else:
                return
    finally:
        await nodes.aclose()


def _address(url: str) -> str:
    if is_cluster(url):
        return str(ClusterUrl(url))
    parts: Any = parse_url(url)
    return str(parts.get("path") or f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}")


async def _wait_for_database(settings: ApiSettings) -> None:
    engine = create_engine(settings.database_url, application_name=settings.replica)
    try:
        await wait_until_reachable(engine, timeout_s=settings.start_timeout_s)
    except StorageError as error:
        raise CannotStart(str(error)) from error
    finally:
        await engine.dispose()


async def _wait(settings: ApiSettings) -> None:
    """Wait for everything the process needs, at the same time. Raises CannotStart."""
    waits = [_wait_for_redis(url, settings) for url in dict.fromkeys((settings.redis_url, settings.broker))]
    results = await asyncio.gather(_wait_for_database(settings), *waits, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, CannotStart):
            raise failure
    if failures:
        raise CannotStart("; ".join(map(str, failures)))


def serve(settings: ApiSettings) -> int:
    """The exit code: 0 after an orderly end, 1 when something it needs is missing."""
    configure_logging(settings.log_format, settings.log_level, quiet=_OF_EACH_CONNECTION)
    try:
        app = create_app(settings)
        asyncio.run(_wait(settings))
    except ArgumentError as error:
        log.error("Api cannot start", action="start_failed", reason=f"DATABASE_URL: {error}")  # noqa: TRY400 - as below
        return 1
    except (WorkloadError, CannotStart) as error:
        log.error("Api cannot start", action="start_failed", reason=str(error))  # noqa: TRY400 - no traceback wanted
        return 1
    except KeyboardInterrupt:
        return 130
    WebSocketProtocol.send_buffer_bytes = settings.send_buffer_bytes
    # uvicorn sends itself the signal once more when it has ended in good order; the exit code is to tell that instead.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = Server(
        uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            access_log=False,
            log_config=None,
            proxy_headers=True,
            root_path=settings.api_root_path,
            server_header=False,
            timeout_graceful_shutdown=int(settings.drain_timeout_s),
            timeout_keep_alive=75,  # longer than a proxy keeps its upstream connections, or they break in its hands
            ws=WebSocketProtocol,
            ws_max_size=16 * 2**10,
            ws_per_message_deflate=False,  # costs 10 KiB and more a connection, and the time of the shared loop
        )
    )
    try:
        server.run()
    except SystemExit:  # the port is taken, or the application did not start: uvicorn has logged it
        return 1
    return 0 if server.started else 1
