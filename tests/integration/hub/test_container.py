"""nginx with what the container adds to nginx.conf: the api alone at a port of its own, and a log in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from local.children import wait_until
from local.ports import free_port
from tests.integration.hub.asking import PACED, PI, QUICK, Replicas
from tests.integration.hub.nginx import Hub, contained
from tests.support.follower import Follower
from tests.support.rest import problem, submit
from tests.support.system import READY_S

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def alone(replicas: Replicas, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The url of the api's own port."""
    nobody = f"127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("contained")
    with contained(folder, api=urlsplit(replicas[0].url).netloc, baseline=nobody) as (_, url):
        yield url


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, str]]:
    """The same when no replica is there."""
    nobody = f"127.0.0.1:{free_port()}"
    with contained(tmp_path_factory.mktemp("away"), api=nobody, baseline=nobody) as made:
        yield made


@pytest.fixture
def api(alone: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=alone, timeout=40) as client:
        yield client


async def test_a_task_is_submitted_and_followed(alone: str, api: httpx.Client) -> None:
    task = submit(api, "compute_pi", **PACED)
    assert task["links"]["self"] == f"/tasks/{task['id']}"
    seen = await Follower("alone").follow(f"{alone.replace('http', 'ws')}/ws/tasks/{task['id']}")
    assert (seen.codes, "".join(seen.chunks)) == ([1000], PI[:40])


def test_a_page_of_another_origin_changes_nothing_and_is_told_so(alone: str, api: httpx.Client) -> None:
    body = {"kind": "compute_pi", "params": QUICK}
    refused = api.post("/tasks", json=body, headers={"Origin": "http://elsewhere"})
    assert problem(refused, 403)["detail"] == "a page of another origin may not do this"
    assert api.post("/tasks", json=body, headers={"Origin": alone}).status_code == 202
    assert api.get("/tasks", headers={"Origin": "http://elsewhere"}).status_code == 200


async def test_a_page_of_another_origin_follows_nothing(alone: str) -> None:
    url = f"{alone.replace('http', 'ws')}/ws"
    with pytest.raises(InvalidStatus, match="403"):
        await connect(url, origin=Origin("http://elsewhere"))
    async with connect(url, origin=Origin(alone)) as socket:
        await socket.ping()


def test_nothing_of_the_hub_is_there(api: httpx.Client) -> None:
    for path in ("/pi", "/js/hub/shell.js", "/vendor/uplot/uPlot.esm.js", "/hub.css"):
        problem(api.get(path), 404)


def test_when_every_replica_is_away_the_answer_says_when_to_come_back(away: tuple[Hub, str]) -> None:
    for method, path in (("GET", "/readyz"), ("POST", "/tasks"), ("GET", "/ws/tasks/1")):
        answer = httpx.request(method, f"{away[1]}{path}", timeout=30)
        assert problem(answer, 503)["detail"] == "the api cannot be reached; try again"
        assert answer.headers["retry-after"] == "2"


def test_what_does_not_go_well_is_logged_as_json_on_both_ports(away: tuple[Hub, str]) -> None:
    hub, alone = away
    for url in (f'{hub.url}/no"where', f"{alone}/stats"):
        httpx.get(url, timeout=30)

    def logged() -> dict[str, tuple[str, int]]:
        lines = [line for line in hub.log_path.read_text().splitlines() if line.startswith("{")]
        records = [json.loads(line) for line in lines]
        return {record["request"]: (record["level"], record["status"]) for record in records}

    assert wait_until(lambda: "GET /stats HTTP/1.1" in logged(), timeout_s=READY_S)
    assert logged()["GET /stats HTTP/1.1"] == ("error", 503)
    assert logged()["GET /no%22where HTTP/1.1"] == ("warning", 404)
