"""Events as clients see them (docs/protocol.md §3 and §8): the forms that OpenAPI and AsyncAPI describe.

Frames and pages are not made of these: they hold what the worker wrote, as it wrote it. Tests hold these forms against
what is sent.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.routes.close_codes import BAD_REQUEST, INTERNAL, NO_SUCH_TASK
from protocol.events import State

ERROR_CODES: Final = (INTERNAL, NO_SUCH_TASK, BAD_REQUEST)
"""With which a subscription on `/ws` ends; the socket goes on."""

Epoch = Annotated[str, Field(pattern="^[0-9a-f]{1,16}$", description="Names one life of the task's log")]
Seq = Annotated[int, Field(ge=1, description="The number of the event in its task")]
Newest = Annotated[int, Field(ge=0, description="The task's newest event at this moment; 0: it has none")]


class ProgressView(BaseModel):
    """How far a task is; `ratio` is between 0 and 1, null when the total is not known."""

    current: float | None = None
    total: float | None = None
    ratio: float | None = None
    message: str | None = None
    metrics: dict[str, Any] | None = None


class ErrorView(BaseModel):
    """Why a task failed: `type` is for programs, `message` for people."""

    type: str
    message: str


class StatusData(BaseModel):
    """The state that the event puts the task in. `running` without progress begins an attempt."""

    state: Literal[State.QUEUED, State.RUNNING, State.SUCCEEDED, State.CANCELLED]
    progress: ProgressView | None
    message: str | None


class FailedData(BaseModel):
    """The end of a task that failed."""

    state: Literal[State.FAILED]
    progress: ProgressView | None
    message: str | None
    error: ErrorView


class ChunkData(BaseModel):
    """A piece of the result; `index` counts from 0 in each attempt."""

    index: int = Field(ge=0)
    data: Any


class ResultData(BaseModel):
    """The whole result."""

    result: Any


class _Event(BaseModel):
    task: UUID
    seq: Seq
    attempt: int = Field(ge=1, description="Chunks of older attempts are void when a newer one has begun")
    ts: float = Field(description="When it was emitted: Unix time in milliseconds, with fractions")


class StatusEvent(_Event):
    """A transition, progress, or an end that is no result."""

    type: Literal["status"]
    data: StatusData | FailedData


class ChunkEvent(_Event):
    """A piece of the result."""

    type: Literal["chunk"]
    data: ChunkData


class ResultEvent(_Event):
    """The end of a task that succeeded."""

    type: Literal["result"]
    data: ResultData


class Hello(BaseModel):
    """What follows belongs to `epoch`. `resumed`: the cursor was honoured; if not, the events begin with the first."""

    task: UUID
    type: Literal["hello"]
    epoch: Epoch
    seq: Newest
    resumed: bool


class Gap(BaseModel):
    """The events between the seqs `after` and `before` cannot be delivered."""

    task: UUID
    type: Literal["gap"]
    epoch: Epoch
    after: int = Field(ge=0)
    before: int = Field(ge=2)


class Unsubscribed(BaseModel):
    """Nothing more of the task comes on this socket."""

    task: UUID
    type: Literal["unsubscribed"]


class SubscriptionError(BaseModel):
    """The subscription ended, or could not begin; the socket goes on. The codes are those that close a socket."""

    task: UUID
    type: Literal["error"]
    code: int = Field(json_schema_extra={"enum": list(ERROR_CODES)})
    message: str


EVENTS: Final = (StatusEvent, ChunkEvent, ResultEvent)
CONTROL_EVENTS: Final = (Hello, Gap, Unsubscribed, SubscriptionError)
