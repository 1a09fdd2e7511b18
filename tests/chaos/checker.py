"""Proves the guarantees from what followers saw and what the servers hold; it does not know what was done to them."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from api.connections import connect_all
from protocol.async_nodes import AsyncNodes
from protocol.keys import PARTITIONS, dead, events
from tests.chaos.histories import check_history, check_log
from tests.chaos.leaks import check_stats, connected
from tests.chaos.record import Record
from tests.chaos.transcripts import check_transcript

if TYPE_CHECKING:
    from tests.chaos.stack import Stack

_POLL_S: Final = 0.5


async def check(system: Stack, record: Record, *, settle_s: float) -> list[str]:
    """Every problem found, as a sentence."""
    redis = connect_all(system.redis_url, "checker", retries=1)
    async with connected(system.postgres) as database, aclosing(redis):
        problems = await _settled(database, redis, record, settle_s)
        problems += await _check_tasks(database, redis, record)
        dead_letters = sum([await _length(redis, dead(partition)) for partition in range(PARTITIONS)])
        if dead_letters:
            problems.append(f"{dead_letters} dead letters")
    return problems + await check_stats(system)


async def _length(redis: AsyncNodes, stream: str) -> int:
    (length,) = await redis.ask(stream, lambda pipe: pipe.xlen(stream))
    return int(length)


async def _check_tasks(database: Any, redis: AsyncNodes, record: Record) -> list[str]:
    """Each task against what was asked for, and each transcript against its task."""
    rows = {str(row["id"]): row for row in await database.fetch("SELECT * FROM tasks")}
    archive: dict[str, list[Any]] = {}
    for event in await database.fetch("SELECT * FROM events ORDER BY task_id, seq"):
        archive.setdefault(str(event["task_id"]), []).append(event)
    problems = []
    for task, asked in record.accepted.items():
        if task not in rows:
            problems.append(f"{task} was accepted and has no row")
            continue
        known = archive.get(task, [])
        problems += check_history(task, asked, rows[task], known)
        problems += await check_log(task, known, redis)
    for transcript in record.transcripts:
        known = archive.get(transcript.task, [])
        problems += check_transcript(transcript, known, may_restart=record.may_restart)
    unexpected = set(rows) - set(record.accepted)
    if unexpected:
        problems.append(f"{len(unexpected)} tasks were made that nobody was told of: {sorted(unexpected)[:3]}")
    return problems


async def _settled(database: Any, redis: AsyncNodes, record: Record, settle_s: float) -> list[str]:
    """Wait until every task has ended and projection has caught up."""
    deadline = time.monotonic() + settle_s
    while True:
        open_tasks = await database.fetch("SELECT id, state, attempt FROM tasks WHERE finished_at IS NULL")
        lag = sum([await _length(redis, events(partition)) for partition in range(PARTITIONS)])
        if not open_tasks and not lag and record.accepted:
            return []
        if time.monotonic() > deadline:
            shown = [f"{row['id']} {row['state']} attempt {row['attempt']}" for row in open_tasks[:5]]
            return [f"{len(open_tasks)} tasks did not end, {lag} entries are not written: {shown}"]
        await asyncio.sleep(_POLL_S)
