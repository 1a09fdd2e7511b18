"""A process that lacks what it needs says what and why, within a bounded time, and its exit code tells it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from local.ports import free_port
from tests.support.system import Api, Process, System

TIMEOUT_S: Final = 1
IMPORTS_S: Final = 20
"""What Python needs to load everything, on a machine that is busy."""


def reason(process: Process) -> str:
    """Why it did not start: its only complaint."""
    (complaint,) = process.complaints()
    assert (complaint["action"], complaint["level"]) == ("start_failed", "error")
    return str(complaint["reason"])


def test_servers_that_cannot_be_reached_end_the_start_and_are_named(routes_system: System, tmp_path: Path) -> None:
    redis, postgres = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    reachable = {
        "REDIS_URL": routes_system.valkey.url,
        "DATABASE_URL": routes_system.postgres.url,
        "START_TIMEOUT_S": str(TIMEOUT_S),
    }
    wrong = {"REDIS_URL": f"redis://{redis}/0", "DATABASE_URL": f"postgresql://someone:secret@{postgres}/none"}
    none = Api("none", tmp_path, reachable | wrong)
    no_database = Api("no-database", tmp_path, reachable | {"DATABASE_URL": wrong["DATABASE_URL"]})
    no_broker = Api("no-broker", tmp_path, reachable | {"BROKER_URL": wrong["REDIS_URL"]})
    processes = [none, no_database, no_broker]
    started = time.monotonic()
    for process in processes:
        process.start()

    assert [process.wait(TIMEOUT_S + IMPORTS_S) for process in processes] == [1, 1, 1]
    assert time.monotonic() - started >= TIMEOUT_S
    for process in (none, no_broker):
        assert f"Redis at {redis} cannot be reached after {TIMEOUT_S} s: Error 111" in reason(process)
    for process in (none, no_database):
        assert f"PostgreSQL at {postgres} cannot be reached after {TIMEOUT_S} s: [Errno 111]" in reason(process)
    assert "Redis" not in reason(no_database)
    assert "PostgreSQL" not in reason(no_broker)
    assert not any("secret" in process.log_path.read_text() for process in processes)


def test_settings_that_cannot_be_right_end_the_start_and_are_named(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, str], int, str]] = [
        ({"API_PORT": "http"}, 2, "api_port"),
        ({"QUEUE_LIMIT": "0"}, 2, "queue_limit"),
        ({"WORKLOADS": "no.such.module"}, 1, "no.such.module"),
        ({"DATABASE_URL": "not a url"}, 1, "DATABASE_URL"),
        ({"REDIS_URL": "redis+cluster://127.0.0.1:1"}, 2, "BROKER_URL must name a Redis that stands alone"),
    ]
    unreachable = {"REDIS_URL": "redis://127.0.0.1:1/0", "START_TIMEOUT_S": "0.1"}
    processes = [Api(f"wrong-{i}", tmp_path, {**unreachable, **settings}) for i, (settings, _, _) in enumerate(cases)]
    for process in processes:
        process.start()

    for process, (_, code, named) in zip(processes, cases, strict=True):
        assert process.wait(IMPORTS_S) == code
        assert named in process.log_path.read_text()
        assert "Traceback" not in process.log_path.read_text()


def test_a_port_that_is_taken_ends_the_start(routes_system: System, replicas: tuple[Api, Api], tmp_path: Path) -> None:
    settings = {"DATABASE_URL": routes_system.postgres.url, "REDIS_URL": routes_system.valkey.url}
    second = Api("second", tmp_path, {**settings, "API_PORT": str(replicas[0].port)})

    second.start()

    assert second.wait(IMPORTS_S) == 1
    assert "address already in use" in second.log_path.read_text()
