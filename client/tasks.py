"""Tasks over REST."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import httpx

from client.errors import Refused

_TIMEOUT_S: Final = 10.0
_WAIT_S: Final = 30


class Tasks:
    """The REST side of the service at `base_url`. Raises Refused, and httpx.TransportError when it is not there."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.AsyncClient(base_url=base_url.rstrip("/"), timeout=_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def kinds(self) -> list[dict[str, Any]]:
        """The kinds and the JSON schema of their parameters."""
        answer = await self._call("GET", "/kinds")
        return list(answer.json()["items"])

    async def submit(
        self, kind: str, params: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Submit a task; with a key, the same submission sent again is the same task."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer = await self._call("POST", "/tasks", json={"kind": kind, "params": params}, headers=headers)
        return dict(answer.json())

    async def get(self, task: UUID | str) -> dict[str, Any]:
        """The task as it is now."""
        answer = await self._call("GET", f"/tasks/{task}")
        return dict(answer.json())

    async def wait(self, task: UUID | str, timeout_s: float) -> dict[str, Any]:
        """The task once it has ended. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while True:
                answer = await self._call(
                    "GET", f"/tasks/{task}", headers={"Prefer": f"wait={_WAIT_S}"}, timeout=_WAIT_S + _TIMEOUT_S
                )
                if answer.json()["finished_at"] is not None:
                    return dict(answer.json())

    async def result(self, task: UUID | str) -> Any:
        """The result of a task that has succeeded. Raises Refused (202 while there is none, 409 when there is none)."""
        answer = await self._call("GET", f"/tasks/{task}/result")
        if answer.status_code != httpx.codes.OK:
            raise Refused(answer.status_code, {"detail": f"the task is {answer.json()['state']}"})
        return answer.json()

    async def cancel(self, task: UUID | str) -> dict[str, Any]:
        """Ask for the end of a task."""
        answer = await self._call("POST", f"/tasks/{task}/cancel")
        return dict(answer.json())

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = await self._http.request(method, path, **options)
        if answer.is_error:
            try:
                problem = answer.json()
            except ValueError:
                problem = {"title": answer.text[:200]}
            raise Refused(answer.status_code, problem if isinstance(problem, dict) else {})
        return answer
