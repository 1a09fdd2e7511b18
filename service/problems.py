"""Turns what goes wrong into RFC 9457 problems. No traceback, statement or address leaves the process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ApiError, InvalidRequest

_MAX_ERRORS: Final = 20
"""Fields that one problem names."""


_NO_JSON: Final[Mapping[type[BaseException], str]] = {
    UnicodeDecodeError: "it is not UTF-8",
    RecursionError: "it is nested too deep",
}


class Problem(BaseModel):
    """An RFC 9457 problem."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


def install(
    app: FastAPI,
    kinds: Iterable[str],
    translate: Callable[[Exception], ApiError | None],
    conditions: Iterable[type[Exception]],
) -> None:
    """Handle every error of the application.

    `kinds` are those that can be submitted; `translate` says what a client is told of `conditions`, the service's own.
    """

    async def answer(_: Request, error: Exception) -> JSONResponse:
        # What nobody knows has the server's error middleware log it, with its traceback.
        return _response(_known(error, kinds) or translate(error) or ApiError("an unexpected error; it was logged"))

    for kind in (ApiError, HTTPException, RequestValidationError, *conditions, Exception):
        app.add_exception_handler(kind, answer)


def _invalid(error: RequestValidationError, kinds: Iterable[str]) -> ApiError:
    """The first field errors, named as the client wrote the fields; `more` says how many there are beyond them."""
    faults = error.errors()
    found = [_named(fault, error.body, kinds) for fault in faults[:_MAX_ERRORS]]
    problem = InvalidRequest(found)
    if len(faults) > len(found):
        problem.detail = f"{found[0]['field']}: {found[0]['message']} (and {len(faults) - 1} more)"
        problem.extra["more"] = len(faults) - len(found)
    return problem


def _named(fault: Mapping[str, Any], body: Any, kinds: Iterable[str]) -> dict[str, Any]:
    location = list(fault["loc"])
    if fault["type"] == "json_invalid":
        reason = fault.get("ctx", {}).get("error", fault["msg"])
        return {"field": "body", "message": f"not JSON: {reason}", "type": "json_invalid"}
    if fault["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        location.append("kind")
    return {"field": _field(location, body), "message": _message(fault, kinds), "type": fault["type"]}


def _response(error: ApiError) -> JSONResponse:
    return JSONResponse(error.problem(), error.status, error.headers, media_type="application/problem+json")


def _known(error: Exception, kinds: Iterable[str]) -> ApiError | None:
    match error:
        case ApiError():
            return error
        case RequestValidationError():
            return _invalid(error, kinds)
        case HTTPException():
            return _http(error)
        case _:
            return None


def _http(error: HTTPException) -> ApiError:
    told = str(error.detail)
    if isinstance(error.__cause__, UnicodeDecodeError | RecursionError):  # FastAPI says that it could not, and not why
        told = f"the body is not JSON: {_NO_JSON[type(error.__cause__)]}"
    problem = ApiError(told, headers=error.headers)
    problem.status = error.status_code
    problem.title = HTTPStatus(error.status_code).phrase
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


def _message(fault: Mapping[str, Any], kinds: Iterable[str]) -> str:
    if fault["loc"] == ("body",) and fault["type"] in {"model_attributes_type", "dict_type"}:
        return "a JSON object is expected, sent with Content-Type: application/json"
    if fault["type"] == "union_tag_not_found":
        return "the kind is missing"
    if fault["type"] == "union_tag_invalid":
        expected = ", ".join(kinds) if fault["loc"] == ("body",) else fault["ctx"]["expected_tags"]
        return f"there is no such kind; there are {expected}"
    return str(fault["msg"])


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
            await _response(_http(_too_large()))(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise _too_large()
            return message

        await self._app(scope, limited, send)


def _too_large() -> HTTPException:
    return HTTPException(413, "Content Too Large")
