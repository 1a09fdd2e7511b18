"""The bodies of requests and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Discriminator
from pydantic_core import PydanticCustomError

from api.routes.event_views import ChunkEvent, ErrorView, Gap, ProgressView, ResultEvent, StatusEvent
from api.storage.changes import TaskRow
from protocol.events import State
from service.problems import Problem
from workloads.forms import submission
from workloads.registry import Registry

MAX_NODES: Final = 10_000
"""Keys and items in the body of a submission, at all depths."""
MAX_LISTED: Final = 1_000
"""Characters of a string in the params of a task in a list."""


class LinksView(BaseModel):
    """Where to go from a task; `stream` is a WebSocket."""

    self: str
    result: str
    events: str
    cancel: str
    stream: str


class TaskView(BaseModel):
    """A task. `seq` is that of its newest event, `attempt` the number of its newest attempt (0: none has begun)."""

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
    def of(cls, row: TaskRow, root: str) -> TaskView:
        """The view of a row; `root` is the path under which the service is reached."""
        path = f"{root}/tasks/{row.id}"
        return cls.model_validate(
            {
                **{name: getattr(row, name) for name in cls.model_fields if name != "links"},
                "links": {
                    "self": path,
                    "result": f"{path}/result",
                    "events": f"{path}/events",
                    "cancel": f"{path}/cancel",
                    "stream": f"{root}/ws/tasks/{row.id}",
                },
            }
        )

    @classmethod
    def listed(cls, row: TaskRow, root: str) -> TaskView:
        """The view of a row in a list: long strings in `params` are cut."""
        return cls.of(replace(row, params=_cut(row.params)), root)


class TaskPage(BaseModel):
    """Tasks, newest first. `next` is the cursor of the next page, null on the last.

    A string in `params` that is longer than 1,000 characters is cut there, and ends in `…`.
    """

    items: list[TaskView]
    next: str | None


class EventPage(BaseModel):
    """Events after a cursor. `next` is the cursor to go on with, null when nothing follows any more.

    `resumed` is false when the cursor was of another epoch: the events then start from the beginning.
    """

    task: UUID
    epoch: str
    seq: int
    resumed: bool
    events: list[StatusEvent | ChunkEvent | ResultEvent | Gap]
    next: str | None


def problem_responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers with problems of these codes."""
    return {code: {"model": Problem} for code in codes}


def submission_model(kinds: Registry) -> Any:
    """The union over all kinds of `{"kind": …, "params": …}`; params may be left out when each has a default."""
    models: list[Any] = [submission(kind) for kind in kinds.values()]
    union = reduce(or_, models)
    few = BeforeValidator(_few)
    return Annotated[union, few] if len(models) == 1 else Annotated[union, Discriminator("kind"), few]


def _few(body: Any) -> Any:
    """Refuse a body of too many parts: to validate it, and to tell what is wrong with it, would take seconds."""
    left, found = [body], 0
    while left:
        part = left.pop()
        if not isinstance(part, dict | list):
            continue
        found += len(part)
        if found > MAX_NODES:
            raise PydanticCustomError(
                "too_many_values", "The body has more than {limit} keys and items", {"limit": MAX_NODES}
            )
        left.extend(part.values() if isinstance(part, dict) else part)
    return body


def _cut(value: Any) -> Any:
    """JSON, with every long string in it cut."""
    match value:
        case str():
            return value if len(value) <= MAX_LISTED else value[:MAX_LISTED] + "…"
        case Mapping():
            return {key: _cut(item) for key, item in value.items()}
        case list():
            return [_cut(item) for item in value]
        case _:
            return value
