"""Rows of tasks: submit, read, page through, and what dispatcher and sweeper keep of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.changes import NewTask, Submitted, TaskRow
from api.storage.errors import IdempotencyConflict, StorageUnavailable, translated
from api.storage.tables import tasks
from protocol.events import State

_COLUMNS: Final = [column for column in tasks.c if column.name not in {"result", "request_hash"}]
_INSERT_TRIES: Final = 3
"""An insert meets a key whose row is deleted before it can be read: more than once is not to be expected."""


class TaskStore:
    """The table `tasks`. Every method raises StorageError and its subclasses."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def insert(self, new: NewTask) -> Submitted:
        """Store a submission, or find the one that its Idempotency-Key stands for.

        The unique constraint decides between two submissions at the same time. Raises IdempotencyConflict when the
        key belongs to a request with another hash, InvalidData when a value cannot be stored.
        """
        for _ in range(_INSERT_TRIES):
            row = await self._insert(new)
            if row is not None:
                return Submitted(row, created=True)
            known = await self.known(new)
            if known is not None:
                return Submitted(known, created=False)
        msg = f"the task of the Idempotency-Key {new.idempotency_key!r} comes and goes"
        raise StorageUnavailable(msg)

    async def known(self, new: NewTask) -> TaskRow | None:
        """The row that the Idempotency-Key of `new` stands for. Raises IdempotencyConflict."""
        if new.idempotency_key is None:
            return None
        query = select(*_COLUMNS, tasks.c.request_hash).where(tasks.c.idempotency_key == new.idempotency_key)
        with translated():
            async with self._engine.connect() as connection:
                row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        if row[tasks.c.request_hash] != new.request_hash:
            raise IdempotencyConflict(str(new.idempotency_key))
        return _task_row(row)

    async def get(self, task: UUID) -> TaskRow | None:
        """The row of `task`."""
        rows = await self._rows(select(*_COLUMNS).where(tasks.c.id == task))
        return rows[0] if rows else None

    async def position(self, task: UUID) -> tuple[str, int, bool] | None:
        """Epoch, newest seq and whether it has ended: without parameters and result, which may be large."""
        query = select(tasks.c.epoch, tasks.c.seq, tasks.c.finished_at.is_not(None)).where(tasks.c.id == task)
        with translated():
            async with self._engine.connect() as connection:
                found = (await connection.execute(query)).one_or_none()
        return None if found is None else (found[0], found[1], found[2])

    async def page(
        self, *, kind: str | None = None, state: State | None = None, limit: int = 50, before: UUID | None = None
    ) -> list[TaskRow]:
        """At most `limit` rows, newest first, older than the task `before`."""
        query = select(*_COLUMNS).order_by(tasks.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(tasks.c.kind == kind)
        if state is not None:
            query = query.where(tasks.c.state == state.value)
        if before is not None:
            query = query.where(tasks.c.id < before)
        return await self._rows(query)

    async def result(self, task: UUID) -> bytes | None:
        """The result as JSON in UTF-8, as the worker wrote it; None when there is none (yet)."""
        query = select(cast(tasks.c.result, Text)).where(tasks.c.id == task)
        with translated():
            async with self._engine.connect() as connection:
                found: str | None = await connection.scalar(query)
        return None if found is None else found.encode()

    async def begin_epoch(self, task: UUID, known: str, new: str) -> TaskRow | None:
        """Move the row from the epoch `known` to `new`, before the head of a task that Redis has lost is made again.

        From then on the row refuses what is left of the old epoch, so the seqs above the row's are free. Returns the
        row as it is now; its epoch and seq are those to make the head with, whoever moved it. None: no such task.
        """
        await self._touch((tasks.c.id == task) & (tasks.c.epoch == known), epoch=new)
        return await self.get(task)

    async def mark_dispatched(self, task: UUID, at: datetime | None) -> bool:
        """Note that the message to the workers went out, or has to (None); False when there is no such task."""
        return await self._touch(tasks.c.id == task, dispatched_at=at)

    async def request_cancel(self, task: UUID, at: datetime) -> bool:
        """Note the first wish to cancel; False when it is known already, or there is no such task."""
        return await self._touch((tasks.c.id == task) & tasks.c.cancel_requested_at.is_(None), cancel_requested_at=at)

    async def _insert(self, new: NewTask) -> TaskRow | None:
        statement = (
            insert(tasks)
            .values(
                id=new.id,
                kind=new.kind,
                params=new.params,
                epoch=new.epoch,
                created_at=new.created_at,
                updated_at=new.created_at,
                idempotency_key=new.idempotency_key,
                request_hash=new.request_hash,
            )
            .on_conflict_do_nothing(index_elements=[tasks.c.idempotency_key])
            .returning(*_COLUMNS)
        )
        with translated():
            async with self._engine.begin() as connection:
                row = (await connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _task_row(row)

    async def _rows(self, query: Select[Any]) -> list[TaskRow]:
        with translated():
            async with self._engine.connect() as connection:
                return [_task_row(row) for row in (await connection.execute(query)).mappings()]

    async def _touch(self, where: ColumnElement[bool], **values: datetime | str | None) -> bool:
        with translated():
            async with self._engine.begin() as connection:
                result = await connection.execute(update(tasks).where(where).values(**values))
        return bool(result.rowcount)


def _task_row(row: RowMapping) -> TaskRow:
    values: dict[str, Any] = {column.name: row[column] for column in _COLUMNS}
    return TaskRow(**values | {"state": State(values["state"])})
