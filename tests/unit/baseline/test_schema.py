"""How a file comes to have its tables."""

from __future__ import annotations

import fcntl
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from baseline.storage import schema
from baseline.storage.database import connect
from baseline.storage.schema import MIGRATIONS, UnusableFile, migrate
from tests.unit.baseline.files import File


def test_a_new_file_has_a_write_ahead_log_and_the_newest_version(path: Path) -> None:
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_what_is_in_the_file_stays_when_it_is_migrated_again(path: Path, file: File) -> None:
    row = file.submit()
    migrate(path)
    assert file.row(row) == row


def test_the_tasks_of_an_older_file_stay_and_can_be_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.db"
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", MIGRATIONS[:1])
        migrate(path)
    with closing(connect(path)) as connection:
        file = File(connection)
        row = file.submit()
        migrate(path)
        assert [claimed.id for claimed in file.claim()] == [row.id]


def test_any_number_may_migrate_at_once(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / f"{number}.db"
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(migrate, path) for _ in range(8)]:
                done.result()
        with closing(connect(path)) as connection:
            assert File(connection).rows("tasks") == 0


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (("CREATE TABLE first (a)", "no statement"),))
    with pytest.raises(UnusableFile, match="syntax error"):
        migrate(tmp_path / "b.db")
    with closing(connect(tmp_path / "b.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_file_of_a_newer_program_is_refused(path: Path) -> None:
    with closing(connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(UnusableFile, match=f"version {len(MIGRATIONS) + 1}"):
        migrate(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    path.write_text("something else, and long enough to be looked at as a database " * 20)
    with pytest.raises(UnusableFile, match="not a database"):
        migrate(path)
    assert path.read_text().startswith("something else")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnusableFile, match="cannot be used"):
        migrate(tmp_path / "file" / "b.db")


def test_the_wait_for_another_migration_has_a_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_LOCK_TIMEOUT_S", 0.05)
    with path.with_name("baseline.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UnusableFile, match="another process holds"):
            migrate(path)


def test_the_tables_refuse_values_of_another_type(file: File) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        file.connection.execute("INSERT INTO updates VALUES (1, 'first', 1, 0, 'chunk', '{}')")
