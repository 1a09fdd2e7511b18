"""What an event says of its task, and which texts are events (docs/protocol.md §3)."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from pydantic import ValidationError

from protocol.events import (
    TERMINAL,
    Event,
    LiveKind,
    LiveMessage,
    State,
    encode_body,
    parse_event,
    parse_frame,
    status_data,
)

GOOD: Final[dict[str, Any]] = {
    "task": "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e",
    "seq": 1,
    "attempt": 1,
    "ts": 1763971200123.4,
    "type": "chunk",
    "data": {"index": 0, "data": "3"},
}


def event(kind: str, **data: Any) -> Event:
    return parse_event(json.dumps({**GOOD, "type": kind, "data": data}))


@pytest.mark.parametrize(
    ("given", "state", "progress", "terminal"),
    [
        (event("chunk", index=0, data="3"), None, False, False),
        (event("result", result=None), State.SUCCEEDED, False, True),
        (event("status", state="running", progress=None), State.RUNNING, False, False),
        (event("status", state="running"), State.RUNNING, False, False),
        (event("status", state="running", progress={}), State.RUNNING, True, False),
        (event("status", state="queued", progress={"current": 1}), State.QUEUED, False, False),
        (event("status", state="failed", progress={"current": 1}), State.FAILED, False, True),
        (event("status", state="cancelled"), State.CANCELLED, False, True),
        (event("status", state="succeeded"), State.SUCCEEDED, False, True),
    ],
)
def test_an_event_says_its_state_and_whether_it_can_be_superseded_or_ends_the_task(
    given: Event, state: State | None, progress: bool, terminal: bool
) -> None:
    assert (given.state, given.is_progress, given.is_terminal) == (state, progress, terminal)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0},
        {"seq": -1},
        {"seq": 1.5},
        {"seq": None},
        {"attempt": -1},
        {"ts": "soon"},
        {"type": "hello"},
        {"type": None},
        {"data": None},
        {"data": []},
        {"data": "text"},
        {"task": 7},
    ],
)
def test_what_lacks_the_form_is_no_event(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse_event(json.dumps({**GOOD, **change}))


@pytest.mark.parametrize("key", list(GOOD))
def test_every_key_is_needed(key: str) -> None:
    with pytest.raises(ValidationError):
        parse_event(json.dumps({name: value for name, value in GOOD.items() if name != key}))


def test_a_key_that_is_not_known_is_ignored() -> None:
    assert parse_event(json.dumps({**GOOD, "colour": "green"})) == parse_event(json.dumps(GOOD))


@pytest.mark.parametrize("frame", ["", "null", "{}", json.dumps(GOOD), "[1]", "[[]]", '[{"task":"x"}]', "[" * 10_000])
def test_what_is_no_array_of_events_is_no_frame(frame: str) -> None:
    with pytest.raises(ValidationError):
        parse_frame(frame)


def test_a_status_of_a_state_that_is_none_is_found_when_it_is_asked_for() -> None:
    strange = event("status", state="paused")

    with pytest.raises(ValueError, match="paused"):
        _ = strange.state


def test_the_terminal_states_are_the_three_from_which_nothing_leads_on() -> None:
    assert {state for state in State if state.terminal} == TERMINAL == {"succeeded", "failed", "cancelled"}


def test_a_body_has_its_keys_in_the_order_of_the_document() -> None:
    body = encode_body(2, 1763971200123.4567, "status", status_data(State.FAILED, error={"type": "E", "message": "é"}))

    assert body.decode() == (
        '"attempt":2,"ts":1763971200123.457,"type":"status",'
        '"data":{"state":"failed","progress":null,"message":null,"error":{"type":"E","message":"é"}}}'
    )


def test_the_header_of_a_live_message_ends_at_the_first_line_break() -> None:
    message = LiveMessage.parse(b'9f3c 7 9 p\n[{"a":"\n"},\n{}]')

    assert message == LiveMessage("9f3c", 7, 9, LiveKind.PROGRESS, '[{"a":"\n"},\n{}]')
