"""What emitting costs a task while the flusher sends to a real server. Measures; claims nothing about time."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.integration.worker.conftest import StartFlusher
from tests.integration.worker.tasks import Tasks
from workloads.updates import Progress

AIM_US = 20


@pytest.mark.benchmark(group="emitter")
@pytest.mark.parametrize(
    "updates",
    [
        pytest.param(500, id="500 updates into an empty buffer"),
        pytest.param(20_000, id="20,000 updates, as fast as they are taken"),
    ],
)
def test_updates_are_emitted(
    benchmark: BenchmarkFixture, tasks: Tasks, start_flusher: StartFlusher, updates: int
) -> None:
    owned = tasks.claim()
    emitter = start_flusher().open(owned, 0)

    chunks = 0

    def emit() -> None:
        nonlocal chunks
        chunks += updates // 2
        for number in range(updates // 2):
            emitter.chunk({"digit": "3", "position": number})
            emitter.progress(Progress(number, updates).as_json())

    pedantic: Any = benchmark.pedantic
    pedantic(emit, setup=emitter.wait_flushed, rounds=20, warmup_rounds=1)
    emitter.wait_flushed()

    stats: Any = benchmark.stats
    if stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["µs an update"] = round(stats.stats.median / updates * 1e6, 1)
        benchmark.extra_info["µs an update, aimed at"] = AIM_US
    assert tasks.head(owned.task).seq > chunks
