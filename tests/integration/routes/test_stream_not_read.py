"""A client of server-sent events that does not read is let go, on a real connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from api.routes.events import BoundedStream
from tests.integration.routes.test_server import WAIT_S, serving


async def test_a_stream_that_nobody_reads_ends_and_gives_up_what_it_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedStream, "send_timeout_s", 0.2)
    ended = asyncio.Event()

    async def flood() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "data: " + "x" * 100_000 + "\n\n"
        finally:
            await asyncio.sleep(0)  # as the end of a session does
            ended.set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await BoundedStream(flood(), {})(scope, receive, send)

    async with serving(app) as running:
        with socket.create_connection(("127.0.0.1", running.config.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            async with asyncio.timeout(WAIT_S):
                await ended.wait()


async def test_a_stream_that_is_read_slowly_but_steadily_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedStream, "send_timeout_s", 0.2)

    async def trickle() -> AsyncGenerator[str, None]:
        for number in range(5):
            await asyncio.sleep(0.1)
            yield f"data: {number}\n\n"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await BoundedStream(trickle(), {})(scope, receive, send)

    async with serving(app) as running, asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.config.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        received = await reader.read()
        writer.close()

    assert b"text/event-stream" in received
    assert received.count(b"data: ") == 5
