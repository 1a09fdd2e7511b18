"""Shares: no kind of task takes every slot of a worker. `workloads.slots` has the rule; here it is kept, in Celery.

Each kind has a queue, whose name stands for it. Celery's main process fetches one message at a time, with one BRPOP
over the queues of its kinds. Just before each it is decided here, from the requests that Celery holds at that moment,
which queues it names: one whose kind has its share is left out. When a task ends while a BRPOP waits that left its
queue out, CLIENT UNBLOCK ends the wait: it returns with nothing, as after its timeout of a second, and the next one
names the queue again.

So nothing is stopped that would have to be taken up again. A lost connection, a lost pool process or an end of whatever
kind needs no care: the next decision sees what is left. No message is popped that is not delivered as ever. A broker
that does not answer within the time-out of its connections is a lost connection, for Celery as for this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final

import structlog
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.utils.scheduling import round_robin_cycle
from redis.exceptions import ResponseError

from workloads.slots import open_kinds, spared

log = structlog.get_logger(__name__)

_TRIES: Final = 100
"""To copy what the threads of a pool change: a change in those microseconds spoils the copy."""


class Shares:
    """Chooses what is fetched. `spare` is what is wanted, as `spared` takes it. For the main thread."""

    def __init__(self, queues: Collection[str], *, slots: int, spare: int | None = None) -> None:
        self._queues = frozenset(queues)
        self._slots = slots
        self._spare = spared(len(self._queues), spare)
        self._consumer: Any = None
        self._left_out: frozenset[str] = frozenset()
        self._client_id = 0
        self._may_unblock = True

    def cycle(self) -> Any:
        """The order of a channel's queues, which kombu asks for those of each BRPOP (`queue_order_strategy`)."""
        return _Cycle(self)

    def attach(self, consumer: Any, hub: Any) -> None:
        """Serve `consumer`, which is about to fetch over a new connection in the loop of `hub`."""
        self._consumer = consumer
        self._left_out = frozenset()
        hub.on_tick.add(self._wake)  # called at every turn of the loop; a set

    def may_start(self, request: Any) -> bool:
        """Whether a request that has no slot yet may have one."""
        return _queue(request) in self._open()

    def choose(self, queues: list[str]) -> list[str]:
        """Those of `queues` that the next BRPOP may name. It is sent right after this, but for no queue."""
        opened = self._open()
        chosen = [queue for queue in queues if queue in opened]
        left_out = frozenset(queues) - opened if chosen else frozenset()
        self._left_out = frozenset()
        if left_out and self._may_unblock:
            try:
                self._client_id = self._consumer.task_consumer.channel.client.client_id()
                self._left_out = left_out  # once it is known whom to wake
            except ResponseError as error:
                self._do_not_unblock(error)
        return chosen

    def _open(self) -> frozenset[str]:
        busy = max(len(state.reserved_requests), len(state.active_requests))
        if self._slots - busy > self._spare:
            return self._queues  # as counting would tell, which takes a microsecond for each request
        return open_kinds(Counter(map(_queue, _held())), self._queues, slots=self._slots, spare=self._spare)

    def _wake(self) -> None:
        """End the wait of a BRPOP that left out what is open now. It may have returned: that changes nothing."""
        if not (self._may_unblock and self._left_out and self._left_out & self._open()):
            return
        self._left_out = frozenset()
        try:
            with self._consumer.task_consumer.channel.conn_or_acquire() as client:
                client.client_unblock(self._client_id)
        except ResponseError as error:
            self._do_not_unblock(error)

    def _do_not_unblock(self, error: ResponseError) -> None:
        self._may_unblock = False
        log.warning("Redis lets no wait be ended early", action="unblock_refused", reason=str(error))


class _Cycle(round_robin_cycle):
    """Kombu's order, without the queues whose kinds have their share."""

    def __init__(self, shares: Shares) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shares = shares

    def consume(self, n: int) -> list[str]:
        """The queues for the next BRPOP: of `n`, which are all."""
        return self._shares.choose(super().consume(n))  # type: ignore[no-untyped-call]


class ShareConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer, which keeps to the shares."""

    def __init__(self, *args: Any, shares: Shares, **options: Any) -> None:
        self._shares = shares
        super().__init__(*args, **options)

    def register_with_event_loop(self, hub: Any) -> None:
        """As Celery's; called for every connection."""
        super().register_with_event_loop(hub)
        self._shares.attach(self, hub)

    def apply_eta_task(self, task: Any) -> None:
        """Start a request whose time has come; when its kind has its share, put it back as the last of its queue."""
        if self._shares.may_start(task):
            super().apply_eta_task(task)
            return
        state.task_ready(task)
        task.reject(requeue=True)
        self.qos.decrement_eventually()


def _held() -> set[Any]:
    """The requests that have a slot or wait for one, also those that go on after their connection was lost."""
    for _ in range(_TRIES):
        with suppress(RuntimeError):  # a thread of the pool has begun or ended one
            return {*state.reserved_requests, *state.active_requests}
    return set()  # then a message too many is fetched, and waits for a slot


def _queue(request: Any) -> str:
    return str(request.delivery_info["routing_key"])
