"""What clients are told of what goes wrong in the api, as RFC 9457 problems."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
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
_MAX_ERRORS: Final = 20
"""Fields that one problem names."""
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def install(app: FastAPI, kinds: Registry) -> None:
    """Handle every error of the application."""
    _document(app)
    problems.install(app, partial(_translate, kinds), _CONDITIONS)


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


def _translate(kinds: Registry, error: Exception) -> ApiError | None:  # noqa: PLR0911 - a table
    match error:
        case RequestValidationError():
            return _invalid(error, kinds)
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


def _invalid(error: RequestValidationError, kinds: Registry) -> ApiError:
    """The first field errors, named as the client wrote the fields; `more` says how many there are beyond them."""
    errors = error.errors()
    found = [_named(item, error.body, kinds) for item in errors[:_MAX_ERRORS]]
    problem = InvalidRequest(found)
    if len(errors) > len(found):
        problem.detail = f"{found[0]['field']}: {found[0]['message']} (and {len(errors) - 1} more)"
        problem.extra["more"] = len(errors) - len(found)
    return problem


def _named(error: Mapping[str, Any], body: Any, kinds: Registry) -> dict[str, Any]:
    named = problems.named(error, body, kinds)
    if error["loc"] == ("body",) and error["type"] in {"model_attributes_type", "dict_type"}:
        named["message"] = "a JSON object is expected, sent with Content-Type: application/json"
    return named
