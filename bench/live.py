"""One client of the event-driven side: it follows a task over a WebSocket of its own (docs/protocol.md §8)."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from bench.clock import now_ms
from bench.errors import Spoiled
from bench.history import History, Transcript
from bench.wire import frame_bytes, received_bytes
from protocol.events import Event

_DONE: Final = 1000
_DO_NOT_RETURN: Final = 4500
_MOST_CONNECTIONS: Final = 20
_OPEN_TIMEOUT_S: Final = 20.0
_MAX_FRAME: Final = 2 * 2**20
"""An event is at most 1 MB, and frames of several events are smaller."""
_CONTROL: Final = frozenset({"hello", "gap"})


class LiveClient:
    """Follows the task at `link` (http or ws). `offset_ms` is the server's clock minus ours."""

    def __init__(self, link: str, offset_ms: float) -> None:
        self._link = link.replace("http", "ws", 1) if link.startswith("http") else link
        self._offset_ms = offset_ms
        self._epoch: str | None = None
        self._history = History(contiguous=False)

    async def follow(self) -> Transcript:
        """Until the terminal event, through lost connections. Raises Spoiled when that is of no use."""
        while self._history.traffic.connections < _MOST_CONNECTIONS:
            try:
                async with connect(
                    self._address(), max_size=_MAX_FRAME, compression=None, open_timeout=_OPEN_TIMEOUT_S
                ) as socket:
                    await self._read(socket)
            except (OSError, TimeoutError, InvalidHandshake, InvalidMessage) as error:
                raise Spoiled(f"{self._link}: {type(error).__name__}: {error}") from error
            if socket.close_code == _DONE:
                return self._history.transcript()
            if socket.close_code is not None and socket.close_code >= _DO_NOT_RETURN:
                raise Spoiled(f"{self._link}: closed with {socket.close_code} {socket.close_reason}")
        raise Spoiled(f"{self._link}: lost the connection {_MOST_CONNECTIONS} times")

    async def _read(self, socket: ClientConnection) -> None:
        """Until the connection is closed."""
        traffic = self._history.traffic
        tcp = socket.transport.get_extra_info("socket")
        received = received_bytes(tcp)
        try:
            while True:
                payload = await socket.recv(decode=False)
                arrived_ms = now_ms() + self._offset_ms
                received = received_bytes(tcp) or received  # here, for a connection that is closed tells no more
                traffic.messages += 1
                traffic.bytes += frame_bytes(len(payload))
                self._take(payload, arrived_ms)
        except ConnectionClosed:
            traffic.add_connection(received)

    def _take(self, payload: bytes, arrived_ms: float) -> None:
        try:
            items = json.loads(payload)
            fresh = [self._take_item(item, arrived_ms) for item in items]
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise Spoiled(f"{self._link}: no frame of events: {payload[:100]!r}") from error
        self._history.traffic.empty += not any(fresh)

    def _take_item(self, item: dict[str, Any], arrived_ms: float) -> bool:
        """Whether it is an event."""
        kind = item.get("type")
        if kind == "hello":
            if not item["resumed"] and self._epoch is not None:
                self._history.restart()
            self._epoch = item["epoch"]
        elif kind == "gap":
            self._history.note_gap(item["after"], item["before"])
        else:
            self._history.take(Event.model_validate(item), arrived_ms)
        return kind not in _CONTROL

    def _address(self) -> str:
        return self._link if self._epoch is None else f"{self._link}?after={self._epoch}.{self._history.position}"
