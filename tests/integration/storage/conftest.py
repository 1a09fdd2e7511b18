"""The stores on a real PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.archive import Archive
from api.storage.tasks import TaskStore


@pytest.fixture
def store(engine: AsyncEngine) -> TaskStore:
    return TaskStore(engine)


@pytest.fixture
def archive(engine: AsyncEngine) -> Archive:
    return Archive(engine)
