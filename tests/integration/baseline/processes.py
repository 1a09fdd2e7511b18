"""`python -m baseline api` and `worker` as processes on one file, and a client of the api."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

ROOT: Final = Path(__file__).parents[3]
KINDS: Final = "tests.integration.baseline.kinds"
LONG_S: Final = 20.0
"""What starts or ends a process, on a machine that is busy."""
_POLL_S: Final = 0.01

T = TypeVar("T")


def until(ask: Callable[[], T], holds: Callable[[T], bool] = bool, *, within_s: float = LONG_S) -> T:
    """Ask again and again; the first answer that `holds`. Fails with the last one after `within_s`."""
    deadline = time.monotonic() + within_s
    while not holds(answer := ask()):
        assert time.monotonic() < deadline, f"after {within_s:g} s it is still {answer!r}"
        time.sleep(_POLL_S)
    return answer


@dataclass(frozen=True)
class Process:
    """A process that runs, and what it has written."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def text(self) -> str:
        return self.output.read_text()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> float:
        """End it in order; how long that took in seconds."""
        asked = time.monotonic()
        self.process.terminate()
        assert self.process.wait(LONG_S) == 0, self.text
        return time.monotonic() - asked

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()


@dataclass
class Baseline:
    """Starts processes on one file, and ends what is left of them."""

    folder: Path
    started: list[Process] = field(default_factory=list)
    _ends: ExitStack = field(default_factory=ExitStack)

    @property
    def file(self) -> Path:
        return self.folder / "data" / "baseline.db"

    def start(self, command: str, **settings: object) -> Process:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
        defaults = {"BASELINE_DB": self.file, "BASELINE_PORT": 0, "WORKLOADS": KINDS, "PYTHONWARNINGS": "error"}
        output = self.folder / f"{command}-{len(self.started)}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "baseline", command],
                cwd=ROOT,
                env=kept | {name: str(value) for name, value in (defaults | settings).items()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(Process(process, output))
        return self.started[-1]

    def worker(self, **settings: object) -> Process:
        return self.start("worker", **settings)

    def api(self, **settings: object) -> Api:
        api = Api(self.start("api", **settings))
        self._ends.callback(api.http.close)
        return api

    def close(self) -> None:
        self._ends.close()
        for process in self.started:
            process.kill()


class Api:
    """A client of an api process; made once that listens."""

    def __init__(self, process: Process) -> None:
        self.process = process
        found = until(lambda: re.search(r"running on (http://\S+)", process.text) or process.process.poll())
        assert isinstance(found, re.Match), process.text
        self.url = found[1]
        # Every answer takes less than the longest wait: then a test that hangs fails.
        self.http = httpx.Client(base_url=self.url, timeout=40)

    def submit(self, kind: str, **params: Any) -> str:
        answer = self.http.post("/tasks", json={"kind": kind, "params": params})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def status(self, task: str, after: int | None = None, **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(f"/tasks/{task}/status", params=None if after is None else {"after": after}, headers=names)

    def whole(self, task: str) -> dict[str, Any]:
        """The plain answer."""
        answer = self.status(task)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def events(self, task: str, after: int = 0, *, wait: bool = False) -> list[dict[str, Any]]:
        """What follows `after` by now; with `wait` all of it up to the end of the task, by long polling."""
        events: list[dict[str, Any]] = []
        prefer = {"Prefer": "wait=20"} if wait else {}
        deadline = time.monotonic() + 2 * LONG_S
        while True:
            answer = self.status(task, after, **prefer)
            assert answer.status_code == 200, answer.text
            delta = answer.json()
            events += delta["events"]
            if delta["next"] is None or (not wait and delta["next"] == delta["seq"]):
                return events
            after = delta["next"]
            assert time.monotonic() < deadline, f"the task still is {delta['state']}"

    def until_state(self, task: str, state: str) -> dict[str, Any]:
        """The plain answer once the task is in `state`."""
        return until(lambda: self.whole(task), lambda body: body["state"] == state)

    def stats(self) -> dict[str, Any]:
        body: dict[str, Any] = self.http.get("/stats").json()
        return body

    def end(self) -> float:
        self.http.close()
        return self.process.end()


def told(event: Mapping[str, Any]) -> Any:
    """What an event tells, in short: the state, or the data of a chunk, or the result."""
    data = event["data"]
    return data["state"] if event["type"] == "status" else data.get("data", data.get("result"))


def story(events: list[dict[str, Any]]) -> list[Any]:
    """All of it without progress."""
    return [told(event) for event in events if event["data"].get("progress") is None]


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
