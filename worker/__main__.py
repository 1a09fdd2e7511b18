"""`python -m worker`: run tasks until SIGTERM."""

from __future__ import annotations

import sys
from typing import Final

import structlog
from pydantic import ValidationError

from service.logs import configure_logging
from worker.app import WorkerApp
from worker.runtime import RedisUnreachable, wait_for_redis
from worker.settings import WorkerSettings
from workloads.registry import WorkloadError, load

log = structlog.get_logger("worker")

_OF_EACH_MESSAGE: Final = ("celery.worker.strategy", "celery.app.trace")
"""Loggers that tell, as info, of every message; `worker.attempt` tells of the attempt, with its task and its end."""


def main() -> int:
    """The exit code: 0 after an orderly end, 1 when something it needs is missing, 2 for settings that are wrong."""
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        sys.stderr.write(f"worker: {error}\n")
        return 2
    configure_logging(settings.log_format, settings.log_level, quiet=_OF_EACH_MESSAGE)
    try:
        kinds = load(settings.workloads)
        unknown = set(settings.worker_kinds) - set(kinds)
        if unknown:
            log.error("Worker cannot start", action="start_failed", reason=f"WORKER_KINDS names {sorted(unknown)}")
            return 2
        for url in dict.fromkeys((settings.redis_url, settings.broker)):
            wait_for_redis(url, settings.worker_name, timeout_s=settings.worker_start_timeout_s)
    except (WorkloadError, RedisUnreachable) as error:
        log.error("Worker cannot start", action="start_failed", reason=str(error))  # noqa: TRY400 - no traceback wanted
        return 1
    return WorkerApp(settings, kinds).run()


if __name__ == "__main__":
    sys.exit(main())
