"""A process beside this one that runs what it is given, one call after another.

The clients of each side have a process of their own: what one side's answers cost to take in must not make the other's
updates look old.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from bench.errors import Spoiled

A = ParamSpec("A")
R = TypeVar("R")

_END_S: Final = 5.0


class Apart:
    """A process of its own. Functions, arguments and answers are pickled; ended with the context, or with this one."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # otherwise its end would not be noticed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join(_END_S)
        # The pipe is left to the garbage collector: a thread may still be reading from it.

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid or 0

    async def call(self, function: Callable[A, R], *args: A.args, **kwargs: A.kwargs) -> R:
        """What the function returns there; raises what it raises. Raises Spoiled when the process has ended."""
        try:
            self._ours.send((function, args, kwargs))
            succeeded, answer = await asyncio.to_thread(self._ours.recv)
        except (EOFError, OSError) as error:
            raise Spoiled("a process of clients has ended") from error
        if not succeeded:
            raise answer
        result: R = answer
        return result


def _serve(calls: Connection) -> None:
    """Run calls until the other end is closed. Ctrl-C is for whoever started us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            function, args, kwargs = calls.recv()
            try:
                answer: tuple[bool, Any] = (True, function(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - it is raised by whoever called
                answer = (False, error)
            calls.send(answer)


def _end_with_parent() -> None:
    """When it is killed in the midst of a call, nobody waits for the answer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
