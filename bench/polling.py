"""One client of the polling side: it asks for a task's status again and again, over a connection of its own.

The three strategies are those of baseline/api/status.py, and are followed as the demo page does: **plain** asks for the
whole state at a fixed rate, **delta** at the same rate for what is new (with If-None-Match, which is answered with 304
when nothing is), **long** for what is new, and the server answers when there is something.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Final, Literal, Self, get_args

import httpx
from pydantic import ValidationError

from bench.clock import now_ms
from bench.errors import Refused, Spoiled
from bench.history import History, Transcript
from bench.wire import answer_bytes, received_bytes
from protocol.events import Event

Strategy = Literal["plain", "delta", "long"]
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)

_NOT_MODIFIED: Final = 304
_WAIT_S: Final = 25
"""The server waits for up to 30."""
_TIMEOUT_S: Final = 10.0
_IDLE_S: Final = 1.0
"""A server that waits for nothing is not asked more often for news that it does not have."""


class PollingClient:
    """Follows the task at `link`. `offset_ms` is the server's clock minus ours; `delay_s` passes before it first asks.

    The interval is from the start of one request to that of the next; never are there two at a time.
    """

    def __init__(self, link: str, strategy: Strategy, *, interval_s: float, delay_s: float, offset_ms: float) -> None:
        self._link = link
        self._strategy = strategy
        self._interval_s = interval_s
        self._delay_s = delay_s
        self._offset_ms = offset_ms
        self._etag: str | None = None
        self._history = History(contiguous=strategy != "plain")
        self._connections = _Connections()
        self._http = httpx.AsyncClient(
            timeout=_TIMEOUT_S + (_WAIT_S if strategy == "long" else 0), limits=httpx.Limits(max_connections=1)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def follow(self) -> Transcript:
        """Until the task has ended. Raises Refused, Spoiled."""
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._delay_s)
        while not self._history.ended:
            started = clock()
            pause_s = await self._ask()
            await asyncio.sleep(max(0.0, started + pause_s - clock()))
        self._connections.close(self._history)
        return self._history.transcript()

    async def _ask(self) -> float:
        """Ask once; the seconds from the start of this request to the next one."""
        try:
            answer = await self._http.get(self._link, params=self._query(), headers=self._headers())
        except httpx.HTTPError as error:
            raise Spoiled(f"{self._link}: {type(error).__name__}: {error}") from error
        arrived_ms = now_ms() + self._offset_ms
        self._weigh(answer)
        if answer.status_code == _NOT_MODIFIED:
            self._history.traffic.empty += 1
            return self._interval_s
        if answer.status_code != httpx.codes.OK:
            raise Refused(answer.status_code, f"{self._link}: {answer.text[:200]}")
        try:
            return self._take(answer.json(), answer.headers.get("ETag"), arrived_ms)
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise Spoiled(f"{self._link}: no status: {answer.text[:100]}") from error

    def _take(self, body: dict[str, Any], etag: str | None, arrived_ms: float) -> float:
        history, following = self._history, body["next"]
        fresh = [event for event in body["events"] if event["seq"] > history.position]
        for event in fresh:
            history.take(Event.model_validate(event), arrived_ms)
        history.position = max(history.position, body["seq"] if following is None else following)
        complete = history.position == body["seq"]
        # An answer that stops short of what its ETag names must not be answered with 304 when the rest is asked for.
        self._etag = etag if complete else None
        if following is None and not history.ended:
            history.fault("the task has ended, and its end was not among the events")
            history.ended = True
        if not fresh:
            history.traffic.empty += 1
            return _IDLE_S if self._strategy == "long" else self._interval_s
        return 0.0 if self._strategy == "long" or not complete else self._interval_s

    def _query(self) -> dict[str, int]:
        return {} if self._strategy == "plain" else {"after": self._history.position}

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._strategy == "delta" and self._etag is not None:
            headers["If-None-Match"] = self._etag
        if self._strategy == "long":
            headers["Prefer"] = f"wait={_WAIT_S}"
        return headers

    def _weigh(self, answer: httpx.Response) -> None:
        self._history.traffic.messages += 1
        self._history.traffic.bytes += answer_bytes(
            answer.status_code, answer.reason_phrase, answer.headers.raw, answer.num_bytes_downloaded
        )
        stream = answer.extensions["network_stream"]
        self._connections.see(stream.get_extra_info("socket"), self._history)


class _Connections:
    """The connection in use, and what the kernel has counted on it."""

    def __init__(self) -> None:
        self._current: Any = None
        self._received: int | None = None

    def see(self, connection: Any, history: History) -> None:
        """An answer came over this one."""
        if connection is not self._current:
            self.close(history)
            self._current = connection
        self._received = received_bytes(connection) or self._received

    def close(self, history: History) -> None:
        """It is not used any more."""
        if self._current is not None:
            history.traffic.add_connection(self._received)
        self._current, self._received = None, None
