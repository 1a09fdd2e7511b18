"""nginx with the repository's nginx.conf, before two replicas of the api and the baseline."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect

from local.children import kill_tree, spawn, wait_until
from local.hub import prepare_hub
from local.ports import free_port
from local.server import ServerError, ServerMissing
from tests.integration.baseline.processes import Api as BaselineApi
from tests.integration.baseline.processes import Baseline
from tests.support.absent import do_without
from tests.support.rest import ended, submit
from tests.support.system import ROOT, Api, System, system

pytestmark = pytest.mark.timeout(180)

_UP_S: Final = 20.0
_PAGES: Final = ("/", "/pi", "/documents", "/tasks", "/pi.html", "/js/hub/shell.js", "/hub.css", "/vendor/uplot/uPlot.esm.js")
_PAGE_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}
_PACED: Final = {"digits": 40, "pace_ms": [40, 50], "seed": 1}
"""Two seconds, with something new in each twentieth of one."""


class Hub:
    """nginx, and where it listens."""

    def __init__(self, folder: Path, apis: list[str], baseline: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self.log_path = folder / "nginx.log"
        command = prepare_hub(folder, host="127.0.0.1", port=self.port, apis=apis, baseline=baseline)
        with self.log_path.open("ab") as log:
            self._process: subprocess.Popen[bytes] = spawn(
                command, on_our_death=__import__("signal").SIGTERM, cwd=ROOT, output=log
            )

    def wait_until_ready(self) -> None:
        assert wait_until(self._answers, timeout_s=_UP_S), self.log_path.read_text()

    def close(self) -> None:
        kill_tree(self._process)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").text == "ok\n"
        except httpx.TransportError:
            return False
