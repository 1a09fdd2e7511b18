"""Log and AsyncLog on a real server: their reads, and what happens when a script or an answer is gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.retry import Retry

from protocol.calls import Appended, Body
from protocol.events import State, encode_body, status_data
from protocol.head import CancelOutcome, Claim, ClaimOutcome, Head, Outcome, Renewal, RenewOutcome
from protocol.keys import TaskKeys
from protocol.log import AsyncLog, Log, Owned, Snapshot

PARTITIONS: Final = 16
LEASE_MS: Final = 60_000


def status(state: State) -> Body:
    return Body(encode_body(1, 1.5, "status", status_data(state)), "status", state)


def chunks(number: int) -> list[Body]:
    return [Body(encode_body(1, 1.5, "chunk", {"index": i, "data": "x"}), "chunk") for i in range(number)]


@pytest.fixture
def worker(sync_redis: Redis) -> Log:
    return Log(sync_redis, partitions=PARTITIONS)


@pytest.fixture
def api(redis: AsyncRedis) -> AsyncLog:
    return AsyncLog(redis, partitions=PARTITIONS)


@pytest.fixture
async def task(api: AsyncLog) -> UUID:
    """A task that is created and not claimed."""
    task = uuid4()
    assert await api.create(task, epoch="e1", state=State.QUEUED) == "e1"
    return task


def owned(worker: Log, task: UUID) -> Owned:
    claim = worker.claim(task, lease_ms=LEASE_MS)
    assert claim.outcome is ClaimOutcome.CLAIMED
    return Owned(task, claim.epoch, claim.attempt)


def append(worker: Log, own: Owned, n: int, *bodies: Body, lease_ms: int = LEASE_MS) -> Outcome:
    (answer,) = worker.exchange([worker.append_call(own, n, bodies, lease_ms=lease_ms)])
    assert isinstance(answer, Appended), answer
    return answer.decision.outcome


async def test_a_batch_of_different_calls_survives_that_redis_forgot_the_scripts(
    worker: Log, api: AsyncLog, sync_redis: Redis
) -> None:
    tasks = [uuid4() for _ in range(4)]
    for task in tasks:
        await api.create(task, epoch="e1", state=State.QUEUED)
    own = [owned(worker, task) for task in tasks]
    sync_redis.script_flush()

    answers: list[Any] = worker.exchange(
        [
            worker.append_call(own[0], 1, chunks(2), lease_ms=LEASE_MS),
            worker.renew_call(own[1], lease_ms=LEASE_MS),
            worker.append_call(own[2], 1, chunks(1), lease_ms=LEASE_MS),
            worker.renew_call(own[3], lease_ms=LEASE_MS),
        ]
    )

    assert [type(answer) for answer in answers] == [Appended, Renewal, Appended, Renewal]
    assert [answers[i].decision.b for i in (0, 2)] == [2, 1]
    assert [answers[i].outcome for i in (1, 3)] == [RenewOutcome.RENEWED] * 2


async def test_the_api_survives_that_redis_forgot_the_scripts(api: AsyncLog, task: UUID, redis: AsyncRedis) -> None:
    await redis.script_flush()
    claim = await api.reserve(task, lease_ms=LEASE_MS)
    await redis.script_flush()
    answer = await api.append(Owned(task, claim.epoch, claim.attempt), 1, [status(State.CANCELLED)])

    assert (claim.outcome, answer.decision.outcome) == (ClaimOutcome.CLAIMED, Outcome.APPENDED)


async def test_an_error_is_told_for_its_own_call_only(worker: Log, api: AsyncLog, sync_redis: Redis) -> None:
    good, bad = uuid4(), uuid4()
    await api.create(good, epoch="e1", state=State.QUEUED)
    own = owned(worker, good)
    sync_redis.set(TaskKeys.of(bad).head, "no hash")

    broken, answer = worker.exchange(
        [
            worker.append_call(Owned(bad, "e1", 1), 1, chunks(1), lease_ms=LEASE_MS),
            worker.append_call(own, 1, chunks(1), lease_ms=LEASE_MS),
        ]
    )

    assert isinstance(broken, ResponseError)
    assert "WRONGTYPE" in str(broken)
    assert isinstance(answer, Appended)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        worker.claim(bad, lease_ms=LEASE_MS)


def test_an_exchange_of_nothing_is_nothing(worker: Log) -> None:
    assert worker.exchange([]) == []


class LosesAnAnswer:
    """A proxy in front of Redis that cuts the connection instead of passing on the first reply that says `word`."""

    def __init__(self, url: str, word: bytes) -> None:
        target = urlsplit(url)
        self._target = (target.hostname or "127.0.0.1", target.port or 6379)
        self._word = word
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}{target.path}"
        self.lost = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, self._word), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, word: bytes | None = None) -> None:
        with suppress(OSError), closing(source), closing(sink):  # the other direction has closed it
            while data := source.recv(65_536):
                if word is not None and word in data and not self.lost.is_set():
                    self.lost.set()
                    sink.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)


@pytest.fixture
def proxy(redis_url: str) -> Iterator[LosesAnAnswer]:
    with closing(LosesAnAnswer(redis_url, b"appended")) as proxy:
        yield proxy


@pytest.mark.parametrize("by_the_client", [False, True], ids=["by the caller", "by the client library"])
async def test_an_append_whose_answer_was_lost_is_a_duplicate_when_it_is_repeated(
    by_the_client: bool, worker: Log, api: AsyncLog, task: UUID, proxy: LosesAnAnswer
) -> None:
    own = owned(worker, task)
    with Redis.from_url(proxy.url, retry=Retry(NoBackoff(), int(by_the_client))) as redis:
        cut = Log(redis, partitions=PARTITIONS)
        if not by_the_client:
            with pytest.raises(RedisConnectionError):
                append(cut, own, 1, *chunks(3))
            assert proxy.lost.is_set()
        assert append(cut, own, 1, *chunks(3)) is Outcome.DUPLICATE

    assert proxy.lost.is_set()
    assert [seq for seq, _ in (await api.read(task, 0, 10)).events] == [1, 2, 3]
    assert append(worker, own, 4, *chunks(1)) is Outcome.APPENDED


async def test_a_page_holds_what_follows_a_cursor_and_the_head(worker: Log, api: AsyncLog, task: UUID) -> None:
    append(worker, owned(worker, task), 1, status(State.RUNNING), *chunks(9))

    page = await api.read(task, 4, 3)
    assert page.head is not None
    assert (page.head.seq, page.head.state, [seq for seq, _ in page.events]) == (10, State.RUNNING, [5, 6, 7])
    assert [seq for seq, _ in (await api.read(task, 7, 50)).events] == [8, 9, 10]
    assert (await api.read(task, 10, 50)).events == []


async def test_of_a_task_that_redis_does_not_know_there_is_nothing(worker: Log, api: AsyncLog) -> None:
    task = uuid4()

    page = await api.read(task, 0, 10)
    assert (page.head, page.events) == (None, [])
    assert await api.head(task) is None
    assert await api.snapshots([task]) == [None]
    assert worker.claim(task, lease_ms=LEASE_MS).outcome is ClaimOutcome.UNKNOWN
    assert (await api.reserve(task, lease_ms=LEASE_MS)).outcome is ClaimOutcome.UNKNOWN
    assert (await api.cancel(task)).outcome is CancelOutcome.UNKNOWN
    assert (await api.append(Owned(task, "e1", 1), 1, chunks(1))).decision.outcome is Outcome.UNKNOWN


async def test_snapshots_come_in_the_order_of_the_tasks(worker: Log, api: AsyncLog, task: UUID) -> None:
    fresh, unknown = uuid4(), uuid4()
    await api.create(fresh, epoch="e2", state=State.QUEUED)
    append(worker, owned(worker, task), 1, status(State.RUNNING), *chunks(2))

    ran, missing, new = await api.snapshots([task, unknown, fresh])

    assert isinstance(ran, Snapshot)
    assert ran.last == (await api.read(task, 2, 1)).events[0][1]
    assert (missing, new) == (None, Snapshot(Head("e2"), None))
    assert await api.snapshots([]) == []


async def test_a_lost_task_is_handed_over_and_goes_on_in_the_attempt_that_the_api_opened(
    worker: Log, api: AsyncLog, task: UUID, redis: AsyncRedis
) -> None:
    lost = owned(worker, task)
    append(worker, lost, 1, status(State.RUNNING), *chunks(2))
    await redis.hset(TaskKeys.of(task).head, "lease", 1)  # its lease ran out

    opened = await api.reserve(task, lease_ms=LEASE_MS)
    assert (opened.attempt, opened.failures) == (2, 1)
    reserved = Owned(task, opened.epoch, opened.attempt)
    assert append(worker, lost, 4, *chunks(1)) is Outcome.FENCED
    assert worker.claim(task, lease_ms=LEASE_MS).outcome is ClaimOutcome.LEASED
    await api.append(reserved, 1, [status(State.QUEUED)])

    claim = worker.claim(task, lease_ms=LEASE_MS)
    assert claim == Claim(ClaimOutcome.CLAIMED, 2, 1, "e1", 1)
    assert append(worker, reserved, 2, status(State.RUNNING)) is Outcome.APPENDED
    repeated = await api.append(reserved, 1, [status(State.QUEUED)])
    assert repeated.decision.outcome is Outcome.DUPLICATE
    head = await api.head(task)
    assert head is not None
    assert (head.state, head.lease > 0) == (State.RUNNING, True), "the repeated append released nothing"


async def test_an_api_that_stalled_over_its_own_lease_is_fenced(
    worker: Log, api: AsyncLog, task: UUID, redis: AsyncRedis
) -> None:
    stalled = await api.reserve(task, lease_ms=LEASE_MS)
    await redis.hset(TaskKeys.of(task).head, "lease", 1)

    claim = worker.claim(task, lease_ms=LEASE_MS)

    assert (claim.attempt, claim.n, claim.failures) == (stalled.attempt + 1, 0, 0)
    answer = await api.append(Owned(task, "e1", stalled.attempt), 1, [status(State.FAILED)])
    assert answer.decision.outcome is Outcome.FENCED


async def test_a_cancel_reaches_the_owner_with_its_next_renewal_and_keeps_others_away(
    worker: Log, api: AsyncLog, task: UUID
) -> None:
    own = owned(worker, task)
    cancelled = await api.cancel(task)
    assert (cancelled.outcome, cancelled.lease_left_ms > 0) == (CancelOutcome.CANCELLING, True)

    (renewal,) = worker.exchange([worker.renew_call(own, lease_ms=LEASE_MS)])
    assert renewal == Renewal(RenewOutcome.RENEWED, cancel=True)
    append(worker, own, 1, status(State.RUNNING), lease_ms=0)
    assert worker.claim(task, lease_ms=LEASE_MS).outcome is ClaimOutcome.CANCELLED
    assert (await api.reserve(task, lease_ms=LEASE_MS)).outcome is ClaimOutcome.CLAIMED
