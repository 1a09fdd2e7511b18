"""Entries of the partition streams, and what they change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from api.projection.fold import fold
from api.projection.frames import Malformed, events_of
from api.storage.changes import Changes


@dataclass(frozen=True)
class Entry:
    """One append, as a partition stream holds it. `deliveries` counts how often a consumer was given it, from 1."""

    partition: int
    id: str
    fields: Mapping[bytes, bytes]
    deliveries: int = 1

    @cached_property
    def size(self) -> int:
        """Bytes of all names and values."""
        return sum(len(name) + len(value) for name, value in self.fields.items())


@dataclass(frozen=True, slots=True)
class Parsed:
    """An entry with what it changes. It is urgent when it holds a transition or an end."""

    entry: Entry
    changes: Changes
    events: int
    urgent: bool


def parse(entry: Entry) -> Parsed:
    """Read the frame of `entry` and fold it. Raises Malformed with a reason that is fit for a log."""
    try:
        task = entry.fields[b"task"].decode("ascii")
        epoch = entry.fields[b"epoch"].decode("ascii")
        events = events_of(entry.fields[b"frame"], task)
        changes = fold(UUID(task), epoch, events)
    except KeyError as error:
        msg = f"lacks {error}"
        raise Malformed(msg) from error
    except Malformed:
        raise
    except ValueError as error:  # the task is no UUID, the epoch no ASCII, the progress an infinity
        msg = f"not an event: {error}"
        raise Malformed(msg[:500]) from error
    return Parsed(entry, changes, len(events), urgent=any(event.urgent for event in events))
