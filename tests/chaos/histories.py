"""Guarantees 1, 3 and 4 for one task: its row, its archived events and what Redis holds agree, and are right."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from api.projection.fold import fold, merge
from api.projection.frames import event_of
from protocol.async_nodes import AsyncNodes
from protocol.events import Event, parse_event
from protocol.keys import PARTITIONS, TaskKeys
from protocol.log import AsyncLog
from tests.chaos.record import Submitted
from tests.chaos.results import check_outcome

CANCEL_LIMIT_MS: Final = 20_000
"""From the answer to the end: the owner's lease runs out first (10 s), then it has a grace period (10 s). A worker
that has its task by then was told with an append or a renewal, or is fenced (docs/protocol.md §4.4)."""


def check_history(task: str, asked: Submitted, row: Mapping[str, Any], archive: Sequence[Any]) -> list[str]:
    """Every problem with what PostgreSQL holds."""
    events = [parse_event(encoded(task, event)) for event in archive]
    problems = [
        *check_sequence(events, row["seq"]),
        *check_chunks(events),
        *check_cancel(asked, row["state"], events),
        *check_fold(task, row, archive),
        *check_outcome(asked, row["state"], decoded(row["error"]), decoded(row["result"]), last_chunks(events)),
    ]
    return [f"{task} ({asked.kind}): {problem}" for problem in problems]


def check_sequence(events: Sequence[Event], newest: int) -> list[str]:
    """Every seq once, one terminal event, which is the last, and attempts that never go back."""
    problems = []
    seqs = [event.seq for event in events]
    if seqs != list(range(1, newest + 1)):
        problems.append(f"the archive holds {len(seqs)} events, the row says {newest}")
    terminal = [event.seq for event in events if event.is_terminal]
    if not terminal or terminal != seqs[-1:]:
        problems.append(f"terminal events at {terminal}, the last event is {seqs[-1:]}")
    attempts = [event.attempt for event in events]
    if attempts != sorted(attempts):
        problems.append("an older attempt has written after a newer one")
    return problems


def check_chunks(events: Sequence[Event]) -> list[str]:
    """The chunks of each attempt are numbered from 0."""
    counts: Counter[int] = Counter()
    for event in events:
        if event.type == "chunk":
            if event.data["index"] != counts[event.attempt]:
                return [f"chunk {event.data['index']} of attempt {event.attempt} where {counts[event.attempt]} was due"]
            counts[event.attempt] += 1
    return []


def last_chunks(events: Sequence[Event]) -> list[Any]:
    """The data of the chunks of the last attempt."""
    return [event.data["data"] for event in events if event.type == "chunk" and event.attempt == events[-1].attempt]


def check_cancel(asked: Submitted, state: str, events: Sequence[Event]) -> list[str]:
    """An accepted cancel ends the task as cancelled, unless it came to another end in the time it had left.

    What nobody cancelled is not cancelled.
    """
    if state == "cancelled":
        return [] if asked.cancel_sent else ["it is cancelled, and nobody asked for it"]
    if asked.cancelled_at is None or not events:
        return []
    late_ms = events[-1].ts - asked.cancelled_at
    if late_ms <= CANCEL_LIMIT_MS:
        return []
    return [f"its cancel was accepted, and it has {state} {late_ms / 1000:.1f} s after the answer"]


def check_fold(task: str, row: Mapping[str, Any], archive: Sequence[Any]) -> list[str]:
    """Every register of the row is what the fold of the events says."""
    changes = merge(*(fold(UUID(task), row["epoch"], [event_of(encoded(task, event), task)]) for event in archive))
    problems = []
    for change in changes.tasks.values():
        expected = {
            "seq": change.seq,
            "attempt": change.attempt,
            "state": change.state and change.state.value,
            "state_seq": change.state_seq,
            "progress_seq": change.progress_seq,
            "error": decoded(change.error),
            "result": decoded(change.result),
            "progress": decoded(change.progress),
            "started_at": change.started_at,
            "finished_at": change.finished_at,
            "updated_at": max(row["created_at"], change.updated_at or row["created_at"]),
        }
        for name, value in expected.items():
            found = decoded(row[name]) if name in {"error", "result", "progress"} else row[name]
            if found != value:
                problems.append(f"{name} of the row is {found!r:.200}, of the fold of its events {value!r:.200}")
    return problems


async def check_log(task: str, archive: Sequence[Any], redis: AsyncNodes) -> list[str]:
    """What Redis holds of the task agrees with the archive."""
    page = await AsyncLog(redis, partitions=PARTITIONS).read(UUID(task), 0, 10**6)
    known = {event["seq"]: parse_event(encoded(task, event)) for event in archive}
    problems = []
    for seq, raw in page.events:
        if known.get(seq) != parse_event(raw):
            problems.append(f"{task}: event {seq} of the log is not that of the archive")
            break
    if page.head is not None and not page.head.closed:
        problems.append(f"{task}: the row has ended, the head is open")
    name = TaskKeys.of(UUID(task)).log
    if page.head is None and await redis.ask(name, lambda pipe: pipe.exists(name)) != [0]:
        problems.append(f"{task}: a log without a head")
    return problems


def encoded(task: str, row: Any) -> bytes:
    """An archived event as the worker wrote it."""
    start = f'{{"task":"{task}","seq":{row["seq"]},"attempt":{row["attempt"]},"ts":{row["ts"]:.3f}'
    return f'{start},"type":"{row["type"]}","data":{row["data"]}}}'.encode()


def decoded(text: str | None) -> Any:
    """JSON, or null."""
    return None if text is None else json.loads(text)
