"""`GET /tasks/{id}/status`: how far a task is, asked for in one of three ways, which the client chooses.

- **plain**: the whole state each time. What most polling does: simple, and it grows with the task.
- **delta** (`?after=<seq>`): only what follows, with an ETag. With If-None-Match a 304 when nothing is new.
- **long** (a delta with `Prefer: wait=N`): the same, but the answer waits for news, N seconds at most.
"""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from baseline.api.services import Services, ServicesDep
from baseline.api.tasks import no_such_task, problems
from baseline.api.views import DeltaView, WholeView, delta_body, whole_body
from baseline.storage import reading
from baseline.storage.reading import Delta
from service.errors import InvalidRequest

MAX_WAIT_S: Final = 30.0
_MAX_SEQ: Final = 2**53
_JSON: Final = "application/json"

router = APIRouter(tags=["tasks"])


@router.get(
    "/tasks/{task_id}/status",
    response_model=WholeView | DeltaView,
    responses={304: {"description": "Nothing is new"}, **problems(404, 422, 503)},
)
async def read_status(
    request: Request,
    parts: ServicesDep,
    task_id: UUID,
    after: Annotated[int | None, Query(ge=0, le=_MAX_SEQ, description="Only what follows this seq")] = None,
    prefer: Annotated[str | None, Header(description="`wait=N` waits up to N seconds, at most 30, for news")] = None,
    if_none_match: Annotated[str | None, Header(description="The ETag of the last answer")] = None,
) -> Response:
    """The whole state; with `after` what follows it; with `Prefer: wait` too as soon as anything does."""
    if after is None:
        return await _plain(parts, task_id)
    delta = await _delta(parts, task_id, after)
    headers = {"Cache-Control": "private, no-cache"}
    wait_s = wait_of(prefer)
    if wait_s > 0:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
        if delta.seq == after and not delta.state.terminal:
            await _wait_for_news(request, parts, delta, wait_s)
            delta = await _delta(parts, task_id, after)
    headers["ETag"] = etag = f'"{delta.seq}"'
    if matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(delta_body(str(task_id), delta), headers=headers, media_type=_JSON)


async def _plain(parts: Services, task: UUID) -> Response:
    whole = await parts.database.read(reading.whole, str(task))
    if whole is None:
        raise no_such_task(task)
    return Response(whole_body(whole), headers={"Cache-Control": "no-store"}, media_type=_JSON)


async def _delta(parts: Services, task: UUID, after: int) -> Delta:
    delta = await parts.database.read(reading.delta, str(task), after)
    if delta is None:
        raise no_such_task(task)
    if after > delta.seq:
        message = f"the task has {delta.seq} updates so far"
        raise InvalidRequest([{"field": "after", "message": message, "type": "cursor"}])
    return delta


async def _wait_for_news(request: Request, parts: Services, delta: Delta, wait_s: float) -> None:
    """Until the task has news, the time is over, or the client is gone: nobody would read the answer."""
    gone = asyncio.ensure_future(_disconnected(request))
    news = asyncio.ensure_future(parts.watcher.wait(delta.number, delta.seq, wait_s))
    try:
        await asyncio.wait([gone, news], return_when=asyncio.FIRST_COMPLETED)
        if news.done():
            news.result()
    finally:
        for waiting in (gone, news):
            waiting.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def wait_of(prefer: str | None) -> float:
    """The seconds that `Prefer: wait=N` (RFC 7240) asks for, at most 30; 0 when it does not."""
    found = re.search(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])", prefer or "", re.ASCII)
    return min(float(found[1]), MAX_WAIT_S) if found else 0.0


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has what `etag` names already (RFC 9110 §13.1.2); a proxy may have made the tag weak."""
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return etag in tags or "*" in tags
