"""Turns what goes wrong into RFC 9457 problems. No traceback, statement or address leaves the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from api.errors import ApiError, InvalidRequest, Unavailable
from api.live.errors import BadCursor, LiveUnavailable
from api.live.reader import HistoryUnavailable
from api.storage.errors import IdempotencyConflict, InvalidData, StorageError
from workloads.registry import Registry

log = structlog.get_logger(__name__)

_RETRY = {"Retry-After": "2"}
_MAX_ERRORS: Final = 20
"""Fields that one problem names."""
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def problem_response(error: ApiError) -> JSONResponse:
    """The answer for `error`."""
    return JSONResponse(error.problem(), error.status, error.headers, media_type="application/problem+json")


def install(app: FastAPI, kinds: Registry) -> None:
    """Handle every error of the application."""

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return problem_response(_invalid(error, kinds))

    async def known(_: Request, error: Exception) -> JSONResponse:
        return problem_response(_translate(error))

    _document(app)
    app.add_exception_handler(RequestValidationError, invalid)
    known_kinds = (ApiError, HTTPException, StorageError, HistoryUnavailable, RedisError, LiveUnavailable, BadCursor)
    for kind in (*known_kinds, Exception):
        app.add_exception_handler(kind, known)


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


def _translate(error: Exception) -> ApiError:  # noqa: PLR0911 - a table
    match error:
        case ApiError():
            return error
        case HTTPException():
            return _http(error)
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
        case _:  # the server's error middleware logs it with its traceback
            return ApiError("an unexpected error; it was logged")


def _http(error: HTTPException) -> ApiError:
    problem = ApiError(str(error.detail), headers=error.headers)
    problem.status = error.status_code
    problem.title = HTTPStatus(error.status_code).phrase
    return problem


def _invalid(error: RequestValidationError, kinds: Registry) -> ApiError:
    """The first field errors, named as the client wrote the fields; `more` says how many there are beyond them."""
    found = []
    errors = error.errors()
    for item in errors[:_MAX_ERRORS]:
        location = list(item["loc"])
        if item["type"] == "json_invalid":
            reason = item.get("ctx", {}).get("error", item["msg"])
            found.append({"field": "body", "message": f"not JSON: {reason}", "type": "json_invalid"})
            continue
        if item["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            location.append("kind")
        found.append({"field": _field(location, error.body), "message": _message(item, kinds), "type": item["type"]})
    problem = InvalidRequest(found)
    if len(errors) > len(found):
        problem.detail = f"{found[0]['field']}: {found[0]['message']} (and {len(errors) - 1} more)"
        problem.extra["more"] = len(errors) - len(found)
    return problem


def _field(location: Sequence[Any], body: Any) -> str:
    """The path of a field, without `body` and without the branch of a union that pydantic puts after its object."""
    if len(location) == 1:
        return str(location[0])
    path = []
    for part in location[1:]:
        if isinstance(body, Mapping):
            if body.get("kind") == part and part is not location[-1]:
                continue
            body = body.get(part)
        elif isinstance(body, Sequence) and isinstance(part, int) and part < len(body):
            body = body[part]
        path.append(str(part))
    return ".".join(path)


def _message(error: Mapping[str, Any], kinds: Registry) -> str:
    if error["type"] == "union_tag_not_found":
        return "the kind is missing"
    if error["type"] == "union_tag_invalid":
        expected = ", ".join(kinds) if error["loc"] == ("body",) else error["ctx"]["expected_tags"]
        return f"there is no such kind; there are {expected}"
    if error["loc"] == ("body",) and error["type"] in {"model_attributes_type", "dict_type"}:
        return "a JSON object is expected, sent with Content-Type: application/json"
    return str(error["msg"])


class BodyLimit:
    """Answers 413 to a request whose body is longer than `limit` bytes, before it is read into memory."""

    def __init__(self, app: Any, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limit:
            await self._refuse(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise HTTPException(413, "Content Too Large")
            return message

        await self._app(scope, limited, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem_response(_http(HTTPException(413, "Content Too Large")))
        await response(scope, receive, send)
