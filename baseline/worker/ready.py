"""`python -m baseline.worker.ready`: the exit code is 0 when a worker of this host has reported lately, else 1.

A container has a host name of its own and runs one worker.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from baseline.settings import BaselineSettings
from baseline.storage.workers import newest_report_here

_FRESH_MS: Final = 5_000
_BUSY_TIMEOUT_S: Final = 2.0


def main() -> int:
    """The exit code."""
    try:
        complaint = _complaint(BaselineSettings().baseline_db)
    except ValidationError as error:
        complaint = str(error)
    if complaint is not None:
        sys.stderr.write(f"baseline worker: {complaint}\n")
    return int(complaint is not None)


def _complaint(path: Path) -> str | None:
    """What is wrong; None when all is well. The file is neither made nor changed."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_TIMEOUT_S)) as connection:
            at_ms = newest_report_here(connection)
    except sqlite3.Error as error:
        return f"{path} cannot be read: {error}"
    if at_ms is None or time.time() * 1000 - at_ms > _FRESH_MS:
        return f"no worker of this host has reported within {_FRESH_MS // 1000} s"
    return None


if __name__ == "__main__":
    sys.exit(main())
