"""Events and frames (docs/protocol.md §3, §6.1): what goes in comes out, and what is no JSON does not go in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocol.events import (
    EventType,
    LiveKind,
    LiveMessage,
    State,
    encode_body,
    encode_frame,
    parse_event,
    parse_frame,
    status_data,
)

TASK = "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e"

texts = st.text() | st.text("\x00\x1f\x7f\"\\/\u2028\u2029\ufeff\uffffé🎈👩\u200d🚀'{}[],: \n", max_size=20)
numbers = st.integers() | st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(texts, values, max_size=5)
times = st.floats(0, 2**42)


def event(body: bytes, seq: int = 1) -> bytes:
    """What append.lua makes of a body."""
    return f'{{"task":"{TASK}","seq":{seq},'.encode() + body


@given(objects, times, st.integers(1, 2**53 - 1), st.integers(1, 2**53 - 1))
@example({"π": "\u2028🎈", "big": 10**4000, "": None}, 1763971200123.4, 1, 42)
def test_any_json_comes_out_as_it_went_in(data: dict[str, Any], ts: float, attempt: int, seq: int) -> None:
    body = encode_body(attempt, ts, "chunk", data)

    parsed = parse_event(event(body, seq))

    assert (parsed.task, parsed.seq, parsed.attempt, parsed.type) == (TASK, seq, attempt, "chunk")
    assert parsed.data == data
    assert math.isclose(parsed.ts, ts, abs_tol=0.000_6), "milliseconds with three decimals"
    assert json.loads(event(body, seq))["data"] == data, "a parser that knows nothing of us agrees"
    assert b"\n" not in body, "an event is one line, as server-sent events need it"


def nested(value: Any) -> st.SearchStrategy[dict[str, Any]]:
    """`value` anywhere in an object."""
    wrap = st.sampled_from([lambda inner: [0, inner], lambda inner: {"x": inner}])
    return st.lists(wrap, max_size=4).map(lambda wraps: {"data": _wrapped(value, wraps)})


def _wrapped(value: Any, wraps: list[Any]) -> Any:
    for wrap in wraps:
        value = wrap(value)
    return value


no_json = st.sampled_from(
    [math.nan, math.inf, -math.inf, "\ud800", "a\udfffb", {"\udc00": 1}, b"bytes", {1, 2}, object(), 10**5000, 1j]
)


@given(no_json.flatmap(nested))
def test_what_is_no_json_is_refused_where_it_is_encoded(data: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        encode_body(1, 1.5, "chunk", data)


@given(st.lists(st.tuples(st.sampled_from(["status", "chunk", "result"]), values), min_size=1, max_size=5))
def test_a_frame_holds_its_events_in_order(contents: list[tuple[EventType, Any]]) -> None:
    bodies = [encode_body(1, 1.5, kind, {"state": "running", "result": value}) for kind, value in contents]
    events = [event(body, seq) for seq, body in enumerate(bodies, start=1)]

    frame = encode_frame(events)

    parsed = parse_frame(frame)
    assert parsed == [parse_event(raw) for raw in events]
    assert [one.seq for one in parsed] == list(range(1, len(events) + 1))
    assert parse_frame(frame.decode()) == parsed


@given(st.sampled_from(State), st.none() | objects, st.none() | texts, st.none() | objects)
def test_a_status_says_its_state(
    state: State, progress: Mapping[str, Any] | None, message: str | None, error: Mapping[str, Any] | None
) -> None:
    data = status_data(state, progress=progress, message=message, error=error)

    parsed = parse_event(event(encode_body(1, 1.5, "status", data)))

    assert (parsed.state, parsed.is_terminal) == (state, state in {"succeeded", "failed", "cancelled"})
    assert parsed.is_progress == (state == "running" and progress is not None)
    assert ("error" in parsed.data) == (error is not None)


@given(
    st.text("0123456789abcdef", min_size=1, max_size=16),
    st.integers(1, 2**53 - 1),
    st.integers(0, 500),
    st.sampled_from(LiveKind),
    objects,
)
def test_a_live_message_is_split_without_reading_its_frame(
    epoch: str, first: int, more: int, kind: LiveKind, data: dict[str, Any]
) -> None:
    frame = encode_frame([event(encode_body(1, 1.5, "chunk", data), first)])

    message = LiveMessage.parse(f"{epoch} {first} {first + more} {kind}\n".encode() + frame)

    assert message == LiveMessage(epoch, first, first + more, kind, frame.decode())


@given(st.binary(max_size=60))
@example(b"")
@example(b"e1 1 2\n[]")
@example(b"e1 1 2 x\n[]")
@example(b"e1 1 b p\n[]")
@example(b"e1 1 1 p\n\xff")
def test_bytes_that_are_no_message_raise_value_errors_only(raw: bytes) -> None:
    for parse, error in (
        (LiveMessage.parse, ValueError),
        (parse_frame, ValidationError),
        (parse_event, ValidationError),
    ):
        try:
            parse(raw)
        except error:
            continue
