"""The containers of docker-compose.yml under a project name of their own, on free ports."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final
from uuid import uuid4

import httpx

from local.ports import free_port
from local.settings import ROOT
from local.waiting import wait_until

BUILD_S: Final = 900.0
UP_S: Final = 90.0
"""From the images to everything healthy; that is promised."""
_COMMAND_S: Final = 120.0
_AT_WORK_S: Final = 60.0
_STATS: Final = "from urllib.request import urlopen as get; print(get('http://127.0.0.1:8000/stats').read().decode())"


class Compose:
    """`docker compose` on one project. Every command is bounded, and raises with what it said when it fails."""

    def __init__(self) -> None:
        self.project = f"tasks-{uuid4().hex[:8]}"
        self.api_port, self.hub_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.hub_url = f"http://127.0.0.1:{self.hub_port}"
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "API_PORT": str(self.api_port),
            "HUB_PORT": str(self.hub_port),
            "API_BIND": "127.0.0.1",
            "HUB_BIND": "127.0.0.1",
            "POSTGRES_PASSWORD": "p@ss/w:rd%$x #",
        }

    def __call__(self, *arguments: str, timeout_s: float = _COMMAND_S) -> str:
        """Run `docker compose …`; what it printed."""
        return self.docker("compose", *arguments, timeout_s=timeout_s)

    def docker(self, *arguments: str, timeout_s: float = _COMMAND_S) -> str:
        """Run `docker …`; what it printed."""
        return self._docker(arguments, timeout_s)[0]

    def logs(self, container: str) -> tuple[str, str]:
        """What it has written to standard output and to standard error."""
        return self._docker(("logs", container), _COMMAND_S)

    def _docker(self, arguments: Sequence[str], timeout_s: float) -> tuple[str, str]:
        done = subprocess.run(
            ["docker", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout, done.stderr

    def up(self, *scale: str) -> None:
        """Everything, or so many of each (`api=3`), until all are healthy."""
        options = [word for one in scale for word in ("--scale", one)]
        self("up", "--detach", "--no-build", "--wait", "--wait-timeout", f"{UP_S:g}", *options, timeout_s=UP_S + 30)

    def containers(self, service: str = "") -> list[str]:
        """Their ids, whether or not they run."""
        return self("ps", "--all", "--quiet", *([service] if service else [])).split()

    def inspect(self, containers: Sequence[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", *containers))
        return found

    def left(self) -> dict[str, list[str]]:
        """What the engine still has of the project."""
        mine = f"label=com.docker.compose.project={self.project}"
        listings = {"containers": ["ps", "--all"], "volumes": ["volume", "ls"], "networks": ["network", "ls"]}
        return {name: self.docker(*words, "--quiet", "--filter", mine).split() for name, words in listings.items()}

    def followers(self, api: str) -> int:
        """How many sockets are open at this replica."""
        return int(json.loads(self.docker("exec", api, "python", "-c", _STATS))["sockets"])

    def running(self, worker: str) -> int:
        """How many tasks this worker has begun and not ended."""
        actions = Counter(json.loads(line).get("action") for line in self.logs(worker)[0].splitlines())
        return actions["attempt_started"] - actions["attempt_ended"] - actions["attempt_lost"]

    def at_work(self, service: str, load: Callable[[str], int]) -> str:
        """A container of the service that has something to do, as soon as there is one."""
        found: list[str] = []

        def busy() -> bool:
            found.extend(islice(filter(load, self.containers(service)), 1))
            return bool(found)

        assert wait_until(busy, timeout_s=_AT_WORK_S, poll_s=0.2), f"no {service} has anything to do"
        return found[0]

    def ready(self) -> bool:
        """Whether the api answers through nginx that it is ready."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def wait_until_healthy(self, service: str) -> None:
        """Until every container of the service runs and passes its check, and the api is ready."""

        def healthy() -> bool:
            states = [one["State"] for one in self.inspect(self.containers(service))]
            return all(state["Running"] and state["Health"]["Status"] == "healthy" for state in states)

        assert wait_until(healthy, timeout_s=UP_S, poll_s=0.5), self("ps", "--all")
        assert wait_until(self.ready, timeout_s=UP_S, poll_s=0.5), self("logs", "--tail", "20", "api", "demo")


@contextmanager
def composed() -> Iterator[Compose]:
    """A project whose images are built; whatever was started is gone at the end."""
    compose = Compose()
    compose("build", "--quiet", timeout_s=BUILD_S)
    try:
        yield compose
    finally:
        compose("down", "--volumes", "--remove-orphans", "--timeout", "30")
