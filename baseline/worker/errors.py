"""What ends an attempt.

AttemptEnded
├── AttemptLost      the attempt is no longer this worker's, or the file took nothing for too long
├── Cancelled        a client asked for the end of the task
├── HandedBack       the worker is shutting down: the task goes back to the queue
└── TimeLimitReached the attempt ran longer than its kind may
InvalidParams        the model of the kind refused the parameters
"""

from __future__ import annotations


class AttemptEnded(Exception):
    """The workload is to stop now; nothing is wrong with it."""


class AttemptLost(AttemptEnded):
    """Nothing that this attempt emits is accepted any more."""


class Cancelled(AttemptEnded):
    """The task is to end as cancelled."""


class HandedBack(AttemptEnded):
    """The task is to be run by another worker."""


class TimeLimitReached(AttemptEnded):
    """The attempt counts as failed."""


class InvalidParams(ValueError):
    """The task is to be submitted anew; trying again is of no use."""
