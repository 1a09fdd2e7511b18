"""Follow a task over WebSocket, through lost connections and restarts: each event once, in order (docs/protocol.md §8).

async for update in follow("http://localhost:8000", task_id):
match update:
case Event(): ...
case Gap(): ...          # these events are lost for good
case Restarted(): ...    # forget what came before: the stream begins anew
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final, get_args
from uuid import UUID

from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from client.errors import FollowEnded, GaveUp
from protocol.cursor import Cursor
from protocol.events import Event, EventType

_DONE: Final = 1000
_DO_NOT_RETURN: Final = 4500
_TOO_BIG: Final = 1009
_MAX_FRAME: Final = 2 * 2**20
"""Twice what the server sends: an event is at most 1 MB, and frames of several events are smaller."""

_EVENT: Final = TypeAdapter(Event)
_EVENT_TYPES: Final = frozenset(get_args(EventType))


@dataclass(frozen=True, slots=True)
class Gap:
    """The events between the seqs `after` and `before` are nowhere any more."""

    after: int
    before: int


@dataclass(frozen=True, slots=True)
class Restarted:
    """The task's stream begins anew in another epoch, or the cursor could not be honoured."""

    epoch: str


Update = Event | Gap | Restarted


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between connections: random between 0 and a bound that doubles, and when to give up.

    `give_up_after_s` counts from the end of the last connection that was of use: one that brought a frame.
    """

    first_s: float = 0.1
    most_s: float = 5.0
    give_up_after_s: float = 120.0


class Follower:
    """One task's stream and where the reader is in it. `cursor` resumes after the newest update yielded.

    Of several base URLs each connection takes the next one. `longest_away_s` is the longest time from a lost
    connection to the first frame of the next.
    """

    def __init__(
        self,
        base_urls: str | Sequence[str],
        task: UUID | str,
        cursor: Cursor | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        urls = [base_urls] if isinstance(base_urls, str) else base_urls
        self._urls = cycle(f"{url.rstrip('/').replace('http', 'ws', 1)}/ws/tasks/{task}" for url in urls)
        self._backoff = backoff or Backoff()
        self.cursor = cursor
        self.connections = 0
        self.longest_away_s = 0.0
        self._socket: ClientConnection | None = None
        self._lost_at: float | None = None
        self._heard = False

    def cut(self) -> None:
        """Cut the connection as a failing network would; it is made again."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def updates(self) -> AsyncGenerator[Update, None]:
        """Until the terminal event. Raises FollowEnded, GaveUp."""
        clock = asyncio.get_running_loop().time
        wait_s, alone_since = self._backoff.first_s, clock()
        while True:
            self._heard, begun = False, clock()
            try:
                async with connect(self._address(), max_size=_MAX_FRAME, compression=None) as socket:
                    self.connections += 1
                    self._socket = socket
                    async for update in self._frames(socket):
                        wait_s = self._backoff.first_s
                        yield update
                if _is_done(socket):
                    return
                reason = f"closed with {socket.close_code} {socket.close_reason or ''}".rstrip()
            except (OSError, TimeoutError, InvalidHandshake, InvalidMessage) as error:
                reason = f"{type(error).__name__}: {error}"
            if self._heard:
                self._lost_at = alone_since = clock()
                if alone_since - begun > self._backoff.most_s:
                    wait_s = self._backoff.first_s
            if clock() - alone_since > self._backoff.give_up_after_s:
                raise GaveUp(f"no connection for {self._backoff.give_up_after_s:g} s: {reason}")
            await asyncio.sleep(random.uniform(0, wait_s))
            wait_s = min(wait_s * 2, self._backoff.most_s)

    async def _frames(self, socket: ClientConnection) -> AsyncIterator[Update]:
        try:
            async for frame in socket:
                self._heard = True
                if self._lost_at is not None:
                    away_s = asyncio.get_running_loop().time() - self._lost_at
                    self.longest_away_s, self._lost_at = max(self.longest_away_s, away_s), None
                for item in json.loads(frame):
                    update = self._update(item)
                    if update is not None:
                        yield update
        except ConnectionClosed as error:
            if (
                error.sent is not None and error.sent.code == _TOO_BIG
            ):  # by us: the next connection would bring it again
                raise FollowEnded(_TOO_BIG, f"a frame of more than {_MAX_FRAME:,} bytes") from error

    def _update(self, item: dict[str, Any]) -> Update | None:
        """What an item of a frame is to the reader; None for what it has seen already, or does not know."""
        known, kind = self.cursor, item.get("type")
        if kind == "hello":
            if item["resumed"]:
                self.cursor = Cursor(known.seq if known else 0, item["epoch"])
                return None
            self.cursor = Cursor(0, item["epoch"])
            return Restarted(item["epoch"]) if known is not None else None
        if kind != "gap" and kind not in _EVENT_TYPES:
            return None
        assert known is not None, "a stream begins with hello"
        if kind == "gap":
            self.cursor = Cursor(item["before"] - 1, known.epoch)
            return Gap(item["after"], item["before"])
        event = _EVENT.validate_python(item)
        if event.seq <= known.seq:
            return None
        self.cursor = Cursor(event.seq, known.epoch)
        return event

    def _address(self) -> str:
        url = next(self._urls)
        return url if self.cursor is None else f"{url}?after={self.cursor}"


def _is_done(socket: ClientConnection) -> bool:
    """Whether the closed connection was the task's last. Raises FollowEnded when connecting again is of no use."""
    code, reason = socket.close_code, socket.close_reason or ""
    if code is not None and code >= _DO_NOT_RETURN:
        raise FollowEnded(code, reason)
    return code == _DONE


def follow(base_url: str, task: UUID | str, cursor: Cursor | None = None) -> AsyncGenerator[Update, None]:
    """The updates of `task` after `cursor`, until its end."""
    return Follower(base_url, task, cursor).updates()
