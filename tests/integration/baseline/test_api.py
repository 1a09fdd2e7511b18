"""The api process: what it accepts, what it refuses and how, and how it begins and ends."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.integration.baseline.processes import LONG_S, Api, Baseline, Process, story, until
from workloads.registry import load

NOBODY = "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e"
SAMPLE = {"keywords": ["lamp"]}
BAD_BODIES = [
    (b"", "body"),
    (b"{", "body"),
    (b"[]", "body"),
    (b'"synthetic"', "body"),
    (b'{"params": {}}', "kind"),
    (b'{"kind": "dance"}', "kind"),
    (b'{"kind": 7}', "kind"),
    (b'{"kind": "synthetic", "speed": 1}', "speed"),
    (b'{"kind": "synthetic", "params": []}', "params"),
    (b'{"kind": "synthetic", "params": {"update": 1}}', "params.update"),
    (b'{"kind": "synthetic", "params": {"updates": "many"}}', "params.updates"),
    (b'{"kind": "synthetic", "params": {"updates": -1}}', "params.updates"),
    (b'{"kind": "synthetic", "params": {"rate": NaN}}', "params.rate"),
    (b'{"kind": "synthetic", "params": {"updates": 1000000, "size": 65536}}', "params.size"),
    (b'{"kind": "compute_pi", "params": {"digits": 0}}', "params.digits"),
    (b'{"kind": "compute_pi", "params": {"digits": 10001}}', "params.digits"),
    (b'{"kind": "compute_pi", "params": {"pace_ms": [500, 100]}}', "params.pace_ms"),
    (b'{"kind": "compute_pi", "params": {"pace_ms": [1, "x"]}}', "params.pace_ms.1"),
    (b'{"kind": "document_analysis", "params": {"keywords": []}}', "params.keywords"),
    (b'{"kind": "document_analysis", "params": {"keywords": ["a", "A"]}}', "params.keywords"),
    (b'{"kind": "document_analysis", "params": {"source": {"kind": "url"}}}', "params.source.kind"),
    (b'{"kind": "document_analysis", "params": {"source": {"kind": "text"}}}', "params.source.text"),
    (b'{"kind": "document_analysis", "params": {"source": {"kind": "text", "text": "\\ud800"}}}', "params.source.text"),
]


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An api without a worker: what is queued stays so."""
    with closing(Baseline(tmp_path_factory.mktemp("idle"))) as baseline:
        yield baseline.api(BASELINE_QUEUE_LIMIT=5, BASELINE_BODY_LIMIT=100_000, BASELINE_WAITING_LIMIT=1)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == status
    return body


@pytest.mark.parametrize(("body", "field"), BAD_BODIES)
def test_a_bad_submission_is_refused_by_the_name_of_its_field(idle: Api, body: bytes, field: str) -> None:
    answer = idle.http.post("/tasks", content=body, headers={"Content-Type": "application/json"})

    errors = problem(answer, 422)["errors"]
    assert [error["field"] for error in errors] == [field]
    assert all(error["message"] and error["type"] for error in errors)


def test_every_wrong_field_is_named(idle: Api) -> None:
    params = {"digits": "x", "seed": -1, "more": 1}
    errors = problem(idle.http.post("/tasks", json={"kind": "compute_pi", "params": params}), 422)["errors"]
    assert {error["field"] for error in errors} == {"params.digits", "params.seed", "params.more"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/tasks/7/status", "task_id"),
        (f"/tasks/{NOBODY}/status?after=-1", "after"),
        (f"/tasks/{NOBODY}/status?after=x", "after"),
        (f"/tasks/{NOBODY}/status?after=99999999999999999999", "after"),
        ("/tasks/7/result", "task_id"),
    ],
)
def test_a_bad_question_is_refused_by_the_name_of_its_field(idle: Api, path: str, field: str) -> None:
    assert [error["field"] for error in problem(idle.http.get(path), 422)["errors"]] == [field]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/tasks/{NOBODY}/status", 404),
        ("GET", f"/tasks/{NOBODY}/status?after=0", 404),
        ("GET", f"/tasks/{NOBODY}/result", 404),
        ("POST", f"/tasks/{NOBODY}/cancel", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/tasks", 405),
    ],
)
def test_what_is_not_there_is_a_problem(idle: Api, method: str, path: str, status: int) -> None:
    problem(idle.http.request(method, path), status)


def test_a_cursor_ahead_of_the_task_is_refused(idle: Api) -> None:
    task = idle.submit("compute_pi")
    errors = problem(idle.status(task, after=1), 422)["errors"]
    assert errors == [{"field": "after", "message": "the task has 0 updates so far", "type": "cursor"}]
    idle.http.post(f"/tasks/{task}/cancel")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused(idle: Api, declared: bool) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 10_000

    content = b"".join(pieces()) if declared else pieces()
    headers = {"Content-Type": "application/json"}
    problem(idle.http.post("/tasks", content=content, headers=headers), 413)


def test_an_answer_to_a_submission_leads_to_its_status(idle: Api) -> None:
    answer = idle.http.post("/tasks", json={"kind": "document_analysis", "params": SAMPLE})

    task = answer.json()
    assert (answer.status_code, task["state"], task["attempt"], task["seq"]) == (202, "queued", 0, 0)
    assert task["params"]["keywords"] == ["lamp"]
    assert task["params"]["seed"] == 0  # what was left out is filled in
    assert answer.headers["Location"] == task["links"]["status"]
    assert idle.http.get(answer.headers["Location"]).json()["id"] == task["id"]
    waiting = idle.http.get(task["links"]["result"])
    assert (waiting.status_code, waiting.headers["Retry-After"], waiting.json()) == (202, "1", task)
    assert idle.http.post(task["links"]["cancel"]).json()["state"] == "cancelled"
    assert idle.whole(task["id"])["state"] == "cancelled"


def test_params_may_be_left_out(idle: Api) -> None:
    task = idle.http.post("/tasks", json={"kind": "synthetic"}).json()
    assert task["params"]["updates"] == 100
    idle.http.post(task["links"]["cancel"])


def test_a_full_queue_takes_no_more(idle: Api) -> None:
    tasks = [idle.submit("compute_pi") for _ in range(5)]

    answer = idle.http.post("/tasks", json={"kind": "compute_pi"})

    assert "5 tasks" in problem(answer, 429)["detail"]
    assert answer.headers["Retry-After"] == "2"
    for task in tasks:
        idle.http.post(f"/tasks/{task}/cancel")
    idle.http.post(f"/tasks/{idle.submit('compute_pi')}/cancel")


async def test_so_many_may_wait_and_no_more(idle: Api) -> None:
    task = idle.submit("compute_pi")
    async with httpx.AsyncClient(base_url=idle.url, timeout=40) as http:
        waiting = asyncio.create_task(
            http.get(f"/tasks/{task}/status", params={"after": 0}, headers={"Prefer": "wait=30"})
        )
        await asyncio.to_thread(until, lambda: idle.stats()["waiting"] == 1)

        refused = idle.status(task, after=0, Prefer="wait=30")

        assert "1 clients wait already" in problem(refused, 503)["detail"]
        assert refused.headers["Retry-After"] == "2"
        idle.http.post(f"/tasks/{task}/cancel")
        assert story((await waiting).json()["events"]) == ["cancelled"]


def test_kinds_are_those_of_the_registry(idle: Api) -> None:
    items = {item["name"]: item for item in idle.http.get("/kinds").json()["items"]}

    for kind in load().values():
        assert items[kind.name]["params"] == kind.params.model_json_schema()
        assert items[kind.name]["summary"] == kind.summary


def test_a_task_that_succeeded_cannot_be_cancelled(api: Api) -> None:
    task = api.submit("synthetic", updates=1, rate=0)
    events = api.events(task, wait=True)

    assert problem(api.http.post(f"/tasks/{task}/cancel"), 409)["state"] == "succeeded"

    assert api.events(task) == events


def test_the_result_of_a_failed_task_is_its_error(api: Api) -> None:
    task = api.submit("refused")
    api.events(task, wait=True)

    body = problem(api.http.get(f"/tasks/{task}/result"), 409)

    assert (body["state"], body["error"]["type"]) == ("failed", "UpdateRefused")


def test_the_counters_are_of_what_went_over_the_socket(idle: Api) -> None:
    task = idle.submit("compute_pi")
    idle.http.post(f"/tasks/{task}/cancel")
    before = idle.stats()
    requests = [("", ""), ("?after=0", ""), ("?after=1", 'If-None-Match: "1"\r\n'), ("?after=7", "")]
    received = 0
    with socket.create_connection(("127.0.0.1", httpx.URL(idle.url).port or 0)) as connection:
        for query, header in requests:
            last = query == requests[-1][0]
            end = "Connection: close\r\n\r\n" if last else "\r\n"
            connection.sendall(f"GET /tasks/{task}/status{query} HTTP/1.1\r\nHost: x\r\n{header}{end}".encode())
        while data := connection.recv(65_536):
            received += len(data)

    after = idle.stats()

    assert after["requests"] - before["requests"] == 4
    assert after["not_modified"] - before["not_modified"] == 1
    closing_header = len("connection: close\r\n")  # the server's own, once
    assert after["bytes_sent"] - before["bytes_sent"] == received - closing_header
    assert after["cpu_s"] > before["cpu_s"]
    assert after["memory_bytes"] > 10**7


def test_the_cpu_of_the_worker_is_reported_through_the_file(api: Api) -> None:
    before = until(lambda: api.stats()["worker"], lambda worker: worker["count"] == 1)
    task = api.submit("compute_pi", digits=10_000, pace_ms=[0, 0])
    ended_ms = api.events(task, wait=True)[-1]["ts"]

    after = until(lambda: api.stats()["worker"], lambda worker: worker["at_ms"] > ended_ms)

    assert after["cpu_s"] > before["cpu_s"] + 0.05  # 0.1 for the digits, 0.2 for writing them


def test_every_process_is_told_by_its_name_and_a_worker_that_is_gone_is_missed_by_name(baseline: Baseline) -> None:
    workers, api = [baseline.worker() for _ in range(2)], baseline.api()
    names = [f"{socket.gethostname()}:{one.process.pid}" for one in (api.process, *workers)]

    stats = until(api.stats, lambda stats: stats["worker"]["count"] == 2)

    own, *others = stats["processes"]
    assert (own["role"], own["name"], own["at_ms"]) == ("api", names[0], stats["now_ms"])
    assert (own["cpu_s"], own["memory_bytes"]) == (stats["cpu_s"], stats["memory_bytes"])
    assert [(one["role"], one["name"]) for one in others] == [("worker", name) for name in sorted(names[1:])]
    for field in ("cpu_s", "memory_bytes"):
        assert sum(one[field] for one in others) == stats["worker"][field]
    assert max(one["at_ms"] for one in others) == stats["worker"]["at_ms"]
    workers[0].end()
    assert [one["name"] for one in api.stats()["processes"]] == [names[0], names[2]]


def test_a_proxy_may_serve_it_under_a_path(baseline: Baseline) -> None:
    api = baseline.api(BASELINE_ROOT_PATH="/baseline")

    answer = api.http.post("/tasks", json={"kind": "compute_pi"})

    location = answer.headers["Location"]
    assert location == f"/baseline/tasks/{answer.json()['id']}/status"
    assert api.http.get(location).status_code == 200  # a proxy that passes the path on
    assert api.http.get(location.removeprefix("/baseline")).status_code == 200  # and one that cuts it off


def test_a_proxy_may_tell_the_path_that_it_has_cut_off_and_others_come_directly(baseline: Baseline, api: Api) -> None:
    rooted = baseline.api(BASELINE_ROOT_PATH="/own")
    prefix = {"X-Forwarded-Prefix": "/polling"}

    for each, own in ((api, ""), (rooted, "/own")):
        answer = each.http.post("/tasks", json={"kind": "synthetic", "params": {"updates": 1}}, headers=prefix)
        task = answer.json()
        path = f"/tasks/{task['id']}"
        assert answer.headers["Location"] == f"/polling{path}/status"
        assert all(link.startswith(f"/polling{path}/") for link in task["links"].values())
        assert each.http.get(f"{path}/status", headers=prefix).status_code == 200
        assert each.http.post(f"{path}/cancel").json()["links"]["status"] == f"{own}{path}/status"
        assert "'/polling/openapi.json'" in each.http.get("/docs", headers=prefix).text
        assert f"'{own}/openapi.json'" in each.http.get("/docs", headers={"X-Forwarded-Prefix": "//elsewhere"}).text


async def test_those_who_wait_are_answered_when_the_process_ends(baseline: Baseline) -> None:
    api = baseline.api()
    task = api.submit("compute_pi")
    async with httpx.AsyncClient(base_url=api.url, timeout=40) as http:
        waiting = asyncio.create_task(
            http.get(f"/tasks/{task}/status", params={"after": 0}, headers={"Prefer": "wait=30"})
        )
        await asyncio.to_thread(until, lambda: api.stats()["waiting"] == 1)

        assert await asyncio.to_thread(api.end) < 3

        answer = await waiting
        assert (answer.status_code, answer.json()["events"]) == (200, [])
    assert "Traceback" not in api.process.text


def test_both_may_start_at_once_on_a_new_file(baseline: Baseline) -> None:
    workers = [baseline.worker() for _ in range(2)]
    api = baseline.api()

    events = api.events(api.submit("synthetic", updates=2, rate=0, size=1), wait=True)

    assert story(events) == ["running", "0", "1", {"updates": 2, "bytes": 2}]
    alive = api.http.get("/livez").json()
    assert alive == {"status": "ok", "now_ms": pytest.approx(time.time() * 1000, abs=60_000)}
    until(lambda: api.http.get("/readyz").json()["workers"] == 2)
    for process in (*workers, api.process):
        process.end()
    assert [path.name for path in sorted(baseline.file.parent.iterdir())] == ["baseline.db", "baseline.db.lock"]


def test_a_restart_keeps_the_tasks(baseline: Baseline) -> None:
    worker, api = baseline.worker(), baseline.api()
    done = api.submit("synthetic", updates=5, rate=0)
    events = api.events(done, wait=True)
    worker.end()
    waiting = api.submit("synthetic", updates=1, rate=0, size=1)
    before = api.whole(done), api.whole(waiting)
    api.process.kill()

    api = baseline.api()

    assert (api.whole(done), api.whole(waiting)) == before
    assert api.events(done) == events
    baseline.worker()
    assert story(api.events(waiting, wait=True)) == ["running", "0", {"updates": 1, "bytes": 1}]


@pytest.mark.parametrize("command", ["api", "worker"])
class TestCannotStart:
    def test_with_a_file_that_is_no_database(self, baseline: Baseline, command: str) -> None:
        baseline.file.parent.mkdir()
        baseline.file.write_text("something else, and long enough to be looked at as a database " * 20)
        self._ends(baseline.start(command), 1, "not a database")

    def test_with_kinds_that_are_not_there(self, baseline: Baseline, command: str) -> None:
        self._ends(baseline.start(command, WORKLOADS="no.such.module"), 1, "no module 'no.such.module'")

    def test_with_settings_that_make_no_sense(self, baseline: Baseline, command: str) -> None:
        self._ends(baseline.start(command, BASELINE_PORT="http"), 2, "baseline_port")

    @staticmethod
    def _ends(process: Process, code: int, reason: str) -> None:
        assert process.process.wait(LONG_S) == code
        assert reason in process.text
        assert "Traceback" not in process.text


def test_a_port_that_is_taken_is_an_error(baseline: Baseline) -> None:
    taken = httpx.URL(baseline.api().url).port
    second = baseline.start("api", BASELINE_PORT=taken)
    assert second.process.wait(LONG_S) != 0
    assert "address already in use" in second.text


def test_openapi_names_every_route(idle: Api) -> None:
    paths = json.loads(idle.http.get("/openapi.json").text)["paths"]
    assert {f"{method.upper()} {path}" for path, item in paths.items() for method in item} == {
        "GET /kinds",
        "POST /tasks",
        "GET /tasks/{task_id}/status",
        "GET /tasks/{task_id}/result",
        "POST /tasks/{task_id}/cancel",
        "GET /livez",
        "GET /readyz",
        "GET /stats",
    }
