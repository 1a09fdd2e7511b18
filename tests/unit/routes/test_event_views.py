"""Events as they are described, and as other code reads and shows them."""

from __future__ import annotations

from typing import get_args

import pytest

from api.routes.event_views import EVENTS, ProgressView
from api.routes.views import TaskView
from protocol.events import Event, EventType
from tests.unit.projection.samples import row


def test_what_is_described_are_the_events_that_are_read() -> None:
    assert [get_args(kind.model_fields["type"].annotation)[0] for kind in EVENTS] == list(get_args(EventType))
    for kind in EVENTS:
        assert kind.model_fields.keys() == Event.model_fields.keys()


@pytest.mark.parametrize("name", ProgressView.model_fields)
def test_each_part_of_progress_may_be_null(name: str) -> None:
    """docs/protocol.md §3.2; a worker of another language may know no more than a message."""
    progress = {"current": 1, "total": 2, "ratio": 0.5, "message": "m", "metrics": {}} | {name: None}
    shown = TaskView.of(row(progress=progress), "").progress

    assert shown is not None
    assert shown.model_dump() == progress
