"""The hub's own files: their headers and types, addresses that are none, the documentation of both services."""

from __future__ import annotations

from typing import Final

import httpx
import pytest
from websockets.sync.client import connect

from tests.integration.hub.asking import QUICK
from tests.support.rest import submit

pytestmark = pytest.mark.timeout(180)

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


def test_an_answer_that_is_polled_carries_no_header_of_a_page(api: httpx.Client, polled: httpx.Client) -> None:
    task, other = submit(api, "compute_pi", **QUICK), submit(polled, "compute_pi", **QUICK)
    answers = [
        api.get(f"/tasks/{task['id']}"),
        polled.get(f"/tasks/{other['id']}/status"),
        polled.get(f"/tasks/{other['id']}/status", params={"after": 0}),
        api.get("/readyz"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert _OF_PAGES_ONLY.keys().isdisjoint(answer.headers)


def test_the_documentation_of_both_services_finds_its_schema(http: httpx.Client) -> None:
    for path in ("/api", "/baseline"):
        page = http.get(f"{path}-docs")
        assert f'"{path}/openapi.json"' in page.text
        assert "'unsafe-inline'" not in _script_rule(page)
        assert http.get(f"{path}/openapi.json").json()["servers"] == [{"url": path}]
    front_page = http.get("/api/")
    assert front_page.headers["location"] == "/api/docs"


def test_the_description_of_the_streams_leads_through_the_hub(http: httpx.Client, api: httpx.Client) -> None:
    assert '"/api/asyncapi.json"' in http.get("/api-docs").text
    described = api.get("/asyncapi.json").json()
    server, channel = described["servers"]["websocket"], described["channels"]["task"]
    assert server == {"host": http.base_url.netloc.decode(), "pathname": "/api", "protocol": "ws"}
    path = server["pathname"] + channel["address"].format(task_id=submit(api, updates=1)["id"])
    with connect(f"{server['protocol']}://{server['host']}{path}", close_timeout=2) as websocket:
        assert '"hello"' in str(websocket.recv(10))


def _script_rule(page: httpx.Response) -> str:
    rules = page.headers["content-security-policy"].split("; ")
    return next(str(rule) for rule in rules if rule.startswith("script-src"))


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_the_documentation_that_a_service_takes_from_elsewhere_is_not_served(http: httpx.Client, page: str) -> None:
    for path in ("/api", "/baseline"):
        answer = http.get(f"{path}/{page}")
        assert (answer.status_code, answer.headers["location"]) == (302, f"{path}-docs")
