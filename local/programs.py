"""The programs that `make up` runs, each with its keeper and its environment."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local.hub import SWAGGER_UI, prepare_hub
from local.settings import Settings
from local.supervisor import Program

_PYTHON: Final = (sys.executable, "-m")


def programs(settings: Settings, *, database_url: str, redis_url: str, ready: Path) -> list[Program]:
    """Each may be started again once the file `ready` is there. Raises ServerError when the hub was not set up."""
    return [
        *_event_driven(settings, database_url=database_url, redis_url=redis_url, ready=ready),
        *_baseline(settings, ready),
        _hub(settings, ready),
    ]


def _event_driven(settings: Settings, *, database_url: str, redis_url: str, ready: Path) -> list[Program]:
    shared = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "API_HOST": settings.api_host,
        "DRAIN_TIMEOUT_S": f"{settings.drain_timeout_s:g}",
        "WORKER_DRAIN_S": f"{settings.worker_drain_s:g}",
        "PYTHONUNBUFFERED": "1",
    }
    replicas = [
        Program(
            name=f"api-{number}",
            command=_kept(ready, [*_PYTHON, "api"]),
            environment={**shared, "API_PORT": str(port), "REPLICA": f"api-{number}", "DOCS_FILES": str(SWAGGER_UI)},
        )
        for number, port in enumerate(settings.api_ports, start=1)
    ]
    workers = [
        Program(
            name=f"worker-{number}",
            command=_kept(ready, [*_PYTHON, "worker"]),
            environment={**shared, "WORKER_NAME": f"worker-{number}"},
        )
        for number in range(1, settings.workers + 1)
    ]
    return [*replicas, *workers]


def _baseline(settings: Settings, ready: Path) -> list[Program]:
    environment = {
        "BASELINE_DB": str(settings.local_dir / "baseline" / "baseline.db"),
        "BASELINE_PORT": str(settings.baseline_port),
        "PYTHONUNBUFFERED": "1",
    }
    return [
        Program(name=f"baseline-{part}", command=_kept(ready, [*_PYTHON, "baseline", part]), environment=environment)
        for part in ("api", "worker")
    ]


def _hub(settings: Settings, ready: Path) -> Program:
    command = prepare_hub(
        settings.local_dir / "hub",
        host=settings.hub_host,
        port=settings.hub_port,
        apis=settings.api_addresses,
        baseline=settings.baseline_address,
    )
    return Program(name="hub", command=_kept(ready, command))


def _kept(ready: Path, command: Sequence[str]) -> str:
    return f"exec {shlex.join([*_PYTHON, 'local.keep', str(ready), *command])}"
