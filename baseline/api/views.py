"""The bodies of requests and answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from baseline.storage.reading import Delta, Whole
from baseline.storage.tasks import FullTask
from baseline.updates import State
from workloads.forms import submission
from workloads.registry import Registry


class ProgressView(BaseModel):
    """How far a task is; `ratio` is between 0 and 1, null when the total is not known."""

    current: float
    total: float | None = None
    ratio: float | None = None
    message: str | None = None
    metrics: dict[str, Any] | None = None


class ErrorView(BaseModel):
    """Why a task failed."""

    type: str
    message: str


class LinksView(BaseModel):
    """Where to go from a task."""

    status: str
    result: str
    cancel: str

    @classmethod
    def of(cls, task: str, root: str) -> LinksView:
        """The links of a task; `root` is the path under which the service is reached."""
        path = f"{root}/tasks/{task}"
        return cls(status=f"{path}/status", result=f"{path}/result", cancel=f"{path}/cancel")


class TaskView(BaseModel):
    """A task. `seq` is that of its newest update, `attempt` the number of its newest attempt (0: none has begun)."""

    id: UUID
    kind: str
    params: dict[str, Any]
    state: State
    attempt: int
    seq: int
    progress: ProgressView | None
    error: ErrorView | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None
    links: LinksView

    @classmethod
    def of(cls, task: FullTask, root: str) -> TaskView:
        """The view of a task."""
        row = task.row
        return cls.model_validate(
            {
                "id": row.id,
                "kind": row.kind,
                "params": json.loads(task.params),
                "state": row.state,
                "attempt": row.attempt,
                "seq": row.seq,
                "progress": None if row.progress is None else json.loads(row.progress),
                "error": None if row.error is None else json.loads(row.error),
                "created_at": _instant(row.created),
                "started_at": _instant(row.started),
                "updated_at": _instant(row.updated),
                "finished_at": _instant(row.finished),
                "links": LinksView.of(row.id, root),
            }
        )


class EventView(BaseModel):
    """An update. `ts` is when the workload yielded it: Unix time in milliseconds, with fractions."""

    task: UUID
    seq: int
    attempt: int
    ts: float
    type: Literal["status", "chunk", "result"]
    data: dict[str, Any]


class DeltaView(BaseModel):
    """What follows a cursor. `next` is the cursor to ask with, at once when it is less than `seq`.

    It is null when nothing follows any more.
    """

    id: UUID
    state: State
    attempt: int
    seq: int
    events: list[EventView]
    next: int | None


class WholeView(DeltaView):
    """A task as it is now. `events`: the chunks of its newest attempt, its newest status, its result, in order."""

    kind: str
    progress: ProgressView | None
    error: ErrorView | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None


def delta_body(task: str, delta: Delta) -> bytes:
    """`DeltaView`, with the events as they were stored."""
    following = "null" if delta.state.terminal and delta.last >= delta.seq else str(delta.last)
    head = f'"id":"{task}","state":"{delta.state}","attempt":{delta.attempt},"seq":{delta.seq},"next":{following}'
    return b"{" + head.encode() + b',"events":[' + delta.events + b"]}"


def whole_body(whole: Whole) -> bytes:
    """`WholeView`, with the events as they were stored."""
    task = whole.task
    head = {
        "id": task.id,
        "kind": task.kind,
        "state": task.state.value,
        "attempt": task.attempt,
        "seq": task.seq,
        "next": None if task.state.terminal else task.seq,
        "created_at": _iso(task.created),
        "started_at": _iso(task.started),
        "updated_at": _iso(task.updated),
        "finished_at": _iso(task.finished),
    }
    registers = f',"progress":{task.progress or "null"},"error":{task.error or "null"},"events":['
    return json.dumps(head, separators=(",", ":")).encode()[:-1] + registers.encode() + whole.events + b"]}"


def submission_model(kinds: Registry) -> Any:
    """The union over all kinds of `{"kind": …, "params": …}`; params may be left out when each has a default."""
    models: list[Any] = [submission(kind) for kind in kinds.values()]
    union = reduce(or_, models)
    return union if len(models) == 1 else Annotated[union, Field(discriminator="kind")]


def _instant(ms: float | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def _iso(ms: float | None) -> str | None:
    instant = _instant(ms)
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")
