"""What events cost the event loop, from the bytes of their frames to merged changes. Measures; claims nothing."""

from __future__ import annotations

from uuid import UUID

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from api.projection.entries import Entry, parse
from api.projection.fold import merge
from api.storage.changes import Changes
from tests.unit.projection.samples import chunk, fields, progress

EVENTS = 2_000
"""Of 20 tasks, chunks and progress in turn; some 200 bytes each."""


def entries(per_entry: int) -> list[Entry]:
    found = []
    for first in range(0, EVENTS, per_entry):
        task = UUID(int=first // per_entry % 20)
        seqs = range(first + 1, first + 1 + per_entry)
        events = [chunk(seq, "x" * 80, task=task) if seq % 2 else progress(seq, task=task) for seq in seqs]
        found.append(Entry(0, f"{first}-0", fields(*events, task=task)))
    return found


@pytest.mark.benchmark(group="projection of 2,000 events, parse and fold")
@pytest.mark.parametrize("per_entry", [1, 10, 100], ids="{} an entry".format)
def test_entries_become_changes(benchmark: BenchmarkFixture, per_entry: int) -> None:
    given = entries(per_entry)

    def project() -> Changes:
        return merge(*(parse(entry).changes for entry in given))

    changes = benchmark(project)

    assert sum(map(len, changes.events.values())) == EVENTS
