"""What the routes need of the process, made once at the start and passed on by the lifespan's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.dispatch.dispatcher import Dispatcher
from api.dispatch.sweeper import Sweeper
from api.live.session import Live
from api.projection.lanes import Lanes
from api.projection.read import TaskReader
from api.routes.readiness import Readiness
from api.routes.sockets import Sockets
from api.storage.changes import TaskRow
from api.usage import UsageBoard
from service.errors import NotFound
from workloads.registry import Registry


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one api process that requests use."""

    kinds: Registry
    dispatcher: Dispatcher
    sweeper: Sweeper
    tasks: TaskReader
    live: Live
    projection: Lanes
    sockets: Sockets
    usage: UsageBoard
    readiness: Readiness


def services(connection: HTTPConnection) -> Services:
    """The services of the process that serves this connection."""
    found: Services = connection.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]


async def task_row(task_id: UUID, parts: ServicesDep) -> TaskRow:
    """The task of the path. Raises NotFound."""
    row = await parts.tasks.get(task_id)
    if row is None:
        raise NotFound(f"there is no task {task_id}")
    return row


TaskDep = Annotated[TaskRow, Depends(task_row)]
