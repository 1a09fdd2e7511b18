"""Updates as they are stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol.events
from baseline import updates
from baseline.updates import MAX_UPDATE_BYTES, State, UpdateRefused
from protocol.events import Event, parse_event, status_data

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def event(update: updates.Update) -> Event:
    """As a client of the event-driven side would read it."""
    head = {"task": "t", "seq": 1, "attempt": 1, "ts": update.ts, "type": update.type}
    return parse_event(json.dumps(head)[:-1] + f',"data":{update.data}}}')


@given(VALUES)
def test_a_chunk_and_a_result_carry_any_json(value: Any) -> None:
    assert event(updates.chunk(3, value)).data == {"index": 3, "data": value}
    assert event(updates.result(updates.encode(value, "result"))).data == {"result": value}


def test_a_status_has_the_fields_of_the_event_driven_side() -> None:
    failed = updates.status(State.FAILED, "well", error=updates.error("LookupError", 'no "luck"'))
    error = {"type": "LookupError", "message": 'no "luck"'}
    assert event(failed).data == status_data(protocol.events.State.FAILED, message="well", error=error)
    assert event(updates.status(State.RUNNING)).data == status_data(protocol.events.State.RUNNING)


def test_progress_is_a_status_that_keeps_its_progress_apart() -> None:
    update = updates.progress({"current": 1, "total": 2})
    assert event(update).data == {"state": "running", "progress": {"current": 1, "total": 2}, "message": None}
    assert update.progress == '{"current":1,"total":2}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}, object(), {"deep": b"bytes"}])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(UpdateRefused, match="a chunk cannot be sent as JSON"):
        updates.chunk(0, value)


def test_what_contains_itself_is_refused() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(UpdateRefused, match="cannot be sent"):
        updates.encode(circle, "result")


def test_the_limit_is_one_of_bytes() -> None:
    fits = "é" * ((MAX_UPDATE_BYTES - 2) // 2)
    assert updates.chunk(0, fits).size > MAX_UPDATE_BYTES
    with pytest.raises(UpdateRefused, match=r"a chunk of 1,000,002 bytes is over the limit of 1,000,000"):
        updates.chunk(0, fits + "é")


def test_an_error_is_short_and_clean() -> None:
    described = json.loads(updates.error("ValueError", "\ud800" + "x" * 10_000))
    assert described["message"].startswith("?xxx")
    assert len(described["message"]) == updates.MAX_ERROR_CHARACTERS


@pytest.mark.parametrize("state", list(State))
def test_what_ends_a_task_is_terminal(state: State) -> None:
    assert state.terminal == (state.value in {"succeeded", "failed", "cancelled"})
