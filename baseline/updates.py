"""Updates of a task, as they are stored and sent: events of the same form as on the event-driven side.

    {"task": id, "seq": 42, "attempt": 1, "ts": 1763971200123.4, "type": "status" | "chunk" | "result", "data": {…}}

`ts` is when the workload yielded the update: Unix time in milliseconds, with fractions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

UpdateType = Literal["status", "chunk", "result"]

MAX_UPDATE_BYTES: Final = 1_000_000
"""The same limit as on the event-driven side."""
MAX_ERROR_CHARACTERS: Final = 500
ENVELOPE_BYTES: Final = 160
"""What an event is longer than its data, in an answer and about as much in the file."""


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
        return self not in {State.QUEUED, State.RUNNING}


class UpdateRefused(ValueError):
    """What a workload yielded cannot be sent: no JSON, or too large. Trying again is of no use."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update before it has a number. `data` is JSON; so is `progress`, of a status that tells any."""

    ts: float
    type: UpdateType
    data: str
    size: int
    progress: str | None = None


def now_ms() -> float:
    """Unix time in milliseconds, with fractions."""
    return time.time() * 1000


def encode(value: object, what: str) -> str:
    """`value` as JSON. Raises UpdateRefused: NaN, infinity, a lone surrogate, an object of a class; or too long."""
    try:
        text = _encode(value)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise UpdateRefused(f"a {what} cannot be sent as JSON: {error}") from error
    if size > MAX_UPDATE_BYTES:
        raise UpdateRefused(f"a {what} of {size:,} bytes is over the limit of {MAX_UPDATE_BYTES:,}")
    return text


def status(state: State, message: str | None = None, error: str | None = None) -> Update:
    """A change of state; `error` is JSON."""
    data: dict[str, Any] = {"state": state.value, "progress": None, "message": message}
    text = encode(data, "status")
    return _update("status", text if error is None else f'{text[:-1]},"error":{error}}}')


def progress(value: Mapping[str, Any]) -> Update:
    """How far a running task is. Raises UpdateRefused."""
    text = encode(value, "status")
    return _update("status", f'{{"state":"running","progress":{text},"message":null}}', text)


def chunk(index: int, data: object) -> Update:
    """A piece of the result; `index` counts from 0 in each attempt. Raises UpdateRefused."""
    return _update("chunk", f'{{"index":{index},"data":{encode(data, "chunk")}}}')


def result(value: str) -> Update:
    """The end of a task that succeeded; `value` is JSON."""
    return _update("result", f'{{"result":{value}}}')


def error(kind: str, message: str) -> str:
    """An error as clients see it, as JSON: its type and message, never a traceback."""
    clean = message.encode(errors="replace").decode()
    if len(clean) > MAX_ERROR_CHARACTERS:
        clean = clean[: MAX_ERROR_CHARACTERS - 1] + "…"
    return _encode({"type": kind, "message": clean})


def _update(kind: UpdateType, data: str, told: str | None = None) -> Update:
    return Update(now_ms(), kind, data, len(data.encode()) + ENVELOPE_BYTES, told)


_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""Made once: `json.dumps` with options makes an encoder for each call, which is half of its time."""
