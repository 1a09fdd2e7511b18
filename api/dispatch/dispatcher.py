"""Takes submissions and cancellations: a row first, then the head, then the message.

When Redis cannot be reached after the row was committed the submission stands: it is sent later.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
import uuid_utils.compat
from redis.exceptions import RedisError

from api.dispatch.attempts import Attempts
from api.dispatch.broker import Broker, BrokerUnavailable
from api.storage.changes import NewTask, Submitted, TaskRow
from api.storage.errors import StorageError
from api.storage.tasks import TaskStore
from protocol.events import State
from protocol.head import CancelOutcome
from protocol.log import AsyncLog
from service.errors import Conflict, QueueFull

log = structlog.get_logger(__name__)

_RETRY_AFTER_S = 5


class Dispatcher:
    """Raises ApiError, StorageError and redis.RedisError."""

    def __init__(
        self, store: TaskStore, tasks: AsyncLog, attempts: Attempts, broker: Broker, *, queue_limit: int
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._attempts = attempts
        self._broker = broker
        self._queue_limit = queue_limit

    async def submit(self, kind: str, params: Mapping[str, Any], idempotency_key: str | None) -> Submitted:
        """Store the task and queue it. Under a known Idempotency-Key it is the task of that key."""
        new = NewTask(
            id=uuid_utils.compat.uuid7(),
            kind=kind,
            params=params,
            epoch=new_epoch(),
            created_at=datetime.now(UTC),
            idempotency_key=idempotency_key,
            request_hash=None if idempotency_key is None else _hash(kind, params),
        )
        full = await self._full(kind)
        if full is not None:
            known = await self._store.known(new)
            if known is None:
                raise full
            return Submitted(known, created=False)
        submitted = await self._store.insert(new)
        if submitted.created:
            await self.dispatch(submitted.row)
        return submitted

    async def dispatch(self, row: TaskRow) -> bool:
        """As `send`; False when that has to wait."""
        try:
            await self.send(row)
        except (BrokerUnavailable, RedisError, OSError) as error:
            log.warning("Task not dispatched yet", action="not_dispatched", task=str(row.id), reason=str(error))
            return False
        return True

    async def send(self, row: TaskRow) -> None:
        """Make the head if there is none, and queue the message. Raises BrokerUnavailable, RedisError and OSError."""
        await self._tasks.create(row.id, epoch=row.epoch, seq=row.seq, attempt=row.attempt, state=row.state)
        await self._broker.send(row.id, row.kind, row.params)
        try:
            await self._store.mark_dispatched(row.id, datetime.now(UTC))
        except StorageError as error:  # it is sent all the same; the sweeper may send it once more
            log.warning("Dispatch not noted", action="dispatch_not_noted", task=str(row.id), reason=str(error))
        log.info("Task dispatched", action="dispatched", task=str(row.id), kind=row.kind)

    async def cancel(self, row: TaskRow) -> None:
        """Ask for the end of a task; one that no worker owns is ended here."""
        if row.state.terminal:
            self._finished(row.state)
            return
        await self._store.request_cancel(row.id, datetime.now(UTC))
        cancelled = await self._tasks.cancel(row.id)
        if cancelled.outcome is CancelOutcome.CLOSED and cancelled.state is not None:
            self._finished(cancelled.state)
        elif cancelled.outcome is CancelOutcome.CANCELLING and not cancelled.lease_left_ms:
            await self._attempts.end(row.id, State.CANCELLED)

    @staticmethod
    def _finished(state: State) -> None:
        """Cancelling twice is fine; cancelling what ended otherwise is not. Raises Conflict."""
        if state is not State.CANCELLED:
            raise Conflict(f"the task has {state.value} already", state=state.value)

    async def _full(self, kind: str) -> QueueFull | None:
        """What a new task is to be told when too many wait already."""
        try:
            waiting = await self._broker.waiting(kind)
        except BrokerUnavailable as error:  # the submission is stored all the same, and sent later
            log.warning("Queue not measured", action="queue_not_measured", reason=str(error))
            return None
        if waiting < self._queue_limit:
            return None
        detail = f"{waiting} tasks of the kind {kind!r} wait for a worker; the limit is {self._queue_limit}"
        return QueueFull(detail, headers={"Retry-After": str(_RETRY_AFTER_S)})


def new_epoch() -> str:
    """A new epoch: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def _hash(kind: str, params: Mapping[str, Any]) -> str:
    text = json.dumps([kind, params], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
