"""What the processes of the system have used, as they report it to each other (docs/protocol.md §10)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

Role = Literal["api", "worker"]

KEY: Final = "tasks:usage"
INTERVAL_S: Final = 1.0
SILENT_MS: Final = 5_000
"""A process that has not reported for so long is not listed."""
FORGOTTEN_MS: Final = 300_000
"""What is older is removed; the whole hash too, when nobody reports any more."""
CLEAN_EVERY: Final = 60
"""Reports of a process after which it looks for what is to be removed."""
_MOST: Final = 2**53


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since its start: CPU in seconds, and resident memory now.

    `at_ms` is when that was read: Unix time in milliseconds, by the clock of the process.
    """

    name: str
    role: Role
    cpu_s: float
    memory_bytes: int
    at_ms: float

    @property
    def field(self) -> str:
        """Of the hash."""
        return f"{self.role}:{self.name}"

    def encode(self) -> str:
        """The value of its field."""
        return json.dumps(asdict(self))


def decode(field: bytes, value: bytes) -> Usage | None:
    """The report in a field of the hash; None for anything that is none, or that belongs into another field."""
    try:
        body = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    name, role = body.get("name"), body.get("role")
    cpu_s, memory_bytes, at_ms = (body.get(key) for key in ("cpu_s", "memory_bytes", "at_ms"))
    if not isinstance(name, str) or role not in get_args(Role) or not all(map(_counts, (cpu_s, memory_bytes, at_ms))):
        return None
    usage = Usage(name, role, float(cpu_s), int(memory_bytes), float(at_ms))  # type: ignore[arg-type]
    try:
        return usage if usage.field.encode() == field else None
    except UnicodeEncodeError:  # half a character, as JSON may hold, can be sent to nobody
        return None


def listed(entries: Mapping[bytes, bytes], now_ms: float) -> list[Usage]:
    """Those that reported lately, by role and name."""
    usages = [decode(field, value) for field, value in entries.items()]
    recent = [usage for usage in usages if usage is not None and abs(now_ms - usage.at_ms) <= SILENT_MS]
    return sorted(recent, key=lambda usage: (usage.role, usage.name))


def forgotten(entries: Mapping[bytes, bytes], now_ms: float) -> list[bytes]:
    """The fields to remove: those of processes that are long gone, and those that hold no report."""
    usages = {field: decode(field, value) for field, value in entries.items()}
    return [field for field, usage in usages.items() if usage is None or abs(now_ms - usage.at_ms) > FORGOTTEN_MS]


def _counts(value: Any) -> bool:
    """Whether it is a number, finite and not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST
