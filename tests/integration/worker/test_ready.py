"""The health command of a worker's container, as its engine runs it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import Final

import pytest
from redis import Redis

from local.servers import Valkey
from protocol.usage import KEY, Role, Usage
from tests.integration.worker.processes import ROOT, StartWorker, environment
from tests.integration.worker.tasks import LONG_S, until

HERE: Final = socket.gethostname()


def ask(**settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "worker.ready"],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )


def told(ended: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return ended.returncode, ended.stdout, ended.stderr


def report(redis: Redis, name: str, *, age_s: float = 0, role: Role = "worker") -> None:
    usage = Usage(name, role, 1, 1, time.time() * 1000 - age_s * 1000)
    redis.hset(KEY, usage.field, usage.encode())


def test_a_worker_without_a_name_of_its_own_is_known_by_its_host_until_it_ends(
    start_worker: StartWorker, redis_url: str, sync_redis: Redis
) -> None:
    worker = start_worker("threads")
    until(lambda: sync_redis.hlen(KEY) == 1)
    assert told(ask(REDIS_URL=redis_url)) == (0, "", "")

    worker.process.terminate()
    worker.process.wait(LONG_S)

    assert told(ask(REDIS_URL=redis_url)) == (1, "", f"worker: …@{HERE} has not reported within 5 s\n")


def test_a_worker_with_a_name_is_asked_for_by_it(start_worker: StartWorker, redis_url: str, sync_redis: Redis) -> None:
    start_worker("threads", WORKER_NAME="one")
    until(lambda: sync_redis.hlen(KEY) == 1)

    assert ask(REDIS_URL=redis_url, WORKER_NAME="one").returncode == 0
    other = ask(REDIS_URL=redis_url, WORKER_NAME="another")
    assert told(other) == (1, "", "worker: another has not reported within 5 s\n")
    assert ask(REDIS_URL=redis_url).returncode == 1  # its name does not tell its host


@pytest.mark.parametrize(
    ("name", "age_s", "role"),
    [
        (f"worker-7@{HERE}", 6, "worker"),
        (f"worker-7@not-{HERE}", 0, "worker"),
        (f"worker-7@{HERE}-2", 0, "worker"),
        (f"worker-7@{HERE}", 0, "api"),
    ],
    ids=["old", "other host", "longer host", "api"],
)
def test_no_other_report_passes_for_one_of_this_worker(
    redis_url: str, sync_redis: Redis, name: str, age_s: float, role: Role
) -> None:
    report(sync_redis, name, age_s=age_s, role=role)

    assert ask(REDIS_URL=redis_url).returncode == 1


def test_one_report_of_many_is_enough(redis_url: str, sync_redis: Redis) -> None:
    report(sync_redis, f"worker-7@{HERE}", age_s=60)
    report(sync_redis, f"worker-8@{HERE}")
    sync_redis.hset(KEY, "worker:nonsense", "{")

    assert ask(REDIS_URL=redis_url).returncode == 0


def test_a_redis_that_does_not_listen_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        at = f"127.0.0.1:{unused.getsockname()[1]}"
        ended = ask(REDIS_URL=f"redis://:secret@{at}/0")

    assert ended.returncode == 1
    assert f"Redis at {at} cannot be asked" in ended.stderr
    assert "secret" not in ended.stderr


def test_a_redis_that_does_not_answer_is_given_three_seconds(redis_url: str, valkey_server: Valkey) -> None:
    valkey_server.pause()
    try:
        began = time.monotonic()
        ended = ask(REDIS_URL=redis_url)
        took_s = time.monotonic() - began
    finally:
        valkey_server.resume()

    assert told(ended) == (1, "", "worker: Redis has not answered in time\n")
    assert took_s < 3 + 3  # and what a start takes on a busy machine


def test_wrong_settings_are_told() -> None:
    ended = ask(REDIS_URL="localhost")

    assert ended.returncode == 1
    assert "redis_url" in ended.stderr
    assert "Traceback" not in ended.stderr
