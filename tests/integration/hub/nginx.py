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
from local.hub import SITE, prepare_hub
from local.ports import free_port
from local.settings import ROOT

_UP_S: Final = 20.0
_CONTAINER: Final = ROOT / "deploy" / "container"


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
    with _run(made, prepare_hub(folder, host="127.0.0.1", port=made.port, apis=apis, baseline=baseline)):
        yield made


@contextmanager
def contained(folder: Path, *, api: str, baseline: str) -> Iterator[tuple[Hub, str]]:
    """As in the container, with the addresses of this machine; and the url of its port for the api alone."""
    made, alone = Hub(folder, free_port()), f"127.0.0.1:{free_port()}"
    command = prepare_hub(folder, host="127.0.0.1", port=made.port, apis=[api], baseline=baseline)
    here = {
        "listen 8080;": f"listen 127.0.0.1:{made.port};",
        "listen 8000;": f"listen {alone};",
        "default api:8000;": f"default {api};",
        "default baseline-api:8100;": f"default {baseline};",
        "root /srv/hub;": f'root "{SITE}";',
        "root /srv/api;": f'root "{_CONTAINER}";',
    }
    for original in (_CONTAINER / "hub.d").iterdir():
        text = original.read_text()
        for there, of_here in here.items():
            text = text.replace(there, of_here)
        (folder / "hub.d" / original.name).write_text(text)
    with _run(made, command):
        yield made, f"http://{alone}"


@contextmanager
def _run(made: Hub, command: list[str]) -> Iterator[None]:
    with made.log_path.open("wb") as log:
        process: subprocess.Popen[bytes] = spawn(command, on_our_death=signal.SIGTERM, cwd=ROOT, output=log)
    try:
        assert wait_until(lambda: made.answers() or process.poll() is not None, timeout_s=_UP_S)
        assert process.poll() is None, made.log_path.read_text()
        yield
    finally:
        kill_tree(process)
