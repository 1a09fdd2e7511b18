"""What a delta and the whole state hold, and their bounds."""

from __future__ import annotations

import json

import pytest

from baseline import updates
from baseline.api.views import delta_body, whole_body
from baseline.storage import reading, tasks
from baseline.storage.appending import Ending
from baseline.storage.reading import MAX_DELTA_BYTES, MAX_DELTA_UPDATES, TooLarge, Whole
from baseline.storage.tasks import TaskRow
from baseline.updates import State
from tests.unit.baseline.files import LEASE_MS, File, told


def whole(file: File, row: TaskRow) -> Whole:
    found = reading.whole(file.connection, row.id)
    assert found is not None
    return found


def test_an_unknown_task_is_none_everywhere(file: File) -> None:
    assert reading.delta(file.connection, "nobody", 0) is None
    assert reading.whole(file.connection, "nobody") is None
    assert tasks.find_full(file.connection, "nobody") is None


def test_an_event_has_the_form_of_the_event_driven_side(file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()
    emitted = updates.chunk(0, {"text": 'ein "Stück" π\n'})
    file.append(claimed.owned, emitted)

    (event,) = file.events(row, after=1)

    assert list(event) == ["task", "seq", "attempt", "ts", "type", "data"]
    assert event["ts"] == pytest.approx(emitted.ts, abs=0.0006)
    assert event | {"ts": 0} == {
        "task": row.id,
        "seq": 2,
        "attempt": 1,
        "ts": 0,
        "type": "chunk",
        "data": {"index": 0, "data": {"text": 'ein "Stück" π\n'}},
    }


def test_every_cursor_gives_exactly_what_follows_it(file: File) -> None:
    row = file.finish()
    events = file.events(row)

    assert [event["seq"] for event in events] == [1, 2, 3, 4]
    for after in range(5):
        assert file.events(row, after) == events[after:]


def test_a_delta_is_bounded_by_number(file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()
    file.append(claimed.owned, *(updates.chunk(n, n) for n in range(2 * MAX_DELTA_UPDATES)))

    delta = reading.delta(file.connection, row.id, 0)

    assert delta is not None
    assert (delta.last, delta.seq) == (MAX_DELTA_UPDATES, 2 * MAX_DELTA_UPDATES + 1)
    assert json.loads(delta_body(row.id, delta))["next"] == MAX_DELTA_UPDATES
    assert file.story(row) == ["running", *range(2 * MAX_DELTA_UPDATES)]


def test_a_delta_is_bounded_by_bytes_and_never_empty(file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()
    large = "x" * (MAX_DELTA_BYTES // 5)
    file.append(claimed.owned, *(updates.chunk(n, large) for n in range(12)))

    delta = reading.delta(file.connection, row.id, 1)

    assert delta is not None
    assert delta.last == 6
    assert MAX_DELTA_BYTES < len(delta.events) < 1.3 * MAX_DELTA_BYTES
    assert file.story(row) == ["running"] + [large] * 12


def test_next_is_null_when_nothing_follows_any_more(file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()

    def following(after: int) -> object:
        delta = reading.delta(file.connection, row.id, after)
        assert delta is not None
        return json.loads(delta_body(row.id, delta))["next"]

    assert following(0) == following(1) == 1
    file.append(claimed.owned, updates.result("1"), ending=Ending(State.SUCCEEDED, result="1"))
    assert following(1) is following(2) is None


def test_the_whole_state_is_that_of_the_newest_attempt(file: File) -> None:
    row = file.submit()
    (first,) = file.claim()
    file.append(first.owned, updates.chunk(0, "old"), updates.progress({"current": 1}))
    (second,) = file.claim(later_ms=2 * LEASE_MS)
    file.append(second.owned, updates.chunk(0, "a"), updates.progress({"current": 1}), updates.chunk(1, "b"))

    body = json.loads(whole_body(whole(file, row)))

    assert [told(event) for event in body["events"]] == ["a", "running", "b"]
    assert (body["state"], body["attempt"], body["seq"], body["next"]) == ("running", 2, 7, 7)
    assert body["progress"] == {"current": 1}

    file.append(second.owned, updates.result("2"), ending=Ending(State.SUCCEEDED, result="2"))
    body = json.loads(whole_body(whole(file, row)))
    assert [told(event) for event in body["events"]] == ["a", "running", "b", 2]
    assert (body["state"], body["next"]) == ("succeeded", None)


def test_the_whole_state_of_a_task_that_has_not_begun_is_empty(file: File) -> None:
    body = json.loads(whole_body(whole(file, file.submit())))

    assert (body["state"], body["seq"], body["next"], body["events"]) == ("queued", 0, 0, [])
    assert body["progress"] is body["error"] is body["started_at"] is None


def test_the_whole_state_of_a_failed_task_tells_its_error(file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()
    error = updates.error("LookupError", "no luck")
    file.append(claimed.owned, updates.status(State.FAILED, error=error), ending=Ending(State.FAILED, error=error))

    body = json.loads(whole_body(whole(file, row)))

    assert body["error"] == body["events"][-1]["data"]["error"] == {"type": "LookupError", "message": "no luck"}


def test_a_whole_state_that_is_too_large_is_refused_before_it_is_read(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = file.finish()
    monkeypatch.setattr(reading, "MAX_WHOLE_BYTES", row.size)
    assert whole(file, row).events
    monkeypatch.setattr(reading, "MAX_WHOLE_BYTES", row.size - 1)
    with pytest.raises(TooLarge, match="after=0"):
        whole(file, row)


def test_the_seqs_of_tasks_that_are_waited_for(file: File) -> None:
    rows = [file.submit() for _ in range(3)]
    file.claim(places=2)

    assert reading.seqs(file.connection, [rows[0].number, rows[2].number, 99]) == {rows[0].number: 1, rows[2].number: 0}
