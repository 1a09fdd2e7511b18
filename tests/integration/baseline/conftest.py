from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.baseline.processes import Api, Baseline


@pytest.fixture
def baseline(tmp_path: Path) -> Iterator[Baseline]:
    """Processes of the test's own, on a file of its own."""
    with closing(Baseline(tmp_path)) as baseline:
        yield baseline


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Baseline]:
    """An api and a worker for all tests that leave them as they are; they take turns, and end their tasks."""
    with closing(Baseline(tmp_path_factory.mktemp("baseline"))) as baseline:
        baseline.worker(BASELINE_CONCURRENCY=26)  # 16 for one kind, and one for each of the others
        yield baseline


@pytest.fixture(scope="session")
def api(running: Baseline) -> Api:
    """The api of `running`."""
    return running.api()
