"""Connections to Redis: to one server, or to the nodes of a cluster, as REDIS_URL says."""

from __future__ import annotations

from functools import partial
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from protocol.async_nodes import AsyncCluster, AsyncNodes, OneServer
from protocol.slots import ClusterUrl, is_cluster

_CONNECT_TIMEOUT_S: Final = 3.0
_SOCKET_TIMEOUT_S: Final = 5.0
_CONNECTIONS: Final = 64
"""A client's most; a command takes under 1 ms, so whoever waits for one gets it soon."""


def connect_all(url: str, name: str, *, retries: int) -> AsyncNodes:
    """Clients as `connect` makes them, for whatever `url` names."""
    one = partial(connect, name=name, retries=retries)
    return AsyncCluster(ClusterUrl(url), one) if is_cluster(url) else OneServer(one(url))


def connect(url: str, name: str, *, retries: int) -> Redis:
    """A client that does not decode and whose every wait is bounded, the one for a free connection too."""
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        client_name=name,
        max_connections=_CONNECTIONS,
        timeout=_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_SOCKET_TIMEOUT_S,
        health_check_interval=5,
        retry=Retry(NoBackoff(), retries),
    )
    client: Redis = Redis.from_pool(pool)
    return client
