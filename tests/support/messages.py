"""Live messages for the tests of subscription and hub."""

from __future__ import annotations

import json
from uuid import UUID

from protocol.events import LiveKind, LiveMessage

TASK = UUID("0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e")
EPOCH = "e1"
PROGRESS, MIXED, TERMINAL = LiveKind.PROGRESS, LiveKind.MIXED, LiveKind.TERMINAL


def message(first: int, last: int | None = None, kind: LiveKind = MIXED, *, epoch: str = EPOCH) -> LiveMessage:
    """A message of the events `first` … `last`, whose frame is as long as the events are many."""
    last = first if last is None else last
    frame = json.dumps([{"seq": seq} for seq in range(first, last + 1)])
    return LiveMessage(epoch, first, last, kind, frame)


def payload(sent: LiveMessage) -> bytes:
    """What append publishes for it (docs/protocol.md §6.1)."""
    return f"{sent.epoch} {sent.first} {sent.last} {sent.kind}\n{sent.frame}".encode()
