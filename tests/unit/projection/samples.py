"""Events, frames and rows for the tests of storage and projection, in the form that append.lua gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from api.projection.entries import Entry
from api.projection.fold import fold
from api.projection.frames import event_of
from api.storage.changes import Changes, TaskChange, TaskEpoch, TaskRow
from protocol.events import EventType, State, encode_body, encode_frame, status_data

TASK: Final = UUID("0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e")
OTHER: Final = UUID("0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9f")
EPOCH: Final = "e1"
T0: Final = 1_763_971_200_000.0
"""2025-11-24T08:00:00Z. An event with the seq n has the time T0 + n ms unless a test gives another."""


def at(milliseconds: float) -> datetime:
    """The instant so many milliseconds after T0."""
    return datetime.fromtimestamp((T0 + milliseconds) / 1000, UTC)


def raw(
    seq: int, kind: EventType, data: Mapping[str, Any], *, task: UUID = TASK, attempt: int = 1, ts: float | None = None
) -> bytes:
    body = encode_body(attempt, T0 + seq if ts is None else ts, kind, data)
    return f'{{"task":"{task}","seq":{seq},'.encode() + body


def status(seq: int, state: State, *, error: Mapping[str, Any] | None = None, **rest: Any) -> bytes:
    return raw(seq, "status", status_data(state, error=error), **rest)


def running(seq: int, **rest: Any) -> bytes:
    """The start of an attempt."""
    return status(seq, State.RUNNING, **rest)


def progress(seq: int, current: int | None = None, **rest: Any) -> bytes:
    told = {"current": seq if current is None else current, "total": 100}
    return raw(seq, "status", status_data(State.RUNNING, progress=told), **rest)


def chunk(seq: int, data: Any = "x", **rest: Any) -> bytes:
    return raw(seq, "chunk", {"index": seq, "data": data}, **rest)


def result(seq: int, value: Any = 42, **rest: Any) -> bytes:
    return raw(seq, "result", {"result": value}, **rest)


def fields(
    *events: bytes, task: UUID = TASK, epoch: str = EPOCH, frame: bytes | None = None, without: str = ""
) -> dict[bytes, bytes]:
    """The fields of an entry of the partition stream."""
    found = {
        b"task": str(task).encode(),
        b"epoch": epoch.encode(),
        b"first": b"1",
        b"last": b"1",
        b"frame": encode_frame(events) if frame is None else frame,
    }
    return {name: value for name, value in found.items() if name.decode() != without}


def entry(*events: bytes, deliveries: int = 1, **rest: Any) -> Entry:
    return Entry(3, "1-0", fields(*events, **rest), deliveries)


def changes(*events: bytes, task: UUID = TASK, epoch: str = EPOCH) -> Changes:
    """What `events` of one task change."""
    return fold(task, epoch, [event_of(event, str(task)) for event in events])


def change(*events: bytes, task: UUID = TASK, epoch: str = EPOCH) -> TaskChange:
    return changes(*events, task=task, epoch=epoch).tasks[TaskEpoch(task, epoch)]


def row(**values: Any) -> TaskRow:
    """A row as a submission leaves it, but for `values`."""
    submitted = TaskRow(
        id=TASK,
        kind="synthetic",
        params={},
        epoch=EPOCH,
        state=State.QUEUED,
        state_seq=0,
        attempt=0,
        seq=0,
        progress=None,
        progress_seq=0,
        error=None,
        created_at=at(0),
        started_at=None,
        updated_at=at(0),
        finished_at=None,
        dispatched_at=None,
        cancel_requested_at=None,
        idempotency_key=None,
    )
    return replace(submitted, **values)


def seqs(events: Sequence[tuple[int, bytes]]) -> list[int]:
    """The seqs of what the archive returns."""
    return [seq for seq, _ in events]
