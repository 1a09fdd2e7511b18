"""The hub before replicas that come and go, and before nobody."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest
from websockets.asyncio.client import connect

from client.follow import follow
from local.children import wait_until
from protocol.events import Event
from tests.integration.hub.asking import LONG, PI, QUICK, Replicas, begun
from tests.integration.hub.nginx import Hub
from tests.support.rest import problem, submit
from tests.support.system import READY_S

pytestmark = pytest.mark.timeout(180)


async def test_both_replicas_get_followers(front: Hub, replicas: Replicas) -> None:
    task = await asyncio.to_thread(begun, front, **LONG)
    before = [api.stats()["sessions"]["opened"] for api in replicas]
    async with AsyncExitStack() as stack:
        for _ in range(12):
            follower = await stack.enter_async_context(connect(f"{front.ws_url}/ws/tasks/{task}"))
            await asyncio.wait_for(follower.recv(), READY_S)
        opened = [api.stats()["sessions"]["opened"] for api in replicas]
    assert all(now > then for now, then in zip(opened, before, strict=True))
    assert sum(opened) == sum(before) + 12


async def test_when_a_replica_is_killed_the_other_takes_its_requests_and_its_followers(
    front: Hub, api: httpx.Client, replicas: Replicas
) -> None:
    task = submit(api, "compute_pi", digits=60, pace_ms=[40, 50])
    followers = [asyncio.create_task(digits_followed(front, task["id"])) for _ in range(4)]
    path = f"/tasks/{task['id']}"
    running = asyncio.to_thread(wait_until, lambda: api.get(path).json()["seq"] > 10, timeout_s=READY_S)
    assert await running
    replicas[0].kill()
    try:
        answers = [await asyncio.to_thread(api.get, path) for _ in range(20)]
        assert [answer.status_code for answer in answers] == [200] * 20
        assert (await asyncio.to_thread(submit, api, "compute_pi", **QUICK))["state"] == "queued"
        assert {await seen for seen in followers} == {PI[:60]}
    finally:
        replicas[0].start()
        await asyncio.to_thread(replicas[0].wait_until_ready)


async def test_a_replica_that_is_back_gets_every_follower_of_one_that_dies_then(
    front: Hub, api: httpx.Client, replicas: Replicas
) -> None:
    task = await asyncio.to_thread(begun, front, **LONG)
    replicas[0].kill()
    for _ in range(4):
        assert (await asyncio.to_thread(api.get, f"/tasks/{task}")).status_code == 200
    replicas[0].start()
    await asyncio.to_thread(replicas[0].wait_until_ready)
    replicas[1].kill()
    try:
        async with asyncio.timeout(READY_S), AsyncExitStack() as stack:
            for _ in range(6):
                follower = await stack.enter_async_context(connect(f"{front.ws_url}/ws/tasks/{task}"))
                await follower.recv()
    finally:
        replicas[1].start()
        await asyncio.to_thread(replicas[1].wait_until_ready)


async def digits_followed(front: Hub, task: str) -> str:
    """What a client that resumes by itself sees, nothing of it twice."""
    updates = [update async for update in follow(f"{front.url}/api", task)]
    assert {type(update) for update in updates} == {Event}
    return "".join(
        str(update.data["data"]) for update in updates if isinstance(update, Event) and update.type == "chunk"
    )


def test_when_every_replica_is_away_the_answer_says_when_to_come_back_and_the_rest_goes_on(
    http: httpx.Client, polled: httpx.Client, replicas: Replicas
) -> None:
    for api in replicas:
        api.kill()
    try:
        for path in ("/api/readyz", "/api/tasks/1/events", "/ws/tasks/1"):
            answer = http.get(path)
            assert "the api cannot be reached" in problem(answer, 503)["detail"]
            assert answer.headers["retry-after"] == "2"
        assert http.get("/pi").status_code == 200
        assert polled.get("/readyz").status_code == 200
    finally:
        for api in replicas:
            api.start()
        for api in replicas:
            api.wait_until_ready()
    assert wait_until(lambda: http.get("/api/readyz").status_code == 200, timeout_s=READY_S)


@pytest.mark.parametrize(("path", "who"), [("/api/tasks", "the api"), ("/baseline/tasks", "the baseline")])
def test_a_service_that_was_never_there_is_a_503_that_says_which(nobody: Hub, path: str, who: str) -> None:
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{nobody.url}{path}", timeout=30)
        assert f"{who} cannot be reached" in problem(answer, 503)["detail"]
        assert answer.headers["retry-after"] == "2"


def test_what_goes_well_is_not_logged_and_what_does_not_is(nobody: Hub) -> None:
    for path in ("/pi", "/healthz", "/api/stats"):
        httpx.get(f"{nobody.url}{path}", timeout=30)
    assert wait_until(lambda: '"GET /api/stats HTTP/1.1" 503' in nobody.log_path.read_text(), timeout_s=READY_S)
    assert "GET /pi" not in nobody.log_path.read_text()
