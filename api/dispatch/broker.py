"""Sends task messages through Celery, by name: the api never imports what a worker runs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

TASK_NAME: Final = "tasks.run"
_SEND_TIMEOUT_S: Final = 8.0


class BrokerUnavailable(Exception):
    """The message could not be sent."""


def queue_of(kind: str) -> str:
    """The queue of a kind's messages, and the Redis list that holds it."""
    return f"tasks.{kind}"


class Broker:
    """The queues of the workers. `redis` is a connection to the same server, to measure them."""

    def __init__(self, url: str, redis: Redis) -> None:
        self._redis = redis
        self._celery = Celery("api", broker=url, set_as_current=False)
        self._celery.conf.update(
            broker_transport_options={"socket_connect_timeout": 3, "socket_timeout": 5, "socket_keepalive": True},
            task_ignore_result=True,
            task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1},
            task_serializer="json",
        )

    async def send(self, task: UUID, kind: str, params: Mapping[str, Any]) -> None:
        """Queue `task` for a worker. Raises BrokerUnavailable."""
        message = {"task": str(task), "kind": kind, "params": params}
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await asyncio.to_thread(self._send, str(task), kind, message)
        except (OperationalError, RedisError, OSError, TimeoutError) as error:
            raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error

    async def waiting(self, kind: str) -> int:
        """How many messages of `kind` no worker has taken. Raises BrokerUnavailable."""
        try:
            length: Any = self._redis.llen(queue_of(kind))
            return int(await length)
        except (RedisError, OSError, TimeoutError) as error:
            raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error

    async def oldest(self, kind: str) -> datetime | None:
        """When the task was submitted whose message of `kind` is the next to be taken; None when none waits.

        Raises BrokerUnavailable.
        """
        try:
            message: Any = self._redis.lindex(queue_of(kind), -1)
            raw = await message
        except (RedisError, OSError, TimeoutError) as error:
            raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error
        return None if raw is None else _submitted_at(raw)

    def close(self) -> None:
        """Give the connections back."""
        self._celery.close()

    def _send(self, task: str, kind: str, message: Mapping[str, Any]) -> None:
        self._celery.send_task(TASK_NAME, kwargs=message, task_id=task, queue=queue_of(kind), ignore_result=True)


def _submitted_at(raw: bytes) -> datetime:
    """The time in the id (a UUIDv7) of the task of a message. One that is not ours counts as very old."""
    try:
        _, arguments, _ = json.loads(base64.b64decode(json.loads(raw)["body"]))
        return datetime.fromtimestamp((UUID(arguments["task"]).int >> 80) / 1000, UTC)
    except (ValueError, KeyError, TypeError, OverflowError):
        return datetime.fromtimestamp(0, UTC)
