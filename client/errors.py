"""What the client raises.

ClientError
├── Refused         the service said no: `status` and `problem` have its answer
├── FollowEnded     following ended for good before the task did; `code` is the close code
└── GaveUp          the service could not be reached for longer than the caller allows
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of the client's errors."""


class Refused(ClientError):
    """An answer of 400 and above."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'refused'}")
        self.status = status
        self.problem = dict(problem)


class FollowEnded(ClientError):
    """Connecting again is of no use: a close code of 4500 and above, or 1009 for a frame that is too large."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class GaveUp(ClientError):
    """No connection for too long."""
