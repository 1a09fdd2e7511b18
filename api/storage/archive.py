"""The archive of events: a task's whole history, for as long as its row lives.

Every event is here, superseded progress too, so a seq that is missing between two others was lost, and nothing else
(docs/decisions/0002-the-archive-keeps-every-event.md).
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import Text, cast, select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.changes import ArchivedEvent
from api.storage.errors import translated
from api.storage.tables import events

_COLUMNS: Final = (events.c.seq, events.c.attempt, events.c.ts, events.c.type, cast(events.c.data, Text).label("data"))


class Archive:
    """The table `events`, read only; projection writes it. Raises StorageError and its subclasses."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, task: UUID, after_seq: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` events with a seq above `after_seq`, in order, as (seq, JSON as the worker wrote it)."""
        query = (
            select(*_COLUMNS)
            .where(events.c.task_id == task, events.c.seq > after_seq)
            .order_by(events.c.seq)
            .limit(limit)
        )
        with translated():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).all()
        return [(row.seq, _encode(task, ArchivedEvent(*row))) for row in rows]


def _encode(task: UUID, event: ArchivedEvent) -> bytes:
    """The keys in the order of append.lua and `protocol.events.encode_body`; `data` is put in as it was stored."""
    seq, attempt, ts, kind, data = event
    return f'{{"task":"{task}","seq":{seq},"attempt":{attempt},"ts":{ts:.3f},"type":"{kind}","data":{data}}}'.encode()
