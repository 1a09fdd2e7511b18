"""What the tests of the hub ask, and a service that tells what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

import httpx

from local.children import wait_until
from tests.integration.hub.nginx import Hub
from tests.support.rest import submit
from tests.support.system import READY_S, Api

QUICK: Final = {"digits": 5, "pace_ms": [0, 0]}
PACED: Final = {"digits": 40, "pace_ms": [40, 50]}
"""Some two seconds, with something new in each twentieth of one."""
PI: Final = "314159265358979323846264338327950288419716939937510582097494459230781640628620899"
LONG: Final = {"digits": 400, "pace_ms": [40, 50]}

Replicas = tuple[Api, Api]


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


def asked(front: Hub, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of the answer to exactly this path."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection("127.0.0.1", front.port, timeout=20)) as connection:
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@contextmanager
def service(front: Hub, path: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{front.url}{path}", timeout=40) as client:
        yield client


def begun(front: Hub, **params: object) -> str:
    """The id of a task of the api that runs."""
    with service(front, "/api") as client:
        task = submit(client, "compute_pi", **params)
        assert wait_until(lambda: client.get(f"/tasks/{task['id']}").json()["state"] == "running", timeout_s=READY_S)
        return str(task["id"])
