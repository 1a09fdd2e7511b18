"""What operators and tools ask: health, numbers, the description of the API; and answers to what nobody serves."""

from __future__ import annotations

import time
from typing import Any, Final

import httpx
import pytest

from tests.support.asyncapi import references
from tests.support.rest import problem, submit
from tests.support.system import Api

PROBLEMS: Final = {
    ("get", "/kinds"): set(),
    ("get", "/tasks"): {422, 503},
    ("post", "/tasks"): {400, 413, 422, 429, 503},
    ("get", "/tasks/{task_id}"): {404, 422, 503},
    ("get", "/tasks/{task_id}/result"): {404, 409, 422, 503},
    ("get", "/tasks/{task_id}/events"): {404, 422, 503},
    ("post", "/tasks/{task_id}/cancel"): {404, 409, 422, 503},
    ("get", "/livez"): set(),
    ("get", "/stats"): set(),
    ("get", "/metrics"): set(),
    ("get", "/asyncapi.json"): set(),
}
"""Every route and the problems that it answers with."""


@pytest.fixture
def openapi(http: httpx.Client) -> dict[str, Any]:
    description: dict[str, Any] = http.get("/openapi.json").json()
    return description


def test_the_process_lives_and_is_ready(http: httpx.Client) -> None:
    assert http.get("/livez").json() == {"status": "ok", "now_ms": pytest.approx(time.time() * 1000, abs=60_000)}
    ready = http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    assert {"database", "redis", "live", "projection"} <= ready.json()["checks"].keys()


def test_the_stats_count_what_was_done(api: Api, http: httpx.Client) -> None:
    before = api.stats()
    task = submit(http, updates=5, rate=0)
    with http.stream("GET", task["links"]["events"], headers={"Accept": "text/event-stream"}) as answer:
        assert answer.read()
    after = api.stats()

    assert after["sessions"]["opened"] == before["sessions"]["opened"] + 1
    assert after["sessions"]["frames"] > before["sessions"]["frames"]
    assert after["cpu_s"] >= before["cpu_s"] > 0
    assert after["memory_bytes"] > 2**20
    assert after["projection"]["healthy"] is True
    assert after["now_ms"] > before["now_ms"]


def test_the_metrics_are_prometheus_text(http: httpx.Client) -> None:
    answer = http.get("/metrics")
    samples = [line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")]

    assert answer.headers["content-type"].startswith("text/plain")
    assert len(samples) > 20
    assert all(name and float(value) >= 0 for name, value in samples)


@pytest.mark.parametrize("path", ["/nothing", "/tasks/x/y", "/ws/tasks/x"])
def test_a_path_that_nobody_serves_is_a_problem(http: httpx.Client, path: str) -> None:
    problem(http.get(path), 404)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/tasks/x"), ("PUT", "/kinds"), ("POST", "/livez")])
def test_a_method_that_nobody_serves_is_a_problem_that_says_which_are(
    http: httpx.Client, method: str, path: str
) -> None:
    answer = http.request(method, path)

    problem(answer, 405)
    assert "GET" in answer.headers["Allow"]


def test_openapi_describes_every_route_and_every_problem(openapi: dict[str, Any]) -> None:
    declared = {
        (method, path): {int(code) for code in operation["responses"] if int(code) >= 400}
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
        if path != "/readyz"
    }

    assert openapi["openapi"].startswith("3.1")
    assert declared == PROBLEMS


def test_openapi_tells_problems_by_their_media_type(openapi: dict[str, Any]) -> None:
    for operations in openapi["paths"].values():
        for operation in operations.values():
            assert operation["operationId"]
            for code, response in operation["responses"].items():
                assert response["description"]
                if int(code) >= 400:
                    problem_schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
                    assert response["content"] == {"application/problem+json": problem_schema}


def test_openapi_refers_to_nothing_that_is_not_there(openapi: dict[str, Any]) -> None:
    found = set(references(openapi))

    assert found
    for reference in found:
        node: Any = openapi
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_openapi_describes_a_submission_of_each_kind(openapi: dict[str, Any]) -> None:
    body = openapi["paths"]["/tasks"]["post"]["requestBody"]
    mapping = body["content"]["application/json"]["schema"]["discriminator"]["mapping"]
    schemas = openapi["components"]["schemas"]

    assert mapping.keys() == {"compute_pi", "document_analysis", "synthetic"}
    for kind, reference in mapping.items():
        submission = schemas[reference.rsplit("/", 1)[1]]
        assert submission["properties"]["kind"]["const"] == kind
        assert submission["additionalProperties"] is False
    assert schemas["ComputePi"]["properties"]["digits"]["minimum"] == 1


def test_openapi_names_the_headers_as_clients_write_them(openapi: dict[str, Any]) -> None:
    def names(path: str, method: str) -> set[str]:
        return {each["name"] for each in openapi["paths"][path][method]["parameters"] if each["in"] == "header"}

    assert names("/tasks", "post") == {"Idempotency-Key"}
    assert names("/tasks/{task_id}/events", "get") == {"Last-Event-ID"}
