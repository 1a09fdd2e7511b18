"""What the routes need of the process, made once at the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from baseline.api.traffic import Traffic
from baseline.api.watcher import Watcher
from baseline.storage.database import Database
from baseline.updates import now_ms
from workloads.registry import Registry


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the api process. `queue_limit` is the number of tasks that may be unfinished."""

    kinds: Registry
    database: Database
    watcher: Watcher
    traffic: Traffic
    queue_limit: int
    started_ms: float = field(default_factory=now_ms)


def services(connection: HTTPConnection) -> Services:
    """The services of the process that serves this connection."""
    found: Services = connection.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]
