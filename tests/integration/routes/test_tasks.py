"""Tasks over REST, from the submission to the result."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from local.children import wait_until
from tests.support.rest import ended, problem, submit, unknown

TASK = {
    *("id", "kind", "params", "state", "attempt", "seq", "progress", "error"),
    *("created_at", "started_at", "updated_at", "finished_at", "links"),
}


def until_running(http: httpx.Client, task: dict[str, Any]) -> None:
    """Follow `task` until a worker has begun with it, and projection has had time to hear of it."""
    with http.stream("GET", task["links"]["events"], headers={"Accept": "text/event-stream"}) as stream:
        assert any('"state":"running"' in line for line in stream.iter_lines())
    rows = {"kind": task["kind"], "state": "running", "limit": 200}
    assert wait_until(lambda: task["id"] in http.get("/tasks", params=rows).text, timeout_s=10)


def test_the_kinds_are_listed_each_with_the_schema_of_its_parameters(http: httpx.Client) -> None:
    kinds = {kind["name"]: kind for kind in http.get("/kinds").json()["items"]}

    assert kinds.keys() == {"compute_pi", "document_analysis", "synthetic"}
    assert kinds["compute_pi"]["params"]["properties"]["digits"]["maximum"] == 10_000
    assert all(kind["summary"] and kind["params"]["type"] == "object" for kind in kinds.values())


def test_a_submission_is_accepted_with_its_place_and_the_task_as_it_is(idle_http: httpx.Client) -> None:
    answer = idle_http.post("/tasks", json={"kind": "compute_pi", "params": {"digits": 5}})
    task = answer.json()

    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/tasks/{task['id']}" == task["links"]["self"]
    assert task.keys() == TASK
    assert (task["kind"], task["state"], task["attempt"], task["seq"]) == ("compute_pi", "queued", 0, 0)
    assert task["params"] == {"digits": 5, "pace_ms": [100, 500], "seed": 0}
    assert [task[name] for name in ("progress", "error", "started_at", "finished_at")] == [None] * 4
    assert datetime.fromisoformat(task["created_at"]).tzinfo is not None
    assert idle_http.get(answer.headers["Location"]).json() == task


def test_parameters_that_all_have_defaults_may_be_left_out(idle_http: httpx.Client) -> None:
    task = idle_http.post("/tasks", json={"kind": "compute_pi"}).json()

    assert task["params"] == {"digits": 100, "pace_ms": [100, 500], "seed": 0}


def test_a_task_that_has_succeeded_tells_how_and_when(http: httpx.Client, finished: dict[str, Any]) -> None:
    task = http.get(finished["links"]["self"]).json()

    assert task == finished | {"started_at": task["started_at"]}  # which the first answer may have had from the head
    assert (task["state"], task["attempt"]) == ("succeeded", 1)
    assert task["seq"] >= 13  # the start, ten chunks, the last progress, the result
    assert task["progress"] == {
        "current": 10,
        "total": 10,
        "ratio": 1.0,
        "message": None,
        "metrics": {"digits": 10},
    }
    times = [datetime.fromisoformat(task[name]) for name in ("created_at", "started_at", "finished_at", "updated_at")]
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_a_wait_ends_with_the_task(http: httpx.Client) -> None:
    task = submit(http, updates=3, rate=20)
    answer = http.get(task["links"]["self"], headers={"Prefer": "respond-async, wait=30"})

    assert answer.headers["Preference-Applied"] == "wait=30"
    assert answer.json()["state"] == "succeeded"
    assert answer.elapsed.total_seconds() < 20


def test_a_wait_that_is_over_before_the_task_tells_how_far_it_is(idle_http: httpx.Client) -> None:
    task = submit(idle_http)
    answer = idle_http.get(task["links"]["self"], headers={"Prefer": "wait=1"})

    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    assert answer.elapsed.total_seconds() >= 1


@pytest.mark.parametrize("prefer", ["wait=x", "wait=", "waits=5", "return=minimal", "wait=-1"])
def test_a_preference_that_is_no_wait_is_ignored(idle_http: httpx.Client, prefer: str) -> None:
    task = submit(idle_http)
    answer = idle_http.get(task["links"]["self"], headers={"Prefer": prefer})

    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


def test_an_unfinished_task_has_no_result_yet(idle_http: httpx.Client) -> None:
    task = submit(idle_http)
    answer = idle_http.get(task["links"]["result"])

    assert answer.status_code == 202
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json() == task


def test_a_result_is_what_the_task_returned(http: httpx.Client, finished: dict[str, Any]) -> None:
    answer = http.get(finished["links"]["result"])

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"digits": 10, "pi": "3.141592653"}


def test_a_task_that_fails_is_tried_again_and_then_has_an_error_and_no_result(http: httpx.Client) -> None:
    task = ended(http, submit(http, updates=2, rate=0, fail_at=1))
    answer = http.get(task["links"]["result"])

    assert (task["state"], task["attempt"]) == ("failed", 3)
    assert task["error"] == {"type": "IntendedFailure", "message": "failed on purpose after 1 updates"}
    body = problem(answer, 409)
    assert (body["state"], body["error"]) == ("failed", task["error"])


def test_a_queued_task_is_cancelled_at_once_by_one_event(idle_http: httpx.Client) -> None:
    task = submit(idle_http)
    answers = [idle_http.post(task["links"]["cancel"]) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202] * 3
    assert [answer.json()["state"] for answer in answers] == ["cancelled"] * 3
    assert problem(idle_http.get(task["links"]["result"]), 409)["state"] == "cancelled"
    events = idle_http.get(task["links"]["events"]).json()["events"]
    assert [event["data"]["state"] for event in events] == ["cancelled"]


def test_a_running_task_is_cancelled_by_its_worker(http: httpx.Client) -> None:
    task = submit(http, updates=1_000, rate=50)
    until_running(http, task)
    assert http.post(task["links"]["cancel"]).status_code == 202
    assert ended(http, task)["state"] == "cancelled"
    assert http.post(task["links"]["cancel"]).status_code == 202


def test_a_task_that_has_ended_otherwise_cannot_be_cancelled(http: httpx.Client, finished: dict[str, Any]) -> None:
    assert problem(http.post(finished["links"]["cancel"]), 409)["state"] == "succeeded"


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/result"), ("GET", "/events"), ("POST", "/cancel")])
def test_a_task_that_does_not_exist_is_not_found(http: httpx.Client, method: str, path: str) -> None:
    task = unknown()
    body = problem(http.request(method, task + path), 404)

    assert task.removeprefix("/tasks/") in body["detail"]


def test_a_list_is_newest_first_and_its_pages_hold_everything_once(idle_http: httpx.Client) -> None:
    made = [submit(idle_http, "document_analysis")["id"] for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while len(found) < 5:
        params = {"kind": "document_analysis", "state": "queued", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = idle_http.get("/tasks", params=params).json()
        assert len(page["items"]) <= 2
        found += [task["id"] for task in page["items"]]
        cursor = page["next"]

    assert found[:5] == made[::-1]


def test_a_list_cuts_long_texts_which_the_task_itself_has(idle_http: httpx.Client) -> None:
    text = "ü" * 1_001
    source = {"kind": "text", "text": text}
    task = submit(idle_http, "document_analysis", source=source)
    (listed,) = idle_http.get("/tasks", params={"limit": 1}).json()["items"]

    assert listed["id"] == task["id"]
    assert listed["params"]["source"] == {"kind": "text", "text": "ü" * 1_000 + "…"}
    assert {**listed, "params": None} == {**task, "params": None}
    assert idle_http.get(task["links"]["self"]).json()["params"]["source"] == source


def test_a_list_holds_only_what_it_was_asked_for(http: httpx.Client, finished: dict[str, Any]) -> None:
    running = submit(http, "document_analysis", pace_ms=[10_000, 10_000])
    until_running(http, running)
    ids = {}
    for kind in ("compute_pi", "document_analysis"):
        for state in ("running", "succeeded", "failed"):
            items = http.get("/tasks", params={"kind": kind, "state": state, "limit": 200}).json()["items"]
            assert {(task["kind"], task["state"]) for task in items} <= {(kind, state)}
            ids[kind, state] = {task["id"] for task in items}

    assert finished["id"] in ids["compute_pi", "succeeded"]
    assert running["id"] in ids["document_analysis", "running"]
    assert http.get("/tasks", params={"kind": "no_such_kind"}).json() == {"items": [], "next": None}
