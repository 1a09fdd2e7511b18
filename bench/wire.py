"""What an answer and a frame weigh on the wire, in bytes; and what the kernel counts, which is the proof."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable
from typing import Any, Final

_BYTES_RECEIVED_AT: Final = 128
"""Where Linux has `tcpi_bytes_received`, 64 bits, in the struct tcp_info (linux/tcp.h; since 4.1)."""
_INFO_BYTES: Final = _BYTES_RECEIVED_AT + 8


def answer_bytes(status: int, reason: str, headers: Iterable[tuple[bytes, bytes]], body_bytes: int) -> int:
    """An answer of HTTP/1.1: status line, headers (`name: value` and a line break each), the empty line, the body.

    `body_bytes` is the body as it came, before it is decompressed. What `Transfer-Encoding: chunked` adds, some ten
    bytes a chunk, is not in it.
    """
    line = len(f"HTTP/1.1 {status} {reason}\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in headers) + 2 + body_bytes


def frame_bytes(payload_bytes: int) -> int:
    """A message of a server as one WebSocket frame: its payload and a header of 2, 4 or 10 bytes (RFC 6455 §5.2)."""
    if payload_bytes < 126:
        return payload_bytes + 2
    return payload_bytes + (4 if payload_bytes < 2**16 else 10)


def received_bytes(connection: Any) -> int | None:
    """What the kernel has received on this TCP connection so far, without the headers of IP and TCP; None: unknown.

    Everything is in it: handshakes, pings, TLS, and what is sent again by TCP once. `connection` is a socket, or what
    asyncio has for one.
    """
    if connection is None or sys.platform != "linux":
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except (OSError, AttributeError):
        return None
    if len(info) < _INFO_BYTES:
        return None
    return int(struct.unpack_from("=Q", info, _BYTES_RECEIVED_AT)[0])
