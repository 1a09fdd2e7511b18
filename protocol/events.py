"""Events, as workers write them and clients read them (docs/protocol.md §3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

EventType = Literal["status", "chunk", "result"]


class State(StrEnum):
    """A task's state: queued → running → succeeded | failed | cancelled, with running → queued on retry."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing can follow this state."""
        return self in TERMINAL


TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class Event(BaseModel):
    """One event of a task. `ts` is when the worker emitted it: Unix time in milliseconds, with fractions."""

    model_config = ConfigDict(frozen=True)

    task: str
    seq: int = Field(ge=1)
    attempt: int = Field(ge=0)
    ts: float
    type: EventType
    data: dict[str, Any]

    @property
    def state(self) -> State | None:
        """The state this event puts the task in; None for a chunk."""
        if self.type == "result":
            return State.SUCCEEDED
        return State(self.data["state"]) if self.type == "status" else None

    @property
    def is_progress(self) -> bool:
        """A status event that only tells progress: a later one supersedes it."""
        return self.type == "status" and self.data.get("progress") is not None and self.state is State.RUNNING

    @property
    def is_terminal(self) -> bool:
        """The one event after which nothing more is accepted."""
        state = self.state
        return state is not None and state.terminal


_FRAME: Final = TypeAdapter(list[Event])


_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""Made once: `json.dumps` with options makes an encoder for each call, which is half of its time."""


def parse_frame(frame: bytes | str) -> list[Event]:
    """The events of a frame (a JSON array). Raises pydantic.ValidationError."""
    return _FRAME.validate_json(frame)


def parse_event(raw: bytes | str) -> Event:
    """One event. Raises pydantic.ValidationError."""
    return Event.model_validate_json(raw)


def encode_frame(events: Sequence[bytes]) -> bytes:
    """Join encoded events to a frame."""
    return b"[" + b",".join(events) + b"]"


def encode_body(attempt: int, ts: float, kind: EventType, data: Mapping[str, Any]) -> bytes:
    """An event without its start; the script puts `{"task":…,"seq":…,` before it (§3.1).

    Raises ValueError or TypeError when `data` is no JSON: NaN, infinity, a lone surrogate, an object of a class.
    """
    text = _encode(data)
    return f'"attempt":{attempt},"ts":{ts:.3f},"type":"{kind}","data":{text}}}'.encode()


def status_data(
    state: State,
    *,
    progress: Mapping[str, Any] | None = None,
    message: str | None = None,
    error: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The data of a status event."""
    data: dict[str, Any] = {"state": state.value, "progress": progress, "message": message}
    if error is not None:
        data["error"] = error
    return data


class LiveKind(StrEnum):
    """What a live message holds, so that a reader need not decode it: only progress, anything, or the end."""

    PROGRESS = "p"
    MIXED = "m"
    TERMINAL = "t"


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """What append publishes (§6): the line `<epoch> <first> <last> <kind>`, then the frame as the worker wrote it."""

    epoch: str
    first: int
    last: int
    kind: LiveKind
    frame: str

    @classmethod
    def parse(cls, payload: bytes) -> LiveMessage:
        """Split header and frame; the frame is not decoded as JSON. Raises ValueError."""
        header, _, frame = payload.partition(b"\n")
        epoch, first, last, kind = header.decode("ascii").split(" ")
        return cls(epoch, int(first), int(last), LiveKind(kind), frame.decode())
