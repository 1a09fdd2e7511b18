"""What an append costs on a real server. Measures; claims nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from redis import Redis

from protocol import calls
from protocol.calls import Body, LogLimits
from protocol.events import encode_body
from protocol.head import Outcome
from protocol.keys import TaskKeys
from protocol.log import Log, Owned


def appender(redis: Redis, *, events: int, limits: LogLimits) -> Callable[[], Any]:
    """A function that appends the next `events` events of one attempt."""
    task = uuid4()
    log = Log(redis, partitions=16, limits=limits)
    log.exchange([calls.create(TaskKeys.of(task), epoch="e1")])
    own = Owned(task, "e1", log.claim(task, lease_ms=60_000).attempt)
    bodies = [Body(encode_body(1, 1.5, "chunk", {"index": i, "data": "x" * 100}), "chunk") for i in range(events)]
    numbers = count(1, events)

    def append() -> Any:
        (answer,) = log.exchange([log.append_call(own, next(numbers), bodies, lease_ms=60_000)])
        return answer

    return append


@pytest.mark.benchmark(group="append")
@pytest.mark.parametrize(
    ("events", "limits"),
    [
        pytest.param(1, LogLimits(), id="1 event"),
        pytest.param(500, LogLimits(max_events=10**9, max_bytes=10**12), id="500 events"),
        pytest.param(500, LogLimits(max_events=500), id="500 events, and 500 trimmed"),
    ],
)
def test_a_batch_is_appended(benchmark: BenchmarkFixture, sync_redis: Redis, events: int, limits: LogLimits) -> None:
    pedantic: Any = benchmark.pedantic
    answer = pedantic(appender(sync_redis, events=events, limits=limits), rounds=20, warmup_rounds=2)

    assert answer.decision.outcome is Outcome.APPENDED
