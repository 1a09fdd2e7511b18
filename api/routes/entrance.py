"""How the service is entered: at its front page, and under the path at which a proxy serves it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.entrance import forwarded_prefix

router = APIRouter()


@router.get("/", include_in_schema=False)
async def front_page(request: Request) -> RedirectResponse:
    """To the interactive documentation."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")


class ForwardedPrefix:
    """Takes `X-Forwarded-Prefix`, the path that a proxy has cut off, as the root path of that request.

    Without the header, or with one that is no plain path, the root path is that of the server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        prefix = forwarded_prefix(scope) if scope["type"] in {"http", "websocket"} else None
        await self._app(scope if prefix is None else _under(prefix, scope), receive, send)


def _under(prefix: str, scope: Scope) -> Scope:
    """The scope of the same request under `prefix`. A path contains its root path; that of the server is exchanged."""
    own: str = scope.get("root_path", "")
    moved = {**scope, "root_path": prefix, "path": prefix + scope["path"].removeprefix(own)}
    if scope.get("raw_path") is not None:
        moved["raw_path"] = prefix.encode() + scope["raw_path"].removeprefix(own.encode())
    return moved
