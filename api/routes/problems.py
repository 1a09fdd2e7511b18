"""What clients are told of what goes wrong in the api, as RFC 9457 problems."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from redis.exceptions import RedisError

from api.live.errors import BadCursor, LiveUnavailable
from api.live.reader import HistoryUnavailable
from api.storage.errors import IdempotencyConflict, InvalidData, StorageError
from service import problems
from service.errors import ApiError, InvalidRequest, Unavailable
from workloads.registry import Registry

log = structlog.get_logger(__name__)

_CONDITIONS: Final = (StorageError, HistoryUnavailable, RedisError, LiveUnavailable, BadCursor)
_RETRY = {"Retry-After": "2"}
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def install(app: FastAPI, kinds: Registry) -> None:
    """Handle every error of the application."""
    _document(app)
    problems.install(app, kinds, _translate, _CONDITIONS)


def _document(app: FastAPI) -> None:
    """Have OpenAPI tell problems by their own media type; FastAPI knows one for all answers of a route."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            operations = (operation for path in schema["paths"].values() for operation in path.values())
            for code, response in (pair for operation in operations for pair in operation["responses"].items()):
                if int(code) >= HTTPStatus.BAD_REQUEST:
                    response["content"] = {"application/problem+json": {"schema": _PROBLEM}}
            for unused in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(unused, None)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _translate(error: Exception) -> ApiError | None:
    match error:
        case IdempotencyConflict():
            return InvalidRequest([{"field": "Idempotency-Key", "message": str(error), "type": "conflict"}])
        case InvalidData():
            return InvalidRequest([{"field": "params", "message": "a value that cannot be stored", "type": "value"}])
        case BadCursor():
            return InvalidRequest([{"field": "after", "message": str(error), "type": "cursor"}])
        case StorageError() | HistoryUnavailable():
            log.warning("Storage failed", action="storage_failed", reason=str(error))
            return Unavailable("the database does not answer; try again", headers=_RETRY)
        case RedisError() | LiveUnavailable():
            log.warning("Redis failed", action="redis_failed", reason=str(error))
            return Unavailable("Redis does not answer; try again", headers=_RETRY)
        case _:
            return None
