"""The system as processes: servers of its own, replicas of the api, a worker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pytest

from local import migrations
from local.children import kill_tree, spawn, wait_until
from local.ports import free_port
from local.server import ServerMissing, running
from local.servers import Postgres, Valkey, postgres_programs
from tests.support.absent import do_without
from tests.support.cluster import ValkeyCluster, cluster

P = TypeVar("P", bound="Process")

ROOT: Final = Path(__file__).resolve().parents[2]
READY_S: Final = 30.0
_END_S: Final = 30.0


class Process:
    """`python -m MODULE` with settings of its own, and what it logs."""

    def __init__(self, module: str, name: str, folder: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._module = module
        self._settings = {"LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1", **settings}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = spawn(
                [sys.executable, "-m", self._module],
                on_our_death=signal.SIGKILL,
                cwd=ROOT,
                output=log,
                environment=self._settings,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """SIGTERM."""
        assert self._process is not None
        self._process.terminate()

    def wait(self, timeout_s: float = _END_S) -> int:
        """Its exit code; it is killed when it does not end in time, which fails the test."""
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"{self.name} did not end within {timeout_s:g} s:\n{self.log_path.read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL, to its children too; nothing when it has ended."""
        if self._process is not None and self.running:
            kill_tree(self._process)

    def logged(self) -> list[dict[str, Any]]:
        """The records of its log; a line that is none is one of its own level."""
        return [_record(line) for line in self.log_path.read_text(errors="replace").splitlines()]

    def assert_ended_well(self) -> None:
        """Fails when it does not end in good order, or had anything to complain of."""
        assert self.wait() == 0
        complaints = self.complaints()
        assert not complaints, json.dumps(complaints[0], indent=2)

    def complaints(self) -> list[dict[str, Any]]:
        """Errors, and whatever was printed past the log."""
        return [record for record in self.logged() if record["level"] in {"error", "critical", "none"}]


class Api(Process):
    """A replica."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        super().__init__("api", name, folder, {"API_PORT": str(self.port), "REPLICA": name, **settings})

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def wait_until_ready(self) -> None:
        assert wait_until(lambda: not self.running or self.ready(), timeout_s=READY_S), self.log_path.read_text()
        assert self.running, self.log_path.read_text()

    def stats(self) -> Any:
        return httpx.get(f"{self.url}/stats").json()


class System:
    """Servers in `folder`, and the processes that were started on them."""

    def __init__(
        self, folder: Path, postgres: Postgres, valkey: Valkey, exits: ExitStack, nodes: ValkeyCluster | None = None
    ) -> None:
        self.folder = folder
        self.postgres = postgres
        self.valkey = valkey
        self.cluster = nodes
        self._exits = exits
        self._settings = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
        if nodes is not None:
            self._settings |= {"REDIS_URL": nodes.url, "BROKER_URL": valkey.url}

    def api(self, name: str, **settings: str) -> Api:
        """A replica that is started, not yet ready, and ended with the system."""
        return self._started(Api(name, self.folder, {**self._settings, **settings}))

    def worker(self, name: str, **settings: str) -> Process:
        return self._started(Process("worker", name, self.folder, {**self._settings, "WORKER_NAME": name, **settings}))

    def redis_url(self, database: int) -> str:
        """Another database of the same server."""
        return self.valkey.url.removesuffix("0") + str(database)

    def database_url(self, name: str) -> str:
        """Of another database of the same server, which is made here."""
        psql = [str(postgres_programs() / "psql"), "--no-psqlrc", "--quiet", f"--command=CREATE DATABASE {name}"]
        plain = self.postgres.url.replace("postgresql+asyncpg://", "postgresql://")
        subprocess.run([*psql, plain], check=True, timeout=READY_S)
        url = self.postgres.url_of(name)
        migrations.upgrade(url)
        return url

    def _started(self, process: P) -> P:
        self._exits.callback(process.kill)
        process.start()
        return process


@contextmanager
def system(*, clustered: bool = False) -> Iterator[System]:
    """Servers that are migrated and empty; all is ended afterwards. `clustered`: the tasks are on a Redis Cluster."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="tests-")))
        try:
            postgres, valkey = Postgres(folder / "postgres", durable=False), Valkey(folder / "valkey")
            exits.enter_context(running(valkey))
            exits.enter_context(running(postgres))
        except ServerMissing as missing:
            do_without(str(missing))
        nodes = exits.enter_context(cluster()) if clustered else None
        migrations.upgrade(postgres.url)
        yield System(folder, postgres, valkey, exits, nodes)


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) and "level" in record else {"level": "none", "event": line}
