"""Keeps one program running: `python -m local.keep READY_FILE COMMAND…` starts it again whenever it ends.

So somebody who kills a replica or a worker sees it come back, whatever it had at hand. It gives up, and ends with the
exit code of the program, when that ends before READY_FILE is there, or too often. A stop signal goes on to the process
group of the program, and then this ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

from local.children import adopt_orphans, die_with_parent, end_processes, spawn, tree
from local.waiting import wait_until

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0
_STEADY_S: Final = 30.0
"""A program that has run for so long is paused for as shortly as the first time."""
_MOST_ENDS: Final = 5
_WITHIN_S: Final = 60.0
_SIGNALLED: Final = 128
"""What a shell adds to the number of the signal that ended a program."""


class Restarts:
    """How long to wait before a program that ended is started again, and when not to."""

    def __init__(self) -> None:
        self._pause_s = _FIRST_PAUSE_S
        self._ends: deque[float] = deque(maxlen=_MOST_ENDS)

    def pause_s(self, *, began: float, ended: float) -> float | None:
        """After a run between these two times; None when it ended too often."""
        self._ends.append(ended)
        if len(self._ends) == _MOST_ENDS and ended - self._ends[0] < _WITHIN_S:
            return None
        if ended - began >= _STEADY_S:
            self._pause_s = _FIRST_PAUSE_S
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s


class Keeper:
    """One program, `command`, which may be started again once `ready` exists."""

    def __init__(self, ready: Path, command: Sequence[str]) -> None:
        self._ready = ready
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._stop: int | None = None
        """The signal that is still to be passed on, or was."""
        self._passed_on = False

    def stop(self, number: int, _: FrameType | None = None) -> None:
        """Pass the signal on and start nothing again. A signal handler; further ones are passed on as well."""
        self._stop, self._passed_on = number, False
        self._pass_on()

    def run(self) -> int:
        """Until it is stopped or gives up: the exit code of the program."""
        restarts = Restarts()
        while True:
            began = time.monotonic()
            code = self._run_once()
            if self._stop is not None:
                return code
            if not self._ready.exists():
                _say(f"{_how(code)} before the system was ready")
                return code or 1
            pause_s = restarts.pause_s(began=began, ended=time.monotonic())
            if pause_s is None:
                _say(f"{_how(code)}, the {_MOST_ENDS}th time within {_WITHIN_S:g} s: it is not started again")
                return code or 1
            _say(f"{_how(code)}: it is started again in {pause_s:g} s")
            if wait_until(lambda: self._stop is not None, timeout_s=pause_s):
                return code

    def _run_once(self) -> int:
        # Its death signal is the gentle one: a worker then takes its pool along, and all see the end of its output.
        process = spawn(self._command, on_our_death=signal.SIGTERM, cwd=Path.cwd())
        self._process = process
        self._pass_on()  # what came while it was being started
        _say(f"runs as pid {process.pid}")
        code = process.wait()
        self._process = None
        _end_what_it_left()
        return code if code >= 0 else _SIGNALLED - code

    def _pass_on(self) -> None:
        if self._process is None or self._stop is None or self._passed_on:
            return
        self._passed_on = True
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, self._stop)


def _end_what_it_left() -> None:
    """The pool of a worker that was killed: its processes are ours now."""
    end_processes(tree(os.getpid())[1:], patience_s=0)
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _how(code: int) -> str:
    if code <= _SIGNALLED:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(code - _SIGNALLED).name}"
    return f"ended with exit code {code}"


def _say(text: str) -> None:
    """In one write, for the program prints to the same place."""
    with suppress(OSError):  # nobody reads any more
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def main() -> int:
    """See above; the arguments are those of the command line."""
    ready, *command = sys.argv[1:]
    keeper = Keeper(Path(ready), command)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, keeper.stop)
    die_with_parent(signal.SIGTERM)
    adopt_orphans()
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main())
