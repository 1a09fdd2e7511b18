"""Turns what goes wrong into RFC 9457 problems. No traceback, statement or path leaves the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from baseline.api.errors import ApiError, InvalidRequest, QueueFull, Unavailable
from baseline.api.watcher import TooManyWaiting
from baseline.storage.reading import TooLarge
from baseline.storage.tasks import TooManyTasks
from workloads.registry import Registry

log = structlog.get_logger(__name__)

_RETRY = {"Retry-After": "2"}


def install(app: FastAPI, kinds: Registry) -> None:
    """Handle every error of the application."""

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _response(_invalid(error, kinds))

    async def known(_: Request, error: Exception) -> JSONResponse:
        return _response(_translate(error))

    app.add_exception_handler(RequestValidationError, invalid)
    for kind in (ApiError, HTTPException, sqlite3.Error, TooLarge, TooManyTasks, TooManyWaiting, Exception):
        app.add_exception_handler(kind, known)


def _response(error: ApiError) -> JSONResponse:
    return JSONResponse(error.problem(), error.status, error.headers, media_type="application/problem+json")


def _translate(error: Exception) -> ApiError:  # noqa: PLR0911 - a table
    match error:
        case ApiError():
            return error
        case HTTPException():
            return _http(error)
        case TooLarge():
            return InvalidRequest([{"field": "after", "message": str(error), "type": "too_large"}])
        case TooManyTasks():
            return QueueFull(str(error), headers=_RETRY)
        case TooManyWaiting():
            return Unavailable(str(error), headers=_RETRY)
        case sqlite3.Error():
            log.warning("Database failed", action="database_failed", reason=f"{type(error).__name__}: {error}")
            return Unavailable("the database does not answer; try again", headers=_RETRY)
        case _:  # the server's error middleware logs it with its traceback
            return ApiError("an unexpected error; it was logged")


def _http(error: HTTPException) -> ApiError:
    problem = ApiError(str(error.detail), headers=error.headers)
    problem.status = error.status_code
    problem.title = HTTPStatus(error.status_code).phrase
    return problem


def _invalid(error: RequestValidationError, kinds: Registry) -> ApiError:
    """The field errors, named as the client wrote the fields."""
    found = []
    for item in error.errors():
        location = list(item["loc"])
        if item["type"] == "json_invalid":
            reason = item.get("ctx", {}).get("error", item["msg"])
            found.append({"field": "body", "message": f"not JSON: {reason}", "type": "json_invalid"})
            continue
        if item["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            location.append("kind")
        found.append({"field": _field(location, error.body), "message": _message(item, kinds), "type": item["type"]})
    return InvalidRequest(found)


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
    return str(error["msg"])


class BodyLimit:
    """Answers 413 to a request whose body is longer than `limit` bytes, before it is read into memory."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limit:
            await _response(_http(HTTPException(413, "Content Too Large")))(scope, receive, send)
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
