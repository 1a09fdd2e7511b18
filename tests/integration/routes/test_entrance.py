"""The api directly and through a proxy that cuts a path off, at the same time; and its front page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from websockets.sync.client import connect

from tests.support.rest import ended, problem, submit
from tests.support.system import Api, System

PREFIX: Final = {"X-Forwarded-Prefix": "/api"}


@pytest.fixture
def proxied(api: Api) -> Iterator[httpx.Client]:
    """What a proxy passes on when it serves the api under /api."""
    with httpx.Client(base_url=api.url, headers=PREFIX, timeout=30) as client:
        yield client


def cut(path: str) -> str:
    """As a proxy passes it on."""
    assert path.startswith("/api/")
    return path.removeprefix("/api")


def test_links_and_location_are_under_the_prefix_and_lead_there(http: httpx.Client, proxied: httpx.Client) -> None:
    answer = proxied.post("/tasks", json={"kind": "synthetic", "params": {"updates": 2, "rate": 0}})
    task = answer.json()
    links = task["links"]

    assert answer.headers["Location"] == links["self"] == f"/api/tasks/{task['id']}"
    assert links["stream"] == f"/api/ws/tasks/{task['id']}"
    assert all(link.startswith("/api/") for link in links.values())
    assert ended(proxied, {"links": {"self": cut(links["self"])}})["links"] == links
    assert proxied.get(cut(links["result"])).status_code == 200
    assert proxied.get(cut(links["events"])).json()["events"]
    assert problem(proxied.post(cut(links["cancel"])), 409)
    assert proxied.get("/tasks", params={"limit": 1}).json()["items"][0]["links"] == links
    direct = http.get(cut(links["self"])).json()["links"]
    assert direct == {name: cut(link) for name, link in links.items()}


def test_a_task_is_followed_over_websocket_with_the_prefix_and_without(api: Api, http: httpx.Client) -> None:
    task = submit(http, updates=2, rate=0)

    for headers in (PREFIX, {}, {"X-Forwarded-Prefix": "no path"}):
        with connect(f"{api.ws_url}{task['links']['stream']}", additional_headers=headers) as follower:
            items = [item for frame in follower for item in json.loads(frame)]
        assert items[0]["type"] == "hello"
        assert items[-1]["type"] == "result"
    with connect(f"{api.ws_url}/ws", additional_headers=PREFIX) as follower:
        follower.send(json.dumps({"subscribe": task["id"]}))
        assert json.loads(follower.recv(10))[0]["type"] == "hello"


def test_a_prefix_may_be_what_a_path_of_ours_begins_with(api: Api, finished: dict[str, str]) -> None:
    answer = httpx.get(f"{api.url}/tasks/{finished['id']}", headers={"X-Forwarded-Prefix": "/tasks"})

    assert answer.json()["links"]["self"] == f"/tasks/tasks/{finished['id']}"


def test_the_documentation_finds_its_description_and_tries_it_out_under_the_prefix(
    http: httpx.Client, proxied: httpx.Client
) -> None:
    assert "'/api/openapi.json'" in proxied.get("/docs").text
    assert "/api/openapi.json" in proxied.get("/redoc").text
    assert proxied.get("/openapi.json").json()["servers"] == [{"url": "/api"}]
    assert "'/openapi.json'" in http.get("/docs").text
    assert "servers" not in http.get("/openapi.json").json()


def test_the_front_page_leads_to_the_documentation(http: httpx.Client, proxied: httpx.Client) -> None:
    direct, through = http.get("/"), proxied.get("/")

    assert (direct.status_code, direct.headers["Location"]) == (307, "/docs")
    assert (through.status_code, through.headers["Location"]) == (307, "/api/docs")
    assert "/" not in http.get("/openapi.json").json()["paths"]


def test_what_is_not_there_is_a_problem_under_the_prefix_too(proxied: httpx.Client) -> None:
    problem(proxied.get("/nothing"), 404)
    problem(proxied.get("/api/tasks"), 404)  # it was to be cut off


def test_a_root_path_that_is_set_holds_for_requests_without_the_header(routes_system: System) -> None:
    api = routes_system.api("rooted", API_ROOT_PATH="/own")
    api.wait_until_ready()

    with httpx.Client(base_url=api.url) as http:
        assert http.get("/").headers["Location"] == "/own/docs"
        assert http.get("/", headers=PREFIX).headers["Location"] == "/api/docs"
        assert submit(http, updates=1, rate=0)["links"]["self"].startswith("/own/tasks/")
        assert http.get("/livez", headers=PREFIX).status_code == 200
    api.terminate()
    api.assert_ended_well()
