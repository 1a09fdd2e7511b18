"""Kinds and tasks: submit, read the result, cancel.

Annotations are evaluated here (no `from __future__`): the body's type is made at run time, of the kinds there are.
"""

import json
from typing import Annotated, Any, Final
from uuid import UUID

import uuid_utils.compat
from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import JSONResponse

from baseline.api.services import ServicesDep
from baseline.api.views import TaskView, submission_model
from baseline.storage import tasks
from baseline.storage.tasks import NewTask
from baseline.updates import State
from service.errors import Conflict, InvalidRequest, NotFound
from service.problems import Problem
from workloads.forms import KindList, KindView
from workloads.registry import Registry

_RETRY_AFTER: Final = {"Retry-After": "1"}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    code: {"model": Problem, "content": {"application/problem+json": {}}} for code in (404, 409, 413, 422, 429, 503)
}


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The answers of these codes, for OpenAPI."""
    return {code: _PROBLEMS[code] for code in codes}


def router(kinds: Registry) -> APIRouter:
    """The routes; the body of a submission is known once the kinds are."""
    routes = APIRouter(tags=["tasks"])
    submission = submission_model(kinds)

    @routes.get("/kinds")
    async def list_kinds() -> KindList:
        """The kinds of task, each with the JSON schema of its parameters."""
        return KindList(items=[KindView.of(kind) for kind in kinds.values()])

    @routes.post("/tasks", status_code=202, responses=problems(413, 422, 429, 503))
    async def submit(
        request: Request,
        response: Response,
        parts: ServicesDep,
        body: Annotated[submission, Body()],  # type: ignore[valid-type]
    ) -> TaskView:
        """Submit a task. The worker finds it in the database."""
        task: Any = body
        new = NewTask(str(uuid_utils.compat.uuid7()), task.kind, _encoded(task.params.model_dump(mode="json")))
        stored = await parts.database.write(tasks.insert, new, limit=parts.queue_limit)
        view = TaskView.of(stored, request.scope.get("root_path", ""))
        response.headers["Location"] = view.links.status
        return view

    routes.add_api_route(
        "/tasks/{task_id}/result",
        read_result,
        methods=["GET"],
        response_model=None,
        responses={202: {"model": TaskView}, **problems(404, 409, 422, 503)},
    )
    routes.add_api_route(
        "/tasks/{task_id}/cancel",
        cancel_task,
        methods=["POST"],
        status_code=202,
        responses=problems(404, 409, 422, 503),
    )
    return routes


async def read_result(request: Request, parts: ServicesDep, task_id: UUID) -> Response:
    """The result as the task returned it; 202 while there is none, 409 when there will be none."""
    task = await parts.database.read(tasks.find_full, str(task_id))
    if task is None:
        raise no_such_task(task_id)
    state, error = task.row.state, task.row.error
    if not state.terminal:
        view = TaskView.of(task, request.scope.get("root_path", ""))
        return JSONResponse(view.model_dump(mode="json"), 202, _RETRY_AFTER)
    if task.result is None:
        reason = None if error is None else json.loads(error)
        raise Conflict(f"the task has {_ended(state)}", state=state.value, error=reason)
    return Response(task.result, media_type="application/json")


async def cancel_task(request: Request, parts: ServicesDep, task_id: UUID) -> TaskView:
    """Ask for the end of a task. Doing so again changes nothing; a task that ended otherwise answers 409."""
    task = await parts.database.write(tasks.cancel, str(task_id))
    if task is None:
        raise no_such_task(task_id)
    state = task.row.state
    if state in {State.SUCCEEDED, State.FAILED}:
        raise Conflict(f"the task has {state} already", state=state.value)
    return TaskView.of(task, request.scope.get("root_path", ""))


def no_such_task(task: UUID) -> NotFound:
    """What is told of an id that no task has, or has any more."""
    return NotFound(f"there is no task {task}")


def _ended(state: State) -> str:
    return "been cancelled" if state is State.CANCELLED else state.value


def _encoded(params: Any) -> str:
    """Raises InvalidRequest for what neither JSON nor the database holds: an infinity, a lone surrogate."""
    try:
        text = json.dumps(params, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except ValueError as error:
        fault = {"field": "params", "message": "a value that cannot be stored", "type": "value"}
        raise InvalidRequest([fault]) from error
    return text
