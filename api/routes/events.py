"""The events of a task: as pages of history, and as a live stream of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from api.live.ending import end
from api.live.errors import SessionEnded
from api.live.reader import Reading, honoured, split
from api.live.session import Frame, Live
from api.routes.services import Services, ServicesDep, TaskDep
from api.routes.views import EventPage, problem_responses
from protocol.cursor import Cursor, InvalidCursor
from service.errors import InvalidRequest, NotFound

log = structlog.get_logger(__name__)

_PAGE_BYTES: Final = 4 * 2**20
"""A page ends before it has more; one event may be larger."""
PING_S: Final = 15.0
"""An idle stream shows this often that it lives; proxies commonly give up after 60 s."""

router = APIRouter(tags=["events"])


class NotTaken(Exception):
    """The client does not read."""


class BoundedStream(StreamingResponse):
    """Ends, and closes what it streams, when the client does not take something in time."""

    send_timeout_s: ClassVar[float] = 20.0

    def __init__(self, content: AsyncGenerator[str, None], headers: dict[str, str]) -> None:
        super().__init__(content, headers=headers, media_type="text/event-stream")
        self._content = content

    async def stream_response(self, send: Send) -> None:
        """Send the stream, each part within the time."""

        async def bounded(message: Message) -> None:
            try:
                async with asyncio.timeout(self.send_timeout_s):
                    await send(message)
            except TimeoutError as error:
                raise NotTaken from error

        try:
            async with aclosing(self._content):
                await super().stream_response(bounded)
        except NotTaken:
            log.info("Stream was not read", action="stream_not_taken")


def parse_cursor(text: str | None, field: str) -> Cursor | None:
    """The cursor of a request. Raises InvalidRequest."""
    try:
        return None if not text else Cursor.parse(text)
    except InvalidCursor as error:
        raise InvalidRequest([{"field": field, "message": str(error), "type": "cursor"}]) from error


@router.get(
    "/tasks/{task_id}/events",
    response_model=EventPage,
    responses={
        200: {"content": {"text/event-stream": {}}},
        204: {"description": "Nothing follows the cursor any more: an EventSource stops"},
        **problem_responses(404, 422, 503),
    },
)
async def read_events(
    request: Request,
    parts: ServicesDep,
    row: TaskDep,
    after: Annotated[str | None, Query(max_length=64, description="A cursor")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)] = None,
) -> Response:
    """History after a cursor; with `Accept: text/event-stream` the live stream.

    A page of history ends at `limit` events or at 4 MiB.
    """
    if "text/event-stream" not in request.headers.get("accept", ""):
        cursor = parse_cursor(after, "after")
        return await _page(parts.live, row.id, cursor, limit)
    cursor = parse_cursor(last_event_id, "Last-Event-ID") or parse_cursor(after, "after")
    if cursor is not None and row.state.terminal and cursor in {Cursor(row.seq, row.epoch), Cursor(row.seq)}:
        return Response(status_code=204)
    if cursor is not None:
        honoured(cursor, await _read(parts.live, row.id, cursor.seq, 1))  # refused before the answer has begun
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return BoundedStream(_stream(parts, row.id, cursor), headers)


async def _page(live: Live, task: UUID, cursor: Cursor | None, limit: int) -> Response:
    after = cursor.seq if cursor else 0
    reading = await _read(live, task, after, limit)
    resumed = honoured(cursor, reading)
    if after and not resumed:
        after, reading = 0, await _read(live, task, 0, limit)
    return Response(_encode_page(task, after, reading, resumed=resumed), media_type="application/json")


async def _read(live: Live, task: UUID, after: int, limit: int) -> Reading:
    reading = await live.reader.read(task, after, limit, _PAGE_BYTES)
    if reading is None:
        raise NotFound(f"there is no task {task}")
    return replace(reading, events=next(split(reading.events, _PAGE_BYTES), []))


def _encode_page(task: UUID, after: int, reading: Reading, *, resumed: bool) -> bytes:
    """`EventPage`, with the events as the worker wrote them."""
    events = [event for _, event in reading.events]
    last = reading.events[-1][0] if reading.events else after
    if reading.missing:
        before = reading.missing + 1
        gap = f'{{"task":"{task}","type":"gap","epoch":"{reading.epoch}","after":{after},"before":{before}}}'
        events = [gap.encode()]
        last = reading.missing
    ended = reading.closed and last >= reading.seq
    following = "null" if ended else f'"{Cursor(last, reading.epoch)}"'
    start = f'{{"task":"{task}","epoch":"{reading.epoch}","seq":{reading.seq},"resumed":{str(resumed).lower()}'
    return start.encode() + b',"events":[' + b",".join(events) + b'],"next":' + following.encode() + b"}"


async def _stream(parts: Services, task: UUID, cursor: Cursor | None) -> AsyncGenerator[str, None]:
    """Frames as server-sent events; the id of each is the cursor that resumes after it."""
    frames = parts.live.follow(task, cursor)
    step: asyncio.Future[Frame | None] | None = None
    try:
        while not parts.sockets.draining:
            step = step or asyncio.ensure_future(anext(frames, None))
            either: list[asyncio.Future[Any]] = [step, parts.sockets.goodbye]
            await asyncio.wait(either, timeout=PING_S, return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                yield ": still here\n\n"
                continue
            try:
                frame = step.result()
            except SessionEnded as error:
                yield f"event: ended\ndata: {error}\n\n"
                return
            if frame is None:
                return
            step = None
            yield f"id: {Cursor(frame.seq, frame.epoch)}\ndata: {frame.text}\n\n"
    finally:
        if step is not None and not step.done():
            await asyncio.shield(end(step))  # which ends the iterator from within, even if we are cancelled again
        else:
            await frames.aclose()
