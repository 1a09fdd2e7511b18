"""What cannot be taken is refused, names the field, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis import Redis

from tests.integration.routes.conftest import BODY_LIMIT, QUEUE_LIMIT
from tests.support.rest import fields, problem, submit


@pytest.fixture
def nothing_taken(idle_http: httpx.Client, idle_queues: Redis) -> Iterator[None]:
    """After the test there is no row and no message that was not there before."""

    def there() -> tuple[Any, dict[str, int]]:
        queues = {key: idle_queues.llen(key) for key in idle_queues.scan_iter("tasks.*")}
        return idle_http.get("/tasks", params={"limit": 1}).json(), queues

    before = there()
    yield
    assert there() == before


def pi(**params: Any) -> dict[str, Any]:
    return {"kind": "compute_pi", "params": params}


def document(**params: Any) -> dict[str, Any]:
    return {"kind": "document_analysis", "params": params}


def text(text: Any) -> dict[str, Any]:
    return document(source={"kind": "text", "text": text})


@pytest.mark.usefixtures("nothing_taken")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "nope"}, "kind"),
        ({"kind": 5}, "kind"),
        ({"kind": ["compute_pi"]}, "kind"),
        ({"params": {}}, "kind"),
        ({}, "kind"),
        ([], "body"),
        ("compute_pi", "body"),
        (None, "body"),
        (pi(digits=0), "params.digits"),
        (pi(digits=-1), "params.digits"),
        (pi(digits=10**9), "params.digits"),
        (pi(digits=10**400), "params.digits"),
        (pi(digits="ten"), "params.digits"),
        (pi(digits="10"), "params.digits"),
        (pi(digits=1.5), "params.digits"),
        (pi(digits=True), "params.digits"),
        (pi(digits=None), "params.digits"),
        (pi(pace_ms=[5, 1]), "params.pace_ms"),
        (pi(pace_ms=[5]), "params.pace_ms.1"),
        (pi(decimals=5), "params.decimals"),
        ({"kind": "compute_pi", "priority": 1}, "priority"),
        ({"kind": "compute_pi", "params": []}, "params"),
        ({"kind": "compute_pi", "params": None}, "params"),
        (text(""), "params.source.text"),
        (text(5), "params.source.text"),
        (text("x" * 1_000_001), "params.source.text"),
        (text("\ud800"), "params.source.text"),
        (document(source={"kind": "url"}), "params.source.kind"),
        (document(source={"text": "x"}), "params.source.kind"),
        (document(source={"kind": "sample", "text": "x"}), "params.source.text"),
        (document(source="sample"), "params.source"),
        (document(keywords=[]), "params.keywords"),
        (document(keywords=["a", 5]), "params.keywords.1"),
        (document(keywords=["a"] * 51), "params.keywords"),
        ({"kind": "synthetic", "params": {"updates": 1_000_000, "size": 65_536}}, "params.size"),
    ],
)
def test_a_body_that_is_not_right_is_refused_by_the_field(idle_http: httpx.Client, body: Any, field: str) -> None:
    content = json.dumps(body).encode()
    answer = idle_http.post("/tasks", content=content, headers={"Content-Type": "application/json"})

    assert fields(answer) == [field]


@pytest.mark.usefixtures("nothing_taken")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b'{"kind":', "body"),
        (b'{"kind":"compute_pi"} x', "body"),
        (b"\xff\xfe", "body"),
        (b'{"kind":"synthetic","params":{"rate":NaN}}', "params.rate"),
        (b'{"kind":"synthetic","params":{"delay_s":Infinity}}', "params.delay_s"),
    ],
)
def test_a_body_that_is_not_json_is_refused(idle_http: httpx.Client, body: bytes, field: str) -> None:
    answer = idle_http.post("/tasks", content=body, headers={"Content-Type": "application/json"})

    assert fields(answer) == [field]


def test_every_field_that_is_wrong_is_named(idle_http: httpx.Client) -> None:
    answer = idle_http.post("/tasks", json={"kind": "compute_pi", "params": {"digits": 0, "seed": "x"}, "extra": 1})

    assert sorted(fields(answer)) == ["extra", "params.digits", "params.seed"]


@pytest.mark.usefixtures("nothing_taken")
def test_a_body_that_is_nested_without_end_is_refused(idle_http: httpx.Client) -> None:
    answer = idle_http.post("/tasks", content=b"[" * 100_000, headers={"Content-Type": "application/json"})

    problem(answer, 400)


@pytest.mark.usefixtures("nothing_taken")
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(idle_http: httpx.Client, declared: bool) -> None:
    parts = [b"x" * 100_000] * (BODY_LIMIT // 100_000 + 1)
    content = b"".join(parts) if declared else iter(parts)
    answer = idle_http.post("/tasks", content=content, headers={"Content-Type": "application/json"})

    problem(answer, 413)


def test_a_text_of_just_the_limit_is_taken(idle_http: httpx.Client) -> None:
    longest = "é" * 499_999 + "xx"
    headers = {"Content-Type": "application/json"}
    answer = idle_http.post("/tasks", content=json.dumps(text(longest), ensure_ascii=False).encode(), headers=headers)

    assert answer.status_code == 202
    assert answer.json()["params"]["source"]["text"] == longest


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=%00", "kind"),
        ("kind=Compute-Pi", "kind"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("state=asleep", "state"),
        ("kind=" + "x" * 64, "kind"),
    ],
)
def test_a_list_with_a_wrong_query_is_refused(http: httpx.Client, query: str, field: str) -> None:
    assert fields(http.get(f"/tasks?{query}")) == [field]


@pytest.mark.parametrize("path", ["", "/result", "/events"])
def test_an_id_that_is_none_is_refused(http: httpx.Client, path: str) -> None:
    assert fields(http.get(f"/tasks/42{path}")) == ["task_id"]


def test_the_same_submission_under_the_same_key_is_the_same_task(idle_http: httpx.Client, idle_queues: Redis) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = idle_http.post("/tasks", json={"kind": "compute_pi"}, headers=headers)
    again = idle_http.post("/tasks", json=pi(seed=0, digits=100), headers=headers)  # the same, spelled out

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert idle_queues.llen("tasks.compute_pi") == 1


def test_another_submission_under_a_known_key_is_refused(idle_http: httpx.Client, idle_queues: Redis) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    idle_http.post("/tasks", json=pi(digits=5), headers=headers)

    assert fields(idle_http.post("/tasks", json=pi(digits=6), headers=headers)) == ["Idempotency-Key"]
    assert fields(idle_http.post("/tasks", json={"kind": "synthetic"}, headers=headers)) == ["Idempotency-Key"]
    assert idle_queues.llen("tasks.compute_pi") == 1


def test_of_many_submissions_under_one_key_at_the_same_time_one_is_made(
    idle_http: httpx.Client, idle_queues: Redis
) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: idle_http.post("/tasks", json=pi(digits=7), headers=headers), range(8)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert idle_queues.llen("tasks.compute_pi") == 1


@pytest.mark.usefixtures("nothing_taken")
@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
def test_a_key_that_is_none_is_refused(idle_http: httpx.Client, key: str) -> None:
    answer = idle_http.post("/tasks", json={"kind": "compute_pi"}, headers={"Idempotency-Key": key})

    assert fields(answer) == ["Idempotency-Key"]


def test_a_full_queue_refuses_and_says_when_to_come_back(idle_http: httpx.Client, idle_queues: Redis) -> None:
    idle_queues.rpush("tasks.compute_pi", *["a message"] * QUEUE_LIMIT)
    answer = idle_http.post("/tasks", json={"kind": "compute_pi"})

    assert str(QUEUE_LIMIT) in problem(answer, 429)["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert idle_queues.llen("tasks.compute_pi") == QUEUE_LIMIT
    submit(idle_http, "synthetic")  # another kind has a queue of its own
