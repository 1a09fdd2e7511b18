"""A short storm with a fixed seed; `make chaos` runs long ones with seeds of their own."""

from __future__ import annotations

import pytest

from tests.chaos.stack import Stack
from tests.chaos.storm import weather


@pytest.mark.timeout(300)
async def test_a_short_storm_loses_nothing(system: Stack) -> None:
    record, problems = await weather(system, seed=20, tasks=25, seconds=12, followers=3)

    assert problems == []
    assert len(record.accepted) == 25
    assert record.faults, "a storm without a fault proves nothing"
    assert record.transcripts, "nor does one without followers"
