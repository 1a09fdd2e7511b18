"""`GET /stats`: what every process of the system has used, asked of any replica."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest
from redis import Redis

from local.children import wait_until
from protocol.usage import KEY, Usage
from tests.support.rest import ended, submit
from tests.support.system import Api, Process, System

SOON_S: Final = 20.0
"""What happens within seconds, on a machine that is busy."""
BUSY_S: Final = 0.1
"""Less than ten thousand digits of π cost, on any machine."""


@pytest.fixture
def redis(routes_system: System) -> Iterator[Redis]:
    """Where the processes report."""
    with Redis.from_url(routes_system.valkey.url) as client:
        yield client


@pytest.fixture
def second(routes_system: System, api: Api) -> Iterator[Api]:
    """One more replica beside `api`."""
    replica = routes_system.api("second")
    replica.wait_until_ready()
    assert api.ready()
    yield replica
    replica.terminate()
    replica.assert_ended_well()


@pytest.fixture
def pool(routes_system: System) -> Iterator[Process]:
    """One more worker, with pool processes."""
    worker = routes_system.worker("pool", WORKER_CONCURRENCY="2", WORKER_DRAIN_S="1")
    yield worker
    worker.kill()


def named(stats: dict[str, Any]) -> list[str]:
    return [f"{process['role']} {process['name']}" for process in stats["processes"]]


def until_stats(api: Api, holds: Callable[[Any], bool]) -> Any:
    """The first answer that `holds`."""
    answers: list[Any] = []

    def ask() -> bool:
        answers.append(api.stats())
        return holds(answers[-1])

    assert wait_until(ask, timeout_s=SOON_S), answers[-1]
    return answers[-1]


def test_every_replica_tells_of_all_replicas_and_workers_by_role_and_name(api: Api, second: Api, pool: Process) -> None:
    assert pool.running
    expected = ["api busy", "api second", "worker pool", "worker worker"]

    for replica in (api, second):
        stats = until_stats(replica, lambda stats: named(stats) == expected)

        for process in stats["processes"]:
            assert process.keys() == {"name", "role", "cpu_s", "memory_bytes", "at_ms"}
            assert process["cpu_s"] > 0
            assert process["memory_bytes"] > 2**20
            assert stats["now_ms"] - 5_000 <= process["at_ms"] <= stats["now_ms"]
        own = next(process for process in stats["processes"] if process["name"] == replica.name)
        assert [own[key] for key in ("cpu_s", "memory_bytes", "at_ms")] == [
            stats[key] for key in ("cpu_s", "memory_bytes", "now_ms")
        ]


def test_a_replica_on_another_redis_is_not_listed(idle: Api) -> None:
    assert named(idle.stats()) == ["api idle"]


def test_the_cpu_of_the_workers_grows_with_what_they_compute(api: Api, http: httpx.Client, pool: Process) -> None:
    def of_workers(stats: Any) -> float:
        return float(sum(process["cpu_s"] for process in stats["processes"] if process["role"] == "worker"))

    assert pool.running
    before = until_stats(api, lambda stats: {"worker pool", "worker worker"} <= set(named(stats)))

    ended(http, submit(http, "compute_pi", digits=10_000, pace_ms=[0, 0]), within_s=60)

    until_stats(api, lambda stats: of_workers(stats) >= of_workers(before) + BUSY_S)


def test_a_process_that_ends_in_order_leaves_at_once_and_a_killed_one_within_seconds(
    routes_system: System, api: Api, pool: Process
) -> None:
    leaving = routes_system.api("leaving")
    leaving.wait_until_ready()
    until_stats(api, lambda stats: {"api leaving", "worker pool"} <= set(named(stats)))

    leaving.terminate()
    leaving.assert_ended_well()
    assert "api leaving" not in named(api.stats())

    pool.kill()
    killed = time.monotonic()
    until_stats(api, lambda stats: "worker pool" not in named(stats))
    assert time.monotonic() - killed < 8


def test_what_is_no_report_or_an_old_one_is_not_listed(api: Api, redis: Redis) -> None:
    old = Usage("old", "api", 1, 1, time.time() * 1000 - 10_000)
    ahead = Usage("ahead", "worker", 1, 1, time.time() * 1000 + 3_600_000)
    for usage in (old, ahead):
        redis.hset(KEY, usage.field, usage.encode())
    redis.hset(KEY, mapping={"api:x": b"\xff\x00", "worker:y": "[]", b"\xff": "7", "worker:z": '{"name": "\\ud800"}'})

    assert not {"api old", "worker ahead", "api x", "worker y"} & set(named(api.stats()))

    redis.delete(KEY)
    until_stats(api, lambda stats: "worker worker" in named(stats))


def test_a_key_of_another_type_costs_the_others_and_not_ourselves(api: Api, redis: Redis) -> None:
    before = api.stats()["usage"]["failures"]
    redis.delete(KEY)
    redis.set(KEY, "in the way")
    try:
        stats = until_stats(api, lambda stats: stats["usage"]["failures"] > before + 1)
        assert named(stats) == ["api busy"]
        assert stats["redis"] is not None
        assert stats["missing"] == {"reports": True, "redis_nodes": 0}
    finally:
        redis.delete(KEY)
    until_stats(api, lambda stats: named(stats) == ["api busy", "worker worker"])


def test_redis_tells_of_itself(api: Api, redis: Redis) -> None:
    before = api.stats()["redis"]
    for _ in range(20_000):
        redis.echo("work")
    info: Any = redis.info()

    after = api.stats()
    used = after["redis"]

    assert used.keys() == {"cpu_s", "memory_bytes", "at_ms"}
    assert used["cpu_s"] > before["cpu_s"]
    assert used["cpu_s"] >= info["used_cpu_user"] + info["used_cpu_sys"]
    assert used["memory_bytes"] == pytest.approx(info["used_memory"], rel=0.2)
    assert before["at_ms"] < used["at_ms"] <= after["now_ms"]
    (node,) = after["redis_nodes"]
    assert node == {"name": info["run_id"][:8], **used}
    assert after["missing"] == {"reports": False, "redis_nodes": 0}
