"""`python -m local up` as a test runs it: on free ports, in a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import psutil

from local.children import end_processes, has_ended, spawn
from local.ports import free_port
from local.settings import ROOT
from local.waiting import wait_until

READY_S: Final = 60.0
"""Twice what `up` itself waits for the api, for the rest of the start and a busy machine."""
STOP_S: Final = 30.0


class Run:
    """One `python -m local up` with its output in a file. `end()` ends it whatever state it is in."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port, self.baseline_port, self.hub_port = (
            int(environment.setdefault(variable, str(free_port())))
            for variable in ("API_PORT", "BASELINE_PORT", "HUB_PORT")
        )
        self._output = tempfile.NamedTemporaryFile(prefix="up-", suffix=".log")  # noqa: SIM115 - closed by end()
        own_servers = {"REDIS_URL": "", "DATABASE_URL": ""}
        self.process = spawn(
            [sys.executable, "-m", "local", "up"],
            on_our_death=signal.SIGTERM,
            cwd=ROOT,
            output=self._output,
            environment={**own_servers, "LOCAL_DIR": str(folder), "WORKER_CONCURRENCY": "1", **environment},
        )

    @property
    def output(self) -> str:
        return Path(self._output.name).read_text(errors="replace")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def baseline_url(self) -> str:
        return f"http://127.0.0.1:{self.baseline_port}"

    @property
    def hub_url(self) -> str:
        return f"http://127.0.0.1:{self.hub_port}"

    def wait_for(self, text: str) -> None:
        """Until `text` is in the output. Fails when it ends, or does not say it, before."""
        wait_until(lambda: text in self.output or self.process.poll() is not None, timeout_s=READY_S)
        assert text in self.output, self.output

    def wait_until_ready(self) -> None:
        self.wait_for("Everything is ready")

    def wait_until_served(self) -> None:
        """Until the hub reaches both services, one of which was away. Fails when it does not."""
        services = (f"{self.hub_url}/api", f"{self.hub_url}/baseline")
        assert wait_until(lambda: all(map(is_ready, services)), timeout_s=READY_S), self.output

    def has_said(self, program: str, text: str) -> bool:
        """Whether `program` has, in a line of its own."""
        return self._lines(program, re.escape(text)) != []

    def pids_of(self, program: str) -> list[int]:
        """Of its main process, and of those before that, the oldest first."""
        return [int(pid) for pid in self._lines(program, r"runs as pid (\d+)")]

    def kill(self, program: str) -> None:
        """SIGKILL its main process, as somebody does with the pid from the log. Its keeper starts it again."""
        psutil.Process(self.pids_of(program)[-1]).kill()

    @contextmanager
    def away(self, program: str) -> Iterator[None]:
        """`program` is killed, and only started again at the end."""
        process = psutil.Process(self.pids_of(program)[-1])
        keeper = process.parent()
        assert keeper is not None
        keeper.suspend()
        try:
            process.kill()
            yield
        finally:
            keeper.resume()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and its exit code."""
        self.process.send_signal(number)
        return self.exit_code()

    def exit_code(self) -> int:
        return self.process.wait(STOP_S)

    def processes(self) -> list[psutil.Process]:
        """Whatever runs on its behalf, whoever the parent is by now."""
        return [process for process in psutil.process_iter() if self._is_ours(process) and not has_ended(process)]

    def oldest(self, name: str) -> psutil.Process:
        """The main one of a server's processes."""
        found = [process for process in self.processes() if process.name() == name]
        return min(found, key=lambda process: (process.create_time(), process.pid))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        end_processes(self.processes(), patience_s=0)
        self._output.close()

    def _lines(self, program: str, pattern: str) -> list[str]:
        return re.findall(rf"^\S+ {program} +\| {pattern}$", self.output, re.MULTILINE)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.pid == os.getpid():
                return False
            if process.name() == "nginx":  # it writes its title over its environment, and works in no folder of its own
                return self.hub_port in {one.laddr.port for one in process.net_connections("tcp")}
            known_by_environment = process.environ().get("LOCAL_DIR") == str(self.folder)
            return known_by_environment or Path(process.cwd()).is_relative_to(self.folder)
        except (psutil.Error, OSError):
            return False


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def two_free_ports() -> int:
    """The first of two consecutive ones."""
    while True:
        first = free_port()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", first + 1)):
                return first
