"""The Celery application of a worker: one task that runs any kind, queues by kind, and an orderly end.

A message is acknowledged when its attempt has ended, whatever the end. One that is delivered twice finds its task
claimed or closed and is dropped. A message that cannot even be tried, because Redis does not answer, goes back.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from celery import Celery, signals
from celery.apps.worker import Worker, install_worker_term_handler
from celery.exceptions import Reject
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from worker.attempt import Ending
from worker.connections import connect
from worker.runtime import Runtime
from worker.settings import WorkerSettings
from worker.shares import ShareConsumer, Shares
from worker.usage import Meter, Reporter
from workloads.registry import Kind

log = structlog.get_logger(__name__)

TASK_NAME: Final = "tasks.run"
HAND_BACK_SIGNAL: Final = signal.SIGUSR2
"""What the main process sends to its pool processes when their tasks are to go back."""
_REQUEUE_PAUSE_S: Final = 1.0
"""A message that goes back is delivered again at once: without a pause it would circle while Redis fails."""
_BROKER_TIMEOUT_S: Final = 5.0
"""Of everything the main process asks the broker; by default it waits for ever. A BRPOP returns after a second."""
_HARD_LIMIT_AFTER_S: Final = 30.0
"""Celery's own limit is a last net, for a process whose flusher does not give a stuck attempt up."""


def queue_of(kind: str) -> str:
    """The queue of a kind's messages."""
    return f"tasks.{kind}"


class WorkerApp:
    """Owns the Celery app and, in each pool process, the runtime. One a process; `settings` never change."""

    def __init__(self, settings: WorkerSettings, kinds: Mapping[str, Kind]) -> None:
        self.settings = settings
        self.kinds = kinds
        self.drain = threading.Event()
        queues = [queue_of(kind) for kind in dict.fromkeys(settings.worker_kinds or kinds)]
        self.shares = Shares(queues, slots=settings.worker_concurrency, spare=settings.worker_spare_slots)
        self.celery = Celery("worker", broker=settings.broker, set_as_current=True)
        self.celery.conf.update(_configuration(settings, kinds, queues, self.shares))
        self.celery.task(name=TASK_NAME, acks_late=True, reject_on_worker_lost=True)(self._run)
        self._lock = threading.Lock()
        self._runtime: tuple[int, Runtime] | None = None
        self._pool: Any = None
        self._reporter: Reporter | None = None
        signals.worker_init.connect(self._on_init, weak=False)
        signals.worker_ready.connect(self._on_ready, weak=False)
        signals.worker_process_init.connect(self._on_process_init, weak=False)
        signals.worker_process_shutdown.connect(self._on_process_shutdown, weak=False)
        signals.worker_shutting_down.connect(self._on_shutting_down, weak=False)

    def run(self) -> int:
        """Work until SIGTERM; returns the exit code."""
        settings, name = self.settings, self.settings.worker_name
        if settings.worker_concurrency < len(self.celery.conf.task_queues):
            log.warning("Fewer slots than kinds: one may have to wait for another", action="few_slots")
        worker = _QuietWorker(
            app=self.celery,
            hostname=name if "@" in name else f"{name}@{socket.gethostname()}",
            pool=settings.worker_pool,
            concurrency=settings.worker_concurrency,
            consumer_cls=partial(ShareConsumer, shares=self.shares),
            loglevel=settings.log_level.upper(),
            quiet=True,
            without_gossip=True,
            without_heartbeat=True,  # nobody listens, and each would wait for a broker that hangs
            without_mingle=True,
        )
        worker.start()
        if self._reporter is not None:
            self._reporter.stop()
        self._stop_runtime()
        return int(worker.exitcode or 0)

    def _run(self, task: str, kind: str, params: dict[str, Any]) -> None:
        try:
            outcome = self._current().runner.run(UUID(task), kind, params)
            if outcome.ending is not Ending.DONE:
                # A message of its own, for a hand back too: requeueing the old one does nothing when the broker gave
                # it to another worker meanwhile, as it does after the visibility timeout.
                again = {"task": task, "kind": kind, "params": params}
                self.celery.send_task(TASK_NAME, kwargs=again, queue=queue_of(kind), countdown=outcome.retry_in_s)
        except (RedisError, OperationalError, OSError) as error:
            log.warning("Message goes back", action="requeued", task=task, reason=str(error))
            time.sleep(_REQUEUE_PAUSE_S)
            raise Reject(str(error), requeue=True) from error

    def _current(self) -> Runtime:
        """The runtime of this process; threads do not survive a fork, so a parent's is not used."""
        with self._lock:
            if self._runtime is None or self._runtime[0] != os.getpid():
                self._runtime = (os.getpid(), Runtime.start(self.settings, self.kinds, self.drain))
            return self._runtime[1]

    def _stop_runtime(self) -> None:
        with self._lock:
            if self._runtime is not None and self._runtime[0] == os.getpid():
                self._runtime[1].stop()
                self._runtime = None

    def _on_init(self, sender: Any, **_: Any) -> None:
        self._pool = sender

    def _on_ready(self, **_: Any) -> None:
        """Begin to report what is used; the pool has been forked by now. Comes again when the broker was away."""
        if self._reporter is None:
            nodes = connect(self.settings.redis_url, f"{self.settings.worker_name}-usage")
            self._reporter = Reporter(nodes, self.settings.worker_name, Meter(self._pool_pids))
            self._reporter.start()

    def _on_process_init(self, **_: Any) -> None:
        os.setpgid(0, 0)  # a signal to the group of the main process is for it alone: it tells us how to end
        signal.signal(HAND_BACK_SIGNAL, lambda *_: self.drain.set())

    def _on_process_shutdown(self, **_: Any) -> None:
        self._stop_runtime()

    def _on_shutting_down(self, **_: Any) -> None:
        """Give running tasks some time, then have them handed back. Runs in a signal handler: a thread does it."""
        _after(0.0, partial(log.info, "Worker ends", action="worker_ends"))
        _after(self.settings.worker_drain_s, self._hand_back)

    def _hand_back(self) -> None:
        self.drain.set()
        if self.settings.worker_pool == "prefork":
            self._signal_pool(HAND_BACK_SIGNAL)
        _after(self.settings.worker_grace_s, self._end_stuck)

    def _end_stuck(self) -> None:
        """Some task does not look up: end without it. Its lease runs out, and the api queues it again."""
        log.error("Task not handed back in time", action="drain_stuck")
        if self.settings.worker_pool == "prefork":
            self._signal_pool(signal.SIGKILL)
        else:
            os._exit(1)

    def _signal_pool(self, number: signal.Signals) -> None:
        for pid in self._pool_pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                log.debug("Pool process is gone", action="pool_process_gone", pid=pid)

    def _pool_pids(self) -> list[int]:
        """The pool processes that live: none in a pool of threads, before its start and after its end."""
        try:
            pids = self._pool.pool.info.get("processes", [])
        except AttributeError:
            return []
        return [pid for pid in pids if pid]  # one that is being started has none yet


class _QuietWorker(Worker):  # type: ignore[misc]
    """Celery's, which does not print past the log that it was asked to end."""

    def install_platform_tweaks(self, worker: Any) -> None:
        """Signal handlers among them."""
        super().install_platform_tweaks(worker)
        install_worker_term_handler(worker, verbose=False)


def _after(seconds: float, action: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()


def _configuration(
    settings: WorkerSettings, kinds: Mapping[str, Kind], queues: list[str], shares: Shares
) -> dict[str, Any]:
    longest_s = max((kind.time_limit_s for kind in kinds.values()), default=3600.0)
    return {
        "accept_content": ["json"],
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "queue_order_strategy": shares.cycle,
            "visibility_timeout": settings.visibility_timeout_s,
            "unacked_restore_throttle": 1,  # looked for every 10 s; by default every 100 s
            "socket_connect_timeout": 3,
            "socket_timeout": _BROKER_TIMEOUT_S,
            "socket_keepalive": True,
        },
        "result_backend": None,
        "task_acks_late": True,
        "task_ignore_result": True,
        "task_queues": [Queue(queue) for queue in queues],  # type: ignore[no-untyped-call]
        "task_create_missing_queues": True,
        "task_reject_on_worker_lost": True,
        "task_serializer": "json",
        "task_time_limit": longest_s + settings.worker_grace_s + _HARD_LIMIT_AFTER_S,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_enable_remote_control": False,
        "worker_hijack_root_logger": False,
        "worker_prefetch_multiplier": 1,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": False,
    }
