"""Connections to Redis: to one server, or to the nodes of a cluster, as REDIS_URL says."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from protocol.nodes import Cluster, Nodes, OneServer
from protocol.slots import ClusterUrl, is_cluster

_CONNECT_TIMEOUT_S: Final = 3.0
_SOCKET_TIMEOUT_S: Final = 5.0
"""Shorter than a lease: an answer that takes longer is asked for again, which append makes harmless."""


def connect(url: str, name: str, *, max_connections: int = 1) -> Nodes:
    """Clients whose every wait is bounded, of the server or the cluster at `url`; `max_connections` to each server."""
    one = partial(_client, name=name, max_connections=max_connections)
    return Cluster(ClusterUrl(url), one) if is_cluster(url) else OneServer(one(url))


def address(url: str) -> str:
    """Of what `url` names, without a password."""
    if is_cluster(url):
        return str(ClusterUrl(url))
    parts: Any = parse_url(url)  # type: ignore[no-untyped-call]
    return str(parts.get("path") or f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}")


def _client(url: str, *, name: str, max_connections: int) -> Redis:
    """It does not retry by itself: its callers know what may be sent again."""
    redis: Redis = Redis.from_url(
        url,
        max_connections=max_connections,
        client_name=name.replace(" ", "-"),
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return redis
