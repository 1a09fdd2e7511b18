"""A worker process from its start to its orderly end."""

from __future__ import annotations

import signal
import threading
from typing import Final

import structlog

from baseline.settings import BaselineSettings
from baseline.storage import workers
from baseline.storage.claims import Claimed
from baseline.storage.schema import UnusableFile, migrate
from baseline.worker.attempt import run_attempt
from baseline.worker.desk import Desk, DeskSettings
from baseline.worker.outbox import Outbox
from service.logs import configure_logging
from workloads.registry import WorkloadError, load

log = structlog.get_logger(__name__)

_STOP_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT}
_DRAIN_S: Final = 1.0
_LAST_WRITE_S: Final = 1.0
"""Together less than the three seconds that an end may take."""


def work(settings: BaselineSettings) -> int:
    """Run tasks until SIGTERM. The exit code: 0 after an orderly end, 1 when something it needs is missing."""
    # Blocked before any thread starts, so that `sigwait` alone gets them: a handler could run in the midst of a wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    configure_logging(settings.log_format, settings.log_level)
    try:
        kinds = load(settings.workloads)
        migrate(settings.baseline_db)
    except (WorkloadError, UnusableFile) as error:
        log.error("Worker cannot start", action="start_failed", reason=str(error))  # noqa: TRY400 - no traceback wanted
        return 1

    def run(outbox: Outbox, claimed: Claimed) -> None:
        try:
            run_attempt(outbox, claimed, kinds[claimed.kind])
        finally:
            desk.leave(outbox)

    def begin(outbox: Outbox, claimed: Claimed) -> None:
        # A daemon: a workload that never looks up must not keep the process from ending.
        threading.Thread(target=run, args=(outbox, claimed), name=f"task {claimed.id}", daemon=True).start()

    desk = Desk(
        settings.baseline_db,
        DeskSettings(
            name=workers.own_name(),
            places=settings.baseline_concurrency,
            spare=settings.baseline_spare_slots,
            lease_ms=settings.baseline_lease_ms,
            kept_tasks=settings.baseline_kept_tasks,
            kept_bytes=settings.baseline_kept_bytes,
        ),
        max_attempts={kind.name: kind.max_attempts for kind in kinds.values()},
        time_limit_s={kind.name: kind.time_limit_s for kind in kinds.values()},
        begin=begin,
    )
    if settings.baseline_concurrency < len(kinds):
        log.warning("Fewer slots than kinds: one may have to wait for another", action="few_slots")
    desk.start()
    log.info("Worker ready", action="worker_ready", places=settings.baseline_concurrency)
    signal.sigwait(_STOP_SIGNALS)
    log.info("Worker ends", action="worker_ends")
    desk.drain(_DRAIN_S)
    desk.stop(_LAST_WRITE_S)
    return 0
