"""How what goes wrong becomes a problem: the names of fields, the conditions of a service, and the limit of a body.

Annotations are evaluated here: FastAPI reads those of the routes below.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, Union

import httpx
import pytest
from fastapi import Body, FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from service.errors import ApiError, Conflict, NotFound, QueueFull, Unavailable
from service.problems import BodyLimit, install
from tests.support.rest import fields, problem

LIMIT = 20_000


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


class SubmitDrawing(BaseModel):
    kind: Literal["drawing"]
    params: Drawing


class SubmitOther(BaseModel):
    kind: Literal["other"]
    params: Circle


class OutOfPaper(Exception):
    """A condition of this service."""


FAILURES: dict[str, Exception] = {
    "not-found": NotFound("there is none"),
    "conflict": Conflict("it is over", state="failed"),
    "full": QueueFull("too many", headers={"Retry-After": "7"}),
    "unavailable": Unavailable("later"),
    "http": HTTPException(418, "short and stout", {"X-Handle": "here"}),
    "condition": OutOfPaper("tray secret"),
    "bug": ZeroDivisionError("secret"),
}


def translate(error: Exception) -> ApiError | None:
    match error:
        case OutOfPaper():
            return Unavailable("there is no paper", headers={"Retry-After": "2"})
        case _:
            return None


def application() -> FastAPI:
    app = FastAPI()

    @app.post("/tasks")
    async def submit(body: Annotated[SubmitDrawing | SubmitOther, Body(discriminator="kind")]) -> str:
        return body.kind

    @app.post("/others")
    async def submit_other(body: SubmitOther) -> str:
        return body.kind

    @app.get("/question")
    async def ask(after: Annotated[int, Query(ge=0)]) -> int:
        return after

    @app.get("/fail/{how}")
    async def fail(how: str) -> None:
        raise FAILURES[how]

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    install(app, ["drawing", "other"], translate, [OutOfPaper])
    app.add_middleware(BodyLimit, limit=LIMIT)
    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
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


async def test_with_one_kind_fields_have_the_same_names(http: httpx.AsyncClient) -> None:
    assert fields(await http.post("/others", json={"kind": "nope", "params": {}}))[0] == "kind"
    wrong = await http.post("/others", json={"kind": "other", "params": {"kind": "circle", "radius": "x"}})
    assert fields(wrong) == ["params.radius"]


async def test_a_field_that_is_not_of_the_body_has_its_own_name(http: httpx.AsyncClient) -> None:
    assert fields(await http.get("/question?after=-1")) == ["after"]
    assert fields(await http.get("/question")) == ["after"]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b'{"kind": "painting"}', "kind", "there is no such kind; there are drawing, other"),
        (b"{}", "kind", "the kind is missing"),
        (b'{"kind"', "body", "not JSON: Expecting ':' delimiter"),
    ],
)
async def test_a_message_says_what_is_wrong_with_the_body(
    http: httpx.AsyncClient, body: bytes, field: str, message: str
) -> None:
    answer = await http.post("/tasks", content=body, headers={"Content-Type": "application/json"})

    assert fields(answer) == [field]
    assert answer.json()["errors"][0]["message"] == message


@pytest.mark.parametrize(
    ("body", "told"), [(b'{"kind": "\xff"}', "it is not UTF-8"), (b"[" * 19_000, "it is nested too deep")]
)
async def test_a_body_that_cannot_be_read_is_told_why(http: httpx.AsyncClient, body: bytes, told: str) -> None:
    answer = await http.post("/tasks", content=body, headers={"Content-Type": "application/json"})

    assert problem(answer, 400)["detail"] == f"the body is not JSON: {told}"


async def test_the_detail_tells_the_first_of_several_faults_and_how_many_more_there_are(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.post("/others", json={"params": {"kind": "circle", "radius": "x"}, "kind": 3})

    assert fields(answer) == ["kind", "params.radius"]
    assert answer.json()["detail"].endswith(" (and 1 more)")


async def test_of_many_errors_the_first_are_told_and_how_many_more_there_are(http: httpx.AsyncClient) -> None:
    params = {"kind": "circle", "radius": 1, **{f"f{i}": i for i in range(50)}}
    answer = await http.post("/others", json={"kind": "other", "params": params})

    assert fields(answer) == [f"params.f{i}" for i in range(20)]
    assert answer.json()["more"] == 30
    assert answer.json()["detail"].endswith(" (and 49 more)")


@pytest.mark.parametrize("body", [[], "task", 3])
async def test_what_is_no_object_is_told_what_is_expected(http: httpx.AsyncClient, body: Any) -> None:
    answer = await http.post("/tasks", json=body)

    assert fields(answer) == ["body"]
    assert answer.json()["detail"] == "body: a JSON object is expected, sent with Content-Type: application/json"


@pytest.mark.parametrize(
    ("how", "status", "title", "detail"),
    [
        ("not-found", 404, "Not Found", "there is none"),
        ("conflict", 409, "Conflict", "it is over"),
        ("http", 418, "I'm a Teapot", "short and stout"),
        ("full", 429, "Too Many Requests", "too many"),
        ("bug", 500, "Internal Server Error", "an unexpected error; it was logged"),
        ("unavailable", 503, "Service Unavailable", "later"),
        ("condition", 503, "Service Unavailable", "there is no paper"),
    ],
)
async def test_an_exception_has_its_problem_which_tells_nothing_of_the_inside(
    http: httpx.AsyncClient, how: str, status: int, title: str, detail: str
) -> None:
    answer = await http.get(f"/fail/{how}")

    body = problem(answer, status)
    assert (body["title"], body["detail"]) == (title, detail)
    assert "secret" not in answer.text


async def test_what_an_error_has_beyond_the_problem_is_part_of_it(http: httpx.AsyncClient) -> None:
    assert problem(await http.get("/fail/conflict"), 409)["state"] == "failed"
    assert (await http.get("/fail/full")).headers["Retry-After"] == "7"
    assert (await http.get("/fail/http")).headers["X-Handle"] == "here"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/tasks", 405)])
async def test_what_is_not_there_is_a_problem_too(http: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    problem(await http.request(method, path), status)


async def test_a_body_of_the_limit_passes_and_one_byte_more_does_not(http: httpx.AsyncClient) -> None:
    assert (await http.post("/raw", content=b"x" * LIMIT)).json() == LIMIT
    problem(await http.post("/raw", content=b"x" * (LIMIT + 1)), 413)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5"}, {"Content-Length": "many"}])
async def test_a_body_that_does_not_tell_its_length_or_lies_is_counted(
    http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    async def stream(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 100):
            yield b"x" * 100

    assert (await http.post("/raw", content=stream(LIMIT), headers=headers)).json() == LIMIT
    problem(await http.post("/raw", content=stream(LIMIT + 100), headers=headers), 413)
