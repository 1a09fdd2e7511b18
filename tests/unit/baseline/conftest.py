from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from baseline.storage.database import connect
from baseline.storage.schema import migrate
from tests.unit.baseline.files import File


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a file with its tables."""
    path = tmp_path / "new" / "baseline.db"
    migrate(path)
    return path


@pytest.fixture
def file(path: Path) -> Iterator[File]:
    with closing(connect(path)) as connection:
        yield File(connection)
