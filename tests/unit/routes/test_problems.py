"""How the conditions of the api become problems, and how much of a request it takes and complains of.

Annotations are evaluated here, as in `api.routes.tasks`: the body's type is made at run time.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import Body, FastAPI
from pydantic import BaseModel, ConfigDict
from redis.exceptions import ConnectionError as RedisConnectionError

from api.live.errors import BadCursor, LiveUnavailable
from api.live.reader import HistoryUnavailable
from api.routes import problems
from api.routes.views import MAX_NODES, submission_model
from api.storage.errors import IdempotencyConflict, InvalidData, StorageUnavailable
from service.errors import Conflict
from tests.support.rest import fields, problem
from workloads.registry import Kind, Registry
from workloads.updates import Run


class Circle(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["circle"]
    radius: float


class Drawing(BaseModel):
    shape: Circle


def run(_: Any) -> Run:
    yield from ()
    return None


DRAWING = Kind("drawing", Drawing, run, "Draws.")
OTHER = Kind("other", Circle, run, "Does not draw.")

FAILURES: dict[str, Exception] = {
    "conflict": Conflict("it is over", state="failed"),
    "cursor": BadCursor("the cursor is ahead"),
    "key": IdempotencyConflict("a-key"),
    "data": InvalidData("invalid byte sequence: secret"),
    "database": StorageUnavailable("connection to postgres:secret@db refused"),
    "redis": RedisConnectionError("Error 111 connecting to redis:6379"),
    "history": HistoryUnavailable("connection to postgres:secret@db refused"),
    "live": LiveUnavailable("the events cannot be read"),
    "bug": ZeroDivisionError("secret"),
}


def application(*kinds: Kind) -> FastAPI:
    """An application with the error handling of ours and a submission that only tells that it came."""
    app = FastAPI()
    registry = Registry(kinds)
    submission = submission_model(registry)

    @app.post("/tasks")
    async def submit(body: Annotated[submission, Body()]) -> str:  # type: ignore[valid-type]
        return str(body.kind)  # type: ignore[attr-defined]

    @app.get("/fail/{how}")
    async def fail(how: str) -> None:
        raise FAILURES[how]

    problems.install(app, registry)
    return app


@pytest.fixture(params=[(DRAWING, OTHER), (OTHER,)], ids=["two kinds", "one kind"])
async def http(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(*request.param), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.mark.parametrize(
    ("how", "status", "detail"),
    [
        ("conflict", 409, "it is over"),
        ("cursor", 422, "after: the cursor is ahead"),
        ("key", 422, "Idempotency-Key: the Idempotency-Key 'a-key' was used for another request"),
        ("data", 422, "params: a value that cannot be stored"),
        ("database", 503, "the database does not answer; try again"),
        ("history", 503, "the database does not answer; try again"),
        ("redis", 503, "Redis does not answer; try again"),
        ("live", 503, "Redis does not answer; try again"),
        ("bug", 500, "an unexpected error; it was logged"),
    ],
)
async def test_an_exception_has_its_problem_which_tells_nothing_of_the_inside(
    http: httpx.AsyncClient, how: str, status: int, detail: str
) -> None:
    answer = await http.get(f"/fail/{how}")

    assert problem(answer, status)["detail"] == detail
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize("wide", [dict.fromkeys(map(str, range(MAX_NODES))), [0] * MAX_NODES, [[[0] * 99]] * 100])
async def test_a_body_of_too_many_parts_is_refused_as_a_whole(http: httpx.AsyncClient, wide: Any) -> None:
    answer = await http.post("/tasks", json={"kind": "other", "params": {"radius": wide}})

    assert fields(answer) == ["body"]
    assert answer.json()["detail"] == "body: The body has more than 10000 keys and items"


@pytest.mark.parametrize("depth", [100, 900, 5_000, 100_000])
async def test_a_body_that_is_nested_deeply_is_refused(http: httpx.AsyncClient, depth: int) -> None:
    nested = b'{"kind":"other","params":' + b"[" * depth + b"]" * depth + b"}"
    answer = await http.post("/tasks", content=nested, headers={"Content-Type": "application/json"})

    problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}
