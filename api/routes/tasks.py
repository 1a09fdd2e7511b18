"""Kinds and tasks: submit, list, read, result, cancel.

Annotations are evaluated here (no `from __future__`): the body's type is made at run time, of the kinds there are.
"""

import asyncio
import re
from contextlib import aclosing
from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from api.live.ending import end
from api.live.errors import SessionEnded
from api.live.session import Live
from api.routes.services import Services, ServicesDep, TaskDep
from api.routes.views import TaskPage, TaskView, problem_responses, submission_model
from api.storage.changes import TaskRow
from protocol.cursor import Cursor
from protocol.events import State
from service.errors import Conflict, NotFound
from workloads.forms import KindList, KindView
from workloads.registry import NAME, Registry

log = structlog.get_logger(__name__)

MAX_WAIT_S: Final = 60.0
_RETRY_AFTER: Final = {"Retry-After": "1"}


def router(kinds: Registry) -> APIRouter:
    """The routes; the body of a submission is known once the kinds are."""
    routes = APIRouter(tags=["tasks"])
    submission = submission_model(kinds)

    @routes.get("/kinds")
    async def list_kinds() -> KindList:
        """The kinds of task, each with the JSON schema of its parameters."""
        return KindList(items=[KindView.of(kind) for kind in kinds.values()])

    @routes.post("/tasks", status_code=202, responses=problem_responses(400, 413, 422, 429, 503))
    async def submit(
        request: Request,
        response: Response,
        parts: ServicesDep,
        body: Annotated[submission, Body()],  # type: ignore[valid-type]
        idempotency_key: Annotated[
            str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")
        ] = None,
    ) -> TaskView:
        """Submit a task. With an `Idempotency-Key` the same submission, sent again, is the same task."""
        task: Any = body
        params = task.params.model_dump(mode="json")
        submitted = await parts.dispatcher.submit(task.kind, params, idempotency_key)
        view = TaskView.of(submitted.row, request.scope.get("root_path", ""))
        response.headers["Location"] = view.links.self
        return view

    routes.add_api_route("/tasks", list_tasks, methods=["GET"], responses=problem_responses(422, 503))
    routes.add_api_route("/tasks/{task_id}", read_task, methods=["GET"], responses=problem_responses(404, 422, 503))
    routes.add_api_route(
        "/tasks/{task_id}/result",
        read_result,
        methods=["GET"],
        response_model=None,
        responses={202: {"model": TaskView}, **problem_responses(404, 409, 422, 503)},
    )
    routes.add_api_route(
        "/tasks/{task_id}/cancel",
        cancel_task,
        methods=["POST"],
        status_code=202,
        responses=problem_responses(404, 409, 422, 503),
    )
    return routes


async def list_tasks(
    request: Request,
    parts: ServicesDep,
    kind: Annotated[str | None, Query(pattern=f"^{NAME.pattern}$")] = None,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
) -> TaskPage:
    """Tasks, newest first. A string in `params` that is longer than 1,000 characters is cut there, and ends in `…`."""
    page = await parts.tasks.page(kind=kind, state=state, limit=limit, before=cursor)
    root = request.scope.get("root_path", "")
    following = None if page.before is None else str(page.before)
    return TaskPage(items=[TaskView.listed(row, root) for row in page.rows], next=following)


async def read_task(
    request: Request,
    response: Response,
    parts: ServicesDep,
    row: TaskDep,
    prefer: Annotated[str | None, Header(description="`wait=N` waits up to N seconds for the end")] = None,
) -> TaskView:
    """A task as it is now."""
    wait_s = _wait(prefer)
    if wait_s and not row.state.terminal:
        await _wait_for_end(parts, row, wait_s)
        row = await parts.tasks.get(row.id) or row
        response.headers["Preference-Applied"] = f"wait={wait_s:g}"
    return TaskView.of(row, request.scope.get("root_path", ""))


async def read_result(request: Request, parts: ServicesDep, row: TaskDep) -> Response:
    """The result as the task returned it; 202 while there is none, 409 when there will be none."""
    if not row.state.terminal:
        view = TaskView.of(row, request.scope.get("root_path", ""))
        return JSONResponse(view.model_dump(mode="json"), 202, _RETRY_AFTER)
    if row.state is not State.SUCCEEDED:
        raise Conflict(f"the task has {row.state.value}", state=row.state.value, error=row.error)
    found = await parts.tasks.result(row.id)
    if found is None or found[1] is None:
        raise NotFound(f"there is no task {row.id}")
    return Response(found[1], media_type="application/json")


async def cancel_task(request: Request, parts: ServicesDep, row: TaskDep) -> TaskView:
    """Ask for the end of a task. Doing so again changes nothing; a task that ended otherwise answers 409."""
    await parts.dispatcher.cancel(row)
    row = await parts.tasks.get(row.id) or row
    return TaskView.of(row, request.scope.get("root_path", ""))


async def _wait_for_end(parts: Services, row: TaskRow, seconds: float) -> None:
    """Until the task ends, the time is over, or the process goes away; the answer says how far it is then."""
    waiting = asyncio.ensure_future(_follow_to_the_end(parts.live, row))
    try:
        await asyncio.wait([waiting, parts.sockets.goodbye], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(waiting)


async def _follow_to_the_end(live: Live, row: TaskRow) -> None:
    try:
        async with aclosing(live.follow(row.id, Cursor(row.seq, row.epoch))) as frames:
            async for _ in frames:
                pass
    except SessionEnded as error:
        log.info("Wait ended before the task", action="wait_ended", task=str(row.id), reason=str(error))


def _wait(prefer: str | None) -> float:
    found = re.search(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])", prefer or "", re.ASCII)
    return min(float(found[1]), MAX_WAIT_S) if found else 0.0
