"""nginx with the repository's nginx.conf, before two replicas of the api and the baseline, all of them real."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from client.follow import follow
from local.children import wait_until
from local.ports import free_port
from protocol.events import Event
from tests.integration.baseline.processes import Api as BaselineApi
from tests.integration.baseline.processes import Baseline
from tests.integration.hub.nginx import Hub, hub
from tests.support.follower import Follower
from tests.support.rest import problem, submit
from tests.support.system import READY_S, Api, System, system

pytestmark = pytest.mark.timeout(180)

Replicas = tuple[Api, Api]

_PAGES: Final = (
    *("/", "/pi", "/documents", "/tasks", "/api-docs", "/baseline-docs"),
    *("/js/hub/shell.js", "/hub.css", "/vendor/uplot/uPlot.esm.js", "/vendor/swagger-ui/swagger-ui.css"),
)
_OF_PAGES_ONLY: Final = {
    "content-security-policy": None,
    "permissions-policy": None,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers, and their values where one test for all is enough."""
_QUICK: Final = {"digits": 5, "pace_ms": [0, 0]}
_PACED: Final = {"digits": 40, "pace_ms": [40, 50]}
"""Some two seconds, with something new in each twentieth of one."""
_PI: Final = "314159265358979323846264338327950288419716939937510582097494459230781640628620899"
_LONG: Final = {"digits": 400, "pace_ms": [40, 50]}


@pytest.fixture(scope="module")
def made() -> Iterator[System]:
    with system() as made:
        yield made


@pytest.fixture(scope="module")
def replicas(made: System) -> Replicas:
    replicas = made.api("first"), made.api("second")
    made.worker("worker", WORKER_POOL="threads", WORKER_CONCURRENCY="16", WORKER_DRAIN_S="1")
    for api in replicas:
        api.wait_until_ready()
    return replicas


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaselineApi]:
    with closing(Baseline(tmp_path_factory.mktemp("baseline"))) as baseline:
        baseline.worker()
        yield baseline.api()


@pytest.fixture(scope="module")
def front(replicas: Replicas, baseline: BaselineApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    apis = [f"127.0.0.1:{api.port}" for api in replicas]
    with hub(tmp_path_factory.mktemp("hub"), apis=apis, baseline=urlsplit(baseline.url).netloc) as made:
        yield made


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub behind which nothing listens."""
    address = f"127.0.0.1:{free_port()}"
    with hub(tmp_path_factory.mktemp("alone"), apis=[address], baseline=address) as made:
        yield made


class Echo(BaseHTTPRequestHandler):
    """Answers with the path and the headers that it was asked with."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Also what is no GET."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        told = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names are the base class's

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub before services that tell what they were asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        with hub(tmp_path_factory.mktemp("mirrored"), apis=[address], baseline=address) as made:
            yield made
        server.shutdown()


def asked(front: Hub, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of the answer to exactly this path."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection("127.0.0.1", front.port, timeout=20)) as connection:
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.fixture
def http(front: Hub) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=front.url, timeout=40) as client:
        yield client


@pytest.fixture
def api(front: Hub) -> Iterator[httpx.Client]:
    """A client that goes through the hub to the api, and takes its links as they are."""
    with _service(front, "/api") as client:
        yield client


@pytest.fixture
def polled(front: Hub) -> Iterator[httpx.Client]:
    with _service(front, "/baseline") as client:
        yield client


@contextmanager
def _service(front: Hub, path: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{front.url}{path}", timeout=40) as client:
        yield client


def begun(front: Hub, **params: object) -> str:
    """The id of a task of the api that runs."""
    with _service(front, "/api") as client:
        task = submit(client, "compute_pi", **params)
        assert wait_until(lambda: client.get(f"/tasks/{task['id']}").json()["state"] == "running", timeout_s=READY_S)
        return str(task["id"])


@pytest.mark.parametrize("path", _PAGES)
def test_what_belongs_to_a_page_comes_with_its_policy_and_may_be_kept_while_it_is_the_same(
    http: httpx.Client, path: str
) -> None:
    answer = http.get(path)
    assert answer.status_code == 200
    for name, value in _OF_PAGES_ONLY.items():
        assert name in answer.headers
        assert value in {None, answer.headers[name]}
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["server"] == "nginx"
    again = http.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_a_page_may_load_what_is_its_own_and_nothing_else(http: httpx.Client) -> None:
    policy = http.get("/").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["trusted-types"] == "'none'"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/hub.css", "text/css; charset=utf-8"),
        ("/js/hub/shell.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ],
)
def test_files_have_their_types_and_long_ones_are_compressed(http: httpx.Client, path: str, kind: str) -> None:
    plain, zipped = (http.get(path, headers={"Accept-Encoding": coding}) for coding in ("identity", "gzip"))
    assert plain.headers["content-type"] == zipped.headers["content-type"] == kind
    assert zipped.content == plain.content
    if len(plain.content) >= 1024:
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.headers["vary"] == "Accept-Encoding"
        assert zipped.num_bytes_downloaded < len(plain.content)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/js/", "/js/hub/nowhere.js", "/.git/config", "/..%2fnginx.conf", "/apis"]
)
def test_an_unknown_address_gets_the_404_page_as_404(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == (400 if ".." in path else 404)
    if answer.status_code == 404:
        assert "There is no page here" in answer.text
        assert "content-security-policy" in answer.headers


def test_an_unknown_address_of_a_service_is_answered_by_the_service(http: httpx.Client) -> None:
    for path in ("/api/nowhere", "/baseline/nowhere"):
        problem(http.get(path), 404)


def test_links_and_locations_lead_through_the_hub_whatever_the_client_says_of_its_prefix(http: httpx.Client) -> None:
    body = {"kind": "compute_pi", "params": _QUICK}
    for path, first_link in (("/api", "self"), ("/baseline", "status")):
        answer = http.post(f"{path}/tasks", json=body, headers={"X-Forwarded-Prefix": "/elsewhere"})
        assert answer.status_code == 202
        links = answer.json()["links"]
        assert links[first_link].startswith(f"{path}/tasks/")
        assert answer.headers["location"] == links[first_link]
        assert all(link.startswith(f"{path}/") for link in links.values())
        assert http.get(links[first_link]).status_code == 200


def test_the_documentation_of_both_services_finds_its_schema(http: httpx.Client) -> None:
    for path in ("/api", "/baseline"):
        page = http.get(f"{path}-docs")
        assert f'"{path}/openapi.json"' in page.text
        assert "'unsafe-inline'" not in _script_rule(page)
        assert http.get(f"{path}/openapi.json").json()["servers"] == [{"url": path}]
    front_page = http.get("/api/")
    assert front_page.headers["location"] == "/api/docs"


def _script_rule(page: httpx.Response) -> str:
    rules = page.headers["content-security-policy"].split("; ")
    return next(str(rule) for rule in rules if rule.startswith("script-src"))


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_the_documentation_that_a_service_takes_from_elsewhere_is_not_served(http: httpx.Client, page: str) -> None:
    for path in ("/api", "/baseline"):
        answer = http.get(f"{path}/{page}")
        assert (answer.status_code, answer.headers["location"]) == (302, f"{path}-docs")


@pytest.mark.parametrize(
    ("path", "prefix", "seen"),
    [
        ("/api/tasks?a=%2f", "/api", "/tasks?a=%2f"),
        ("/api/../baseline/tasks", "/baseline", "/tasks"),
        ("/baseline/%2e%2e/api/tasks", "/api", "/tasks"),
        ("/%61pi/tasks", "/api", "/tasks"),
        ("//api//tasks", "/api", "/tasks"),
        ("/api/tasks%0a/x%0D%0A", "/api", "/tasks%0A/x%0D%0A"),
        ("/baseline/%0a", "/baseline", "/%0A"),
        ("/api/tasks/7/events", "/api", "/tasks/7/events"),
        ("/ws/tasks/7", None, "/ws/tasks/7"),
    ],
)
def test_a_service_is_told_the_path_below_its_own_however_it_is_written(
    mirrored: Hub, path: str, prefix: str | None, seen: str
) -> None:
    status, told = asked(mirrored, path, X_Forwarded_Prefix="/elsewhere")
    assert (status, told["path"], told["headers"].get("X-Forwarded-Prefix")) == (200, seen, prefix)


@pytest.mark.parametrize("asks", ["h2c", "websocket, h2c", "websockets"])
def test_no_upgrade_but_that_of_a_websocket_is_passed_on(mirrored: Hub, asks: str) -> None:
    for path in ("/api/tasks", "/ws"):
        _, told = asked(mirrored, path, Upgrade=asks, Connection="Upgrade, HTTP2-Settings", HTTP2_Settings="AAMAAABk")
        assert "Upgrade" not in told["headers"]
        assert told["headers"].get("Connection") is None
    _, told = asked(mirrored, "/ws", Upgrade="WebSocket", Connection="Upgrade")
    assert (told["headers"]["Upgrade"], told["headers"]["Connection"]) == ("websocket", "upgrade")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://hub:8080", 200),
        ("https://hub:8080", 200),
        ("http://hub", 403),
        ("http://hub:80800", 403),
        ("http://a.hub:8080", 403),
        ("http://elsewhere", 403),
        ("http://elsewhere hub:8080", 403),
        ("null", 403),
        ("", 200),
    ],
)
def test_a_page_of_another_origin_changes_nothing_and_follows_nothing(mirrored: Hub, origin: str, status: int) -> None:
    headers = {"Host": "hub:8080"} | ({"Origin": origin} if origin else {})
    for path in ("/api/tasks", "/baseline/tasks"):
        for method in ("POST", "PUT", "DELETE"):
            assert asked(mirrored, path, method, **headers)[0] == status
        assert asked(mirrored, path, **headers)[0] == 200
    for path in ("/ws", "/ws/tasks/7", "/api/ws", "/api/ws/tasks/7"):
        assert asked(mirrored, path, Upgrade="websocket", Connection="Upgrade", **headers)[0] == status


def test_a_page_of_another_origin_is_told_so_in_a_sentence(http: httpx.Client) -> None:
    refused = http.post("/api/tasks", json={"kind": "compute_pi", "params": _QUICK}, headers={"Origin": "http://else"})
    assert problem(refused, 403)["detail"] == "a page of another origin may not do this"


async def test_a_websocket_is_only_for_the_hubs_own_pages(front: Hub) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await connect(f"{front.ws_url}/ws", origin=Origin("http://elsewhere"))
    async with connect(f"{front.ws_url}/ws", origin=Origin(front.url)) as socket:
        await socket.ping()


@pytest.mark.parametrize("path", ["/ws/tasks/", "/api/ws/tasks/"])
async def test_a_task_is_followed_over_websocket(front: Hub, api: httpx.Client, path: str) -> None:
    task = submit(api, "compute_pi", **_PACED)
    seen = await Follower("through the hub").follow(f"{front.ws_url}{path}{task['id']}")
    assert seen.codes == [1000]
    assert seen.seqs == sorted(set(seen.seqs))
    assert "".join(seen.chunks) == _PI[:40]


async def test_many_tasks_are_followed_over_one_websocket(front: Hub, api: httpx.Client) -> None:
    ids = [submit(api, "compute_pi", **_QUICK)["id"] for _ in range(3)]
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
    task = submit(api, "compute_pi", **_PACED)
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
    task = submit(api, "compute_pi", **_PACED)
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


def test_an_answer_that_is_polled_carries_no_header_of_a_page(api: httpx.Client, polled: httpx.Client) -> None:
    task, other = submit(api, "compute_pi", **_QUICK), submit(polled, "compute_pi", **_QUICK)
    answers = [
        api.get(f"/tasks/{task['id']}"),
        polled.get(f"/tasks/{other['id']}/status"),
        polled.get(f"/tasks/{other['id']}/status", params={"after": 0}),
        api.get("/readyz"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert _OF_PAGES_ONLY.keys().isdisjoint(answer.headers)


def test_a_body_that_is_too_large_is_refused_by_the_service_and_abuse_by_the_hub(front: Hub, api: httpx.Client) -> None:
    problem(api.post("/tasks", content=b" " * 7_000_000, headers={"Content-Type": "application/json"}), 413)
    assert _status_line(front, "Content-Length: 9000000") == "HTTP/1.1 413 Request Entity Too Large"
    assert api.get("/readyz").status_code == 200


def _status_line(front: Hub, header: str) -> str:
    """What a request gets that announces a body and sends none of it."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=20) as connection:
        connection.sendall(f"POST /api/tasks HTTP/1.1\r\nHost: hub\r\n{header}\r\n\r\n".encode())
        return connection.makefile("r", encoding="ascii").readline().strip()


async def test_both_replicas_get_followers(front: Hub, replicas: Replicas) -> None:
    task = await asyncio.to_thread(begun, front, **_LONG)
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
        assert (await asyncio.to_thread(submit, api, "compute_pi", **_QUICK))["state"] == "queued"
        assert {await seen for seen in followers} == {_PI[:60]}
    finally:
        replicas[0].start()
        await asyncio.to_thread(replicas[0].wait_until_ready)


async def test_a_replica_that_is_back_gets_every_follower_of_one_that_dies_then(
    front: Hub, api: httpx.Client, replicas: Replicas
) -> None:
    task = await asyncio.to_thread(begun, front, **_LONG)
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
