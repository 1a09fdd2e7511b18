"""The REST side of both services, as far as measuring needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urljoin

import httpx

from bench.clock import SAMPLES, Offset, Sample, now_ms, offset_of
from bench.errors import Refused, Unreachable

_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Task:
    """A task that was submitted. `link` is the address at which it is followed."""

    id: str
    link: str


class Service:
    """The service at `url`; `name` is for messages. Its methods raise Unreachable and Refused."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def stats(self) -> dict[str, Any]:
        """What the service tells of itself; it has at least its clock."""
        body = await self._call("GET", "/stats")
        if not isinstance(body.get("now_ms"), int | float):
            raise Unreachable(f"{self.url}/stats does not tell the time: is this the {self.name}?")
        return body

    async def offset(self, *, same_machine: bool) -> Offset:
        """Of its clock; takes some twenty short requests."""
        samples = []
        for _ in range(SAMPLES):
            sent_ms = now_ms()
            stats = await self.stats()
            samples.append(Sample(sent_ms, float(stats["now_ms"]), now_ms()))
        return offset_of(samples, same_machine=same_machine)

    async def submit(self, kind: str, params: Mapping[str, Any]) -> Task:
        """Submit a task; followed over WebSocket where the service has that, else by asking for its status."""
        body = await self._call("POST", "/tasks", json={"kind": kind, "params": params})
        try:
            links = body["links"]
            followed = links.get("stream") or links["status"]
            return Task(str(body["id"]), urljoin(f"{self.url}/", followed))
        except (KeyError, AttributeError) as error:
            raise Unreachable(f"{self.url}/tasks does not answer as the {self.name} does") from error

    async def cancel(self, task: str) -> None:
        """Ask for the end of a task; one that has ended is left as it is."""
        try:
            await self._call("POST", f"/tasks/{task}/cancel")
        except Refused:
            return

    async def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, self.url + path, **options)
            if answer.is_error:
                raise Refused(answer.status_code, f"{method} {self.url}{path}: {answer.text[:200]}")
            body = answer.json()
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise Unreachable(f"the {self.name} at {self.url} does not answer: {reason}") from error
        except ValueError as error:
            raise Unreachable(f"{self.url}{path} answers with something else than JSON") from error
        if not isinstance(body, dict):
            raise Unreachable(f"{self.url}{path} answers with something else than an object")
        return body


def at_replica(link: str, api: str, url: str) -> str:
    """The address `link` of the service at `api`, at another replica of it."""
    return url.rstrip("/") + link.removeprefix(api.rstrip("/"))
