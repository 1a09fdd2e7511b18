"""Three ways of asking, and the same answer: what the generator yields when it is run directly."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from itertools import accumulate
from typing import Any

import httpx
import pytest

from tests.integration.baseline.processes import Api, story, told, until
from workloads.registry import load
from workloads.updates import Chunk, Pause, Progress

TASKS: dict[str, dict[str, Any]] = {
    "compute_pi": {"digits": 20, "pace_ms": [5, 25], "seed": 7},
    "document_analysis": {"keywords": ["lamp", "storm"], "pace_ms": [0, 1], "seed": 3},
    "synthetic": {"updates": 400, "rate": 2000, "burst": 50},
}
EVERY = pytest.mark.parametrize("kind", TASKS)


def direct(kind: str) -> list[tuple[str, Any]]:
    """The updates and the result of the generator, as type and data of the events that they become."""
    known = load()[kind]
    run, chunks = known.run(known.params.model_validate(TASKS[kind])), 0
    found: list[tuple[str, Any]] = [("status", {"state": "running", "progress": None, "message": None})]
    while True:
        try:
            update = next(run)
        except StopIteration as stop:
            return [*found, ("result", {"result": stop.value})]
        match update:
            case Chunk(data):
                found.append(("chunk", {"index": chunks, "data": data}))
                chunks += 1
            case Progress():
                found.append(("status", {"state": "running", "progress": update.as_json(), "message": None}))
            case Pause():
                pass


@pytest.fixture
async def http(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.url, timeout=40) as http:
        yield http


async def plain(http: httpx.AsyncClient, task: str) -> list[dict[str, Any]]:
    """Every whole state, each as soon as the last has come."""
    bodies: list[dict[str, Any]] = []
    while not bodies or bodies[-1]["next"] is not None:
        bodies.append((await http.get(f"/tasks/{task}/status")).json())
    return bodies


async def delta(http: httpx.AsyncClient, task: str) -> list[dict[str, Any]]:
    """All events, by asking with the cursor and the ETag of the last answer."""
    events: list[dict[str, Any]] = []
    after, etag = 0, ""
    while True:
        headers = {"If-None-Match": etag} if etag else {}
        answer = await http.get(f"/tasks/{task}/status", params={"after": after}, headers=headers)
        etag = answer.headers["ETag"]
        if answer.status_code == 304:
            continue
        body = answer.json()
        events += body["events"]
        if body["next"] is None:
            return events
        after = body["next"]


async def long(http: httpx.AsyncClient, task: str) -> list[dict[str, Any]]:
    """All events, by asking for the next ones and waiting for them."""
    events: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        answer = await http.get(f"/tasks/{task}/status", params={"after": after}, headers={"Prefer": "wait=30"})
        assert answer.headers["Preference-Applied"] == "wait=30"
        body = answer.json()
        assert body["events"], "it was answered before there was news"
        events += body["events"]
        after = body["next"]
    return events


@EVERY
async def test_every_strategy_gives_the_updates_of_the_generator(api: Api, http: httpx.AsyncClient, kind: str) -> None:
    expected = direct(kind)
    task = api.submit(kind, **TASKS[kind])

    wholes, deltas, longs = await asyncio.gather(plain(http, task), delta(http, task), long(http, task))

    assert [(event["type"], event["data"]) for event in deltas] == expected
    assert longs == deltas
    assert [(event["task"], event["seq"], event["attempt"]) for event in deltas] == [
        (task, seq, 1) for seq in range(1, len(deltas) + 1)
    ]
    assert [event["ts"] for event in deltas] == sorted(event["ts"] for event in deltas)
    by_seq = {event["seq"]: event for event in deltas}
    for body in wholes:
        assert all(event == by_seq[event["seq"]] for event in body["events"])
        so_far = [event["seq"] for event in deltas[: body["seq"]] if event["type"] == "chunk"]
        assert [event["seq"] for event in body["events"] if event["type"] == "chunk"] == so_far
    assert wholes[-1]["events"] == [event for event in deltas if event["type"] == "chunk"] + deltas[-2:]
    assert wholes[-1]["progress"] == deltas[-2]["data"]["progress"]
    assert api.http.get(f"/tasks/{task}/result").json() == expected[-1][1]["result"]


async def test_no_digit_comes_before_its_pauses_are_over(api: Api, http: httpx.AsyncClient) -> None:
    params = TASKS["compute_pi"]
    known = load()["compute_pi"]
    pauses = [update.seconds for update in known.run(known.params.model_validate(params)) if isinstance(update, Pause)]

    began, *events = await long(http, api.submit("compute_pi", **params))

    digits = [event["ts"] for event in events if event["type"] == "chunk"]
    due = list(accumulate(pauses))
    assert all(ts >= began["ts"] + 1000 * due_s - 1 for ts, due_s in zip(digits, due, strict=True))
    assert digits[-1] - began["ts"] < 1000 * due[-1] + 5_000


def test_a_delta_of_nothing_new_is_304_until_there_is_news(api: Api) -> None:
    task = api.submit("waits")
    until(lambda: api.events(task))
    first = api.status(task, after=0)
    etag = first.headers["ETag"]
    assert (first.status_code, etag, len(first.json()["events"])) == (200, '"1"', 1)

    again = api.status(task, after=1, If_None_Match=etag)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert api.status(task, after=1, If_None_Match=f"W/{etag}").status_code == 304
    unknown = api.status(task, after=1)
    assert (unknown.status_code, unknown.json()["events"]) == (200, [])

    api.http.post(f"/tasks/{task}/cancel")
    until(lambda: api.whole(task)["state"] == "cancelled")
    news = api.status(task, after=1, If_None_Match=etag)
    assert (news.status_code, story(news.json()["events"])) == (200, ["cancelled"])
    assert api.status(task, after=2, If_None_Match=news.headers["ETag"]).status_code == 304


def test_the_whole_state_is_sent_each_time(api: Api) -> None:
    task = api.submit("synthetic", updates=3, rate=0)
    api.events(task, wait=True)

    answers = [api.status(task, If_None_Match='"8"') for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert "ETag" not in answers[0].headers
    assert answers[0].headers["Cache-Control"] == "no-store"
    assert answers[0].json() == answers[1].json()


def test_a_long_task_comes_in_parts_that_fit_together(api: Api) -> None:
    task = api.submit("synthetic", updates=1250, rate=0, size=6)
    api.events(task, wait=True)

    parts, after = [], 0
    while after is not None:
        parts.append(api.status(task, after=after).json())
        after = parts[-1]["next"]

    assert [len(part["events"]) for part in parts] == [1000, 1000, 502]
    assert [part["next"] for part in parts] == [1000, 2000, None]
    events = [event for part in parts for event in part["events"]]
    assert [event["seq"] for event in events] == list(range(1, 2503))
    assert [told(event) for event in events if event["type"] == "chunk"] == [f"{n:06d}" for n in range(1250)]


def test_waiting_ends_as_soon_as_anything_happens(api: Api) -> None:
    task = api.submit("synthetic", updates=1, rate=0, size=6, delay_s=0.5)
    until(lambda: api.events(task))

    answer = api.status(task, after=1, Prefer="wait=30")

    seen = time.time() * 1000
    event = answer.json()["events"][0]
    assert told(event) == "000000"
    assert seen - event["ts"] < 5_000  # typically 3; it says only that nobody waited for the thirty seconds


def test_waiting_for_nothing_ends_when_the_time_is_over(api: Api) -> None:
    task = api.submit("waits")
    until(lambda: api.events(task))

    began = time.monotonic()
    known = api.status(task, after=1, Prefer="wait=1", If_None_Match='"1"')
    unknown = api.status(task, after=1, Prefer="wait=1")

    assert time.monotonic() - began >= 2
    assert (known.status_code, known.headers["Preference-Applied"]) == (304, "wait=1")
    assert (unknown.status_code, unknown.json()["events"], unknown.json()["next"]) == (200, [], 1)
    api.http.post(f"/tasks/{task}/cancel")


def test_nothing_is_waited_for_when_there_is_news_or_an_end(api: Api) -> None:
    task = api.submit("synthetic", updates=1, rate=0)
    events = api.events(task, wait=True)

    began = time.monotonic()
    assert api.status(task, after=2, Prefer="wait=30").json()["events"] == events[2:]
    assert api.status(task, after=len(events), Prefer="wait=30").json()["next"] is None

    assert time.monotonic() - began < 10


async def test_all_who_wait_for_a_task_are_woken_and_nobody_else(api: Api, http: httpx.AsyncClient) -> None:
    task, other = api.submit("waits"), api.submit("waits")
    for each in (task, other):
        until(lambda each=each: api.events(each))  # type: ignore[misc]

    def wait(of: str, seconds: int) -> asyncio.Task[httpx.Response]:
        headers = {"Prefer": f"wait={seconds}"}
        return asyncio.create_task(http.get(f"/tasks/{of}/status", params={"after": 1}, headers=headers))

    waiting = [wait(task, 30) for _ in range(20)]
    elsewhere = wait(other, 30)
    await asyncio.to_thread(until, lambda: api.stats()["waiting"] == 21)

    await http.post(f"/tasks/{task}/cancel")

    answers = await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert [story(answer.json()["events"]) for answer in answers] == [["cancelled"]] * 20
    assert not elsewhere.done()
    await http.post(f"/tasks/{other}/cancel")
    assert story((await elsewhere).json()["events"]) == ["cancelled"]


async def test_a_client_that_goes_waits_no_more(api: Api) -> None:
    task = api.submit("waits")
    until(lambda: api.events(task))
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(api.url).port)
    writer.write(f"GET /tasks/{task}/status?after=1 HTTP/1.1\r\nHost: x\r\nPrefer: wait=30\r\n\r\n".encode())
    await asyncio.to_thread(until, lambda: api.stats()["waiting"] == 1)

    writer.close()
    await writer.wait_closed()

    await asyncio.to_thread(until, lambda: api.stats()["waiting"] == 0, within_s=10)
    api.http.post(f"/tasks/{task}/cancel")


def test_the_schema_of_the_answers_is_theirs(api: Api) -> None:
    """What is spliced of stored JSON has the form that OpenAPI promises."""
    schemas = api.http.get("/openapi.json").json()["components"]["schemas"]
    task = api.submit("synthetic", updates=1, rate=0)
    api.events(task, wait=True)

    for body, view in ((api.whole(task), "WholeView"), (api.status(task, after=0).json(), "DeltaView")):
        assert set(body) == set(schemas[view]["properties"]) == set(schemas[view]["required"]), json.dumps(body)
        assert all(set(event) == set(schemas["EventView"]["properties"]) for event in body["events"])
