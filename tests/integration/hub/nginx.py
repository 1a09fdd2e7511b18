"""nginx as the hub runs it, started by a test."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from local.children import kill_tree, spawn, wait_until
from local.hub import prepare_hub
from local.ports import free_port
from local.settings import ROOT

_UP_S: Final = 20.0


class Hub:
    """Where it listens, and what it has logged."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}"
        self.port = port
        self.log_path = folder / "nginx.log"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").text == "ok\n"
        except httpx.TransportError:
            return False


@contextmanager
def hub(folder: Path, *, apis: Iterable[str], baseline: str) -> Iterator[Hub]:
    """One before these services, which are told as host:port."""
    made = Hub(folder, free_port())
    command = prepare_hub(folder, host="127.0.0.1", port=made.port, apis=apis, baseline=baseline)
    with made.log_path.open("wb") as log:
        process: subprocess.Popen[bytes] = spawn(command, on_our_death=signal.SIGTERM, cwd=ROOT, output=log)
    try:
        assert wait_until(lambda: made.answers() or process.poll() is not None, timeout_s=_UP_S)
        assert process.poll() is None, made.log_path.read_text()
        yield made
    finally:
        kill_tree(process)
