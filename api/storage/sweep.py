"""What the sweeper asks: tasks without an end, without their parameters, and a lock that lets one replica sweep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.errors import translated
from api.storage.tables import tasks
from protocol.events import State

SWEEP_LOCK: Final = 8_459_466_401_533_489_507
"""Any number that nothing else locks; this one is "ut sweepc" read as ASCII, more or less."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A task without an end, without its parameters."""

    id: UUID
    kind: str
    state: State
    epoch: str
    seq: int
    attempt: int
    created_at: datetime
    updated_at: datetime
    dispatched_at: datetime | None
    cancel_requested_at: datetime | None


_COLUMNS: Final = tuple(tasks.c[name] for name in Unfinished.__slots__)


class SweepStore:
    """Raises StorageError and its subclasses."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[bool]:
        """Whether the caller is the only one in here, over all replicas; held until the end of the block.

        The lock belongs to a transaction, so it goes with the connection when the process dies.
        """
        connection = self._engine.connect()
        with translated():
            await connection.start()
        try:
            with translated():
                mine = await connection.scalar(select(func.pg_try_advisory_xact_lock(SWEEP_LOCK)))
            yield bool(mine)
        finally:
            with translated():
                await connection.close()

    async def unfinished(self, limit: int, after: UUID | None = None) -> list[Unfinished]:
        """Tasks without an end, oldest first, younger than the task `after`."""
        query = select(*_COLUMNS).where(tasks.c.finished_at.is_(None)).order_by(tasks.c.id).limit(limit)
        if after is not None:
            query = query.where(tasks.c.id > after)
        with translated():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).all()
        return [Unfinished(**row._asdict() | {"state": State(row.state)}) for row in rows]
