"""The sign of life of a worker: a file of its machine, touched while it reaches Redis. `worker.ready` looks at its age.

Redis itself is no place for it: the node that holds the reports may be away while the worker runs tasks on the others.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

FRESH_S: Final = 15.0
"""A report that is not answered takes 5 s, a connection 3 s more, and to find out who takes it instead up to 3 s."""
_ENDING: Final = ".alive"


class Sign:
    """That of the worker `name`."""

    def __init__(self, name: str) -> None:
        self._path = _folder() / f"{quote(name, safe='@')}{_ENDING}"

    def give(self) -> None:
        """Say that the worker is alive now. Raises OSError."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        # Not through a link that somebody else has put there: the folder for all of a machine is anybody's.
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.utime(file)
        finally:
            os.close(file)

    def take_back(self) -> None:
        """The worker ends. Raises OSError."""
        self._path.unlink(missing_ok=True)


def alive() -> Iterator[str]:
    """The names of the workers of this user on this machine that have given a sign lately. Raises OSError."""
    for path in _folder().glob(f"*{_ENDING}"):
        try:
            age_s = time.time() - path.stat().st_mtime
        except FileNotFoundError:  # taken back meanwhile
            continue
        if abs(age_s) <= FRESH_S:
            yield unquote(path.name.removesuffix(_ENDING))


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"task-workers-{os.getuid()}"
