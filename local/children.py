"""Child processes that never outlive this one.

A child is ended by whoever started it. For what that cannot reach there are two nets, both of Linux: a child asks to be
signalled when this process dies without a word (SIGKILL), and this process adopts the orphans of its children, so that
`end_all` finds every descendant. Elsewhere the nets are missing and the rest works.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import psutil

from local.waiting import wait_until as wait_until  # noqa: PLC0414 - whoever handles children waits for them

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_GRACE_S: Final = 3.0
"""What is swept up gets this long between SIGTERM and SIGKILL."""

_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str | Path],
    *,
    on_our_death: signal.Signals,
    cwd: Path,
    output: IO[bytes] | None = None,
    stdin: int = subprocess.DEVNULL,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, out of reach of the terminal's Ctrl-C.

    `output` takes both its streams, and `environment` is what it has beyond ours.

    `on_our_death` is the signal that it gets when this process is killed. The kernel means the thread that started it,
    so only a child of the main thread asks for it: a child of a thread pool would end with the pool.
    """
    as_user: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=None if environment is None else {**os.environ, **environment},
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
        preexec_fn=_death_signal(on_our_death),  # noqa: PLW1509 - one system call, and none beside the main thread
        **as_user,
    )


def adopt_orphans() -> None:
    """Make this process the parent of its descendants whose own parent dies, so that `end_all` finds them."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: signal.Signals) -> None:
    """Ask for this signal when our parent dies, for a process that was not started by `spawn`."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number))


def end_all(*, spare: Collection[int] = ()) -> None:
    """End every descendant but the processes `spare` and theirs: SIGTERM, a little patience, SIGKILL."""
    end_processes(_descendants(spare), patience_s=_GRACE_S)


def end_processes(processes: Sequence[psutil.Process], *, patience_s: float) -> None:
    """SIGTERM to all, SIGKILL to those left after `patience_s`; returns when all have ended."""
    for process in processes:
        send(process, signal.SIGTERM)
    if not wait_until(lambda: all(map(has_ended, processes)), timeout_s=patience_s):
        for process in processes:
            send(process, signal.SIGKILL)
        wait_until(lambda: all(map(has_ended, processes)), timeout_s=_GRACE_S)


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more. A zombie counts as ended: that its parent has not yet looked is no concern of ours."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL `process` and its descendants, and wait for them: an ending like that of a machine without power."""
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)  # so that it starts no further child between the listing and its end
    children = tree(process.pid)[1:]
    process.kill()
    process.wait()
    end_processes(children, patience_s=0)


def tree(pid: int) -> list[psutil.Process]:
    """The process `pid` and its descendants, itself first; empty when there is none."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _descendants(spare: Collection[int]) -> list[psutil.Process]:
    spared = {process.pid for pid in spare for process in tree(pid)}
    return [process for process in tree(os.getpid())[1:] if process.pid not in spared]


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Signal `process`; nothing when it is gone."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _death_signal(number: signal.Signals) -> Callable[[], None] | None:
    """What the child runs before its program."""
    if _libc is None or threading.current_thread() is not threading.main_thread():
        return None
    prctl, parent = _libc.prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # died before we asked
            os._exit(1)

    return ask
