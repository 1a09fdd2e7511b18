"""The events of a task over HTTP: pages of history, and server-sent events (docs/protocol.md §7 and §8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from local.children import wait_until
from tests.support.rest import ended, fields, problem, submit, unknown
from tests.support.system import Api

BAD_CURSORS = ["x", "-1", "+1", "01", "abc.", "ABC.1", "a.b.1", "9007199254740992", "1 ", "é"]


@dataclass
class Message:
    """One server-sent event."""

    id: str = ""
    event: str = ""
    data: str = ""
    comments: list[str] = field(default_factory=list)


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """Read the format (HTML, §9.2.6) as a browser does."""
    message = Message()
    for line in lines:
        name, _, value = line.partition(":")
        if not line:
            yield message
            message = Message()
        elif not name:
            message.comments.append(value)
        else:
            setattr(message, name, getattr(message, name) + value.removeprefix(" "))


@contextmanager
def stream(http: httpx.Client, task: dict[str, Any], query: str = "", **headers: str) -> Iterator[Iterator[Message]]:
    accept = {"Accept": "text/event-stream", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with http.stream("GET", task["links"]["events"] + query, headers=accept) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield messages(answer.iter_lines())


def events(received: list[Message]) -> list[dict[str, Any]]:
    return [item for message in received for item in json.loads(message.data)]


def history(http: httpx.Client, task: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(task["links"]["events"], params={"limit": 1000}).json()["events"]
    return found


def test_a_page_holds_the_events_as_they_were_emitted(http: httpx.Client, finished: dict[str, Any]) -> None:
    answer = http.get(finished["links"]["events"])
    page = answer.json()

    assert answer.headers["content-type"] == "application/json"
    assert page.keys() == {"task", "epoch", "seq", "resumed", "events", "next"}
    assert (page["task"], page["seq"], page["resumed"], page["next"]) == (finished["id"], finished["seq"], False, None)
    assert [event["seq"] for event in page["events"]] == list(range(1, finished["seq"] + 1))
    assert page["events"][0]["data"]["state"] == "running"
    assert "".join(event["data"]["data"] for event in page["events"] if event["type"] == "chunk") == "3141592653"
    assert page["events"][-1]["data"]["result"]["pi"] == "3.141592653"


@pytest.mark.parametrize("limit", [1, 5, 1000])
def test_following_next_gives_everything_once(http: httpx.Client, finished: dict[str, Any], limit: int) -> None:
    whole = history(http, finished)
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        query = {"limit": str(limit)} | ({} if after is None else {"after": after})
        page = http.get(finished["links"]["events"], params=query).json()
        assert len(page["events"]) <= limit
        found += page["events"]
        after = page["next"]
        if after is None:
            break

    assert found == whole


def test_a_page_after_a_cursor_begins_behind_it(http: httpx.Client, finished: dict[str, Any]) -> None:
    epoch = http.get(finished["links"]["events"]).json()["epoch"]
    for after in ("4", f"{epoch}.4"):
        page = http.get(finished["links"]["events"], params={"after": after, "limit": 2}).json()

        assert [event["seq"] for event in page["events"]] == [5, 6]
        assert (page["resumed"], page["next"]) == (True, f"{epoch}.6")


@pytest.mark.parametrize("seq", [4, 999])
def test_a_page_after_a_cursor_of_another_epoch_begins_anew(
    http: httpx.Client, finished: dict[str, Any], seq: int
) -> None:
    page = http.get(finished["links"]["events"], params={"after": f"abc.{seq}"}).json()

    assert (page["resumed"], page["events"][0]["seq"]) == (False, 1)


def test_a_page_after_a_cursor_ahead_of_the_task_begins_anew_or_is_refused(
    http: httpx.Client, finished: dict[str, Any]
) -> None:
    epoch = http.get(finished["links"]["events"]).json()["epoch"]
    page = http.get(finished["links"]["events"], params={"after": f"{epoch}.999"}).json()

    assert (page["resumed"], page["events"][0]["seq"]) == (False, 1)
    assert fields(http.get(finished["links"]["events"], params={"after": "999"})) == ["after"]


def test_a_page_of_a_task_that_goes_on_says_where_to_go_on(idle_http: httpx.Client) -> None:
    task = submit(idle_http)
    page = idle_http.get(task["links"]["events"]).json()

    assert (page["events"], page["next"]) == ([], f"{page['epoch']}.0")


@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_a_cursor_that_is_none_is_refused(http: httpx.Client, finished: dict[str, Any], cursor: str) -> None:
    sse = {"Accept": "text/event-stream"}

    assert fields(http.get(finished["links"]["events"], params={"after": cursor})) == ["after"]
    assert fields(http.get(finished["links"]["events"], params={"after": cursor}, headers=sse)) == ["after"]
    if cursor.isascii():
        answer = http.get(finished["links"]["events"], headers={**sse, "Last-Event-ID": cursor.strip() + "!"})
        assert fields(answer) == ["Last-Event-ID"]


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_limit_that_is_none_is_refused(http: httpx.Client, finished: dict[str, Any], limit: str) -> None:
    assert fields(http.get(finished["links"]["events"], params={"limit": limit})) == ["limit"]


def test_a_stream_begins_with_hello_goes_on_live_and_ends_with_the_task(http: httpx.Client) -> None:
    task = submit(http, updates=20, rate=100)
    with stream(http, task) as received:
        everything = list(received)

    first, *rest = events(everything)
    assert (first["type"], first["task"], first["resumed"]) == ("hello", task["id"], False)
    assert rest == history(http, task)
    assert rest[-1]["type"] == "result"
    last = rest[-1]["seq"]
    assert [message.id for message in everything[1:]] == [
        f"{first['epoch']}.{json.loads(message.data)[-1]['seq']}" for message in everything[1:]
    ]
    assert everything[-1].id == f"{first['epoch']}.{last}"


def test_a_stream_is_resumed_by_its_last_id_or_by_after(http: httpx.Client, finished: dict[str, Any]) -> None:
    with stream(http, finished) as received:
        first = next(received)
    cursor = first.id.replace(".0", ".7")
    with stream(http, finished, "?after=2", Last_Event_ID=cursor) as received:
        by_id = events(list(received))
    with stream(http, finished, f"?after={cursor}") as received:
        by_query = events(list(received))

    assert by_id == by_query
    assert by_id[0]["resumed"] is True
    assert by_id[1:] == history(http, finished)[7:]


def test_a_stream_that_has_shown_everything_is_not_begun_again(http: httpx.Client, finished: dict[str, Any]) -> None:
    with stream(http, finished) as received:
        last = list(received)[-1]
    for cursor in (last.id, last.id.rpartition(".")[2]):
        again = http.get(finished["links"]["events"], headers={"Accept": "text/event-stream", "Last-Event-ID": cursor})

        assert (again.status_code, again.content) == (204, b"")


def test_a_stream_of_an_unfinished_task_goes_on_even_when_everything_was_shown(idle_http: httpx.Client) -> None:
    task = submit(idle_http)
    with stream(idle_http, task) as received:
        last = next(received)
    with stream(idle_http, task, Last_Event_ID=last.id) as received:
        assert events([next(received)])[0]["resumed"] is True


def test_a_stream_after_a_cursor_ahead_of_the_task_is_refused_before_it_begins(
    http: httpx.Client, finished: dict[str, Any]
) -> None:
    answer = http.get(finished["links"]["events"] + "?after=999", headers={"Accept": "text/event-stream"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "after"


def test_a_stream_of_a_task_that_does_not_exist_is_not_found(http: httpx.Client) -> None:
    problem(http.get(f"{unknown()}/events", headers={"Accept": "text/event-stream"}), 404)


def test_a_reader_that_goes_away_leaves_nothing_behind(idle: Api, idle_http: httpx.Client) -> None:
    task = submit(idle_http)
    for _ in range(5):
        with stream(idle_http, task) as received:
            next(received)

    assert wait_until(lambda: idle.stats()["subscriptions"] == 0, timeout_s=10)


def test_a_page_read_while_the_task_runs_goes_on_where_it_ended(http: httpx.Client) -> None:
    task = submit(http, updates=50, rate=200)
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = http.get(task["links"]["events"], params={"after": after} if after else {}).json()
        found += page["events"]
        after = page["next"]

    assert ended(http, task)["seq"] == len(found)
    assert found == history(http, task)
