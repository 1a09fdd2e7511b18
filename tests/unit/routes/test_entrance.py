"""The prefix that a proxy has cut off, as the api and the baseline take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from api.routes.entrance import ForwardedPrefix
from baseline.api import entrance

BOTH: Final = [ForwardedPrefix, entrance.ForwardedPrefix]
PLAIN: Final = [b"/api", b"/a/b", b"/a.b/~c_d-9", b"/...", b"/" + b"x" * 99]
NOT_PLAIN: Final = [
    b"",
    b"/",
    b"api",
    b"/api/",
    b"//api",
    b"/api//v1",
    b"/api\n",
    b"/api?x",
    b"/api#x",
    b"/%61pi",
    b"/api, /other",
    b"http://elsewhere/api",
    b"\\\\elsewhere",
    b"/..",
    b"/api/../x",
    b"/./api",
    b'/"><script>',
    "/ä".encode(),
    b"/" + b"x" * 100,
]


async def reached(
    middleware: Callable[[ASGIApp], ASGIApp], *prefixes: bytes, kind: str = "http", root_path: str = ""
) -> Scope:
    """The scope that comes to the application for /tasks."""
    found: list[Scope] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        found.append(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    scope = {
        "type": kind,
        "root_path": root_path,
        "path": f"{root_path}/tasks/ä",
        "raw_path": f"{root_path}/tasks/%C3%A4".encode(),
        "headers": [(b"host", b"x"), *((b"x-forwarded-prefix", prefix) for prefix in prefixes)],
    }
    await middleware(app)(scope, nothing, nothing)
    return found[0]


@pytest.mark.parametrize("middleware", BOTH)
@pytest.mark.parametrize("prefix", PLAIN)
async def test_a_plain_path_is_the_root_path_and_begins_the_path(
    middleware: Callable[[ASGIApp], ASGIApp], prefix: bytes
) -> None:
    scope = await reached(middleware, prefix)

    assert scope["root_path"] == prefix.decode()
    assert scope["path"] == f"{prefix.decode()}/tasks/ä"
    assert scope["raw_path"] == prefix + b"/tasks/%C3%A4"


@pytest.mark.parametrize("middleware", BOTH)
@pytest.mark.parametrize("prefix", NOT_PLAIN)
async def test_anything_else_is_ignored(middleware: Callable[[ASGIApp], ASGIApp], prefix: bytes) -> None:
    scope = await reached(middleware, prefix, root_path="/own")

    assert (scope["root_path"], scope["path"]) == ("/own", "/own/tasks/ä")


@pytest.mark.parametrize("middleware", BOTH)
async def test_two_prefixes_are_none(middleware: Callable[[ASGIApp], ASGIApp]) -> None:
    assert (await reached(middleware, b"/a", b"/b"))["root_path"] == ""


async def test_the_prefix_of_the_request_takes_the_place_of_the_servers_own() -> None:
    scope = await reached(ForwardedPrefix, b"/api", root_path="/own")

    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/api", "/api/tasks/ä", b"/api/tasks/%C3%A4")


async def test_a_websocket_has_a_prefix_too_and_a_lifespan_has_no_headers() -> None:
    assert (await reached(ForwardedPrefix, b"/api", kind="websocket"))["root_path"] == "/api"
    assert (await reached(ForwardedPrefix, b"/api", kind="lifespan"))["root_path"] == ""
