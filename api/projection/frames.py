r"""Events out of the bytes of a frame, with the text of their data kept as the worker wrote it. Pure.

Frames of the very form that append.lua and `protocol.events.encode_body` give them are cut with a regular expression
and one JSON scan an event (some 4 µs). The text between the cuts is what the archive keeps: nothing is encoded again,
and what JSON can say and a decoder cannot keep (1.10, 1e400, \ud800) stays. JSON of the same meaning in another form
is read by `protocol.events`, and its data is written anew.

ValueError
└── Malformed    no worker of ours wrote this: it can be kept as a dead letter, never applied
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, NoReturn, cast

from pydantic import ValidationError

from api.storage.changes import ArchivedEvent
from protocol.events import EventType, State, encode_frame, parse_frame

MAX_TS_MS: Final = 253_402_300_799_999.0
"""The last millisecond of the year 9999, where datetime ends."""

_START: Final = re.compile(
    r'\{"task":"(?P<task>[0-9a-f-]{36})","seq":(?P<seq>[1-9][0-9]{0,15}),"attempt":(?P<attempt>[0-9]{1,9})'
    r',"ts":(?P<ts>[0-9]{1,15}(?:\.[0-9]{1,6})?),"type":"(?P<type>status|chunk|result)","data":(?=\{)',
    re.ASCII,
)

_RESULT: Final = '{"result":'


class Malformed(ValueError):
    """What should hold events does not; the message is fit for a log."""


class FrameEvent(NamedTuple):
    """An event as the archive will keep it, the state it puts the task in (None for a chunk), and its data, decoded."""

    event: ArchivedEvent
    state: State | None
    data: Mapping[str, Any]

    @property
    def urgent(self) -> bool:
        """A transition or an end: more than progress and chunks."""
        return self.state is not None and (self.state is not State.RUNNING or self.data.get("progress") is None)

    def result(self) -> str:
        """The result of a result event: its text as the worker wrote it, when nothing stands beside it."""
        text = self.event.data
        if len(self.data) == 1 and text.startswith(_RESULT):
            return text[len(_RESULT) : -1]
        return encode(self.data["result"])


def events_of(frame: bytes, task: str) -> list[FrameEvent]:
    """The events of `frame`, at least one, all of `task`. Raises Malformed."""
    try:
        events = _cut(frame.decode(), task) or _read(frame, task)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        msg = f"{first['msg']} at {'.'.join(map(str, first['loc'])) or 'its start'}"
        raise Malformed(msg) from error
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)[:500]) from error
    if not events:
        raise Malformed("a frame without events")
    return events


def event_of(raw: bytes, task: str) -> FrameEvent:
    """One event of `task`, as log and head hold it. Raises Malformed."""
    return events_of(encode_frame([raw]), task)[0]


def encode(value: object) -> str:
    """Compact JSON in ASCII. Raises ValueError for NaN and infinity."""
    return _ENCODER.encode(value)


def _cut(frame: str, task: str) -> list[FrameEvent] | None:
    """The events of a frame in the form that we write; None when it has another."""
    if not frame.startswith("["):
        return None
    events = []
    at = 1
    while (start := _START.match(frame, at)) and start["task"] == task:
        begin = start.end()
        try:
            data, end = _DECODER.raw_decode(frame, begin)
        except (ValueError, RecursionError):
            return None
        kind = cast("EventType", start["type"])
        event = ArchivedEvent(int(start["seq"]), int(start["attempt"]), float(start["ts"]), kind, frame[begin:end])
        events.append(_checked(event, data))
        at = end + 2
        if not frame.startswith("},", end):
            return events if frame.startswith("}]", end) and at == len(frame) else None
    return None


def _read(frame: bytes, task: str) -> list[FrameEvent]:
    """The events of any frame. Raises pydantic.ValidationError and ValueError."""
    events = []
    for event in parse_frame(frame):
        if event.task != task:
            msg = f"an event of another task than {task}"
            raise ValueError(msg)
        kept = ArchivedEvent(event.seq, event.attempt, event.ts, event.type, encode(event.data))
        events.append(_checked(kept, event.data))
    return events


def _checked(event: ArchivedEvent, data: Mapping[str, Any]) -> FrameEvent:
    """The event with its state, when time and data are what they should be. Raises ValueError."""
    if not 0 <= event.ts <= MAX_TS_MS:
        msg = f"ts {event.ts} is no time"
        raise ValueError(msg)
    if event.type == "chunk":
        return FrameEvent(event, None, data)
    if event.type == "result":
        if "result" not in data:
            raise ValueError("a result event without a result")
        return FrameEvent(event, State.SUCCEEDED, data)
    if not all(isinstance(data.get(part), dict | None) for part in ("progress", "error")):
        raise ValueError("a status event whose progress or error is no object")
    return FrameEvent(event, State(str(data.get("state"))), data)


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
_ENCODER: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
