"""Waiting for a workload: by a schedule, so that the time its own work takes does not add up.

The same rule as on the event-driven side: both run one workload at one pace.
"""

from __future__ import annotations

import time
from typing import Final

from baseline.worker.errors import TimeLimitReached
from baseline.worker.outbox import Outbox

_MOST_BEHIND_S: Final = 1.0
"""A task that fell further behind its pace than this does not catch up in a burst."""


class Pace:
    """The schedule of one attempt. `deadline` is on the monotonic clock."""

    def __init__(self, outbox: Outbox, deadline: float) -> None:
        self._outbox = outbox
        self._deadline = deadline
        self._due = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait until `seconds` after the last due time; less when the attempt is to end."""
        now = time.monotonic()
        self._due = max(self._due + seconds, now - _MOST_BEHIND_S)
        left = min(self._due, self._deadline) - now
        if left > 0:
            self._outbox.interrupted.wait(left)

    def check(self) -> None:
        """Raise what is to end the attempt: AttemptLost, Cancelled, HandedBack, TimeLimitReached."""
        self._outbox.check()
        if time.monotonic() >= self._deadline:
            raise TimeLimitReached
