"""The archive of events: a task's whole history, for as long as its row lives.

Every event is here, superseded progress too, so a seq that is missing between two others was lost, and nothing else
(docs/decisions/0002-the-archive-keeps-every-event.md).
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Text, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.changes import ArchivedEvent
from api.storage.errors import translated
from api.storage.tables import events

_COLUMNS: Final = (events.c.seq, events.c.attempt, events.c.ts, events.c.type, cast(events.c.data, Text).label("data"))
_AROUND_DATA: Final = 160
"""Bytes of an event beside its data, at most about."""


class Archive:
    """The table `events`, read only; projection writes it. Raises StorageError and its subclasses."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, task: UUID, after_seq: int, limit: int, max_bytes: int = 2**62) -> list[tuple[int, bytes]]:
        """Events with a seq above `after_seq`, in order, as (seq, JSON as the worker wrote it).

        At most `limit`, and so many that they have at most about `max_bytes`, but the first in any case.
        """
        after = (events.c.task_id == task, events.c.seq > after_seq)
        size = cast(func.octet_length(cast(events.c.data, Text)) + _AROUND_DATA, BigInteger).label("size")
        page = select(events.c.seq, size).where(*after).order_by(events.c.seq).limit(limit).subquery()
        total = cast(func.sum(page.c.size).over(order_by=page.c.seq), BigInteger).label("total")
        summed = select(page.c.seq, page.c.size, total).subquery()
        fits = or_(summed.c.total <= max_bytes, summed.c.total == summed.c.size)
        last = select(func.max(summed.c.seq)).where(fits).scalar_subquery()
        query = select(*_COLUMNS).where(*after, events.c.seq <= last).order_by(events.c.seq)
        with translated():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).all()
        return [(row.seq, _encode(task, ArchivedEvent(*row))) for row in rows]


def _encode(task: UUID, event: ArchivedEvent) -> bytes:
    """The keys in the order of append.lua and `protocol.events.encode_body`; `data` is put in as it was stored."""
    seq, attempt, ts, kind, data = event
    return f'{{"task":"{task}","seq":{seq},"attempt":{attempt},"ts":{ts:.3f},"type":"{kind}","data":{data}}}'.encode()
