"""What it costs to commit a full batch. Measures; claims nothing."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from api.projection.fold import merge
from api.storage.apply import apply_changes
from api.storage.changes import ApplyStats, Changes, NewTask
from api.storage.database import create_engine
from api.storage.tasks import TaskStore
from tests.unit.projection.samples import EPOCH, at, changes, chunk, progress

TASKS = [UUID(int=number) for number in range(1, 21)]


def batch(first: int) -> Changes:
    """100 events, chunks and progress in turn, of each task, from the seq `first` on."""
    return merge(
        *(
            changes(
                *(chunk(seq, "x" * 80, task=task) if seq % 2 else progress(seq, task=task) for seq in seqs), task=task
            )
            for task in TASKS
            for seqs in [range(first, first + 100)]
        )
    )


@pytest.mark.benchmark(group="projection of 2,000 events, commit")
def test_a_full_batch_is_committed(benchmark: BenchmarkFixture, database_url: str) -> None:
    firsts = count(1, 100)
    with asyncio.Runner() as runner:
        engine = create_engine(database_url, application_name="benchmark")

        async def submit() -> None:
            for task in TASKS:
                await TaskStore(engine).insert(NewTask(task, "synthetic", {}, EPOCH, at(0)))

        def setup() -> tuple[tuple[Changes], dict[str, None]]:
            return (batch(next(firsts)),), {}

        def commit(given: Changes) -> ApplyStats:
            return runner.run(apply_changes(engine, given))

        runner.run(submit())
        measure: Any = benchmark.pedantic
        stats = measure(commit, setup=setup, rounds=20, warmup_rounds=2)
        runner.run(engine.dispose())

    assert stats.events_stored == 2_000
