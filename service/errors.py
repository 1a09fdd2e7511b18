"""Errors that a client is told as RFC 9457 problems.

ApiError              500
├── NotFound          404
├── Conflict          409   the task is in another state
├── InvalidRequest    422   fields are wrong; `errors` names them
├── QueueFull         429
└── Unavailable       503   something that this service needs does not answer
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ApiError(Exception):
    """`detail` says what happened and, where it can, what to do; `extra` are further members of the problem."""

    status: int = 500
    type: str = "about:blank"
    title: str = "Internal Server Error"

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    def problem(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"type": self.type, "title": self.title, "status": self.status, "detail": self.detail, **self.extra}


class NotFound(ApiError):
    """There is no such thing."""

    status = 404
    title = "Not Found"
    type = "urn:problem:not-found"


class Conflict(ApiError):
    """The task's state does not allow this."""

    status = 409
    title = "Conflict"
    type = "urn:problem:conflict"


class InvalidRequest(ApiError):
    """Fields are wrong."""

    status = 422
    title = "Unprocessable Content"
    type = "urn:problem:invalid-request"

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first['field']}: {first['message']}{more}", errors=list(errors))


class QueueFull(ApiError):
    """Too many tasks wait."""

    status = 429
    title = "Too Many Requests"
    type = "urn:problem:queue-full"


class Unavailable(ApiError):
    """Try again later."""

    status = 503
    title = "Service Unavailable"
    type = "urn:problem:unavailable"
