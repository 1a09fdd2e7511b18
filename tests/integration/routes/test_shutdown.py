"""An orderly end: followers are told to resume, what waits is answered, and nothing is left undone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from local.children import wait_until
from tests.support.rest import submit
from tests.support.system import Api, System

SOON_S: Final = 8.0
"""An end in good order, on a machine that is busy; the drain may take 20 s."""

_numbers = count(1)


@pytest.fixture
def leaving(routes_system: System) -> Iterator[Api]:
    """A replica of the test's own."""
    api = routes_system.api(f"leaving-{next(_numbers)}")
    api.wait_until_ready()
    yield api
    api.kill()
    assert api.complaints() == []


@pytest.fixture
def task(leaving: Api, api: Api) -> dict[str, Any]:
    """One that waits for a minute, at the worker that `api` has too."""
    assert api.running
    with httpx.Client(base_url=leaving.url) as http:
        return submit(http, delay_s=60)


def receive_all(follower: ClientConnection) -> list[dict[str, Any]]:
    """Every event until the server closes."""
    items: list[dict[str, Any]] = []
    while True:
        try:
            items += json.loads(follower.recv(SOON_S))
        except ConnectionClosed:
            return items


def test_whoever_waits_is_answered_at_once_and_told_to_resume(leaving: Api, task: dict[str, Any]) -> None:
    waits: list[httpx.Response] = []
    links = task["links"]

    def wait() -> None:
        waits.append(httpx.get(leaving.url + links["self"], headers={"Prefer": "wait=60"}, timeout=60))

    waiter = threading.Thread(target=wait)
    with ExitStack() as stack:
        path = leaving.ws_url + links["stream"]
        followers = [stack.enter_context(connect(path, close_timeout=2)) for _ in range(4)]
        followers.append(stack.enter_context(connect(f"{leaving.ws_url}/ws", close_timeout=2)))
        followers[-1].send(json.dumps({"subscribe": task["id"]}))
        for follower in followers:
            assert "hello" in str(follower.recv(SOON_S))
        accept = {"Accept": "text/event-stream"}
        stream = stack.enter_context(httpx.stream("GET", leaving.url + links["events"], headers=accept, timeout=60))
        lines = stream.iter_lines()
        assert next(lines).startswith("id: ")
        waiter.start()
        assert wait_until(lambda: leaving.stats()["subscriptions"] == 7, timeout_s=SOON_S)
        started = time.monotonic()
        leaving.terminate()

        for follower in followers:
            assert receive_all(follower)[-1]["data"]["state"] == "running"
            assert follower.close_code == 4001
            assert "resume" in str(follower.close_reason)
        assert any('"hello"' in line for line in lines)  # it ends in good order, or this raises
    waiter.join()

    assert (waits[0].status_code, waits[0].json()["state"]) == (200, "running")
    assert leaving.wait() == 0
    assert time.monotonic() - started < SOON_S


def test_a_follower_goes_on_at_another_replica(leaving: Api, api: Api, http: httpx.Client) -> None:
    task = submit(http, updates=100, rate=100)
    path = task["links"]["stream"]
    items: list[dict[str, Any]] = []
    with connect(f"{leaving.ws_url}{path}") as follower:
        (hello,) = json.loads(follower.recv(SOON_S))
        while len(items) < 20:
            items += json.loads(follower.recv(SOON_S))
        leaving.terminate()
        items += receive_all(follower)
    assert follower.close_code == 4001
    with connect(f"{api.ws_url}{path}?after={hello['epoch']}.{items[-1]['seq']}") as follower:
        assert json.loads(follower.recv(SOON_S))[0]["resumed"] is True
        items += receive_all(follower)

    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    assert items[-1]["type"] == "result"
    assert leaving.wait() == 0
