"""What the hub makes of a request before a service gets it, and whose requests no service gets."""

from __future__ import annotations

import socket

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.integration.hub.asking import QUICK, asked
from tests.integration.hub.nginx import Hub
from tests.support.rest import problem

pytestmark = pytest.mark.timeout(180)


def test_an_unknown_address_of_a_service_is_answered_by_the_service(http: httpx.Client) -> None:
    for path in ("/api/nowhere", "/baseline/nowhere"):
        problem(http.get(path), 404)


def test_links_and_locations_lead_through_the_hub_whatever_the_client_says_of_its_prefix(http: httpx.Client) -> None:
    body = {"kind": "compute_pi", "params": QUICK}
    for path, first_link in (("/api", "self"), ("/baseline", "status")):
        answer = http.post(f"{path}/tasks", json=body, headers={"X-Forwarded-Prefix": "/elsewhere"})
        assert answer.status_code == 202
        links = answer.json()["links"]
        assert links[first_link].startswith(f"{path}/tasks/")
        assert answer.headers["location"] == links[first_link]
        assert all(link.startswith(f"{path}/") for link in links.values())
        assert http.get(links[first_link]).status_code == 200


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
    refused = http.post("/api/tasks", json={"kind": "compute_pi", "params": QUICK}, headers={"Origin": "http://else"})
    assert problem(refused, 403)["detail"] == "a page of another origin may not do this"


async def test_a_websocket_is_only_for_the_hubs_own_pages(front: Hub) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await connect(f"{front.ws_url}/ws", origin=Origin("http://elsewhere"))
    async with connect(f"{front.ws_url}/ws", origin=Origin(front.url)) as socket:
        await socket.ping()


def test_a_body_that_is_too_large_is_refused_by_the_service_and_abuse_by_the_hub(front: Hub, api: httpx.Client) -> None:
    problem(api.post("/tasks", content=b" " * 7_000_000, headers={"Content-Type": "application/json"}), 413)
    refused = api.post("/tasks", content=b" " * 9_000_000, headers={"Content-Type": "application/json"})
    assert problem(refused, 413)["detail"] == "the body is larger than this service takes"
    assert _status_line(front, "Content-Length: 9000000") == "HTTP/1.1 413 Request Entity Too Large"
    assert api.get("/readyz").status_code == 200


def _status_line(front: Hub, header: str) -> str:
    """What a request gets that announces a body and sends none of it."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=20) as connection:
        connection.sendall(f"POST /api/tasks HTTP/1.1\r\nHost: hub\r\n{header}\r\n\r\n".encode())
        return connection.makefile("r", encoding="ascii").readline().strip()
