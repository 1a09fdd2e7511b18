"""The main job: a task is submitted, runs, and is followed by five clients of two replicas; all agree on it."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.projection.status import ProjectionSettings
from api.storage.archive import Archive
from api.storage.changes import TaskRow
from api.storage.tasks import TaskStore
from protocol.keys import PARTITIONS
from tests.support.follower import Follower
from tests.support.system import ROOT, Api, System
from tests.support.waiting import until

pytestmark = [
    pytest.mark.xdist_group("e2e"),
    pytest.mark.parametrize("whole_system", ["one server", "a cluster"], indirect=True, scope="session"),
]

TEXT: Final = "Fog at four; FOG at five.\nThe foghorn (a good one) was moored: too late, o fog!\n" * 3


class Followed:
    """A task that has ended, and what its followers and the API say of it."""

    def __init__(self, followers: list[Follower], task: dict[str, Any], result: Any) -> None:
        self.followers = followers
        self.task = task
        self.result = result

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.followers[0].events


async def follow_five(replicas: tuple[Api, Api], http: httpx.AsyncClient, kind: str, **params: Any) -> Followed:
    """Submit a task and follow it: two clients from the start, two that come late, one that is cut off and returns."""
    answer = await http.post("/tasks", json={"kind": kind, "params": params})
    assert answer.status_code == 202, answer.text
    links = answer.json()["links"]
    first, second = (f"{api.ws_url}{links['stream']}" for api in replicas)
    followers = [Follower(name) for name in ("early", "early too", "late", "later", "cut off")]
    early, early_too, late, later, cut_off = followers

    async def come_late(follower: Follower, url: str, after: int) -> None:
        await early.has_seen(after)
        await follower.follow(url)

    async def be_cut_off() -> None:
        await cut_off.follow(second, cut_after=20)
        await cut_off.follow(first)

    await asyncio.gather(
        early.follow(first),
        early_too.follow(second),
        come_late(late, first, 10),
        come_late(later, second, 30),
        be_cut_off(),
    )
    task, result = await asyncio.gather(http.get(links["self"]), http.get(links["result"]))
    return Followed(followers, task.json(), result.json())


def assert_all_agree(followed: Followed) -> None:
    """Each follower saw every event once and in order, and the API says what they saw."""
    events = followed.events
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    for follower in followed.followers:
        assert follower.events == events, follower.name
        assert follower.codes[-1] == 1000, follower.name
    assert [hello["resumed"] for hello in followed.followers[-1].hellos] == [False, True]
    assert all(earlier["ts"] <= later["ts"] for earlier, later in pairwise(events))

    last, task = events[-1], followed.task
    progress = [event["data"]["progress"] for event in events if event["type"] == "status"][-1]
    assert (last["type"], last["data"]["result"]) == ("result", followed.result)
    assert (task["state"], task["seq"], task["attempt"]) == ("succeeded", last["seq"], 1)
    assert {name: task["progress"][name] for name in progress} == progress


async def assert_written(engine: AsyncEngine, followed: Followed) -> None:
    """PostgreSQL has the row and every event, as they were streamed, soon after the end."""
    task, store = UUID(followed.task["id"]), TaskStore(engine)

    def finished(row: TaskRow | None) -> bool:
        return row is not None and row.state.terminal

    row = await until(lambda: store.get(task), finished)
    assert row is not None
    assert (row.state, row.seq, row.attempt) == ("succeeded", followed.events[-1]["seq"], 1)
    assert row.progress == followed.task["progress"]
    assert json.loads(await store.result(task) or b"") == followed.result

    async def archived() -> list[Any]:
        return [json.loads(event) for _, event in await Archive(engine).read(task, 0, len(followed.events) + 1)]

    assert await until(archived, lambda found: len(found) == len(followed.events)) == followed.events


def pi_digits(count: int) -> str:
    """The first digits of π without the point, by Machin's formula: another way than the one under test."""
    one: int = 10 ** (count + 10)

    def arccot(x: int) -> int:
        total = term = one // x
        for n in range(3, 2 * count + 30, 2):
            term //= -x * x
            total += term // n
        return total

    return str(4 * (4 * arccot(5) - arccot(239)))[:count]


def matches(text: str, keywords: list[str]) -> list[tuple[int, str]]:
    """Where each keyword stands, overlapping ones too, in the order of the text."""
    folded = text.lower()
    found = [(at, word) for word in keywords for at in range(len(text)) if folded.startswith(word, at)]
    return sorted(found, key=lambda match: (match[0], keywords.index(match[1])))


async def test_five_followers_see_two_hundred_digits_of_pi(
    replicas: tuple[Api, Api], http: httpx.AsyncClient, written: AsyncEngine
) -> None:
    followed = await follow_five(replicas, http, "compute_pi", digits=200, pace_ms=[4, 8])
    digits = pi_digits(200)

    assert_all_agree(followed)
    for follower in followed.followers:
        assert "".join(follower.chunks) == digits, follower.name
    assert followed.result == {"digits": 200, "pi": f"{digits[0]}.{digits[1:]}"}
    await assert_written(written, followed)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"kind": "sample"}, (ROOT / "workloads/sample.txt").read_bytes().decode()),
        ({"kind": "text", "text": TEXT}, TEXT),
    ],
)
async def test_five_followers_see_every_match_of_a_document(
    replicas: tuple[Api, Api], http: httpx.AsyncClient, written: AsyncEngine, source: dict[str, str], text: str
) -> None:
    keywords = ["fog", "storm", "oo", "at"]
    params = {"source": source, "keywords": keywords, "pace_ms": [1, 1] if source["kind"] == "sample" else [20, 30]}
    followed = await follow_five(replicas, http, "document_analysis", **params)
    expected = matches(text, keywords)

    assert_all_agree(followed)
    for follower in followed.followers:
        assert [(chunk["offset"], chunk["term"]) for chunk in follower.chunks] == expected, follower.name
    for chunk in followed.followers[0].chunks:
        assert chunk["match"] in text.splitlines()[chunk["line"] - 1]
        assert chunk["match"] in chunk["snippet"]
    assert followed.result["total"] == len(expected)
    assert followed.result["counts"] == {word: sum(term == word for _, term in expected) for word in keywords}
    await assert_written(written, followed)


async def test_two_thousand_updates_a_second_reach_everyone_and_cost_the_database_no_more_than_a_few_statements(
    replicas: tuple[Api, Api], http: httpx.AsyncClient, written: AsyncEngine, whole_system: System
) -> None:
    updates = 6_000
    statements, started = counted(replicas, "statements"), time.monotonic()
    followed = await follow_five(replicas, http, "synthetic", updates=updates, rate=2_000, burst=20)

    assert_all_agree(followed)
    for follower in followed.followers:
        assert [int(chunk[:6]) for chunk in follower.chunks] == list(range(updates)), follower.name
    await assert_written(written, followed)
    statements, elapsed_s = counted(replicas, "statements") - statements, time.monotonic() - started
    # A replica writes once a second and when so many events wait; a write is three statements.
    batch = ProjectionSettings().shared_by(1 if whole_system.cluster is None else PARTITIONS).max_events
    writes = len(replicas) * (elapsed_s + 5) + len(followed.events) / batch
    assert 0 < statements <= 3 * writes
    assert sum(api.stats()["sessions"]["backstop_heals"] + api.stats()["sessions"]["gaps"] for api in replicas) == 0


def counted(replicas: tuple[Api, Api], counter: str) -> int:
    """A counter of the projections of all replicas."""
    return sum(api.stats()["projection"]["counters"][counter] for api in replicas)
