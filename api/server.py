"""The server and its WebSocket protocol: uvicorn's, with what slow and silent peers need (docs/protocol.md §8).

- The kernel's send buffer is small. By default it grows to megabytes, which a peer that does not read would fill before
  anyone notices; and what lies there is stale when it is read at last.
- A close frame does not wait until the peer has read what is before it; it is put behind that, and the connection is
  cut when the peer has not taken it in time.
- A peer that does not answer a ping is closed with 4012.
- A peer that takes nothing for a minute, not even on a stream of server-sent events, loses its connection: the kernel
  would keep it as long as the peer says that it has no room.
- A server that goes away first tells its followers to resume, with 4001. By itself uvicorn would close them with 1012,
  and wait for answers that have no end.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import structlog
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.routes.close_codes import NO_PONG
from api.routes.services import Services

log = structlog.get_logger(__name__)

_LINGER_S: Final = 30.0
_HIGH_WATER: Final = 64 * 2**10
_NOT_TEXT: Final = 1007
_GOODBYE_S: Final = 5.0
_PEER_S: Final = 60.0
"""Longer than whatever tells a follower first that it is too slow (docs/protocol.md §8)."""


class Server(uvicorn.Server):
    """One server, of the application that `api.app.create_app` makes."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, and say where it listens."""
        await super().startup(sockets)
        if self.started:
            let_go_of_peers(self, _PEER_S)
            log.info("Api listens", action="api_listens", host=self.config.host, port=self.config.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye, and then end as uvicorn does: no new connections, finish requests, end the application."""
        log.info("Api ends", action="api_ends")
        services: Services = self.lifespan.state["services"]
        await services.sockets.drain(_GOODBYE_S)
        await super().shutdown(sockets)


def let_go_of_peers(server: uvicorn.Server, after_s: float) -> None:
    """Have the kernel end connections, from now on, whose peer takes nothing for so long (RFC 5482)."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux alone has it
    if option is not None:
        for listening in (each for servers in server.servers for each in servers.sockets):
            if listening.family in {socket.AF_INET, socket.AF_INET6}:
                listening.setsockopt(socket.IPPROTO_TCP, option, int(after_s * 1000))


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    send_buffer_bytes: ClassVar[int] = 256 * 2**10

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what is buffered for the peer."""
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer_bytes)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)

    async def send(self, message: Any) -> None:
        """Send as ASGI says; a close is not held back by what waits to be written."""
        if message["type"] == "websocket.close" and self.handshake_complete:
            self.writable.set()
            self.loop.call_later(_LINGER_S, self.transport.abort)
        await super().send(message)

    def send_receive_event_to_app(self) -> None:
        """Take what the peer has sent. Text that is none closes with 1007; uvicorn would log an error for each."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(self.frames):
            self.frames = []
            self.conn.send_close(_NOT_TEXT)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """The peer did not answer: tell it to come back, and let go."""
        self.pong_timer = None
        self.pending_ping_payload = None
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.fail(NO_PONG, "no pong: resume after the last event received")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": NO_PONG})
        self.loop.call_later(_LINGER_S, self.transport.abort)
        self.transport.close()


def _is_utf8(frames: Iterable[bytes | bytearray]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True
