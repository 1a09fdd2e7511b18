"""The health command of a worker's container, as its engine runs it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from redis import Redis
from redis.exceptions import MovedError

from local.server import running
from local.servers import Valkey
from protocol.usage import KEY
from tests.integration.worker.processes import ROOT, Broker, StartWorker, environment
from tests.integration.worker.tasks import LONG_S, until
from tests.integration.worker.test_usage import refuse
from tests.support.cluster import ClusterNode, ValkeyCluster
from worker.sign import Sign

HERE: Final = socket.gethostname()


@pytest.fixture(autouse=True)
def _folder_of_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other workers of this machine give their signs elsewhere."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


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


def signs(folder: Path) -> list[Path]:
    return list(folder.glob("task-workers-*/*"))


def given_ns(folder: Path) -> int:
    """When the only worker gave its sign."""
    (sign,) = signs(folder)
    return sign.stat().st_mtime_ns


def signs_again(folder: Path, times: int) -> None:
    """Wait until the only worker has given so many signs more."""
    for _ in range(times):
        before = given_ns(folder)
        until(lambda before=before: given_ns(folder) > before)  # type: ignore[misc]


def test_a_worker_without_a_name_of_its_own_is_known_by_its_host_until_it_ends(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker("threads")
    until(lambda: bool(signs(tmp_path)))
    assert told(ask()) == (0, "", "")

    worker.process.terminate()
    worker.process.wait(LONG_S)

    assert told(ask()) == (1, "", f"worker: …@{HERE} has not reached Redis within 15 s\n")


def test_a_worker_with_a_name_is_asked_for_by_it(start_worker: StartWorker, tmp_path: Path) -> None:
    start_worker("threads", WORKER_NAME="one/two *")
    until(lambda: bool(signs(tmp_path)))

    assert ask(WORKER_NAME="one/two *").returncode == 0
    assert told(ask(WORKER_NAME="one")) == (1, "", "worker: one has not reached Redis within 15 s\n")
    assert ask().returncode == 1  # its name does not tell its host


@pytest.mark.parametrize(
    ("name", "age_s"),
    [(f"worker-7@{HERE}", 16), (f"worker-7@not-{HERE}", 0), (f"worker-7@{HERE}-2", 0)],
    ids=["old", "other host", "longer host"],
)
def test_no_other_sign_passes_for_one_of_this_worker(name: str, age_s: float, tmp_path: Path) -> None:
    give(name, tmp_path, age_s)

    assert ask().returncode == 1


def test_one_sign_of_many_is_enough(tmp_path: Path) -> None:
    give(f"worker-7@{HERE}", tmp_path, age_s=60)
    give(f"worker-8@{HERE}", tmp_path)
    (signs(tmp_path)[0].parent / "nonsense").touch()

    assert ask().returncode == 0


def test_a_sign_is_not_given_through_a_link(tmp_path: Path) -> None:
    give("one", tmp_path)
    (sign,) = signs(tmp_path)
    sign.unlink()
    sign.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic link"):
        Sign("one").give()
    assert not (tmp_path / "elsewhere").exists()


def test_without_redis_no_sign_is_given_until_it_is_back(
    broker: Broker, start_worker: StartWorker, tmp_path: Path
) -> None:
    with running(Valkey(tmp_path / "valkey")) as elsewhere:
        start_worker("threads", REDIS_URL=elsewhere.url, BROKER_URL=broker.url)
        until(lambda: bool(signs(tmp_path)))
        elsewhere.stop()
        refuse(elsewhere, times=2)
        last = given_ns(tmp_path)
        refuse(elsewhere, times=4)
        assert given_ns(tmp_path) == last

        elsewhere.start()

        signs_again(tmp_path, times=1)


def test_a_worker_is_ready_while_its_redis_has_no_room(
    broker: Broker, start_worker: StartWorker, tmp_path: Path
) -> None:
    with running(Valkey(tmp_path / "valkey")) as full, Redis.from_url(full.url) as redis:
        worker = start_worker("threads", REDIS_URL=full.url, BROKER_URL=broker.url)
        until(lambda: bool(signs(tmp_path)))
        redis.config_set("maxmemory", 1)
        until(lambda: "Usage cannot be reported" in worker.text)

        signs_again(tmp_path, times=2)


def keeper(cluster: ValkeyCluster) -> ClusterNode:
    """The node that takes the reports."""
    for node in cluster.nodes:
        with suppress(MovedError):
            node.call("EXISTS", KEY)
            return node
    raise AssertionError


@pytest.mark.parametrize("harm", [ClusterNode.kill, ClusterNode.pause], ids=["away", "hanging"])
def test_a_worker_is_ready_while_any_node_answers(
    broker: Broker,
    start_worker: StartWorker,
    valkey_cluster: ValkeyCluster,
    tmp_path: Path,
    harm: Callable[[ClusterNode], None],
) -> None:
    worker = start_worker("threads", REDIS_URL=valkey_cluster.url, BROKER_URL=broker.url)
    until(lambda: bool(signs(tmp_path)))
    harm(keeper(valkey_cluster))
    try:
        until(lambda: "Usage cannot be reported" in worker.text)
        signs_again(tmp_path, times=2)

        assert told(ask()) == (0, "", "")
    finally:
        valkey_cluster.revive()


def test_wrong_settings_are_told() -> None:
    ended = ask(REDIS_URL="localhost")

    assert ended.returncode == 1
    assert "redis_url" in ended.stderr
    assert "Traceback" not in ended.stderr


def give(name: str, folder: Path, age_s: float = 0) -> None:
    before = {*signs(folder)}
    Sign(name).give()
    (made,) = {*signs(folder)} - before
    at = made.stat().st_mtime - age_s
    os.utime(made, (at, at))
