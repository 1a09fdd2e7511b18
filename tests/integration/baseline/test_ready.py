"""The health command of the baseline worker's container, as its engine runs it."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.baseline.processes import LONG_S, ROOT, Baseline, until

NOBODY = "no worker of this host has reported within 5 s\n"


def ask(file: Path) -> tuple[int, str]:
    """The exit code, and what was said."""
    ended = subprocess.run(
        [sys.executable, "-m", "baseline.worker.ready"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "BASELINE_DB": str(file)},
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr.removeprefix("baseline worker: ")


def change(file: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(file, timeout=LONG_S)) as connection, connection:
        connection.execute(statement, values)


def test_a_worker_is_ready_from_its_start_to_its_end(baseline: Baseline) -> None:
    worker = baseline.worker()
    until(lambda: ask(baseline.file) == (0, ""))

    worker.end()

    assert ask(baseline.file) == (1, NOBODY)


def test_the_last_report_of_a_killed_worker_gets_old(baseline: Baseline) -> None:
    worker = baseline.worker()
    until(lambda: ask(baseline.file) == (0, ""))
    worker.kill()
    assert ask(baseline.file) == (0, "")

    change(baseline.file, "UPDATE workers SET beat = beat - 6000")

    assert ask(baseline.file) == (1, NOBODY)


@pytest.mark.parametrize("name", ["other:7", f"{socket.gethostname()}-2:7", f"not-{socket.gethostname()}:7"])
def test_a_worker_of_another_host_is_none_of_this(baseline: Baseline, name: str) -> None:
    worker = baseline.worker()
    until(lambda: "Worker ready" in worker.text)
    worker.end()

    change(baseline.file, "INSERT INTO workers VALUES (?, ?, 1, 1)", name, time.time() * 1000)

    assert ask(baseline.file) == (1, NOBODY)


def test_a_file_that_is_missing_or_holds_something_else_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    missing, text = tmp_path / "none.db", tmp_path / "a #%20?b.db"
    text.write_text("something else, and long enough to be looked at" * 100)

    assert ask(missing) == (1, f"{missing} cannot be read: unable to open database file\n")
    assert ask(text) == (1, f"{text} cannot be read: file is not a database\n")
    assert not missing.exists()
