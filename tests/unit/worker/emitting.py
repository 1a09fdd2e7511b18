"""An emitter without a flusher, and the answers that a flusher would bring it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from protocol.calls import Appended, Body
from protocol.head import Decision, Outcome
from protocol.log import Owned
from worker.emitter import Batch, Emitter, EmitterLimits

OWNED: Final = Owned(UUID(int=7), "e1", 3)
LONG_S: Final = 10.0
"""What never happens in these tests takes so long."""


def answer(outcome: Outcome = Outcome.APPENDED, *, cancel: bool = False) -> Appended:
    return Appended(Decision(outcome), cancel, backlog=0)


def data(body: Body) -> Any:
    """The `data` of an event."""
    return json.loads(b"{" + body.data)["data"]


def label(body: Body) -> str:
    """A body in short: c0 is the first chunk, p5 progress 5; else the state."""
    match body.type, data(body):
        case "chunk", {"index": index}:
            return f"c{index}"
        case "status", {"progress": {"current": current}}:
            return f"p{current}"
    return str(body.state)


@dataclass
class Desk:
    """An emitter, and how often it asked to be looked at."""

    limits: EmitterLimits = field(default_factory=EmitterLimits)
    n: int = 0
    now_s: float = 1.5
    notified: int = 0

    def __post_init__(self) -> None:
        self.emitter = Emitter(OWNED, self.n, self._notify, self.limits, lambda: self.now_s)

    def take(self) -> Batch:
        batch = self.emitter.take()
        assert batch is not None
        return batch

    def send(self) -> list[str]:
        """Take one batch, as if Redis appended it; what was in it."""
        batch = self.take()
        self.emitter.settle(answer())
        return [label(body) for body in batch.bodies]

    def _notify(self, emitter: Emitter) -> None:
        assert emitter is self.emitter
        self.notified += 1
