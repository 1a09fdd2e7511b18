"""A server that runs in a folder, as a child of this process: what PostgreSQL and Valkey have in common.

It runs in the foreground and keeps what it has in its directory. Its address stays the same over stop(), kill() and
start(), and so does its data.
"""

from __future__ import annotations

import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final, TypeVar

import psutil

from local.children import end_processes, kill_tree, send, spawn, tree
from local.waiting import wait_until

START_TIMEOUT_S: Final = 30.0
"""Of PostgreSQL after a crash, or of Valkey with a long append-only file; both take well under a second when empty."""
STOP_TIMEOUT_S: Final = 15.0
"""Longer than a last checkpoint or the last flush of an append-only file takes; then the server is killed."""
_LOG_TAIL_LINES: Final = 8


class ServerError(Exception):
    """A server did not start; the message ends with what it logged."""


class ServerMissing(ServerError):
    """The package that carries the server is not installed."""


class Server(ABC):
    """A server on the data in `directory`, which is made when it is missing. Nothing runs before start()."""

    name: ClassVar[str]
    program: ClassVar[str]
    """What the system calls its processes."""
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.log_path = self.directory / f"{self.program}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect. Known once it has been started, and the same from then on."""

    @property
    def running(self) -> bool:
        """Whether its process lives; it may be paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the server's main process. Raises ServerError when it does not run."""
        if self._process is None or not self.running:
            msg = f"{self.name} is not running"
            raise ServerError(msg)
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers; nothing when it runs already. Raises ServerError when it does not."""
        if self.running:
            return
        self._prepare()
        self._end_leftover()
        with self.log_path.open("ab") as log:
            self._start(log_offset=log.tell())

    def stop(self) -> None:
        """Ask it to end, and wait for it; kill it when it takes longer than STOP_TIMEOUT_S. Nothing when it is down."""
        if self._process is None or not self.running:
            return
        self._process.send_signal(self.stop_signal)
        self.resume()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it with all its processes and no warning. What it had not written is lost."""
        if self._process is not None and self.running:
            kill_tree(self._process)

    def pause(self) -> None:
        """Stop all its processes where they are: clients stay connected and get no answer."""
        for process in tree(self.pid):
            send(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo pause(); nothing when it is not paused or not running."""
        if self._process is not None and self.running:
            for process in tree(self._process.pid):
                send(process, signal.SIGCONT)

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the process needs before it starts."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]: ...

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the process that was started takes clients now."""

    @property
    @abstractmethod
    def _pid_file(self) -> Path:
        """Where the server writes its pid while it runs; the folder is the one in which it works."""

    def _user(self) -> str | None:
        """The account it runs under; None for ours."""
        return None

    def _start(self, *, log_offset: int) -> None:
        with self.log_path.open("ab") as log:
            process = self._process = spawn(
                self._command(), on_our_death=self.stop_signal, cwd=self.directory, output=log, user=self._user()
            )
        wait_until(lambda: process.poll() is not None or self._answers(), timeout_s=START_TIMEOUT_S)
        if process.poll() is None and self._answers():
            return
        problem = f"no answer in {START_TIMEOUT_S:g} s" if self.running else f"exit code {process.returncode}"
        self.kill()
        msg = f"{self.name} did not start ({problem}):\n{self._log_tail(log_offset)}\n(all of its log: {self.log_path})"
        raise ServerError(msg)

    def _log_tail(self, offset: int) -> str:
        with self.log_path.open("rb") as log:
            log.seek(offset)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:])

    def _end_leftover(self) -> None:
        """End what still runs on this directory because its starter died without ending it.

        The caller knows that no other owner of the directory is alive. The pid file goes with it: its number may by now
        be that of another process, which PostgreSQL would take for itself and refuse to start.
        """
        if self._pid_file.exists():
            leftover = [process for process in psutil.process_iter() if self._works_here(process)]
            end_processes(leftover, patience_s=STOP_TIMEOUT_S)
            self._pid_file.unlink(missing_ok=True)

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return process.name() == self.program and Path(process.cwd()) == self._pid_file.parent.resolve()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


S = TypeVar("S", bound=Server)


@contextmanager
def running(server: S) -> Iterator[S]:
    """Start `server`, and stop it afterwards whatever happens, a start that was interrupted included."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
