"""The tables, and how a file comes to have them.

Times are Unix time in milliseconds, with fractions.

- **tasks**: one row a task. `seq` counts its updates over all attempts; `attempt` is the fencing token: whoever writes
  tells its attempt, and is refused when it is not the newest. `lease` is the time before which nobody may claim the
  task: of a running one, the end of its owner's lease; of a queued one, when the next attempt may begin; null once it
  has ended. `failures` counts the attempts that failed or were lost; `size` is that of the submission and the updates
  in bytes. SQLite writes a row as a whole and reads it from its start: what may be large is last, and
- **submissions** holds the parameters, up to a megabyte of text, which are never written again.
- **updates**: every update. (task, seq) is the key and the order on the disk, so that a delta is one seek.
- **condemned**: the tasks that are gone and whose updates are being deleted, a slice at a time.
- **workers**: what each worker process last reported of itself.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from baseline.storage.database import connect, writing

MIGRATIONS: Final = (
    (
        """
        CREATE TABLE tasks (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'queued',
            attempt INTEGER NOT NULL DEFAULT 0,
            failures INTEGER NOT NULL DEFAULT 0,
            seq INTEGER NOT NULL DEFAULT 0,
            cancel INTEGER NOT NULL DEFAULT 0,
            lease REAL,
            size INTEGER NOT NULL DEFAULT 0,
            created REAL NOT NULL,
            started REAL,
            updated REAL NOT NULL,
            finished REAL,
            error TEXT,
            progress TEXT,
            result TEXT
        ) STRICT
        """,
        "CREATE TABLE submissions (task INTEGER PRIMARY KEY, params TEXT NOT NULL) STRICT",
        "CREATE INDEX tasks_claimable ON tasks (lease, number) WHERE lease IS NOT NULL",
        "CREATE INDEX tasks_cancelling ON tasks (number) WHERE cancel = 1",
        "CREATE INDEX tasks_finished ON tasks (finished, number, size) WHERE finished IS NOT NULL",
        """
        CREATE TABLE updates (
            task INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            ts REAL NOT NULL,
            type TEXT NOT NULL,
            data TEXT NOT NULL,
            PRIMARY KEY (task, seq)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE TABLE condemned (task INTEGER PRIMARY KEY) STRICT",
        """
        CREATE TABLE workers (
            name TEXT PRIMARY KEY,
            beat REAL NOT NULL,
            cpu_s REAL NOT NULL,
            memory_bytes INTEGER NOT NULL
        ) STRICT
        """,
    ),
    (
        # By kind: a worker passes over the kinds that have their share of its slots, however many of theirs wait.
        "DROP INDEX tasks_claimable",
        "CREATE INDEX tasks_claimable ON tasks (kind, lease, number) WHERE lease IS NOT NULL",
    ),
)


_LOCK_TIMEOUT_S: Final = 10.0


class UnusableFile(Exception):
    """The file cannot be used; the message says which and why."""


def migrate(path: Path) -> None:
    """Make the file and bring its tables up to date. Raises UnusableFile.

    Any number of processes may do so at once: the first does it under a lock, which the system drops when it dies.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite does not wait for its own lock when the journal mode changes: it answers "busy" at once.
        with _alone(path.with_name(f"{path.name}.lock")), closing(connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            _upgrade(connection)
    except (OSError, sqlite3.Error) as error:
        raise UnusableFile(f"{path} cannot be used: {error}") from error


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold the lock, within a limit. Raises TimeoutError, an OSError."""
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"another process holds {lock}") from None
                time.sleep(0.01)
        yield


def _upgrade(connection: sqlite3.Connection) -> None:
    with writing(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise UnusableFile(f"the file has version {version}, and this program knows {len(MIGRATIONS)}")
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
