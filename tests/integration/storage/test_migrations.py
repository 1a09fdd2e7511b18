"""The migrations make what the tables say, both ways, and several at once do not hurt each other."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.changes import NewTask
from api.storage.database import create_engine
from api.storage.tasks import TaskStore
from tests.unit.projection.samples import EPOCH, at

ROOT = Path(__file__).parents[3]
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
INDEXES = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"


async def alembic(url: str | None, *arguments: str) -> tuple[int, str]:
    """Run Alembic in a process of its own, as it is run in earnest; returns the exit code and all it said."""
    environment = os.environ | {"DATABASE_URL": url or ""}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def upgraded(url: str, *arguments: str) -> None:
    code, said = await alembic(url, *arguments)
    assert code == 0, said


async def names(engine: AsyncEngine, query: str) -> list[str]:
    async with engine.connect() as connection:
        return list(await connection.scalars(text(query)))


async def test_the_tables_are_those_that_the_migrations_make(database_url: str) -> None:
    code, said = await alembic(database_url, "check")

    assert code == 0, said
    assert "No new upgrade operations detected" in said


async def test_down_and_up_again_gives_the_same_tables(database_url: str, engine: AsyncEngine) -> None:
    before = await names(engine, TABLES), await names(engine, INDEXES)
    await TaskStore(engine).insert(NewTask(uuid4(), "synthetic", {}, EPOCH, at(0)))

    await upgraded(database_url, "downgrade", "base")
    assert await names(engine, TABLES) == ["alembic_version"]

    await upgraded(database_url, "upgrade", "head")
    assert (await names(engine, TABLES), await names(engine, INDEXES)) == before
    assert before[0] == ["alembic_version", "events", "tasks"]
    code, said = await alembic(database_url, "check")
    assert code == 0, said


async def test_replicas_that_migrate_at_the_same_time_wait_for_one_another(database_url: str) -> None:
    await upgraded(database_url, "downgrade", "base")

    ended = await asyncio.gather(*(alembic(database_url, "upgrade", "head") for _ in range(3)))

    assert [code for code, _ in ended] == [0, 0, 0], ended


async def test_the_statements_can_be_printed_without_a_server() -> None:
    code, said = await alembic(None, "upgrade", "head", "--sql")

    assert code == 0, said
    assert "CREATE TABLE tasks" in said
    assert "fillfactor" in said


async def test_without_a_database_nothing_is_migrated_by_mistake() -> None:
    code, said = await alembic(None, "upgrade", "head")

    assert code != 0
    assert "DATABASE_URL is not set" in said


@pytest.mark.parametrize("table", ["tasks", "events"])
async def test_json_is_kept_as_text(database_url: str, table: str) -> None:
    """As jsonb it would lose the order of keys, and U+0000 would be refused."""
    engine = create_engine(database_url, application_name="test")
    async with engine.connect() as connection:
        types = await connection.scalars(
            text(
                "SELECT data_type FROM information_schema.columns WHERE table_name = :table AND data_type LIKE 'json%'"
            ),
            {"table": table},
        )
    await engine.dispose()

    assert set(types) == {"json"}
