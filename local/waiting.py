"""Waiting, always for a bounded time, and being told to stop while one waits.

A signal handler that raises does so anywhere, also where Python swallows what is raised (a hook that runs at a fork, a
`__del__`). So the handler here only notes that the signal came, and it is `wait_until` that raises: everything that
takes long waits in it.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Asked to end, Ctrl-C, and the terminal was closed."""
_POLL_S: Final = 0.02

_received: list[signal.Signals] = []


class StopRequested(BaseException):
    """Somebody asked us to end. Like KeyboardInterrupt it is no error, and no `except Exception` swallows it."""


def heed_stop_signals() -> None:
    """From now on the first stop signal ends the wait that goes on, or the next one, with StopRequested."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _note)


def ignore_stop_signals() -> None:
    """From now on they do nothing: what cleans up is bounded in time, and must not be cut short."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _received.clear()


def wait_until(condition: Callable[[], bool], *, timeout_s: float, poll_s: float = _POLL_S) -> bool:
    """Try `condition` again and again; whether it came true within `timeout_s`. It is tried once more at the end.

    Raises StopRequested when a stop signal is heeded and comes, and ignores further ones from then on.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if _received:
            name = _received[0].name
            ignore_stop_signals()
            raise StopRequested(name)
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(poll_s, left_s))
    return True


def wait_for_end(process: subprocess.Popen[bytes], *, timeout_s: float, poll_s: float = _POLL_S) -> bool:
    """Whether `process` ended within `timeout_s`. Raises StopRequested as wait_until does."""
    return wait_until(lambda: process.poll() is not None, timeout_s=timeout_s, poll_s=poll_s)


def _note(number: int, _: FrameType | None) -> None:
    _received.append(signal.Signals(number))
