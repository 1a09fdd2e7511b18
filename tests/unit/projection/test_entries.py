"""What an entry of a partition stream says, and which entries say nothing."""

from __future__ import annotations

from typing import Any

import pytest

from api.projection.entries import Entry, parse
from api.projection.frames import Malformed
from api.storage.changes import TaskEpoch
from tests.unit.projection.samples import EPOCH, OTHER, TASK, chunk, entry, progress, raw, result, running


def test_an_entry_gives_what_its_frame_changes() -> None:
    parsed = parse(entry(running(1), chunk(2)))

    assert parsed.events == 2
    assert parsed.changes.tasks.keys() == {TaskEpoch(TASK, EPOCH)}
    assert list(parsed.changes.events[TaskEpoch(TASK, EPOCH)]) == [1, 2]


@pytest.mark.parametrize(
    ("events", "urgent"),
    [([chunk(1), progress(2)], False), ([chunk(1), result(2)], True), ([running(1), chunk(2)], True)],
    ids=["chunk and progress", "an end among them", "a start among them"],
)
def test_an_entry_is_urgent_when_one_of_its_events_is(events: list[bytes], urgent: bool) -> None:
    assert parse(entry(*events)).urgent is urgent


def test_the_size_of_an_entry_is_that_of_its_names_and_values() -> None:
    assert Entry(0, "1-0", {b"task": b"12", b"frame": b"3456"}).size == len("task12frame3456")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no task": ({"without": "task"}, "lacks b'task'"),
    "no epoch": ({"without": "epoch"}, "lacks b'epoch'"),
    "no frame": ({"without": "frame"}, "lacks b'frame'"),
    "a task that is no UUID": ({"task": "7", "frame": b"[" + raw(1, "chunk", {}, task="7") + b"]"}, "badly formed"),  # type: ignore[arg-type]
    "a task beyond ASCII": ({"task": "ü"}, "'ascii' codec can't decode"),
    "an epoch beyond ASCII": ({"epoch": "ü"}, "'ascii' codec can't decode"),
    "events of another task": ({"task": OTHER}, "another task"),
    "a frame that is none": ({"frame": b"{}"}, "valid array"),
    "progress that has no end": (
        {"frame": b"[" + progress(1).replace(b'"total":100', b'"total":1e999') + b"]"},
        "not JSON compliant",
    ),
}


@pytest.mark.parametrize(("how", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_entry_that_no_worker_wrote_is_refused_with_a_reason(how: dict[str, Any], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        parse(entry(chunk(1), **how))
