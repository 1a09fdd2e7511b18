"""Alembic, as a program of its own: it is asked to migrate a database, or to compare its result with the tables."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from local.children import spawn
from local.server import running
from local.servers import Postgres
from local.settings import ROOT
from local.waiting import wait_for_end

_TIMEOUT_S: Final = 600.0
"""A migration of a large table may take minutes; it waits up to 2 for another one's lock."""


class MigrationFailed(Exception):
    """Alembic ended with an error, which it has printed."""


def upgrade(database_url: str) -> None:
    """Bring the database to the newest version. Raises MigrationFailed."""
    _alembic("upgrade", "head", database_url=database_url)


def check() -> None:
    """Migrate an empty database of its own and compare it with the tables. Raises MigrationFailed when they differ."""
    with (
        tempfile.TemporaryDirectory(prefix="migrations-") as folder,
        running(Postgres(Path(folder) / "postgres", durable=False)) as postgres,
    ):
        upgrade(postgres.url)
        _alembic("check", database_url=postgres.url)


def _alembic(*arguments: str, database_url: str) -> None:
    alembic = spawn(
        [sys.executable, "-m", "alembic", *arguments],
        on_our_death=signal.SIGTERM,
        cwd=ROOT,
        environment={"DATABASE_URL": database_url},
    )
    try:
        ended = wait_for_end(alembic, timeout_s=_TIMEOUT_S)
    finally:
        alembic.kill()
        alembic.wait()
    if not ended or alembic.returncode != 0:
        how = f"failed (exit code {alembic.returncode})" if ended else f"has not ended after {_TIMEOUT_S:g} s"
        msg = f"alembic {' '.join(arguments)} {how}; what it said is above"
        raise MigrationFailed(msg)
