"""Why a session ends before the task does.

SessionEnded
├── NoSuchTask          nobody has heard of this task
├── BadCursor           the cursor cannot be one of this task
├── TooSlow             the follower did not take what its queue can hold
└── LiveUnavailable     Redis (or the history behind it) did not answer for too long
"""

from __future__ import annotations

from typing import ClassVar


class SessionEnded(Exception):
    """`close_code` is what a WebSocket is closed with (docs/protocol.md §8); the message is its reason."""

    close_code: ClassVar[int]


class NoSuchTask(SessionEnded):
    """There is no such task."""

    close_code = 4504


class BadCursor(SessionEnded):
    """The cursor is ahead of the task."""

    close_code = 4509


class TooSlow(SessionEnded):
    """Resume with the last cursor."""

    close_code = 4008


class LiveUnavailable(SessionEnded):
    """Come back in a while."""

    close_code = 4001
