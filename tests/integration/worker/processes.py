"""`python -m worker` as a process, and messages as the api sends them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import psutil
from celery import Celery
from redis import Redis

from tests.integration.worker.tasks import Tasks, until
from worker.app import TASK_NAME, queue_of

ROOT: Final = Path(__file__).parents[3]
KINDS: Final = "tests.integration.worker.kinds"


def command() -> list[str]:
    return [sys.executable, "-m", "worker"]


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Ours without what would be a setting, and `settings`."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return kept | {name: str(value) for name, value in settings.items()}


@dataclass(frozen=True)
class WorkerProcess:
    """A worker that runs, and what it has written."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def pool(self) -> list[psutil.Process]:
        """Its pool processes."""
        return psutil.Process(self.process.pid).children()

    def end(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            self.process.wait()
            until(lambda: all(map(gone, children)))  # the system ends them with their parent
        print(self.text)  # noqa: T201 - pytest shows it when the test failed


class StartWorker(Protocol):
    def __call__(self, pool: str = "prefork", **settings: object) -> WorkerProcess: ...


def gone(process: psutil.Process) -> bool:
    """Whether it does nothing any more: init may leave a zombie for a while."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@dataclass(frozen=True)
class Broker:
    """Queues tasks, and tells what is in the queues."""

    tasks: Tasks
    celery: Celery
    redis: Redis

    def submit(self, kind: str, **params: Any) -> UUID:
        task = self.tasks.new()
        self.send(task, kind, params)
        return task

    def send(self, task: UUID, kind: str, params: Mapping[str, Any], *, countdown: float | None = None) -> None:
        """Queue a message; it is due after `countdown` seconds."""
        message = {"task": str(task), "kind": kind, "params": params}
        name = str(task)
        self.celery.send_task(
            TASK_NAME, kwargs=message, task_id=name, queue=queue_of(kind), ignore_result=True, countdown=countdown
        )

    @property
    def url(self) -> str:
        return str(self.celery.conf.broker_url)

    def waiting(self, kind: str) -> int:
        """Messages that no worker has taken."""
        length: Any = self.redis.llen(queue_of(kind))
        return int(length)

    def taken(self) -> int:
        """Messages that a worker has taken and not yet acknowledged."""
        length: Any = self.redis.hlen("unacked")
        return int(length)

    def until_told(self, task: UUID, *story: str) -> None:
        """Wait until `story` is the end of what the task tells."""
        until(lambda: tuple(self.tasks.story(task)[-len(story) :]) == story)
