"""The whole system as processes that can be hurt: servers, api replicas, workers."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx

from local import migrations
from local.children import has_ended, kill_tree, send, spawn, tree
from local.ports import free_port
from local.server import running
from local.servers import Postgres, Valkey
from local.waiting import wait_until
from tests.support.cluster import ValkeyCluster, cluster

ROOT: Final = Path(__file__).resolve().parents[2]
_READY_S: Final = 40.0
_END_S: Final = 25.0


class Part:
    """One process of ours, which can be started again on the same port."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._module = module
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = spawn(
                [str(ROOT / ".venv/bin/python"), "-m", self._module],
                on_our_death=signal.SIGKILL,
                cwd=ROOT,
                output=log,
                environment=self._environment,
            )

    def kill(self) -> None:
        """SIGKILL to the process and its children."""
        if self._process is not None and self.running:
            kill_tree(self._process)

    def pause(self) -> None:
        """SIGSTOP to all its processes."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self) -> int | None:
        """SIGTERM, and the exit code; SIGKILL and None when it takes too long."""
        if self._process is None or not self.running:
            return None
        self._process.terminate()
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            for process in tree(self._process.pid):
                send(process, number)


class Stack:
    """Servers, replicas and workers. `urls` are the replicas' base URLs."""

    def __init__(
        self,
        folder: Path,
        postgres: Postgres,
        valkey: Valkey,
        nodes: ValkeyCluster | None,
        *,
        replicas: int,
        workers: int,
        lease_ms: int,
    ) -> None:
        self.postgres = postgres
        self.valkey = valkey
        """All that there is of Redis; with a `cluster`, what carries the messages."""
        self.cluster = nodes
        self.redis_url = valkey.url if nodes is None else nodes.url
        ports = [free_port() for _ in range(replicas)]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        servers = {"DATABASE_URL": postgres.url, "REDIS_URL": self.redis_url, "BROKER_URL": valkey.url}
        shared = {**servers, "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"}
        self.apis = [
            Part(f"api-{i}", "api", {**shared, "API_PORT": str(port), "REPLICA": f"api-{i}"}, folder / f"api-{i}.log")
            for i, port in enumerate(ports)
        ]
        self.workers = [
            Part(
                f"worker-{i}",
                "worker",
                {
                    **shared,
                    "WORKER_NAME": f"worker-{i}",
                    "WORKER_DRAIN_S": "1",
                    "WORKER_CONCURRENCY": "16",
                    "WORKER_POOL": "threads" if i % 2 else "prefork",
                    "VISIBILITY_TIMEOUT_S": "10",
                    "LEASE_MS": str(lease_ms),
                },
                folder / f"worker-{i}.log",
            )
            for i in range(workers)
        ]

    @property
    def parts(self) -> list[Part]:
        return [*self.apis, *self.workers]

    def start(self) -> None:
        for part in self.parts:
            part.start()
        assert wait_until(self.ready, timeout_s=_READY_S), "the system did not become ready"

    def ready(self) -> bool:
        """Whether every replica says that it is ready."""
        try:
            return all(httpx.get(f"{url}/readyz", timeout=3).status_code == httpx.codes.OK for url in self.urls)
        except httpx.TransportError:
            return False

    def heal(self) -> None:
        """Undo whatever was done to it, and wait until it is ready."""
        for server in (self.valkey, self.postgres):
            server.resume()
            server.start()
        if self.cluster is not None:
            self.cluster.revive()
        for part in self.parts:
            part.resume()
            if not part.running:
                part.start()
        assert wait_until(self.ready, timeout_s=_READY_S), "the system did not become ready again"

    def end(self) -> list[str]:
        """End everything in order; returns the parts that had to be killed."""
        stuck = []
        for part in self.parts:
            part.resume()
            if part.running and part.end() is None:
                stuck.append(part.name)
        return stuck


@contextmanager
def stack(
    folder: Path, *, replicas: int = 2, workers: int = 2, lease_ms: int = 10_000, clustered: bool = False
) -> Iterator[Stack]:
    """A running system in `folder`; ended afterwards, whatever happens. `clustered`: on a Redis Cluster."""
    with ExitStack() as exits:
        postgres = exits.enter_context(running(Postgres(folder / "postgres", durable=False)))
        valkey = exits.enter_context(running(Valkey(folder / "valkey")))
        nodes = exits.enter_context(cluster()) if clustered else None
        migrations.upgrade(postgres.url)
        system = Stack(folder, postgres, valkey, nodes, replicas=replicas, workers=workers, lease_ms=lease_ms)
        for part in system.parts:
            exits.callback(part.kill)
        system.start()
        yield system


def descendants() -> list[int]:
    """The pids of everything this process has started that still runs."""
    return [process.pid for process in tree(os.getpid())[1:] if not has_ended(process)]
