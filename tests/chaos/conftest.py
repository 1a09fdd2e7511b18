"""One running system for the tests of a module."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.children import adopt_orphans
from tests.chaos.leaks import check_connections, check_processes
from tests.chaos.stack import Stack, descendants, stack


@pytest.fixture
def system(shared_system: Stack) -> Iterator[Stack]:
    """Two replicas and two workers; whatever a test does to them is healed afterwards."""
    yield shared_system
    shared_system.heal()


@pytest.fixture(scope="module")
def shared_system() -> Iterator[Stack]:
    adopt_orphans()
    before = descendants()
    # not pytest's own folder, which is closed to the account under which root runs PostgreSQL
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, stack(Path(folder), lease_ms=3_000) as made:
        yield made
        assert made.end() == [], "every process must end when it is asked to"
        assert asyncio.run(check_connections(made)) == []
    assert check_processes(descendants, before) == []
