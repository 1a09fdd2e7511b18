"""The server and its WebSocket protocol, with peers that are silent or slow, on real connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from api import server
from api.server import WebSocketProtocol, let_go_of_peers
from local.ports import free_port
from tests.support.waiting import until_so

WAIT_S: Final = 10.0
Application = Callable[[Any, Any, Any], Awaitable[None]]


@asynccontextmanager
async def serving(app: Application, **settings: Any) -> AsyncIterator[uvicorn.Server]:
    """Serve `app`, which needs no lifespan, with our protocol."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=free_port(),
        ws=WebSocketProtocol,
        log_config=None,
        lifespan="off",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        **settings,
    )
    running = uvicorn.Server(config)
    task = asyncio.create_task(running._serve())
    await until_so(lambda: running.started)
    try:
        yield running
    finally:
        running.should_exit = True
        await task


def url(running: uvicorn.Server) -> str:
    return f"ws://127.0.0.1:{running.config.port}/"


class Peer:
    """A client that does nothing by itself: it answers no ping and reads only when it is told to."""

    def __init__(self, running: uvicorn.Server, *, receive_buffer: int | None = None) -> None:
        self._protocol = ClientProtocol(parse_uri(url(running)))
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.setblocking(False)
        self._port = running.config.port

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        self._protocol.send_request(self._protocol.connect())
        await loop.sock_sendall(self._socket, b"".join(self._protocol.data_to_send()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    async def read_to_the_end(self) -> list[Frame]:
        """Every frame until one that closes, or until the connection ends. What would be answered is not sent."""
        loop = asyncio.get_running_loop()
        frames: list[Frame] = []
        async with asyncio.timeout(WAIT_S):
            while self._protocol.close_rcvd is None and (data := await loop.sock_recv(self._socket, 65_536)):
                self._protocol.receive_data(data)
                self._protocol.data_to_send()
                frames += [event for event in self._protocol.events_received() if isinstance(event, Frame)]
        return frames

    @property
    def close_code(self) -> int | None:
        """Of the close frame that was read."""
        return None if self._protocol.close_rcvd is None else self._protocol.close_rcvd.code


class Flood:
    """An application that sends until it is blocked, and closes with 4008 when it is told to."""

    def __init__(self) -> None:
        self.sent = 0
        self.stop = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, _: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        flooding = asyncio.create_task(self._flood(send))
        await self.stop.wait()
        flooding.cancel()
        await send({"type": "websocket.close", "code": 4008, "reason": "too slow"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        self.ended.set()

    async def _flood(self, send: Any) -> None:
        while True:
            await send({"type": "websocket.send", "text": "x" * 1_000})
            self.sent += 1_000

    async def blocked(self) -> int:
        """How much was sent when no more goes."""
        before = -1
        while before != self.sent or not before:
            before = self.sent
            await asyncio.sleep(0.05)  # a sender that is not blocked sends megabytes in this time
        return self.sent


async def test_a_peer_that_answers_no_ping_is_closed_with_4012_and_the_application_is_told() -> None:
    told: list[dict[str, Any]] = []

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        told.append(await receive())

    async with serving(app, ws_ping_interval=0.05, ws_ping_timeout=0.05) as running, Peer(running) as silent:
        frames = await silent.read_to_the_end()

    assert [frame.opcode for frame in frames] == [Opcode.PING, Opcode.CLOSE]
    assert silent.close_code == 4012
    assert told[0]["code"] == 4012


async def test_a_peer_that_answers_pings_stays() -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        await receive()

    async with (
        serving(app, ws_ping_interval=0.02, ws_ping_timeout=5) as running,
        connect(url(running)) as client,
    ):
        for _ in range(10):
            await (await client.ping())
        await client.send("still here")
        assert await client.recv() == "still here"


async def test_what_waits_for_a_peer_that_does_not_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebSocketProtocol, "send_buffer_bytes", 8_192)
    flood = Flood()
    async with serving(flood) as running, Peer(running, receive_buffer=4_096):
        assert 0 < await flood.blocked() < 512 * 2**10
        flood.stop.set()


async def test_a_slow_peer_gets_what_is_on_its_way_and_then_the_close_code() -> None:
    flood = Flood()
    async with serving(flood) as running, Peer(running, receive_buffer=4_096) as slow:
        sent = await flood.blocked()
        flood.stop.set()
        await flood.ended.wait()  # the close did not wait for the peer
        frames = await slow.read_to_the_end()

    received = sum(len(frame.data) for frame in frames if frame.opcode is Opcode.TEXT)
    assert sent <= received <= sent + 1_000  # and the message that was blocked
    assert slow.close_code == 4008


async def test_a_slow_peer_that_does_not_take_its_close_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LINGER_S", 0.1)
    flood = Flood()
    async with serving(flood) as running, Peer(running, receive_buffer=4_096) as slow:
        await flood.blocked()
        flood.stop.set()
        await flood.ended.wait()
        await until_so(lambda: not running.server_state.connections)  # the peer stays away until it is given up

        frames = await slow.read_to_the_end()

    assert frames
    assert slow.close_code is None  # the connection has ended with no close before


async def test_a_message_over_the_limit_is_closed_with_1009() -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async with serving(app, ws_max_size=1_000) as running, connect(url(running)) as client:
        await client.send("x" * 1_001)
        with pytest.raises(ConnectionClosed):
            await client.recv()

    assert client.close_code == 1009


async def test_a_text_that_is_none_closes_with_1007_and_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    told: list[dict[str, Any]] = []

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        told.extend([await receive(), await receive()])

    async with serving(app) as running, connect(url(running)) as peer:
        await peer.send("grüß")
        await peer.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosed):
            await peer.recv()

    assert peer.close_code == 1007
    assert [message.get("text") for message in told] == ["grüß", None]
    assert told[1]["code"] == 1007
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone lets go of such peers")
async def test_a_peer_that_takes_nothing_of_a_stream_loses_its_connection() -> None:
    ended = asyncio.Event()

    async def app(_: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        flooding = asyncio.create_task(flood(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        flooding.cancel()
        ended.set()

    async def flood(send: Any) -> None:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 1_000, "more_body": True})

    async with serving(app) as running:
        let_go_of_peers(running, 1.0)
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(peer, ("127.0.0.1", running.config.port))
            await loop.sock_sendall(peer, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            async with asyncio.timeout(WAIT_S):
                await ended.wait()
        await until_so(lambda: not running.server_state.connections)
