"""Many clients at once."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.integration.baseline.processes import Api
from workloads.compute_pi import ComputePi, compute_pi
from workloads.updates import Chunk

CLIENTS = 50
TASKS = 16
INTERVAL_S = 0.15
PI: dict[str, Any] = {"digits": 40, "pace_ms": [20, 80]}
"""Two seconds, in which each of the clients asks a dozen times."""


async def poll(http: httpx.AsyncClient, task: str, strategy: str) -> list[Any]:
    """The digits as one client sees them, asking at its interval; any error is raised."""
    seen: dict[int, dict[str, Any]] = {}
    after, etag, due = 0, "", time.monotonic()
    while True:
        query = {} if strategy == "plain" else {"after": after}
        headers = {"If-None-Match": etag} if etag else {}
        answer = await http.get(f"/tasks/{task}/status", params=query, headers=headers)
        assert answer.status_code in {200, 304}, answer.text
        etag = answer.headers.get("ETag", "")
        if answer.status_code == 200:
            body = answer.json()
            seen |= {event["seq"]: event for event in body["events"]}
            if body["next"] is None:
                return [event["data"]["data"] for _, event in sorted(seen.items()) if event["type"] == "chunk"]
            after = body["next"]
        due += INTERVAL_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))  # the interval is what is tested


@pytest.mark.parametrize("strategy", ["plain", "delta"])
async def test_fifty_clients_poll_without_an_error_while_tasks_run(api: Api, strategy: str) -> None:
    tasks = [api.submit("compute_pi", **PI, seed=seed) for seed in range(TASKS)]
    before = api.stats()
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=api.url, timeout=10, limits=limits) as http:
        polling = [poll(http, tasks[client % TASKS], strategy) for client in range(CLIENTS)]
        seen = await asyncio.wait_for(asyncio.gather(*polling), 60)

    expected = [update.data for update in compute_pi.run(ComputePi(**PI)) if isinstance(update, Chunk)]
    assert all(digits == expected for digits in seen)
    assert api.stats()["requests"] - before["requests"] > CLIENTS  # ten times as many, on a machine that has the time


async def test_fifty_clients_wait_at_once_and_miss_nothing(api: Api) -> None:
    tasks = [api.submit("synthetic", updates=200, rate=400, size=6) for _ in range(TASKS)]

    async def follow(http: httpx.AsyncClient, task: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            answer = await http.get(f"/tasks/{task}/status", params={"after": after}, headers={"Prefer": "wait=30"})
            assert answer.status_code == 200, answer.text
            events += answer.json()["events"]
            after = answer.json()["next"]
        return events

    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=api.url, timeout=40, limits=limits) as http:
        following = [follow(http, tasks[client % TASKS]) for client in range(CLIENTS)]
        histories = await asyncio.wait_for(asyncio.gather(*following), 60)

    for history in histories:
        assert len(history) == 402
        assert all(b["seq"] == a["seq"] + 1 for a, b in pairwise(history))
