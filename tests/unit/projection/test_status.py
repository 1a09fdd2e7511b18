"""The snapshot that readiness and statistics are made of."""

from __future__ import annotations

import json
from dataclasses import asdict

from api.projection.status import Counters, ProjectionStatus

STATUS = ProjectionStatus(
    healthy=True,
    storage_error=None,
    redis_error="ConnectionError: refused",
    lag={0: 3, 7: 4},
    waiting_events=5,
    counters=asdict(Counters(events=9)),
)


def test_the_lag_is_that_of_all_partitions() -> None:
    assert STATUS.total_lag == 7


def test_it_can_be_told_as_json() -> None:
    told = json.loads(json.dumps(STATUS.as_json()))

    assert told["lag"] == {"0": 3, "7": 4}
    assert told["total_lag"] == 7
    assert told["redis_error"] == "ConnectionError: refused"
    assert told["counters"]["events"] == 9
