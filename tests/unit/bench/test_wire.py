"""What answers and frames weigh."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from websockets.frames import Frame, Opcode

from bench.wire import answer_bytes, frame_bytes, received_bytes


def test_an_answer_weighs_what_stands_on_the_wire() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 11\r\n\r\n"
    body = b'{"next": 4}'
    headers = [(b"Content-Type", b"application/json"), (b"content-length", b"11")]
    assert answer_bytes(200, "OK", headers, len(body)) == len(head + body)


def test_an_answer_without_a_body_is_all_head() -> None:
    assert answer_bytes(304, "Not Modified", [(b"etag", b'"7"')], 0) == len(
        b'HTTP/1.1 304 Not Modified\r\netag: "7"\r\n\r\n'
    )


@pytest.mark.parametrize("payload", [0, 1, 125, 126, 65_535, 65_536, 300_000])
def test_a_frame_weighs_what_a_server_sends(payload: int) -> None:
    sent = Frame(Opcode.TEXT, b"x" * payload).serialize(mask=False)
    assert frame_bytes(payload) == len(sent)


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel tells")
async def test_the_kernel_tells_what_a_connection_has_received() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 12_345)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.readexactly(12_345)
        # The end of the stream counts as one byte, once it has come.
        assert received_bytes(writer.get_extra_info("socket")) in {12_345, 12_346}
        writer.close()
        await writer.wait_closed()


def test_what_is_no_tcp_connection_tells_nothing() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert received_bytes(ours) is None
    assert received_bytes(None) is None
