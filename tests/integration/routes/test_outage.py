"""Redis or PostgreSQL is away for a while: what still works, what is said, and that everything is caught up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from local.children import wait_until
from tests.support.rest import ended, problem, submit
from tests.support.system import READY_S, Api, System


@pytest.fixture
def outage(routes_system: System, api: Api, idle: Api) -> Iterator[System]:
    """The system, which the test may hurt; afterwards it is whole again."""
    yield routes_system
    routes_system.valkey.start()
    routes_system.postgres.start()
    assert wait_until(lambda: api.ready() and idle.ready(), timeout_s=READY_S)


def test_without_redis_tasks_are_taken_and_read_and_run_once_it_is_back(
    outage: System, api: Api, http: httpx.Client
) -> None:
    outage.valkey.stop()
    task = submit(http, updates=3, rate=0)

    assert http.get(task["links"]["self"]).json()["state"] == "queued"
    assert http.get("/tasks", params={"limit": 1}).json()["items"][0]["id"] == task["id"]
    answer = problem(http.get(task["links"]["events"]), 503)
    assert "Redis" in answer["detail"]
    unready = http.get("/readyz")
    assert unready.status_code == 503
    assert unready.json()["checks"]["redis"] != "ok"
    assert unready.json()["checks"]["database"] == "ok"
    assert http.get("/livez").status_code == 200

    outage.valkey.start()
    assert wait_until(api.ready, timeout_s=READY_S)
    assert ended(http, task)["state"] == "succeeded"


def test_without_redis_the_stats_tell_of_this_process_at_once_and_the_log_says_it_once(
    outage: System, api: Api, http: httpx.Client
) -> None:
    def said(action: str) -> int:
        return sum(record.get("action") == action for record in api.logged())

    before, failures = said("usage_not_reported"), api.stats()["usage"]["failures"]
    outage.valkey.stop()
    assert wait_until(lambda: api.stats()["usage"]["failures"] >= failures + 3, timeout_s=READY_S)
    assert_alone(http)
    outage.valkey.start()
    assert wait_until(lambda: len(api.stats()["processes"]) == 2, timeout_s=READY_S)
    assert said("usage_not_reported") == before + 1

    outage.valkey.pause()
    try:
        assert_alone(http)
    finally:
        outage.valkey.resume()
    assert wait_until(lambda: len(api.stats()["processes"]) == 2, timeout_s=READY_S)


def assert_alone(http: httpx.Client) -> None:
    asked = time.monotonic()
    stats = http.get("/stats").json()
    assert time.monotonic() - asked < 4  # it waits for a second; the machine may be busy
    assert [process["name"] for process in stats["processes"]] == ["busy"]
    assert stats["processes"][0]["cpu_s"] == stats["cpu_s"] > 0
    assert stats["redis"] is None


def test_without_postgresql_followers_go_on_and_what_they_saw_is_written_once_it_is_back(
    outage: System, api: Api, http: httpx.Client
) -> None:
    task = submit(http, updates=60, rate=60)
    with connect(f"{api.ws_url}{task['links']['stream']}") as follower:
        items = json.loads(follower.recv(10)) + json.loads(follower.recv(10))
        outage.postgres.stop()
        refused = http.post("/tasks", json={"kind": "synthetic"})
        for frame in follower:
            items += json.loads(frame)

    assert [item["seq"] for item in items[1:]] == list(range(1, len(items)))
    assert items[-1]["type"] == "result"
    assert int(refused.headers["Retry-After"]) > 0
    assert "database" in problem(refused, 503)["detail"]
    problem(http.get(task["links"]["self"]), 503)
    assert http.get("/readyz").json()["checks"]["database"] != "ok"
    assert http.get("/livez").status_code == 200

    outage.postgres.start()
    assert wait_until(lambda: http.get(task["links"]["self"]).status_code == 200, timeout_s=READY_S)
    assert ended(http, task)["seq"] == items[-1]["seq"]
    assert http.get(task["links"]["result"]).json() == items[-1]["data"]["result"]
