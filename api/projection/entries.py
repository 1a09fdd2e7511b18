"""Entries of the partition streams and what they say. Pure.

    ValueError
    └── MalformedEntry    no worker of ours wrote this: it can be kept as a dead letter, never applied
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import ValidationError

from api.projection.fold import fold
from api.storage.changes import Changes
from protocol.events import Event, parse_frame


class MalformedEntry(ValueError):  # noqa: N818 - it names the entry
    """The entry lacks a field, or its frame is no frame."""


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
    """Read the frame of `entry` and fold it. Raises MalformedEntry with a reason that is fit for a log."""
    try:
        task = entry.fields[b"task"].decode("ascii")
        epoch = entry.fields[b"epoch"].decode("ascii")
        events = parse_frame(entry.fields[b"frame"])
        changes = fold(events, epoch)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        msg = f"not a frame: {first['msg']} at {'.'.join(map(str, first['loc'])) or 'its start'}"
        raise MalformedEntry(msg) from error
    except KeyError as error:
        msg = f"lacks {error}"
        raise MalformedEntry(msg) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        msg = f"not an event: {error}"
        raise MalformedEntry(msg[:500]) from error
    if not events or any(event.task != task for event in events):
        msg = "the frame is empty or holds events of another task"
        raise MalformedEntry(msg)
    return Parsed(entry, changes, len(events), urgent=any(map(_is_urgent, events)))


def _is_urgent(event: Event) -> bool:
    return event.type != "chunk" and not event.is_progress
