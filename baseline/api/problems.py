"""What clients are told of what goes wrong in the baseline, as RFC 9457 problems."""

from __future__ import annotations

import sqlite3
from typing import Final

import structlog
from fastapi import FastAPI

from baseline.api.watcher import TooManyWaiting
from baseline.storage.reading import TooLarge
from baseline.storage.tasks import TooManyTasks
from service import problems
from service.errors import ApiError, InvalidRequest, QueueFull, Unavailable
from workloads.registry import Registry

log = structlog.get_logger(__name__)

_CONDITIONS: Final = (sqlite3.Error, TooLarge, TooManyTasks, TooManyWaiting)
_RETRY = {"Retry-After": "2"}


def install(app: FastAPI, kinds: Registry) -> None:
    """Handle every error of the application."""
    problems.install(app, kinds, _translate, _CONDITIONS)


def _translate(error: Exception) -> ApiError | None:
    match error:
        case TooLarge():
            return InvalidRequest([{"field": "after", "message": str(error), "type": "too_large"}])
        case TooManyTasks():
            return QueueFull(str(error), headers=_RETRY)
        case TooManyWaiting():
            return Unavailable(str(error), headers=_RETRY)
        case sqlite3.Error():
            log.warning("Database failed", action="database_failed", reason=f"{type(error).__name__}: {error}")
            return Unavailable("the database does not answer; try again", headers=_RETRY)
        case _:
            return None
