"""`python -m local up`, started and ended as a user does it, with all its real programs."""

from __future__ import annotations

import re
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest

from local.waiting import wait_until
from tests.support.up import READY_S, STOP_S, Run, is_ready, two_free_ports

pytestmark = pytest.mark.timeout(180)

PROGRAMS: Final = ("api-1", "api-2", "worker-1", "worker-2", "baseline-api", "baseline-worker", "hub")


Start = Callable[..., Run]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts one in a folder of its own, or in that of another: `start(folder=…, VARIABLE=…)`."""
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="up-") as own:

        def start(folder: Path | None = None, **environment: str) -> Run:
            runs.append(Run(folder or Path(own) / str(len(runs)), **environment))
            return runs[-1]

        try:
            yield start
        finally:
            for run in runs:
                run.end()


def submit(run: Run) -> str:
    """A short task, and its id."""
    body = {"kind": "compute_pi", "params": {"digits": 5, "pace_ms": [0, 0]}}
    response = httpx.post(f"{run.url}/tasks", json=body, trust_env=False)
    assert response.status_code == httpx.codes.ACCEPTED, response.text
    return str(response.json()["id"])


def task(run: Run, task_id: str, *, wait_s: int = 0) -> dict[str, Any]:
    """The task as the api tells it, with its result once it has one."""
    headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
    with httpx.Client(base_url=run.url, trust_env=False, timeout=wait_s + 5) as client:
        found: dict[str, Any] = client.get(f"/tasks/{task_id}", headers=headers).raise_for_status().json()
        return {**found, "result": client.get(f"/tasks/{task_id}/result").json()}


def task_status_behind(hub_url: str, task_id: str) -> int:
    return httpx.get(f"{hub_url}/api/tasks/{task_id}", trust_env=False).status_code


def test_it_serves_and_starts_again_what_is_killed_until_sigterm_and_leaves_no_process(start: Start) -> None:
    run = start(API_REPLICAS="2", WORKERS="2", API_PORT=str(two_free_ports()))
    run.wait_until_ready()
    assert_all_is_said(run, f"http://127.0.0.1:{run.port + 1}")
    assert {"postgres", "valkey-server", "nginx"} < {process.name() for process in run.processes()}
    assert_what_is_killed_comes_back(run)
    assert task(run, submit(run), wait_s=20)["state"] == "succeeded"
    assert run.stop() == 0
    assert run.processes() == []
    assert "Traceback" not in run.output


def assert_what_is_killed_comes_back(run: Run) -> None:
    """With two of each: a replica and a worker that are killed, the baseline and the hub, and nobody else."""
    before = {name: run.pids_of(name) for name in PROGRAMS}
    killed = ("api-1", "worker-2", "baseline-api", "baseline-worker", "hub")
    serving_hub = {process.pid for process in run.processes() if process.name() == "nginx"}
    for name in killed:
        run.kill(name)
    assert wait_until(lambda: all(len(run.pids_of(name)) > 1 for name in killed), timeout_s=READY_S), run.output
    for name in killed:
        assert run.has_said(name, "was ended by SIGKILL: it is started again in 0.5 s")
    urls = (run.url, run.baseline_url, f"{run.hub_url}/api", f"{run.hub_url}/baseline")
    assert wait_until(lambda: all(map(is_ready, urls)), timeout_s=READY_S), run.output
    assert serving_hub.isdisjoint(process.pid for process in run.processes())
    assert is_ready(f"http://127.0.0.1:{run.port + 1}")
    assert {name: run.pids_of(name) for name in ("api-2", "worker-1")} == {
        name: before[name] for name in ("api-2", "worker-1")
    }
    run.kill("worker-1")  # so that it is one that came back that does the next task


def assert_all_is_said(run: Run, second_replica: str) -> None:
    """With two of each: where they are, and whose line is whose."""
    assert is_ready(second_replica)
    assert f"Demo hub       {run.hub_url}\n" in run.output
    assert f"Baseline       {run.baseline_url}\n" in run.output
    assert f"API            {run.url}  and 1 more: {second_replica}\n" in run.output
    assert f"{run.url}/docs" in run.output
    assert "postgresql://postgres@/postgres?host=" in run.output
    assert re.search(r"redis://127\.0\.0\.1:\d+/0", run.output)
    for name in PROGRAMS:
        assert re.search(rf"^\d\d:\d\d:\d\d {name} +\| ", run.output, re.MULTILINE)


@pytest.mark.parametrize("moment", ["Starting PostgreSQL", "Migrating the database", "api-1 started"])
def test_sigterm_while_it_starts_leaves_no_process(start: Start, moment: str) -> None:
    run = start()
    run.wait_for(moment)
    assert run.stop() == 0
    assert run.processes() == []
    assert "Traceback" not in run.output


@pytest.mark.skipif(sys.platform != "linux", reason="a child cannot ask for a signal at its parent's death")
def test_two_run_side_by_side_and_one_that_is_killed_leaves_no_obstacle(start: Start) -> None:
    killed, other = runs = [start(), start()]
    for run in runs:
        run.wait_until_ready()
    ids = [submit(run) for run in runs]
    finished, _ = [task(run, task_id, wait_s=20) for run, task_id in zip(runs, ids, strict=True)]
    assert finished["state"] == "succeeded"
    assert httpx.get(f"{other.url}/tasks/{ids[0]}", trust_env=False).status_code == httpx.codes.NOT_FOUND
    assert task_status_behind(killed.hub_url, ids[0]) == httpx.codes.OK
    assert task_status_behind(other.hub_url, ids[0]) == httpx.codes.NOT_FOUND

    killed.process.kill()
    killed.process.wait()
    again = start(folder=killed.folder)
    again.wait_until_ready()
    kept = ("id", "kind", "params", "state", "attempt", "seq", "progress", "result")
    found = task(again, ids[0])
    assert {key: found[key] for key in kept} == {key: finished[key] for key in kept}
    assert is_ready(other.url)
    assert [again.stop(signal.SIGINT), other.stop()] == [0, 0]
    assert wait_until(lambda: not killed.processes() and not other.processes(), timeout_s=STOP_S)


@pytest.mark.parametrize("victim", ["api", "postgres"])
def test_when_a_program_dies_before_all_is_ready_or_a_server_all_end_with_an_error(start: Start, victim: str) -> None:
    run = start()
    run.wait_for("runs as pid")
    assert wait_until(lambda: run.pids_of("api-1") != [], timeout_s=READY_S)
    process = psutil.Process(run.pids_of("api-1")[0]) if victim == "api" else run.oldest(victim)
    process.kill()
    assert run.exit_code() == 1
    assert "has ended by itself" in run.output
    assert run.processes() == []


@pytest.mark.parametrize(
    ("variable", "purpose"), [("API_PORT", "the api"), ("BASELINE_PORT", "the baseline"), ("HUB_PORT", "the demo hub")]
)
def test_a_taken_port_is_named_before_anything_is_started(start: Start, variable: str, purpose: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        run = start(**{variable: str(port)})
        assert run.exit_code() == 1
    assert f"port {port} on 127.0.0.1 is taken" in run.output
    assert f"and {purpose} needs it: set {variable} to another port" in run.output
    assert "Starting" not in run.output


def test_a_second_one_in_the_same_folder_is_told_of_the_first(start: Start) -> None:
    first = start()
    first.wait_for("Starting PostgreSQL")
    second = start(folder=first.folder)
    assert second.exit_code() == 1
    assert f"(pid {first.process.pid})" in second.output
    assert "LOCAL_DIR" in second.output
    assert first.process.poll() is None
    assert first.stop() == 0


@pytest.mark.parametrize(
    ("variable", "url", "named"),
    [
        ("REDIS_URL", "redis://user:secret@127.0.0.1:1/0", "Redis at redis://user:***@127.0.0.1:1/0 (REDIS_URL)"),
        ("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x", "PostgreSQL at postgresql://u:***@127.0.0.1:1/x"),
    ],
)
def test_a_server_of_somebody_else_that_is_not_there_is_named(
    start: Start, variable: str, url: str, named: str
) -> None:
    run = start(**{variable: url}, REACH_TIMEOUT_S="1")
    assert run.exit_code() == 1
    assert named in run.output
    assert "refused" in run.output
    assert "secret" not in run.output
    assert run.processes() == []


def test_servers_of_somebody_else_are_used(start: Start, redis_url: str, database_url: str) -> None:
    run = start(REDIS_URL=redis_url, DATABASE_URL=database_url)
    run.wait_until_ready()
    assert task(run, submit(run), wait_s=20)["state"] == "succeeded"
    assert {"postgres", "valkey-server"}.isdisjoint(process.name() for process in run.processes())
    assert run.stop() == 0


def test_a_setting_that_makes_no_sense_is_named(start: Start) -> None:
    run = start(WORKERS="many")
    assert run.exit_code() == 1
    assert "WORKERS: " in run.output
