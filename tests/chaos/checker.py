"""Proves the guarantees from what followers saw and what the servers hold; it does not know what was done to them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from redis.asyncio import Redis
from sqlalchemy.engine import make_url

from api.projection.fold import fold, merge
from api.projection.frames import event_of
from client.follow import Gap, Restarted
from protocol.events import Event, parse_event
from protocol.keys import PARTITIONS, TaskKeys, dead, events
from protocol.log import AsyncLog

if TYPE_CHECKING:
    from tests.chaos.stack import Stack
    from tests.chaos.storm import Record, Transcript

_POLL_S = 0.5


async def check(system: Stack, record: Record, *, settle_s: float) -> list[str]:
    """Every problem found, as a sentence."""
    redis: Redis = Redis.from_url(system.valkey.url)
    url = make_url(system.postgres.url)
    database = await asyncpg.connect(user="postgres", database=url.database, host=url.query["host"])
    try:
        problems = await _settled(database, redis, record, settle_s)
        rows = {str(row["id"]): row for row in await database.fetch("SELECT * FROM tasks")}
        archive: dict[str, list[Any]] = {}
        for event in await database.fetch("SELECT * FROM events ORDER BY task_id, seq"):
            archive.setdefault(str(event["task_id"]), []).append(event)
        for task in record.accepted:
            problems += await _check_task(task, rows.get(task), archive.get(task, []), redis)
        for transcript in record.transcripts:
            problems += _check_transcript(transcript, archive.get(transcript.task, []))
        dead_letters = sum([await redis.xlen(dead(partition)) for partition in range(PARTITIONS)])
        if dead_letters:
            problems.append(f"{dead_letters} dead letters")
        unexpected = set(rows) - set(record.accepted)
        if unexpected:
            problems.append(f"{len(unexpected)} tasks were made that nobody was told of: {sorted(unexpected)[:3]}")
        return problems
    finally:
        await database.close()
        await redis.aclose()


async def _settled(database: Any, redis: Redis, record: Record, settle_s: float) -> list[str]:
    """Wait until every task has ended and projection has caught up."""
    deadline = time.monotonic() + settle_s
    while True:
        open_tasks = await database.fetch("SELECT id, state, attempt FROM tasks WHERE finished_at IS NULL")
        lag = sum([await redis.xlen(events(partition)) for partition in range(PARTITIONS)])
        if not open_tasks and not lag and record.accepted:
            return []
        if time.monotonic() > deadline:
            shown = [f"{row['id']} {row['state']} attempt {row['attempt']}" for row in open_tasks[:5]]
            return [f"{len(open_tasks)} tasks did not end, {lag} entries are not written: {shown}"]
        await asyncio.sleep(_POLL_S)


async def _check_task(task: str, row: Mapping[str, Any] | None, archive: list[Any], redis: Redis) -> list[str]:
    """Guarantees 1, 3 and 4 for one task."""
    if row is None:
        return [f"{task} was accepted and has no row"]
    problems = []
    seqs = [event["seq"] for event in archive]
    if seqs != list(range(1, row["seq"] + 1)):
        problems.append(f"{task}: the archive holds {len(seqs)} events, the row says {row['seq']}")
    whole = [_event(task, event) for event in archive]
    terminal = [event.seq for event in whole if event.is_terminal]
    if terminal != seqs[-1:]:
        problems.append(f"{task}: terminal events at {terminal}, the last event is {seqs[-1:]}")
    attempts = [event.attempt for event in whole]
    if attempts != sorted(attempts):
        problems.append(f"{task}: an older attempt has written after a newer one")
    problems += [f"{task}: {problem}" for problem in _check_chunks(whole)]
    changes = merge(*(fold(UUID(task), row["epoch"], [_frame_event(task, event)]) for event in archive))
    for change in changes.tasks.values():
        state = None if change.state is None else change.state.value
        if (state, change.seq, change.attempt) != (row["state"], row["seq"], row["attempt"]):
            problems.append(f"{task}: the row is {row['state']}, the fold of its events {state}")
    return problems + [f"{task}: {problem}" for problem in await _check_log(UUID(task), archive, redis)]


async def _check_log(task: UUID, archive: list[Any], redis: Redis) -> list[str]:
    """What Redis holds of the task agrees with the archive."""
    page = await AsyncLog(redis, partitions=PARTITIONS).read(task, 0, 10**6)
    known = {event["seq"]: event for event in archive}
    problems = []
    for seq, raw in page.events:
        if seq not in known or parse_event(raw).attempt != known[seq]["attempt"]:
            problems.append(f"event {seq} of the log is not in the archive")
            break
    if page.head is not None and not page.head.closed:
        problems.append("the row has ended, the head is open")
    if page.head is None and await redis.exists(TaskKeys.of(task).log):
        problems.append("a log without a head")
    return problems


def _check_chunks(whole: list[Event]) -> list[str]:
    """The chunks of each attempt are numbered from 0."""
    counts: Counter[int] = Counter()
    for event in whole:
        if event.type == "chunk":
            if event.data["index"] != counts[event.attempt]:
                return [f"chunk {event.data['index']} of attempt {event.attempt} where {counts[event.attempt]} was due"]
            counts[event.attempt] += 1
    return []


def _check_transcript(transcript: Transcript, archive: list[Any]) -> list[str]:
    """Guarantee 2 for one follower: everything, once, in order, or told."""
    if transcript.problem:
        return [f"a follower of {transcript.task} ended with {transcript.problem}"]
    problems = []
    position = 0
    seen: dict[int, str] = {}
    for update in transcript.updates:
        match update:
            case Restarted():
                position, seen = 0, {}
            case Gap(after, before):
                problems.append(f"{transcript.task}: a gap from {after} to {before}")
                position = before - 1
            case Event():
                if update.seq != position + 1:
                    problems.append(f"{transcript.task}: event {update.seq} after {position}")
                position = update.seq
                seen[update.seq] = update.type
    expected = {event["seq"]: event["type"] for event in archive}
    if seen != expected:
        problems.append(f"{transcript.task}: a follower saw {len(seen)} events of {len(expected)}")
    last = transcript.updates[-1] if transcript.updates else None
    if not (isinstance(last, Event) and last.is_terminal):
        problems.append(f"{transcript.task}: a follower was let go before the end")
    return problems


def _event(task: str, row: Any) -> Event:
    return parse_event(_encoded(task, row))


def _frame_event(task: str, row: Any) -> Any:
    return event_of(_encoded(task, row), task)


def _encoded(task: str, row: Any) -> bytes:
    start = f'{{"task":"{task}","seq":{row["seq"]},"attempt":{row["attempt"]},"ts":{row["ts"]:.3f}'
    return f'{start},"type":"{row["type"]}","data":{row["data"]}}}'.encode()
