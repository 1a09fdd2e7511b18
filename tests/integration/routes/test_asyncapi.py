"""What a running service sends is what its AsyncAPI document says, all of that and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest
from redis import Redis
from sqlalchemy import delete, func, select
from websockets.sync.client import ClientConnection

from api.routes.close_codes import BAD_REQUEST, INTERNAL, NO_PONG, NO_SUCH_TASK
from api.storage.database import create_engine
from api.storage.tables import events as archived
from local.children import wait_until
from protocol.keys import TaskKeys
from tests.integration.routes.seen import SSE, WAIT_S, Seen
from tests.support.asyncapi import official
from tests.support.rest import ended, submit
from tests.support.system import Api, System
from tests.support.waiting import until

LOST: Final = (3, 5)
"""The first and the last seq that a task has lost."""
FLOOD: Final[dict[str, Any]] = {"updates": 2_000, "rate": 1_000, "burst": 20, "size": 10_000, "delay_s": 0.5}
"""20 MB: more than kernels hold for a client that does not read."""
NOT_UTF8: Final = b"\x81\x82\x00\x00\x00\x00\xff\xff"
NOT_A_FRAME: Final = b"\xf1\x80\x00\x00\x00\x00"


@pytest.fixture
def narrow() -> socket.socket:
    """A connection of a client that will not read: little waits for it in the kernel."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return made


@pytest.fixture(scope="module")
def holed(routes_system: System, replicas: tuple[Api, Api]) -> dict[str, Any]:
    """A task that has ended, and some of whose events are nowhere any more."""
    with httpx.Client(base_url=replicas[0].url, timeout=30) as http:
        task = ended(http, submit(http, updates=5, rate=0, progress=False))
    asyncio.run(lose(routes_system.postgres.url, UUID(task["id"]), written=task["seq"]))
    with Redis.from_url(routes_system.valkey.url) as redis:
        keys = TaskKeys.of(UUID(task["id"]))
        redis.delete(keys.head, keys.log)
    return task


async def lose(database_url: str, task: UUID, *, written: int) -> None:
    """Delete the events LOST from the archive, once it has so many of the task."""
    engine = create_engine(database_url, application_name="tests")
    of_task = archived.c.task_id == task

    async def count() -> int:
        async with engine.connect() as connection:
            return (await connection.execute(select(func.count()).where(of_task))).scalar_one()

    await until(count, lambda found: found == written)
    async with engine.begin() as connection:
        await connection.execute(delete(archived).where(of_task, archived.c.seq.between(*LOST)))
    await engine.dispose()


@pytest.fixture
def spoiled(routes_system: System, http: httpx.Client) -> dict[str, Any]:
    """A task whose head nobody can read."""
    task = ended(http, submit(http, updates=1, rate=0))
    with Redis.from_url(routes_system.valkey.url) as redis:
        redis.hset(TaskKeys.of(UUID(task["id"])).head, "seq", "x")
    return task


@pytest.fixture
def leaving(routes_system: System) -> Iterator[Api]:
    """A replica of the test's own, which may log errors: of what cannot be read, and of peers that break rules."""
    api = routes_system.api(f"leaving-{uuid4().hex[:8]}")
    api.wait_until_ready()
    yield api
    api.kill()


def test_the_document_is_valid_asyncapi(http: httpx.Client) -> None:
    for headers in ({}, {"X-Forwarded-Prefix": "/api"}):
        document = http.get("/asyncapi.json", headers=headers).json()
        schema = official(document["asyncapi"])

        assert [str(error) for error in schema.iter_errors(document)] == []
        assert not schema.is_valid(document | {"topics": {}})
        assert not schema.is_valid(document | {"operations": {"say": {"action": "publish"}}})


def test_a_service_tells_where_it_is_reached(http: httpx.Client, api: Api) -> None:
    plain = http.get("/asyncapi.json")
    proxied = http.get("/asyncapi.json", headers={"Host": "hub.example", "X-Forwarded-Prefix": "/api"}).json()

    assert plain.headers["content-type"] == "application/json"
    assert plain.json()["servers"] == {
        "websocket": {"host": f"127.0.0.1:{api.port}", "protocol": "ws"},
        "http": {"host": f"127.0.0.1:{api.port}", "protocol": "http"},
    }
    assert proxied["servers"]["websocket"] == {"host": "hub.example", "pathname": "/api", "protocol": "ws"}
    assert {key: value for key, value in proxied.items() if key != "servers"} == {
        key: value for key, value in plain.json().items() if key != "servers"
    }


def test_all_that_comes_of_one_task_is_described_and_nothing_else_is(
    api: Api,
    idle: Api,
    leaving: Api,
    http: httpx.Client,
    idle_http: httpx.Client,
    holed: dict[str, Any],
    spoiled: dict[str, Any],
    narrow: socket.socket,
) -> None:
    seen = Seen(api, "task")
    with seen.socket(api, holed) as patient:  # it is told of the gap when nothing has come for 10 s
        succeeded = submit(http, updates=20, rate=200)
        assert seen.follow(api, succeeded) == 1000
        assert seen.follow(api, succeeded, "?after=3") == 1000
        assert seen.follow(api, succeeded, "?after=abc.3") == 1000
        assert seen.follow(api, submit(http, updates=3, rate=0, fail_at=2)) == 1000
        waiting = submit(idle_http)
        idle_http.post(waiting["links"]["cancel"])
        assert seen.follow(idle, waiting) == 1000
        assert seen.follow(api, {"id": uuid4()}) == 4504
        assert seen.follow(api, succeeded, "?after=x") == 4509
        assert seen.follow(leaving, spoiled) == 1011
        waiting = submit(http, delay_s=60)
        for message, code in ((b"stop", 4509), ("x" * 20_000, 1009), (NOT_UTF8, 1007), (NOT_A_FRAME, 1002)):
            with seen.socket(leaving, waiting) as opened:
                seen.until(opened, "hello")
                say(opened, message)
                seen.to_the_end(opened)
            assert opened.close_code == code
        too_slow(seen, api, submit(http, **FLOOD), narrow)
        with seen.socket(leaving, waiting) as opened:
            seen.until(opened, "hello")
            leaving.terminate()
            seen.to_the_end(opened)
        seen.to_the_end(patient)

    assert seen.messages == seen.description.messages("task")
    assert seen.codes | {NO_PONG} == seen.description.close_codes("task")  # test_server.py has the silent peers
    assert seen.states == {"status", "chunk", "result", "queued", "running", "failed", "cancelled"}


def test_all_that_comes_of_many_tasks_is_described_and_nothing_else_is(
    api: Api,
    leaving: Api,
    http: httpx.Client,
    holed: dict[str, Any],
    spoiled: dict[str, Any],
    narrow: socket.socket,
) -> None:
    seen = Seen(api, "tasks")
    with seen.socket(api) as opened:
        seen.command(opened, subscribe=holed["id"])
        task = submit(http, updates=20, rate=200)
        seen.command(opened, subscribe=task["id"], after="0")
        seen.until(opened, "events")
        seen.command(opened, unsubscribe=task["id"])
        seen.until(opened, "unsubscribed")
        errors = []
        for command in ({"subscribe": str(uuid4())}, {"subscribe": task["id"], "after": "x"}):
            seen.command(opened, **command)
            errors += seen.until(opened, "error")
        seen.until(opened, "gap")
    for message in (b"stop", "x" * 20_000, NOT_UTF8, NOT_A_FRAME):
        with seen.socket(leaving) as opened:
            say(opened, message)
            seen.to_the_end(opened)
    with seen.socket(leaving) as opened:
        seen.command(opened, subscribe=spoiled["id"])
        errors += seen.until(opened, "error")
        leaving.terminate()
        seen.to_the_end(opened)
    too_slow(seen, api, submit(http, **FLOOD), narrow)

    assert [error["code"] for error in errors] == [NO_SUCH_TASK, BAD_REQUEST, INTERNAL]
    assert seen.messages == seen.description.messages("tasks")
    # as above; and nothing is known that would have the socket itself end with an unexpected error
    assert seen.codes | {NO_PONG, INTERNAL} == seen.description.close_codes("tasks")


def test_all_that_comes_as_server_sent_events_is_described_and_nothing_else_is(
    api: Api, http: httpx.Client, holed: dict[str, Any]
) -> None:
    seen = Seen(api, "eventStream")
    with seen.stream(http, holed) as patient:
        task = submit(http, updates=20, rate=200)
        with seen.stream(http, task, "?after=0") as received:
            seen.streamed(first := next(received))
            for message in received:
                seen.streamed(message)
        with seen.stream(http, task, **{"Last-Event-ID": first.id}) as received:
            seen.streamed(next(received))
        nothing = http.get(task["links"]["events"], headers=SSE | {"Last-Event-ID": message.id})
        assert nothing.content == b""
        assert seen.note(status=nothing.status_code) == "nothingFollows"
        for message in patient:
            seen.streamed(message)
    before = api.stats()["live"]["overflows"]
    with seen.stream(http, submit(http, **FLOOD)) as received:
        assert wait_until(lambda: api.stats()["live"]["overflows"] > before, timeout_s=WAIT_S)
        for message in received:
            seen.streamed(message)
    assert message.event == "ended"

    assert seen.messages == seen.description.messages("eventStream")


def say(opened: ClientConnection, message: str | bytes) -> None:
    """Send a message; what is none goes past the protocol of the client, as it is."""
    if message in {NOT_UTF8, NOT_A_FRAME}:
        assert isinstance(message, bytes)
        opened.socket.sendall(message)
    else:
        opened.send(message)


def too_slow(seen: Seen, api: Api, task: dict[str, Any], narrow: socket.socket) -> None:
    """Follow `task` without reading, until the service has enough."""
    narrow.connect(("127.0.0.1", api.port))
    before = api.stats()["live"]["overflows"]
    with seen.socket(api, task, sock=narrow, max_queue=1, ping_interval=None) as slow:
        if seen.channel == "tasks":
            seen.command(slow, subscribe=task["id"])
        seen.until(slow, "hello")
        assert wait_until(lambda: api.stats()["live"]["overflows"] > before, timeout_s=WAIT_S)
        seen.to_the_end(slow)
    assert slow.close_code == 4008
