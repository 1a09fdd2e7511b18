"""The events of a task: as pages of history, and as a live stream of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.errors import InvalidRequest, NotFound
from api.live.errors import SessionEnded
from api.live.reader import Reading
from api.live.session import Live
from api.routes.services import ServicesDep, TaskDep
from api.routes.views import EventPage, Problem
from protocol.cursor import Cursor, InvalidCursor

_PING_S: Final = 15.0
"""An idle stream shows this often that it lives; proxies commonly give up after 60 s."""

router = APIRouter(tags=["events"])


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
        404: {"model": Problem},
        422: {"model": Problem},
    },
)
async def read_events(
    request: Request,
    parts: ServicesDep,
    row: TaskDep,
    after: Annotated[str | None, Query(max_length=64, description="A cursor")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """History after a cursor; with `Accept: text/event-stream` the live stream."""
    if "text/event-stream" not in request.headers.get("accept", ""):
        cursor = parse_cursor(after, "after")
        return await _page(parts.live, row.id, cursor, limit)
    cursor = parse_cursor(last_event_id, "Last-Event-ID") or parse_cursor(after, "after")
    if cursor is not None and row.state.terminal and cursor == Cursor(row.seq, row.epoch):
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(parts.live, row.id, cursor), media_type="text/event-stream", headers=headers)


async def _page(live: Live, task: UUID, cursor: Cursor | None, limit: int) -> Response:
    after = cursor.seq if cursor else 0
    reading = await _read(live, task, after, limit)
    resumed = cursor is not None and cursor.epoch in {None, reading.epoch}
    if cursor is not None and not resumed:
        after, reading = 0, await _read(live, task, 0, limit)
    return Response(_encode_page(task, after, reading, resumed=resumed), media_type="application/json")


async def _read(live: Live, task: UUID, after: int, limit: int) -> Reading:
    reading = await live.reader.read(task, after, limit)
    if reading is None:
        raise NotFound(f"there is no task {task}")
    return reading


def _encode_page(task: UUID, after: int, reading: Reading, *, resumed: bool) -> bytes:
    """`EventPage`, with the events as the worker wrote them."""
    events = [event for _, event in reading.events]
    last = reading.events[-1][0] if reading.events else after
    if reading.missing:
        events = [f'{{"task":"{task}","type":"gap","epoch":"{reading.epoch}","before":{reading.missing + 1}}}'.encode()]
        last = reading.missing
    ended = reading.closed and last >= reading.seq
    following = "null" if ended else f'"{Cursor(last, reading.epoch)}"'
    start = f'{{"task":"{task}","epoch":"{reading.epoch}","seq":{reading.seq},"resumed":{str(resumed).lower()}'
    return start.encode() + b',"events":[' + b",".join(events) + b'],"next":' + following.encode() + b"}"


async def _stream(live: Live, task: UUID, cursor: Cursor | None) -> AsyncIterator[str]:
    """Frames as server-sent events; the id of each is the cursor that resumes after it."""
    async with aclosing(live.follow(task, cursor)) as frames:
        while True:
            step = asyncio.ensure_future(anext(frames, None))
            try:
                while not (await asyncio.wait([step], timeout=_PING_S))[0]:
                    yield ": still here\n\n"
                frame = await step
            except SessionEnded as error:
                yield f"event: ended\ndata: {error}\n\n"
                return
            finally:
                step.cancel()
            if frame is None:
                return
            yield f"id: {Cursor(frame.seq, frame.epoch)}\ndata: {frame.text}\n\n"
