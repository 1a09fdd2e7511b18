"""The archive of events: a task's history for as long as its row lives, without progress updates."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import Text, cast, select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.errors import translated
from api.storage.tables import events

_COLUMNS: Final = (events.c.seq, events.c.attempt, events.c.ts, events.c.type, cast(events.c.data, Text).label("data"))


class Archive:
    """The table `events`, read only; projection writes it. Raises StorageError and its subclasses."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, task: UUID, after_seq: int, limit: int) -> list[bytes]:
        """At most `limit` events with a seq above `after_seq`, in order, each the bytes that the worker wrote."""
        query = (
            select(*_COLUMNS)
            .where(events.c.task_id == task, events.c.seq > after_seq)
            .order_by(events.c.seq)
            .limit(limit)
        )
        with translated():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).all()
        return [_encode(task, row.seq, row.attempt, row.ts, row.type, row.data) for row in rows]


def _encode(task: UUID, seq: int, attempt: int, ts: float, kind: str, data: str) -> bytes:
    """The keys in the order of append.lua and `protocol.events.encode_body`; `data` is put in as it was stored."""
    return (
        f'{{"task":"{task}","seq":{seq},"attempt":{attempt},"ts":{ts:.3f},"type":"{kind}","data":{data}}}'.encode()
    )
