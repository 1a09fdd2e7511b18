"""`docker compose up`: the whole system in containers, one and several of each, with faults. `make compose-test`."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
_OURS: Final = ("migrate", "api", "worker", "baseline-api", "baseline-worker")
_UPDATES: Final = 150
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


@dataclass(frozen=True)
class Seen:
    """What a follower saw, over how many connections."""

    updates: list[Update]
    connections: int

    def problem(self, *, chunks: int) -> str:
        """Empty when it is every seq once and in order up to the result, with all chunks of the last attempt."""
        events = [update for update in self.updates if isinstance(update, Event)]
        if len(events) != len(self.updates):
            return f"told of {[update for update in self.updates if not isinstance(update, Event)]}"
        if [event.seq for event in events] != list(range(1, len(events) + 1)):
            return f"seqs {[event.seq for event in events][:50]}…"
        if not events or events[-1].type != "result":
            return f"ended with {events[-1:]}"
        last = [event for event in events if event.type == "chunk" and event.attempt == events[-1].attempt]
        return "" if len(last) == chunks else f"{len(last)} chunks of {chunks}"

    @property
    def attempts(self) -> int:
        """How often the task was begun."""
        return max(update.attempt for update in self.updates if isinstance(update, Event))


async def collect(compose: Compose, task: str, begun: asyncio.Event | None = None) -> Seen:
    """All of it; `begun` is set at the first chunk."""
    follower = Follower(compose.url, task, backoff=_PATIENCE)
    updates: list[Update] = []
    async for update in follower.updates():
        updates.append(update)
        if begun is not None and isinstance(update, Event) and update.type == "chunk":
            begun.set()
    return Seen(updates, follower.connections)


def problems(seen: Iterable[Seen], *, chunks: int) -> list[str]:
    """What went wrong, of those for whom something did."""
    return [problem for each in seen if (problem := each.problem(chunks=chunks))]


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


def test_a_program_of_ours_logs_json_alone(compose: Compose) -> None:
    for service in _OURS:
        (container,) = compose.containers(service)
        stdout, stderr = compose.logs(container)
        assert stderr == "", service
        assert all("event" in json.loads(line) for line in stdout.splitlines()), service


def test_another_password_than_that_of_the_database_is_refused_in_a_sentence(compose: Compose) -> None:
    with pytest.raises(AssertionError, match="a database keeps the password that it was made with"):
        compose("run", "--rm", "--no-deps", "--env", "PGPASSWORD=another", "migrate")


async def test_a_task_is_followed_through_nginx_on_both_ports(compose: Compose) -> None:
    task = await submit(compose, "compute_pi", digits=30, pace_ms=[20, 40])
    five = await asyncio.gather(*(collect(compose, task) for _ in range(5)))
    assert problems(five, chunks=30) == []
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
    busy = (("api", compose.followers), ("worker", compose.running))
    victims = await asyncio.gather(*(asyncio.to_thread(compose.at_work, *each) for each in busy))
    await asyncio.to_thread(compose.docker, "kill", *victims)
    seen = [*await running, *await many]
    assert problems(seen, chunks=_UPDATES) == []
    assert max(each.connections for each in seen) > 1, "no follower was on the replica that was killed"
    assert max(each.attempts for each in seen) > 1, "no task was on the worker that was killed"
    await asyncio.to_thread(compose.up, "api=1", "worker=1")
    assert problems(await _thirty_tasks(compose), chunks=_UPDATES) == []


async def _thirty_tasks(compose: Compose) -> list[Seen]:
    """300 followers of 30 tasks of some 15 s: long enough to find who is at work, and to kill it in the midst."""
    tasks = [await submit(compose, "synthetic", updates=_UPDATES, rate=10, delay_s=1) for _ in range(30)]
    return await asyncio.gather(*(collect(compose, task) for task in tasks for _ in range(10)))


@pytest.mark.parametrize("service", RESTARTED)
async def test_a_service_that_is_restarted_under_load_loses_nothing(compose: Compose, service: str) -> None:
    tasks = [await submit(compose, "synthetic", updates=_UPDATES, rate=15, delay_s=1) for _ in range(4)]
    begun = {task: asyncio.Event() for task in tasks}
    followers = [asyncio.create_task(collect(compose, task, begun[task])) for task in tasks for _ in range(5)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(each.wait() for each in begun.values()))
    await asyncio.to_thread(compose, "restart", "--timeout", "30", service)
    assert problems(await asyncio.gather(*followers), chunks=_UPDATES) == []
    await asyncio.to_thread(compose.wait_until_healthy, service)
