"""How the service is entered under the path at which a proxy serves it."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_HEADER: Final = b"x-forwarded-prefix"
_MAX_BYTES: Final = 100
_PLAIN: Final = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
"""A path of segments that need no escape and go nowhere else; what begins with `//` would name another host."""


class ForwardedPrefix:
    """Takes `X-Forwarded-Prefix`, the path that a proxy has cut off, as the root path of that request.

    Without the header, or with one that is no plain path, the root path is the one that is set.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        prefix = _prefix(scope) if scope["type"] == "http" else None
        if prefix is not None:
            scope = {**scope, "root_path": prefix, "path": prefix + scope["path"]}
            if scope.get("raw_path") is not None:
                scope["raw_path"] = prefix.encode() + scope["raw_path"]
        await self._app(scope, receive, send)


def _prefix(scope: Scope) -> str | None:
    values: list[bytes] = [value for name, value in scope["headers"] if name == _HEADER]
    if len(values) != 1 or len(values[0]) > _MAX_BYTES or not _PLAIN.fullmatch(values[0]):
        return None
    return values[0].decode("ascii")
