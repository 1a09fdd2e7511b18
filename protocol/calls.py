"""The script calls as data: what to send and how to read the answer. Pure, so that sync and async callers share them.

`protocol.log` sends them; docs/protocol.md §4 and §5 say what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha1
from importlib.resources import files
from typing import Any, Generic, TypeVar
from uuid import UUID

from protocol.events import EventType, LiveKind, State
from protocol.head import (
    Cancellation,
    CancelOutcome,
    Claim,
    ClaimOutcome,
    Decision,
    Outcome,
    Renewal,
    RenewOutcome,
)
from protocol.keys import TaskKeys

R = TypeVar("R")


class Script(Enum):
    """The Lua sources."""

    APPEND = "append.lua"
    CONTROL = "control.lua"
    RENEW = "renew.lua"

    def __init__(self, file: str) -> None:
        self.source = files("protocol").joinpath(file).read_text("utf-8")
        self.sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """One script call; `parse` turns the script's answer into what the call returns."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[bytes | str | int, ...]
    parse: Callable[[Any], R]


@dataclass(frozen=True, slots=True)
class LogLimits:
    """What a log keeps (§5.4): at most so many events and bytes, and for so long after the end."""

    max_events: int = 50_000
    max_bytes: int = 16 * 2**20
    linger_ms: int = 3_600_000


@dataclass(frozen=True, slots=True)
class Body:
    """An encoded event body (`protocol.events.encode_body`) and what append must know of it.

    `state` is the state that the event puts the task in, None for a chunk; `progress` marks an update that a later one
    supersedes.
    """

    data: bytes
    type: EventType
    state: State | None = None
    progress: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """The answer to append: the decision, whether a cancel was requested, entries in the partition stream."""

    decision: Decision
    cancel: bool
    backlog: int


def append(
    task: UUID,
    keys: TaskKeys,
    bodies: Sequence[Body],
    *,
    epoch: str,
    attempt: int,
    n: int,
    lease_ms: int,
    limits: LogLimits,
    failure: bool = False,
) -> Call[Appended]:
    """Append `bodies`, events n, n+1 … of the attempt, and renew its lease; a `lease_ms` of 0 gives it up.

    `failure` says that the attempt ends with these events and counts as failed. Raises ValueError for what no answer
    could put right: no event, an n below 1, an event after the terminal one.
    """
    if not bodies or n < 1 or any(body.state is not None and body.state.terminal for body in bodies[:-1]):
        msg = f"not a batch: {len(bodies)} events from n {n}, of which only the last may be terminal"
        raise ValueError(msg)
    last = bodies[-1]
    terminal = last.state is not None and last.state.terminal
    state = next((body.state for body in reversed(bodies) if body.state is not None), None)
    status = next((i for i in range(len(bodies), 0, -1) if bodies[i - 1].type == "status"), 0)
    if terminal:
        kind = LiveKind.TERMINAL
    else:
        kind = LiveKind.PROGRESS if all(body.progress for body in bodies) else LiveKind.MIXED
    arguments: tuple[bytes | str | int, ...] = (
        str(task),
        epoch,
        attempt,
        n,
        lease_ms,
        limits.max_events,
        limits.max_bytes,
        limits.linger_ms,
        "" if state is None else state.value,
        int(terminal),
        status,
        kind.value,
        int(failure),
        *(body.data for body in bodies),
    )
    return Call(Script.APPEND, (keys.head, keys.log, keys.events, keys.live), arguments, _appended)


def create(keys: TaskKeys, *, epoch: str, seq: int = 0, attempt: int = 0, state: State = State.QUEUED) -> Call[str]:
    """Make the head unless there is one; returns the epoch of the one that is there then (§4.1)."""
    return Call(
        Script.CONTROL,
        (keys.head, keys.log),
        ("create", epoch, seq, attempt, state.value),
        lambda reply: str(reply[3].decode()),
    )


def claim(keys: TaskKeys, *, lease_ms: int, reserve: bool = False) -> Call[Claim]:
    """Own the task (§4.2): see `protocol.head.claim`."""
    return Call(Script.CONTROL, (keys.head,), ("reserve" if reserve else "claim", lease_ms), _claim)


def renew(keys: TaskKeys, *, epoch: str, attempt: int, lease_ms: int) -> Call[Renewal]:
    """Keep owning the task (§4.3)."""
    return Call(Script.RENEW, (keys.head,), (lease_ms, attempt, epoch), _renewal)


def cancel(keys: TaskKeys) -> Call[Cancellation]:
    """Ask for the end of the task (§4.4)."""
    return Call(Script.CONTROL, (keys.head,), ("cancel",), _cancellation)


def _appended(reply: list[Any]) -> Appended:
    return Appended(Decision(Outcome(reply[0].decode()), reply[1], reply[2]), reply[3] == 1, reply[4])


def _claim(reply: list[Any]) -> Claim:
    return Claim(ClaimOutcome(reply[0].decode()), reply[1], reply[2], reply[3].decode(), reply[4])


def _renewal(reply: list[Any]) -> Renewal:
    outcome = RenewOutcome(reply[0].decode())
    if outcome is RenewOutcome.RENEWED:
        return Renewal(outcome, cancel=reply[1] == 1)
    return Renewal(outcome, attempt=reply[1])


def _cancellation(reply: list[Any]) -> Cancellation:
    state = reply[3].decode()
    return Cancellation(CancelOutcome(reply[0].decode()), reply[1], State(state) if state else None)
