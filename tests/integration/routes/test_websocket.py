"""One task over a WebSocket: what is sent, and with which code it ends (docs/protocol.md §8)."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from local.children import wait_until
from tests.support.rest import submit
from tests.support.system import Api

WAIT_S = 20.0


@contextmanager
def following(api: Api, path: str) -> Iterator[ClientConnection]:
    with connect(f"{api.ws_url}{path}", open_timeout=WAIT_S, close_timeout=2) as websocket:
        yield websocket


def of(task: dict[str, Any], query: str = "") -> str:
    return str(task["links"]["stream"]) + query


def receive(websocket: ClientConnection) -> list[dict[str, Any]]:
    """The events of one frame."""
    frame = websocket.recv(WAIT_S)
    assert isinstance(frame, str)
    items: list[dict[str, Any]] = json.loads(frame)
    return items


def receive_all(websocket: ClientConnection) -> list[dict[str, Any]]:
    """Every event until the server closes."""
    items: list[dict[str, Any]] = []
    while True:
        try:
            items += receive(websocket)
        except ConnectionClosed:
            return items


def closed(websocket: ClientConnection) -> int | None:
    """The close code, after whatever comes before."""
    receive_all(websocket)
    return websocket.close_code


def test_a_follower_gets_hello_then_every_event_and_a_clean_close(api: Api, http: httpx.Client) -> None:
    task = submit(http, updates=30, rate=100)
    with following(api, of(task)) as websocket:
        (hello,) = receive(websocket)
        items = receive_all(websocket)

    assert hello == {
        "task": task["id"],
        "type": "hello",
        "epoch": hello["epoch"],
        "seq": hello["seq"],
        "resumed": False,
    }
    assert items == http.get(task["links"]["events"], params={"limit": 1000}).json()["events"]
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    assert (websocket.close_code, items[-1]["type"]) == (1000, "result")


def test_a_follower_of_a_finished_task_gets_its_history_and_a_clean_close(api: Api, finished: dict[str, Any]) -> None:
    with following(api, of(finished)) as websocket:
        items = receive_all(websocket)

    assert [item.get("seq") for item in items[1:]] == list(range(1, finished["seq"] + 1))
    assert websocket.close_code == 1000


@pytest.mark.parametrize("form", ["{seq}", "{epoch}.{seq}"])
def test_a_cursor_resumes_behind_it(api: Api, finished: dict[str, Any], form: str) -> None:
    with following(api, of(finished)) as websocket:
        (hello,) = receive(websocket)
    for seq in (0, 5, finished["seq"]):
        with following(api, of(finished, "?after=" + form.format(epoch=hello["epoch"], seq=seq))) as websocket:
            items = receive_all(websocket)

        assert items[0]["resumed"] is True
        assert [item["seq"] for item in items[1:]] == list(range(seq + 1, finished["seq"] + 1))
        assert websocket.close_code == 1000


def test_a_cursor_of_another_epoch_is_not_honoured(api: Api, finished: dict[str, Any]) -> None:
    with following(api, of(finished, "?after=abc.5")) as websocket:
        items = receive_all(websocket)

    assert (items[0]["resumed"], items[1]["seq"], websocket.close_code) == (False, 1, 1000)


@pytest.mark.parametrize("task", ["01920000-0000-7000-8000-000000000000", "42", "x" * 2_000, "é%20"])
def test_an_unknown_task_is_closed_with_4504(api: Api, task: str) -> None:
    with following(api, f"/ws/tasks/{task}") as websocket:
        assert closed(websocket) == 4504


@pytest.mark.parametrize("cursor", ["x", "-1", "01", "ABC.1", "9007199254740992", "x" * 5_000, "999"])
def test_a_cursor_that_cannot_be_is_closed_with_4509(api: Api, finished: dict[str, Any], cursor: str) -> None:
    with following(api, of(finished, f"?after={cursor}")) as websocket:
        assert closed(websocket) == 4509
        assert websocket.close_reason


@pytest.mark.parametrize("message", ["hello?", b"\x00", ""])
def test_a_client_that_speaks_is_closed_with_4509(idle: Api, idle_http: httpx.Client, message: str | bytes) -> None:
    with following(idle, of(submit(idle_http))) as websocket:
        receive(websocket)
        websocket.send(message)

        assert closed(websocket) == 4509


def test_a_client_that_speaks_while_it_is_sent_to_is_closed_with_4509(api: Api, http: httpx.Client) -> None:
    with following(api, of(submit(http, updates=20_000, rate=2_000, burst=20))) as websocket:
        for _ in range(10):
            receive(websocket)
        websocket.send("stop")

        assert closed(websocket) == 4509


def test_a_message_that_is_too_large_is_closed_with_1009(idle: Api, idle_http: httpx.Client) -> None:
    with following(idle, of(submit(idle_http))) as websocket:
        receive(websocket)
        websocket.send("x" * 20_000)

        assert closed(websocket) == 1009


def test_followers_that_go_in_any_way_leave_nothing_behind(idle: Api, idle_http: httpx.Client) -> None:
    path = of(submit(idle_http))
    with following(idle, path) as polite:
        receive(polite)
    with following(idle, path) as aborting:
        receive(aborting)
        abort(aborting.socket)
    for _ in range(20):  # gone before anything was answered
        with socket.create_connection(("127.0.0.1", idle.port)) as raw:
            raw.sendall(handshake(path))
            abort(raw)

    assert wait_until(lambda: (idle.stats()["sockets"], idle.stats()["subscriptions"]) == (0, 0), timeout_s=10)


def test_a_follower_that_does_not_read_is_closed_with_4008_resumes_and_costs_the_others_nothing(
    api: Api, http: httpx.Client
) -> None:
    task = submit(http, updates=3_000, rate=2_000, burst=20, size=1_000, delay_s=0.5)
    narrow = socket.create_connection(("127.0.0.1", api.port))
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    before = api.stats()["live"]["overflows"]
    with (
        ThreadPoolExecutor(1) as pool,
        connect(f"{api.ws_url}{of(task)}", sock=narrow, max_queue=1, ping_interval=None) as slow,
        following(api, of(task)) as quick,
    ):
        reading = pool.submit(receive_all, quick)
        items = receive(slow)
        assert wait_until(lambda: api.stats()["live"]["overflows"] > before, timeout_s=WAIT_S)
        items += receive_all(slow)
        at_once = reading.result()
    with following(api, of(task, f"?after={items[0]['epoch']}.{items[-1]['seq']}")) as again:
        rest = receive_all(again)

    assert (quick.close_code, slow.close_code, again.close_code) == (1000, 4008, 1000)
    assert "resume" in str(slow.close_reason)
    for followed in (at_once[1:], items[1:] + rest[1:]):
        numbers = [int(item["data"]["data"][:6]) for item in followed if item["type"] == "chunk"]
        assert numbers == list(range(3_000))
    assert api.stats()["live"]["overflows"] == before + 1


def test_a_request_that_is_no_websocket_is_not_found(http: httpx.Client, finished: dict[str, Any]) -> None:
    assert http.get(of(finished)).status_code == 404


def abort(raw: socket.socket) -> None:
    """End the connection with a reset, as a machine does that has lost it."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def handshake(path: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
