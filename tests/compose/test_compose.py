"""`docker compose up`: the whole system in containers, one and several of each, with faults. `make compose-test`."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from client.follow import Backoff, Follower, Update
from client.tasks import Tasks
from protocol.events import Event
from tests.compose.stack import Compose, composed
from tests.support.absent import do_without

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

_PATIENCE: Final = Backoff(most_s=1.0, give_up_after_s=120)
_MOST_IMAGE_BYTES: Final = 300 * 10**6
PI_30: Final = "3.14159265358979323846264338327"
RESTARTED: Final = ("redis", "db", "api", "worker", "baseline-api", "baseline-worker", "demo")


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        do_without("there is no Docker engine")
    with composed() as made:
        made.up()
        yield made
    assert made.left() == {"containers": [], "volumes": [], "networks": []}


@pytest.fixture(autouse=True)
def _is_ready(compose: Compose) -> None:
    compose.wait_until_healthy("api")


async def submit(compose: Compose, kind: str, **params: Any) -> str:
    async with Tasks(compose.url) as tasks:
        return str((await tasks.submit(kind, params))["id"])


async def collect(compose: Compose, task: str) -> list[Update]:
    return [update async for update in Follower(compose.url, task, backoff=_PATIENCE).updates()]


def problem_of(updates: list[Update], *, chunks: int) -> str:
    """Empty when it is every seq once and in order up to the result, with all chunks of the last attempt."""
    events = [update for update in updates if isinstance(update, Event)]
    if len(events) != len(updates):
        return f"told of {[update for update in updates if not isinstance(update, Event)]}"
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        return f"seqs {[event.seq for event in events][:50]}…"
    if not events or events[-1].type != "result":
        return f"ended with {events[-1:]}"
    last = [event for event in events if event.type == "chunk" and event.attempt == events[-1].attempt]
    return "" if len(last) == chunks else f"{len(last)} chunks of {chunks}"


def test_only_the_api_and_the_hub_can_be_reached(compose: Compose) -> None:
    ports = {
        binding["HostPort"]
        for one in compose.inspect(compose.containers())
        for bindings in one["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }
    assert ports == {str(compose.api_port), str(compose.hub_port)}


def test_no_container_runs_as_root_or_may_write_to_its_root_or_has_a_capability(compose: Compose) -> None:
    for one in compose.inspect(compose.containers()):
        assert one["Config"]["User"] not in {"", "0", "root"}, one["Name"]
        assert one["HostConfig"]["ReadonlyRootfs"], one["Name"]
        assert one["HostConfig"]["CapDrop"] == ["ALL"], one["Name"]
        assert "no-new-privileges:true" in one["HostConfig"]["SecurityOpt"], one["Name"]


def test_the_images_are_small(compose: Compose) -> None:
    for image in compose.inspect(["task-stream-app", "task-stream-demo"]):
        assert image["Size"] < _MOST_IMAGE_BYTES, image["RepoTags"]


async def test_a_task_is_followed_through_nginx_on_both_ports(compose: Compose) -> None:
    task = await submit(compose, "compute_pi", digits=30, pace_ms=[20, 40])
    five = await asyncio.gather(*(collect(compose, task) for _ in range(5)))
    assert [problem_of(updates, chunks=30) for updates in five] == [""] * 5
    async with httpx.AsyncClient(base_url=compose.hub_url, trust_env=False) as http:
        view = (await http.get(f"/api/tasks/{task}")).json()
        assert view["state"] == "succeeded"
        assert (await http.get(view["links"]["result"])).json()["pi"] == PI_30
        assert "text/html" in (await http.get("/pi")).headers["content-type"]
        assert (await http.get("/baseline/readyz")).json()["workers"] == 1


async def test_the_baseline_runs_the_same_task(compose: Compose) -> None:
    async with httpx.AsyncClient(base_url=f"{compose.hub_url}/baseline", trust_env=False, timeout=40) as http:
        body = {"kind": "compute_pi", "params": {"digits": 30, "pace_ms": [0, 5]}}
        task = (await http.post("/tasks", json=body)).json()["id"]
        after: int | None = 0
        while after is not None:
            delta = await http.get(f"/tasks/{task}/status", params={"after": after}, headers={"Prefer": "wait=20"})
            after = delta.json()["next"]
        assert (await http.get(f"/tasks/{task}/result")).json()["pi"] == PI_30


async def test_with_three_replicas_and_four_workers_a_killed_one_of_each_loses_nothing(compose: Compose) -> None:
    """And scaling up and down goes on under the followers."""
    running = asyncio.create_task(_thirty_tasks(compose))
    await asyncio.to_thread(compose.up, "api=3", "worker=4")
    many = asyncio.create_task(_thirty_tasks(compose))
    await asyncio.sleep(2)  # no condition to wait for: some of the tasks are to be in the midst of it
    for service in ("api", "worker"):
        await asyncio.to_thread(compose.docker, "kill", compose.containers(service)[0])
    assert await running == []
    assert await many == []
    await asyncio.to_thread(compose.up, "api=1", "worker=1")
    assert await _thirty_tasks(compose) == []


async def _thirty_tasks(compose: Compose) -> list[str]:
    """What went wrong for 300 followers of 30 tasks of some 10 s."""
    tasks = [await submit(compose, "synthetic", updates=100, rate=20, delay_s=2) for _ in range(30)]
    found = await asyncio.gather(*(collect(compose, task) for task in tasks for _ in range(10)))
    return [problem for updates in found if (problem := problem_of(updates, chunks=100))]


@pytest.mark.parametrize("service", RESTARTED)
async def test_a_service_that_is_restarted_under_load_loses_nothing(compose: Compose, service: str) -> None:
    tasks = [await submit(compose, "synthetic", updates=150, rate=15, delay_s=1) for _ in range(4)]
    followers = [asyncio.create_task(collect(compose, task)) for task in tasks for _ in range(5)]
    await asyncio.to_thread(compose, "restart", "--timeout", "30", service)
    found = await asyncio.gather(*followers)
    assert [problem for updates in found if (problem := problem_of(updates, chunks=150))] == []
    await asyncio.to_thread(compose.wait_until_healthy, service)
