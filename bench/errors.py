"""Why there is no measurement.

BenchError
├── Unreachable     a service does not answer, or not as it should
├── Refused         a service answered with 400 or above: `status` has the code
└── Spoiled         what was measured means nothing: a client failed, a server ended meanwhile
"""

from __future__ import annotations


class BenchError(Exception):
    """Base; the message is for people."""


class Unreachable(BenchError):
    """A service does not answer, or not as it should."""


class Refused(BenchError):
    """An answer of 400 and above."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status

    def __reduce__(self) -> tuple[type[Refused], tuple[int, str]]:
        """It crosses from one process to another."""
        return Refused, (self.status, str(self).partition(": ")[2])


class Spoiled(BenchError):
    """What was measured means nothing."""
