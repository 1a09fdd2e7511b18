"""What a storm has seen, for the checker to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from client.follow import Update


@dataclass(slots=True)
class Transcript:
    """What one follower has seen, and how it ended (empty: with the terminal event)."""

    task: str
    updates: list[Update] = field(default_factory=list)
    problem: str = ""


@dataclass(slots=True)
class Submitted:
    """What was asked for; `cancelled_at` is when an accepted cancel was answered (Unix ms)."""

    kind: str
    params: Mapping[str, Any]
    cancel_sent: bool = False
    cancelled_at: float | None = None


@dataclass(slots=True)
class Record:
    """Everything a storm has seen.

    `faults` is what was done to the system; `notes` what is worth reading and proves nothing; `may_restart` whether
    Redis may have come back with less than it had.
    """

    accepted: dict[str, Submitted] = field(default_factory=dict)
    transcripts: list[Transcript] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    may_restart: bool = False
