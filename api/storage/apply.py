"""Write the changes of a batch: one transaction, three statements, whatever the number of events.

Every value travels in an array, one array a column, so that the number of parameters is constant too (the protocol
allows 32,767) and the statements stay prepared. The three statements:

1. lock the rows in the order of their ids. Two replicas that write the same tasks then wait for each other instead of
   deadlocking, and the second sees what the first committed. Tasks that have no row, or whose row is in another epoch,
   are left out from here on.
2. write each register of each row where the change is newer.
3. store the events; those that are there already stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.storage.changes import ApplyStats, Changes, TaskEpoch
from api.storage.errors import translated

_LOCK: Final = text("""
    SELECT id, epoch FROM tasks WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE
""")

# GREATEST and LEAST pass over nulls. A row for which nothing is newer is not touched, so redelivery writes nothing.
_UPDATE: Final = text("""
    UPDATE tasks AS t SET
        seq = GREATEST(t.seq, c.seq),
        attempt = GREATEST(t.attempt, c.attempt),
        state = CASE WHEN c.state_seq > t.state_seq THEN c.state ELSE t.state END,
        error = CASE WHEN c.state_seq > t.state_seq THEN CAST(c.error AS json) ELSE t.error END,
        result = CASE WHEN c.state_seq > t.state_seq THEN CAST(c.result AS json) ELSE t.result END,
        finished_at = CASE WHEN c.state_seq > t.state_seq THEN c.finished_at ELSE t.finished_at END,
        state_seq = GREATEST(t.state_seq, c.state_seq),
        progress = CASE WHEN c.progress_seq > t.progress_seq THEN CAST(c.progress AS json) ELSE t.progress END,
        progress_seq = GREATEST(t.progress_seq, c.progress_seq),
        started_at = LEAST(t.started_at, c.started_at),
        updated_at = GREATEST(t.updated_at, c.updated_at)
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:attempts AS integer[]),
        CAST(:states AS text[]), CAST(:state_seqs AS bigint[]), CAST(:errors AS text[]), CAST(:results AS text[]),
        CAST(:finished AS timestamptz[]), CAST(:progresses AS text[]), CAST(:progress_seqs AS bigint[]),
        CAST(:started AS timestamptz[]), CAST(:updated AS timestamptz[])
    ) AS c (id, seq, attempt, state, state_seq, error, result, finished_at, progress, progress_seq,
            started_at, updated_at)
    WHERE t.id = c.id AND (
        c.seq > t.seq OR c.attempt > t.attempt OR c.state_seq > t.state_seq OR c.progress_seq > t.progress_seq
        OR c.updated_at > t.updated_at OR c.started_at < COALESCE(t.started_at, 'infinity')
    )
""")

_STORE: Final = text("""
    INSERT INTO events (task_id, seq, attempt, ts, type, data)
    SELECT e.task_id, e.seq, e.attempt, e.ts, e.type, CAST(e.data AS json)
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:attempts AS integer[]),
        CAST(:stamps AS double precision[]), CAST(:types AS text[]), CAST(:datas AS text[])
    ) AS e (task_id, seq, attempt, ts, type, data)
    ON CONFLICT DO NOTHING
""")


async def apply_changes(engine: AsyncEngine, changes: Changes) -> ApplyStats:
    """Commit `changes`; returns what was new. Applying the same again, or in another order, gives the same rows.

    Raises InvalidData when a value is refused, and other StorageErrors; nothing is written then.
    """
    if not changes.tasks:
        return ApplyStats()
    ids = {key.task for key in changes.tasks}
    with translated():
        async with engine.begin() as connection:
            rows = await connection.execute(_LOCK, {"ids": sorted(ids)})
            epochs: dict[UUID, str] = {row.id: row.epoch for row in rows}
            current = sorted(key for key in changes.tasks if epochs.get(key.task) == key.epoch)
            tasks = _task_columns(changes, current)
            events = _event_columns(changes, current)
            changed = await _write(connection, _UPDATE, tasks)
            stored = await _write(connection, _STORE, events)
    unknown = ids - epochs.keys()
    return ApplyStats(
        statements=1 + bool(tasks["ids"]) + bool(events["ids"]),
        tasks_changed=changed,
        tasks_unknown=len(unknown),
        tasks_stale=sum(key.task not in unknown for key in changes.tasks) - len(current),
        events_stored=stored,
        duplicates=len(events["ids"]) - stored,
    )


async def _write(connection: AsyncConnection, statement: TextClause, columns: Mapping[str, Sequence[Any]]) -> int:
    """Execute `statement` unless its columns are empty; returns the number of rows it wrote."""
    return (await connection.execute(statement, columns)).rowcount if columns["ids"] else 0


def _task_columns(changes: Changes, current: Sequence[TaskEpoch]) -> dict[str, list[Any]]:
    rows = [changes.tasks[key] for key in current]
    return {
        "ids": [row.task for row in rows],
        "seqs": [row.seq for row in rows],
        "attempts": [row.attempt for row in rows],
        "states": [row.state for row in rows],
        "state_seqs": [row.state_seq for row in rows],
        "errors": [row.error for row in rows],
        "results": [row.result for row in rows],
        "finished": [row.finished_at for row in rows],
        "progresses": [row.progress for row in rows],
        "progress_seqs": [row.progress_seq for row in rows],
        "started": [row.started_at for row in rows],
        "updated": [row.updated_at for row in rows],
    }


def _event_columns(changes: Changes, current: Sequence[TaskEpoch]) -> dict[str, Sequence[Any]]:
    ids: list[UUID] = []
    events = []
    for key in current:
        of_task = changes.events.get(key, {})
        ids += [key.task] * len(of_task)
        events += [of_task[seq] for seq in sorted(of_task)]
    seqs, attempts, stamps, types, datas = zip(*events, strict=True) if events else ((),) * 5
    return {"ids": ids, "seqs": seqs, "attempts": attempts, "stamps": stamps, "types": types, "datas": datas}
