"""Counts what the process is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPERATIONS: Final = ("/livez", "/readyz", "/stats")
_DATE_BYTES: Final = len("date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")
"""The server adds this header itself."""


@dataclass(slots=True)
class Traffic:
    """Since the start of the process. `bytes_sent` is everything that goes to the socket: status line, headers, body.

    What is asked to operate the service does not count, so that reading the counters does not change them.
    """

    requests: int = 0
    not_modified: int = 0
    bytes_sent: int = 0


class CountTraffic:
    """Middleware that counts into a `Traffic`."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"].endswith(_OPERATIONS):
            await self._app(scope, receive, send)
            return
        traffic = self._traffic
        traffic.requests += 1

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                traffic.not_modified += message["status"] == HTTPStatus.NOT_MODIFIED
                traffic.bytes_sent += _head_bytes(message)
            else:
                traffic.bytes_sent += len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, counted)


def _head_bytes(start: Message) -> int:
    """The status line, the headers and the empty line after them; each header is `name: value` and a line break."""
    line = len(f"HTTP/1.1 {start['status']} {HTTPStatus(start['status']).phrase}\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in start["headers"]) + _DATE_BYTES + 2
