"""One running system for the tests of a module."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.stack import Stack, stack


@pytest.fixture
def system(shared_system: Stack) -> Iterator[Stack]:
    """Two replicas and two workers; whatever a test does to them is healed afterwards."""
    yield shared_system
    shared_system.heal()


@pytest.fixture(scope="module")
def shared_system() -> Iterator[Stack]:
    # not pytest's own folder, which is closed to the account under which root runs PostgreSQL
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, stack(Path(folder), lease_ms=3_000) as made:
        yield made
        assert made.end() == [], "every process must end when it is asked to"
