"""The JavaScript clients against the real system and the real baseline, through cuts and the death of a replica."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import connect

from tests.integration.baseline.processes import Api as BaselineApi
from tests.integration.baseline.processes import Baseline
from tests.integration.hub.page import followed, page
from tests.support.rest import ended, submit
from tests.support.system import Api, System, system

pytestmark = pytest.mark.timeout(180)

STRATEGIES: Final = ("plain", "delta", "long")
CUTS: Final = {"cutEvery": 60, "cutMs": 150}
PI: Final = {"digits": 80, "pace_ms": [5, 25], "seed": 7}


@pytest.fixture(scope="module")
def made() -> Iterator[System]:
    with system() as made:
        yield made


@pytest.fixture(scope="module")
def api(made: System) -> Api:
    api = made.api("api")
    made.worker("worker", WORKER_POOL="threads", WORKER_CONCURRENCY="16", WORKER_DRAIN_S="1")
    api.wait_until_ready()
    return api


@pytest.fixture
def http(api: Api) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, timeout=40) as client:
        yield client


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaselineApi]:
    with closing(Baseline(tmp_path_factory.mktemp("baseline"))) as baseline:
        baseline.worker()
        yield baseline.api()


def one_stream(api: Api, task: str) -> str:
    return f"{api.url}/ws/tasks/{task}"


def status(baseline: BaselineApi, task: str) -> str:
    return f"{baseline.url}/tasks/{task}/status"


def history(http: httpx.Client, task: str) -> list[dict[str, Any]]:
    """All events of a task that has ended, as the archive has them."""
    found: list[dict[str, Any]] = []
    after: str | None = "0"
    while after is not None:
        body = http.get(f"/tasks/{task}/events", params={"limit": 1000, "after": after}).json()
        found += body["events"]
        after = body["next"]
    return found


def assert_all_of_it(http: httpx.Client, seen: dict[str, Any]) -> None:
    """Every event 1 to n was seen once and in order, and what the page made of them is what they say."""
    task = seen["task"]
    state = ended(http, {"links": {"self": f"/tasks/{task}"}})
    events = history(http, task)
    assert seen["seqs"] == list(range(1, state["seq"] + 1))
    assert seen["chunks"] == [event["data"]["data"] for event in events if event["type"] == "chunk"]
    assert seen["result"] == http.get(f"/tasks/{task}/result").json()
    assert (seen["state"], seen["attempt"], seen["seq"], seen["resets"]) == ("succeeded", 1, state["seq"], 0)
    assert (seen["progress"], seen["startedTs"]) == (state["progress"], events[0]["ts"])
    assert (seen["lastTs"], seen["endedTs"]) == (events[-1]["ts"], events[-1]["ts"])


def test_a_stream_that_is_cut_again_and_again_misses_nothing(api: Api, http: httpx.Client, tmp_path: Path) -> None:
    task = submit(http, updates=300, rate=150)["id"]

    told = followed(tmp_path, "stream", one_stream(api, task), [task], **CUTS)

    (seen,) = told["tasks"]
    assert_all_of_it(http, seen)
    counters = told["counters"]
    assert told["cuts"] >= 3
    assert (counters["connects"], counters["resumes"]) == (told["cuts"] + 1, told["cuts"])
    assert (counters["events"], counters["gaps"], counters["resets"]) == (len(seen["seqs"]), 0, 0)
    assert [each["state"] for each in told["states"]][-2:] == ["live", "ended"]


def test_many_tasks_on_a_socket_that_is_cut_miss_nothing(api: Api, http: httpx.Client, tmp_path: Path) -> None:
    tasks = [submit(http, updates=number, rate=100)["id"] for number in (0, 1, 50, 150, 200, 200)]

    told = followed(tmp_path, "streams", f"{api.url}/ws", tasks, **CUTS)

    for seen in told["tasks"]:
        assert_all_of_it(http, seen)
    assert told["cuts"] >= 5
    assert told["counters"]["connects"] == told["cuts"] + 1
    assert told["counters"]["gaps"] == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_poll_that_is_cut_misses_nothing(baseline: BaselineApi, tmp_path: Path, strategy: str) -> None:
    task = baseline.submit("synthetic", updates=300, rate=150)

    told = followed(tmp_path, strategy, status(baseline, task), [task], **CUTS)

    (seen,) = told["tasks"]
    events = baseline.events(task)
    wanted = [event["seq"] for event in events]
    if strategy == "plain":
        assert seen["seqs"] == sorted(set(seen["seqs"]))
        assert set(seen["seqs"]) >= {event["seq"] for event in events if event["type"] != "status"}
    else:
        assert seen["seqs"] == wanted
    assert seen["chunks"] == [event["data"]["data"] for event in events if event["type"] == "chunk"]
    assert seen["result"] == events[-1]["data"]["result"]
    assert (seen["state"], seen["seq"], seen["resets"]) == ("succeeded", wanted[-1], 0)
    assert told["cuts"] >= 3
    assert told["counters"]["errors"] == 0
    assert [each["state"] for each in told["states"]][-2:] == ["live", "ended"]


def test_all_clients_make_the_same_of_the_same_task(
    api: Api, http: httpx.Client, baseline: BaselineApi, tmp_path: Path
) -> None:
    pushed = submit(http, "compute_pi", **PI)["id"]
    polled = baseline.submit("compute_pi", **PI)
    transcripts = [
        followed(tmp_path, "stream", one_stream(api, pushed), [pushed], **CUTS),
        followed(tmp_path, "streams", f"{api.url}/ws", [pushed], **CUTS),
        *(followed(tmp_path, strategy, status(baseline, polled), [polled], **CUTS) for strategy in STRATEGIES),
    ]

    views = [told["tasks"][0] for told in transcripts]
    assert len(views[0]["chunks"]) == PI["digits"]
    for view in views[1:]:
        for name in ("state", "chunks", "result", "progress", "error"):
            assert view[name] == views[0][name], name


@pytest.mark.parametrize("client", ["stream", "streams"])
def test_the_death_of_a_replica_in_mid_stream_loses_nothing(
    made: System, api: Api, http: httpx.Client, tmp_path: Path, client: str
) -> None:
    replica = made.api(f"mortal-{client}")
    replica.wait_until_ready()
    task = submit(http, updates=250, rate=50)["id"]
    url = one_stream(replica, task) if client == "stream" else f"{replica.url}/ws"
    assert api.running

    with page(tmp_path, client, url, [task], tellAt=40) as reader:
        at_death = reader.until_seen()
        replica.kill()
        replica.start()
        told = reader.transcript()

    (seen,) = told["tasks"]
    assert at_death < len(seen["seqs"])
    assert_all_of_it(http, seen)
    assert told["counters"]["resumes"] >= 1
    states = [each["state"] for each in told["states"]]
    assert states[:3] == ["connecting", "live", "waiting"]
    assert "The server cannot be reached; trying again" in {each["message"] for each in told["states"]}
    replica.terminate()
    replica.assert_ended_well()


def test_the_death_of_the_baselines_api_in_mid_poll_loses_nothing(tmp_path: Path) -> None:
    with closing(Baseline(tmp_path)) as processes:
        processes.worker()
        first = processes.api()
        port = first.url.rpartition(":")[2]
        task = first.submit("synthetic", updates=250, rate=50)
        (tmp_path / "pages").mkdir()
        with page(tmp_path / "pages", "long", status(first, task), [task], tellAt=40) as reader:
            reader.until_seen()
            first.process.kill()
            second = processes.api(BASELINE_PORT=port)
            told = reader.transcript()

        assert told["tasks"][0]["seqs"] == [event["seq"] for event in second.events(task)]
        assert told["counters"]["errors"] >= 1


def test_a_cursor_of_the_past_and_one_of_the_end_are_taken_up(api: Api, http: httpx.Client, tmp_path: Path) -> None:
    task = submit(http, updates=20, rate=0)
    seq = ended(http, task)["seq"]
    url = one_stream(api, task["id"])

    late = followed(tmp_path, "stream", url, [task["id"]], after="10")
    over = followed(tmp_path, "stream", url, [task["id"]], after=str(seq))

    assert late["tasks"][0]["seqs"] == list(range(11, seq + 1))
    assert (over["state"], over["tasks"][0]["seqs"], over["counters"]["connects"]) == ("ended", [], 1)


@pytest.mark.parametrize("client", ["stream", "streams", *STRATEGIES])
def test_a_task_that_does_not_exist_is_told_in_a_sentence(
    api: Api, baseline: BaselineApi, tmp_path: Path, client: str
) -> None:
    task = str(uuid4())
    urls = {"stream": one_stream(api, task), "streams": f"{api.url}/ws"}

    told = followed(tmp_path, client, urls.get(client, status(baseline, task)), [task])

    assert told["tasks"][0]["seqs"] == []
    if client == "streams":
        assert told["ends"] == [{"how": "failed", "code": 4504, "message": "There is no such task"}]
    else:
        assert told["states"][-1] == {"state": "failed", "message": "There is no such task"}


def test_a_stream_counts_the_bytes_that_were_sent(api: Api, http: httpx.Client, tmp_path: Path) -> None:
    task = submit(http, updates=300, rate=0, size=700)
    ended(http, task)
    with connect(f"{api.ws_url}/ws/tasks/{task['id']}", compression=None) as connection:
        frames = [str(frame).encode() for frame in connection]

    counters = followed(tmp_path, "stream", one_stream(api, task["id"]), [task["id"]])["counters"]

    sizes = [len(frame) for frame in frames]
    assert max(sizes) >= 65_536
    assert counters["messages"] == len(frames)
    assert counters["bytes"] == sum(size + (2 if size < 126 else 4 if size < 65_536 else 10) for size in sizes)
    assert counters["events"] == sum(len(json.loads(frame)) for frame in frames) - 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_poll_counts_the_bytes_that_were_sent(baseline: BaselineApi, tmp_path: Path, strategy: str) -> None:
    task = baseline.submit("compute_pi", **PI)
    before = baseline.stats()

    counters = followed(tmp_path, strategy, status(baseline, task), [task], intervalMs=40)["counters"]

    after = baseline.stats()
    assert counters["requests"] == after["requests"] - before["requests"]
    assert counters["notModified"] == after["not_modified"] - before["not_modified"]
    assert counters["bytes"] == after["bytes_sent"] - before["bytes_sent"]
