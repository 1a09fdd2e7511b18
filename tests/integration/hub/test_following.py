"""Tasks are followed through the hub: WebSocket, server-sent events, long polls, deltas."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from local.children import wait_until
from tests.integration.hub.asking import PACED, PI, QUICK
from tests.integration.hub.nginx import Hub
from tests.support.follower import Follower
from tests.support.rest import submit
from tests.support.system import READY_S

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("path", ["/ws/tasks/", "/api/ws/tasks/"])
async def test_a_task_is_followed_over_websocket(front: Hub, api: httpx.Client, path: str) -> None:
    task = submit(api, "compute_pi", **PACED)
    seen = await Follower("through the hub").follow(f"{front.ws_url}{path}{task['id']}")
    assert seen.codes == [1000]
    assert seen.seqs == sorted(set(seen.seqs))
    assert "".join(seen.chunks) == PI[:40]


async def test_many_tasks_are_followed_over_one_websocket(front: Hub, api: httpx.Client) -> None:
    ids = [submit(api, "compute_pi", **QUICK)["id"] for _ in range(3)]
    results: dict[str, str] = {}
    async with asyncio.timeout(40), connect(f"{front.ws_url}/ws") as socket:
        for task in ids:
            await socket.send(json.dumps({"subscribe": task}))
        while len(results) < len(ids):
            for item in json.loads(await socket.recv()):
                if item["type"] == "result":
                    results[item["task"]] = item["data"]["result"]["pi"]
    assert results == dict.fromkeys(ids, "3.1415")


def test_server_sent_events_arrive_as_they_are_made(api: httpx.Client) -> None:
    task = submit(api, "compute_pi", **PACED)
    chunks: list[tuple[float, dict[str, Any]]] = []
    """With the time of arrival, Unix ms."""
    path = f"/tasks/{task['id']}/events"
    with api.stream("GET", path, headers={"Accept": "text/event-stream", "Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data:"):
                events = json.loads(line.removeprefix("data:"))
                chunks += [(1000 * time.time(), event) for event in events if event["type"] == "chunk"]
    assert len(chunks) == 40
    emitted_ms = chunks[-1][1]["ts"] - chunks[0][1]["ts"]
    assert chunks[-1][0] - chunks[0][0] > emitted_ms / 2 > 500


def test_a_long_poll_is_answered_when_there_is_news_and_not_before(api: httpx.Client, polled: httpx.Client) -> None:
    task = submit(api, "compute_pi", **PACED)
    assert api.get(f"/tasks/{task['id']}", headers={"Prefer": "wait=30"}).json()["state"] == "succeeded"
    task = submit(polled, "compute_pi", digits=2, pace_ms=[1500, 1500])
    path, seq, asked = f"/tasks/{task['id']}/status", 0, 0
    while seq is not None:
        seq = polled.get(path, params={"after": seq}, headers={"Prefer": "wait=25"}).json()["next"]
        asked += 1
    assert asked < 10


def test_a_delta_that_brings_nothing_new_is_a_304_although_answers_are_compressed(polled: httpx.Client) -> None:
    task = submit(polled, "compute_pi", digits=200, pace_ms=[0, 0])
    path = f"/tasks/{task['id']}/status"
    assert wait_until(lambda: polled.get(path).json()["state"] == "succeeded", timeout_s=READY_S)
    answer = polled.get(path, params={"after": 0}, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    again = polled.get(
        path, params={"after": 0}, headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    whole = polled.get(path, headers={"Accept-Encoding": "gzip"})
    assert whole.headers["content-encoding"] == "gzip"
    assert whole.num_bytes_downloaded < len(whole.content) / 2
