"""How errors become problems: the names of fields, and the limit of a body.

Annotations are evaluated here, as in `api.routes.tasks`: the body's type is made at run time.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, Union

import httpx
import pytest
from fastapi import Body, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import ConnectionError as RedisConnectionError

from api.errors import Conflict
from api.live.errors import BadCursor, LiveUnavailable
from api.live.reader import HistoryUnavailable
from api.routes import problems
from api.routes.views import MAX_NODES, submission_model
from api.storage.errors import StorageUnavailable
from tests.support.rest import fields, problem
from workloads.registry import Kind, Registry
from workloads.updates import Run

LIMIT = 1_000


class Circle(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["circle"]
    radius: float


class Group(BaseModel):
    """Which holds shapes, itself included, and a field of the name of its own kind."""

    kind: Literal["group"]
    group: int = 0
    shapes: list[Annotated[Union[Circle, "Group"], Field(discriminator="kind")]] = []


class Drawing(BaseModel):
    shape: Annotated[Circle | Group, Field(discriminator="kind")]
    drawing: int = 0


def run(_: Any) -> Run:
    yield from ()
    return None


DRAWING = Kind("drawing", Drawing, run, "Draws.")
OTHER = Kind("other", Circle, run, "Does not draw.")

FAILURES: dict[str, Exception] = {
    "conflict": Conflict("it is over", state="failed"),
    "cursor": BadCursor("the cursor is ahead"),
    "database": StorageUnavailable("connection to postgres:secret@db refused"),
    "redis": RedisConnectionError("Error 111 connecting to redis:6379"),
    "history": HistoryUnavailable("connection to postgres:secret@db refused"),
    "live": LiveUnavailable("the events cannot be read"),
    "bug": ZeroDivisionError("secret"),
}


def application(*kinds: Kind, limit: int = LIMIT) -> FastAPI:
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

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    problems.install(app, registry)
    app.add_middleware(problems.BodyLimit, limit=limit)
    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(DRAWING, OTHER), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "params.shape"),
        ({"shape": {"kind": "circle"}}, "params.shape.radius"),
        ({"shape": {"kind": "circle", "radius": 1, "circle": 2}}, "params.shape.circle"),
        ({"shape": {"kind": "square"}}, "params.shape.kind"),
        ({"shape": {}}, "params.shape.kind"),
        ({"shape": {"kind": "group", "group": "x"}}, "params.shape.group"),
        ({"shape": {"kind": "group", "shapes": [{"kind": "circle"}]}}, "params.shape.shapes.0.radius"),
        (
            {"shape": {"kind": "group", "shapes": [{"kind": "group", "shapes": [{"kind": "group", "group": []}]}]}},
            "params.shape.shapes.0.shapes.0.group",
        ),
        ({"shape": {"kind": "circle", "radius": 1}, "drawing": "x"}, "params.drawing"),
    ],
)
async def test_a_field_is_named_by_its_path_in_the_body(
    http: httpx.AsyncClient, params: dict[str, Any], field: str
) -> None:
    answer = await http.post("/tasks", json={"kind": "drawing", "params": params})

    assert fields(answer) == [field]


async def test_with_one_kind_fields_have_the_same_names() -> None:
    transport = httpx.ASGITransport(application(OTHER))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        assert fields(await http.post("/tasks", json={"kind": "nope", "params": {}}))[0] == "kind"
        wrong = await http.post("/tasks", json={"kind": "other", "params": {"kind": "circle", "radius": "x"}})
        assert fields(wrong) == ["params.radius"]


async def test_a_message_tells_which_kinds_there_are(http: httpx.AsyncClient) -> None:
    body = problem(await http.post("/tasks", json={"kind": "painting"}), 422)

    assert body["errors"][0]["message"] == "there is no such kind; there are drawing, other"


@pytest.mark.parametrize(
    ("how", "status", "detail"),
    [
        ("conflict", 409, "it is over"),
        ("cursor", 422, "after: the cursor is ahead"),
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


@pytest.mark.parametrize("kinds", [(DRAWING, OTHER), (OTHER,)])
async def test_of_many_errors_the_first_are_told_and_how_many_more_there_are(kinds: tuple[Kind, ...]) -> None:
    transport = httpx.ASGITransport(application(*kinds, limit=10**6))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        params = {"kind": "circle", "radius": 1, **{f"f{i}": i for i in range(50)}}
        answer = await http.post("/tasks", json={"kind": "other", "params": params})

    assert fields(answer) == [f"params.f{i}" for i in range(20)]
    assert answer.json()["more"] == 30
    assert answer.json()["detail"].endswith(" (and 49 more)")


@pytest.mark.parametrize("kinds", [(DRAWING, OTHER), (OTHER,)])
@pytest.mark.parametrize("wide", [dict.fromkeys(map(str, range(MAX_NODES))), [0] * MAX_NODES, [[[0] * 99]] * 100])
async def test_a_body_of_too_many_parts_is_refused_as_a_whole(kinds: tuple[Kind, ...], wide: Any) -> None:
    transport = httpx.ASGITransport(application(*kinds, limit=10**6))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        answer = await http.post("/tasks", json={"kind": "other", "params": {"radius": wide}})

    assert fields(answer) == ["body"]
    assert answer.json()["detail"] == "body: The body has more than 10000 keys and items"


@pytest.mark.parametrize("depth", [100, 900, 5_000, 100_000])
async def test_a_body_that_is_nested_deeply_is_refused(depth: int) -> None:
    transport = httpx.ASGITransport(application(DRAWING, OTHER, limit=10**6))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        nested = b'{"kind":"other","params":' + b"[" * depth + b"]" * depth + b"}"
        answer = await http.post("/tasks", content=nested, headers={"Content-Type": "application/json"})

    problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}


async def test_what_an_error_has_beyond_the_problem_is_part_of_it(http: httpx.AsyncClient) -> None:
    assert problem(await http.get("/fail/conflict"), 409)["state"] == "failed"


async def test_a_body_of_the_limit_passes_and_one_byte_more_does_not(http: httpx.AsyncClient) -> None:
    assert (await http.post("/raw", content=b"x" * LIMIT)).json() == LIMIT
    problem(await http.post("/raw", content=b"x" * (LIMIT + 1)), 413)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5"}, {"Content-Length": "many"}])
async def test_a_body_that_does_not_tell_its_length_or_lies_is_counted(
    http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    def parts(size: int) -> Iterator[bytes]:
        yield from [b"x" * 100] * (size // 100)

    async def stream(size: int) -> AsyncIterator[bytes]:
        for part in parts(size):
            yield part

    assert (await http.post("/raw", content=stream(LIMIT), headers=headers)).json() == LIMIT
    problem(await http.post("/raw", content=stream(LIMIT + 100), headers=headers), 413)
