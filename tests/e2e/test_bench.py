"""`python -m bench` against the real system and the real baseline."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.integration.baseline.processes import Baseline
from tests.support.system import ROOT, Api
from tests.support.waiting import until, until_so

pytestmark = pytest.mark.xdist_group("e2e")

LONG_S: Final = 60.0
CLIENTS: Final = 3
DIGITS: Final = 20
TICK_S: Final = 0.01
"""The kernel counts the CPU of each process in whole ticks, of which one may be missing at either reading."""
PROCESSES: Final = {"live.api": 2, "live.worker": 5, "live.redis": 1, "polling.api": 1, "polling.worker": 1}


@pytest.fixture(scope="module")
def baseline_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with closing(Baseline(tmp_path_factory.mktemp("baseline"))) as baseline:
        baseline.worker(WORKLOADS="")
        yield baseline.api(WORKLOADS="").url


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The bench, which is ended afterwards if it has not ended by then."""
    bench = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield bench
    finally:
        if bench.returncode is None:
            bench.kill()
        await bench.communicate()


async def ended(bench: asyncio.subprocess.Process) -> tuple[int, str]:
    """Its exit code and what it said."""
    assert bench.stdout is not None
    async with asyncio.timeout(LONG_S):
        output = await bench.stdout.read()
        return await bench.wait(), output.decode()


async def ran(*arguments: str) -> tuple[int, str]:
    async with started(*arguments) as bench:
        return await ended(bench)


async def compared(api: Api, baseline_url: str, file: Path, *options: str) -> tuple[str, dict[str, Any]]:
    where = ["--api", api.url, "--baseline", baseline_url, "--clients", str(CLIENTS), "--json", str(file)]
    code, output = await ran("compare", *where, "--digits", str(DIGITS), "--seed", "3", *options)
    assert code == 0, output
    found: dict[str, Any] = json.loads(await asyncio.to_thread(file.read_text))
    return output, found


@pytest.mark.parametrize("strategy", ["plain", "delta", "long"])
async def test_both_sides_deliver_the_same_and_what_they_cost_is_counted_alike_from_within_and_from_outside(
    replicas: tuple[Api, Api], baseline_url: str, tmp_path: Path, strategy: str
) -> None:
    options = ["--pace", "5", "15", "--interval", "20", "--strategy", strategy, "--repeat", "1", "--idle", "0"]
    output, found = await compared(replicas[0], baseline_url, tmp_path / "bench.json", *options)

    assert f"every one of {2 * CLIENTS} clients received the same {DIGITS} chunks" in output
    assert found["faults"] == []
    for run in found["runs"]:
        clients = [client for side in ("live", "polling") for client in run["clients"][side]]
        assert len(clients) == 2 * CLIENTS
        assert {(client["chunks"], client["digest"]) for client in clients} == {(DIGITS, clients[0]["digest"])}
        assert [client["result"] for client in clients] == [{"digits": DIGITS, "pi": "3.1415926535897932384"}] * 6
        assert all(len(client["ages"]) == DIGITS + 1 and min(client["ages"]) > 0 for client in clients)
        assert_counted_alike(run["span"])
        assert_weighed_alike(run["clients"])


def assert_counted_alike(span: dict[str, Any]) -> None:
    """The operating system and the services agree within 20 %, or within what ticks and reports leave open."""
    for role, processes in PROCESSES.items():
        seen, told = span["seen"][role], span["told"][role]
        assert abs(seen - told) <= max(0.2 * max(seen, told), (processes + 1) * TICK_S), (role, span)


def assert_weighed_alike(clients: dict[str, Any]) -> None:
    """Of answers each byte that the kernel counted is accounted for; beside frames there is the handshake."""
    for client in clients["polling"]:
        assert client["traffic"]["socket_bytes"] in {None, client["traffic"]["bytes"]}
        assert client["traffic"]["connections"] == 1
    for client in clients["live"]:
        beside = (client["traffic"]["socket_bytes"] or client["traffic"]["bytes"]) - client["traffic"]["bytes"]
        assert 0 <= beside < 500


async def test_the_cpu_since_the_start_is_that_of_the_processes_found(
    replicas: tuple[Api, Api], baseline_url: str, tmp_path: Path
) -> None:
    options = ["--pace", "1", "1", "--repeat", "1", "--idle", "0.1"]
    output, found = await compared(replicas[1], baseline_url, tmp_path / "bench.json", *options)
    assert not [note for note in found["notes"] if "not the same" in note]
    assert set(PROCESSES) <= set(found["runs"][0]["span"]["seen"])
    assert "of an idle second" in output


async def test_followers_over_two_replicas_lose_nothing(replicas: tuple[Api, Api]) -> None:
    urls = [api.url for api in replicas]
    code, output = await ran("latency", "--api", *urls, "--rate", "500", "--seconds", "1")
    assert (code, "lost        0 of 2,505" in output) == (0, True), output
    crowd = ["--followers", "20", "--tasks", "3", "--rate", "20", "--seconds", "1", "--processes", "2"]
    code, output = await ran("followers", "--api", *urls, *crowd)
    assert (code, "lost        0 of 420" in output) == (0, True), output


async def test_whoever_interrupts_it_leaves_no_task_and_no_traceback(
    replicas: tuple[Api, Api], http: httpx.AsyncClient, baseline_url: str
) -> None:
    where = ["--api", replicas[1].url, "--baseline", baseline_url, "--pace", "500", "500", "--idle", "0"]
    async with started("compare", *where) as bench:
        await until_so(lambda: replicas[1].stats()["subscriptions"] > 0, within_s=LONG_S)
        [running] = (await http.get("/tasks", params={"kind": "compute_pi", "limit": 1})).json()["items"]
        assert running["params"]["pace_ms"] == [500, 500]
        bench.send_signal(signal.SIGINT)
        assert await ended(bench) == (130, "interrupted\n")

    async def state() -> str:
        return str((await http.get(f"/tasks/{running['id']}")).json()["state"])

    assert await until(state, lambda found: found == "cancelled") == "cancelled"


async def test_what_is_not_there_is_said_in_a_sentence() -> None:
    code, output = await ran("compare", "--url", "http://127.0.0.1:1")
    assert code == 1
    assert output.startswith("Unreachable: the api at http://127.0.0.1:1/api does not answer")
    assert output.count("\n") == 1
