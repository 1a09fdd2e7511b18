"""Many tasks over one WebSocket (docs/protocol.md §8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from local.children import wait_until
from tests.support.rest import submit
from tests.support.system import Api

WAIT_S = 20.0


class Socket:
    """A client that sorts what it receives by task."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.items: dict[str, list[dict[str, Any]]] = {}

    def tell(self, **command: str) -> None:
        self.connection.send(json.dumps(command))

    def receive(self) -> list[dict[str, Any]]:
        """One frame, whose events are all of one task."""
        items: list[dict[str, Any]] = json.loads(self.connection.recv(WAIT_S))
        (task,) = {item["task"] for item in items}
        self.items.setdefault(task, []).extend(items)
        return items

    def until(self, task: str, kind: str) -> list[dict[str, Any]]:
        """Everything of `task`, once an event of this kind has come."""
        while not any(item["type"] == kind for item in self.items.get(task, [])):
            self.receive()
        return self.items[task]

    def close_code(self) -> int | None:
        """Once the server has closed."""
        while True:
            try:
                self.receive()
            except ConnectionClosed:
                return self.connection.close_code


@pytest.fixture
def ws(api: Api) -> Iterator[Socket]:
    with connect(f"{api.ws_url}/ws", close_timeout=2) as connection:
        yield Socket(connection)


def history(http: httpx.Client, task: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(task["links"]["events"], params={"limit": 1000}).json()["events"]
    return found


def test_tasks_are_followed_side_by_side_and_the_socket_outlives_them(ws: Socket, http: httpx.Client) -> None:
    tasks = [submit(http, updates=30, rate=100) for _ in range(3)]
    for task in tasks:
        ws.tell(subscribe=task["id"])
    for task in tasks:
        hello, *events = ws.until(task["id"], "result")

        assert (hello["type"], hello["resumed"]) == ("hello", False)
        assert events == history(http, task)

    another = submit(http, updates=1, rate=0)
    ws.tell(subscribe=another["id"])
    assert ws.until(another["id"], "result")[1:] == history(http, another)


def test_a_cursor_resumes_and_a_second_subscription_starts_over(
    ws: Socket, http: httpx.Client, finished: dict[str, Any]
) -> None:
    epoch = http.get(finished["links"]["events"]).json()["epoch"]
    ws.tell(subscribe=finished["id"], after=f"{epoch}.5")
    first = ws.until(finished["id"], "result")
    ws.items.clear()
    ws.tell(subscribe=finished["id"])
    second = ws.until(finished["id"], "result")

    assert (first[0]["resumed"], first[1:]) == (True, history(http, finished)[5:])
    assert (second[0]["resumed"], second[1:]) == (False, history(http, finished))


def test_a_subscription_that_cannot_be_is_told_and_the_socket_goes_on(ws: Socket, finished: dict[str, Any]) -> None:
    unknown = str(uuid4())
    ws.tell(subscribe=unknown)
    (error,) = ws.until(unknown, "error")
    assert (error["code"], unknown in error["message"]) == (4504, True)

    for cursor in ("x", "999"):
        ws.items.clear()
        ws.tell(subscribe=finished["id"], after=cursor)
        (error,) = ws.until(finished["id"], "error")
        assert (error["code"], cursor in error["message"]) == (4509, True)

    ws.tell(subscribe=finished["id"])
    assert ws.until(finished["id"], "result")


def test_nothing_comes_of_a_task_after_it_was_unsubscribed(ws: Socket, http: httpx.Client) -> None:
    left, kept = submit(http, updates=100_000, rate=200), submit(http, updates=60, rate=100)
    for task in (left, kept):
        ws.tell(subscribe=task["id"])
        ws.until(task["id"], "chunk")
    ws.tell(unsubscribe=left["id"])
    received = ws.until(left["id"], "unsubscribed")

    assert ws.until(kept["id"], "result")[1:] == history(http, kept)
    assert received[-1] == {"task": left["id"], "type": "unsubscribed"}
    http.post(left["links"]["cancel"])


def test_to_unsubscribe_from_what_was_not_subscribed_is_answered_too(ws: Socket) -> None:
    task = str(uuid4())
    ws.tell(unsubscribe=task)

    assert ws.receive() == [{"task": task, "type": "unsubscribed"}]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "subscribe",
        "[]",
        "{}",
        '{"subscribe": "42"}',
        '{"subscribe": 42}',
        '{"follow": "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e"}',
        '{"subscribe": "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e", "before": "1"}',
        '{"unsubscribe": "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e", "after": "1"}',
        '{"subscribe": "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e", "after": 5}',
        b"\x00",
    ],
)
def test_a_message_that_is_no_command_closes_with_4509(ws: Socket, message: str | bytes) -> None:
    ws.connection.send(message)

    assert ws.close_code() == 4509
    assert ws.connection.close_reason


def test_a_message_that_is_no_command_closes_with_4509_in_the_middle_of_streams(ws: Socket, http: httpx.Client) -> None:
    tasks = [submit(http, updates=20_000, rate=1_000, burst=10) for _ in range(3)]
    for task in tasks:
        ws.tell(subscribe=task["id"])
        ws.until(task["id"], "chunk")
    ws.connection.send("stop")

    assert ws.close_code() == 4509
    for task in tasks:
        http.post(task["links"]["cancel"])


def test_a_client_that_leaves_leaves_nothing_behind(idle: Api, idle_http: httpx.Client) -> None:
    for _ in range(3):
        with connect(f"{idle.ws_url}/ws", close_timeout=2) as connection:
            socket = Socket(connection)
            for _ in range(5):
                task = submit(idle_http)
                socket.tell(subscribe=task["id"])
                socket.until(task["id"], "hello")

    assert wait_until(lambda: (idle.stats()["sockets"], idle.stats()["subscriptions"]) == (0, 0), timeout_s=10)
