"""Waiting, for a bounded time, until a server or a replica answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.waiting import wait_until
from protocol.nodes import Cluster, OneServer
from protocol.slots import ClusterUrl, is_cluster

READY_TIMEOUT_S: Final = 30.0
_ATTEMPT_S: Final = 2.0
_POLL_S: Final = 0.1


class Unreachable(Exception):
    """Something does not answer; the message says what, where and why."""


def wait_for_redis(url: str, *, timeout_s: float, variable: str = "REDIS_URL") -> None:
    """Raises Unreachable when no PING is answered in that time; of a cluster, when no node tells who serves what."""

    def connect(url: str) -> redis.Redis:
        once = Retry(NoBackoff(), 0)
        limits = {"socket_timeout": _ATTEMPT_S, "socket_connect_timeout": _ATTEMPT_S}
        client: redis.Redis = redis.Redis.from_url(url, retry=once, **limits)
        return client

    def ping() -> None:
        with closing(Cluster(ClusterUrl(url), connect) if is_cluster(url) else OneServer(connect(url))) as nodes:
            nodes.ping()

    _wait(ping, (redis.RedisError, OSError, ValueError), what="Redis", variable=variable, url=url, timeout_s=timeout_s)


def wait_for_postgres(url: str, *, timeout_s: float) -> None:
    """Raises Unreachable when nothing listens there in that time. Whether it lets us in, migrating tells."""
    parts = urlsplit(url)
    host = (parse_qs(parts.query).get("host") or [unquote(parts.hostname or "localhost")])[0]
    port = parts.port or 5432

    def connect() -> None:
        if not host.startswith("/"):
            socket.create_connection((host, port), timeout=_ATTEMPT_S).close()
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ATTEMPT_S)
            connection.connect(str(Path(host) / f".s.PGSQL.{port}"))

    _wait(connect, (OSError,), what="PostgreSQL", variable="DATABASE_URL", url=url, timeout_s=timeout_s)


def wait_until_ready(urls: Iterable[str], *, give_up: Callable[[], bool]) -> None:
    """Wait until `/readyz` of each answers 200, or `give_up` is true. Raises Unreachable after READY_TIMEOUT_S."""
    with httpx.Client(trust_env=False, timeout=_ATTEMPT_S) as client:
        waiting = dict.fromkeys(urls, "no answer yet")

        def all_ready() -> bool:
            for url in list(waiting):
                waiting[url] = _not_ready(client, f"{url}/readyz")
                if not waiting[url]:
                    del waiting[url]
            return not waiting or give_up()

        if not wait_until(all_ready, timeout_s=READY_TIMEOUT_S, poll_s=_POLL_S):
            reasons = "; ".join(f"{url}/readyz: {reason}" for url, reason in waiting.items())
            msg = f"not everything is ready after {READY_TIMEOUT_S:g} s: {reasons}"
            raise Unreachable(msg)


def without_password(url: str) -> str:
    """`url` as it may be printed."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return urlunsplit(parts._replace(netloc=f"{name}{colon and ':***'}{at}{host}"))


def _wait(
    attempt: Callable[[], None],
    errors: tuple[type[Exception], ...],
    *,
    what: str,
    variable: str,
    url: str,
    timeout_s: float,
) -> None:
    reason = ""

    def reached() -> bool:
        nonlocal reason
        try:
            attempt()
        except errors as error:
            reason = str(error) or type(error).__name__
            return False
        return True

    if not wait_until(reached, timeout_s=timeout_s, poll_s=_POLL_S):
        msg = f"{what} at {without_password(url)} ({variable}) cannot be reached in {timeout_s:g} s: {reason}"
        raise Unreachable(msg)


def _not_ready(client: httpx.Client, url: str) -> str:
    """Empty when it answers 200; else what it says instead."""
    try:
        response = client.get(url)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return "" if response.status_code == httpx.codes.OK else f"{response.status_code} {response.text[:500]}"
