"""How the service is entered under the path at which a proxy serves it."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service.entrance import forwarded_prefix


class ForwardedPrefix:
    """Takes `X-Forwarded-Prefix`, the path that a proxy has cut off, as the root path of that request.

    Without the header, or with one that is no plain path, the root path is the one that is set.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        prefix = forwarded_prefix(scope) if scope["type"] == "http" else None
        if prefix is not None:
            scope = {**scope, "root_path": prefix, "path": prefix + scope["path"]}
            if scope.get("raw_path") is not None:
                scope["raw_path"] = prefix.encode() + scope["raw_path"]
        await self._app(scope, receive, send)
