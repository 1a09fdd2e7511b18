"""What a client is told of a task while its row is behind its head, and when Redis cannot be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.projection.read import TaskReader
from api.storage.apply import apply_changes
from api.storage.changes import NewTask, TaskRow
from api.storage.tasks import TaskStore
from local.servers import Valkey
from protocol.calls import Body
from protocol.calls import create as create_call
from protocol.events import State, encode_body, status_data
from protocol.keys import TaskKeys
from protocol.log import AsyncLog, Log, Owned
from tests.unit.projection.samples import EPOCH, OTHER, T0, TASK, at, changes, chunk, result, row, running, status

FAILED: Final = {"type": "value_error", "message": "broken"}


class Worker:
    """Makes a task's head and appends to it as a worker does; nothing is projected."""

    def __init__(self, redis: SyncRedis, task: UUID = TASK, epoch: str = EPOCH) -> None:
        self._log = Log(redis, partitions=16)
        self._log.exchange([create_call(TaskKeys.of(task), epoch=epoch)])
        claim = self._log.claim(task, lease_ms=60_000)
        self._owned = Owned(task, claim.epoch, claim.attempt)
        self._n = 0

    def append(self, *bodies: Body) -> None:
        call = self._log.append_call(self._owned, self._n + 1, bodies, lease_ms=60_000)
        (answer,) = self._log.exchange([call])
        assert not isinstance(answer, Exception)
        assert answer.decision.outcome == "appended"
        self._n += len(bodies)

    def tell(self, state: State, **data: Any) -> None:
        body = encode_body(1, T0 + self._n + 1, "status", status_data(state, **data))
        self.append(Body(body, "status", state, progress=data.get("progress") is not None))

    def chunk(self) -> None:
        self.append(Body(encode_body(1, T0 + self._n + 1, "chunk", {"index": 0, "data": "x"}), "chunk"))

    def finish(self, value: Any = 42) -> None:
        body = encode_body(1, T0 + self._n + 1, "result", {"result": value})
        self.append(Body(body, "result", State.SUCCEEDED))


@pytest.fixture
def store(engine: AsyncEngine) -> TaskStore:
    return TaskStore(engine)


@pytest.fixture
def reader(store: TaskStore, redis: Redis) -> TaskReader:
    return TaskReader(store, AsyncLog(redis, partitions=16))


@pytest.fixture
async def worker(store: TaskStore, sync_redis: SyncRedis) -> Worker:
    """Of the task TASK, which has just been submitted."""
    await submit(store)
    return Worker(sync_redis)


async def submit(store: TaskStore, task: UUID = TASK) -> None:
    await store.insert(NewTask(task, "synthetic", {}, EPOCH, at(0)))


async def test_a_task_that_nobody_knows_is_none(reader: TaskReader) -> None:
    assert await reader.get(TASK) is None
    assert await reader.result(TASK) is None


async def test_a_task_without_a_head_is_its_row(reader: TaskReader, store: TaskStore) -> None:
    await submit(store)

    assert await reader.get(TASK) == row()
    assert await reader.result(TASK) == (State.QUEUED, None)


async def test_a_claimed_task_tells_its_attempt_before_its_first_event(reader: TaskReader, worker: Worker) -> None:
    del worker

    assert await reader.get(TASK) == row(attempt=1)


async def test_what_followers_have_seen_is_told_before_it_is_written(reader: TaskReader, worker: Worker) -> None:
    worker.tell(State.RUNNING)
    worker.tell(State.RUNNING, progress={"current": 3, "total": 9})
    worker.chunk()

    assert await reader.get(TASK) == row(
        state=State.RUNNING,
        state_seq=2,
        attempt=1,
        seq=3,
        progress={"current": 3, "total": 9},
        progress_seq=2,
        started_at=at(2),
        updated_at=at(3),
    )


async def test_what_is_told_is_what_will_be_written(reader: TaskReader, worker: Worker, engine: AsyncEngine) -> None:
    await apply_changes(engine, changes(running(1)))
    worker.tell(State.RUNNING)
    worker.tell(State.FAILED, error=FAILED)
    told = await reader.get(TASK)

    await apply_changes(engine, changes(running(1), status(2, State.FAILED, error=FAILED)))

    assert told == await TaskStore(engine).get(TASK)


async def test_a_row_that_is_level_with_its_head_is_shown_as_it_is(
    reader: TaskReader, worker: Worker, engine: AsyncEngine
) -> None:
    worker.tell(State.RUNNING)
    worker.chunk()
    await apply_changes(engine, changes(running(1), chunk(2)))

    assert await reader.get(TASK) == await TaskStore(engine).get(TASK)


async def test_the_result_is_told_from_the_head_until_the_row_has_it(
    reader: TaskReader, worker: Worker, engine: AsyncEngine
) -> None:
    assert await reader.result(TASK) == (State.QUEUED, None)
    worker.tell(State.RUNNING)
    assert await reader.result(TASK) == (State.RUNNING, None)
    worker.finish({"digits": "3.14", "large": 10**30})
    from_head = await reader.result(TASK)

    await apply_changes(engine, changes(running(1), result(2, {"digits": "3.14", "large": 10**30})))

    assert from_head == await reader.result(TASK)
    assert from_head == (State.SUCCEEDED, b'{"digits":"3.14","large":1000000000000000000000000000000}')


async def test_a_failed_task_has_no_result(reader: TaskReader, worker: Worker) -> None:
    worker.tell(State.FAILED, error=FAILED)

    assert await reader.result(TASK) == (State.FAILED, None)
    shown = await reader.get(TASK)
    assert shown is not None
    assert shown.error == FAILED


async def test_a_finished_row_is_read_without_redis(store: TaskStore, engine: AsyncEngine) -> None:
    async with Redis(port=1) as nowhere:
        reader = TaskReader(store, AsyncLog(nowhere, partitions=16))
        await submit(store)
        await apply_changes(engine, changes(result(1)))

        shown = await reader.get(TASK)
        assert shown is not None
        assert shown.state is State.SUCCEEDED
        assert await reader.result(TASK) == (State.SUCCEEDED, b"42")
        assert len((await reader.page()).rows) == 1
        assert reader.heads_failed == 0


async def test_without_redis_the_row_alone_is_told_and_the_failure_counted(store: TaskStore) -> None:
    async with Redis(port=1) as nowhere:
        reader = TaskReader(store, AsyncLog(nowhere, partitions=16), timeout_s=0.1)
        await submit(store)

        assert await reader.get(TASK) == row()
        assert await reader.result(TASK) == (State.QUEUED, None)
        assert (await reader.page()).rows == [row()]
        assert reader.heads_failed == 3


async def test_a_redis_that_does_not_answer_delays_the_row_for_a_bounded_time(
    store: TaskStore, redis: Redis, valkey_server: Valkey
) -> None:
    reader = TaskReader(store, AsyncLog(redis, partitions=16), timeout_s=0.2)
    await submit(store)
    valkey_server.pause()

    assert await reader.get(TASK) == row()
    assert reader.heads_failed == 1
    valkey_server.resume()


async def test_a_head_of_another_epoch_is_not_mixed_into_the_row(
    reader: TaskReader, store: TaskStore, sync_redis: SyncRedis
) -> None:
    await submit(store)
    Worker(sync_redis, epoch="e9").finish()

    assert await reader.get(TASK) == row()
    assert await reader.result(TASK) == (State.QUEUED, None)


async def test_a_row_that_moves_to_the_heads_epoch_between_the_two_reads_is_read_again(
    store: TaskStore, sync_redis: SyncRedis, redis: Redis
) -> None:
    class Rebuilding(AsyncLog):
        async def snapshots(self, tasks: Any, **rest: Any) -> Any:
            await store.begin_epoch(TASK, EPOCH, "e9")
            Worker(sync_redis, epoch="e9").tell(State.RUNNING)
            return await super().snapshots(tasks, **rest)

    await submit(store)
    shown = await TaskReader(store, Rebuilding(redis, partitions=16)).get(TASK)

    assert shown is not None
    assert (shown.epoch, shown.state) == ("e9", State.RUNNING)


async def test_a_head_whose_events_are_none_leaves_the_row_as_it_is(
    reader: TaskReader, worker: Worker, sync_redis: SyncRedis
) -> None:
    worker.chunk()
    sync_redis.hset(TaskKeys.of(TASK).head, "status", "oops")

    assert await reader.get(TASK) == row()


def shown(rows: Sequence[TaskRow]) -> list[tuple[UUID, State]]:
    return [(row.id, row.state) for row in rows]


async def test_a_page_shows_every_unfinished_task_as_its_head_has_it(
    reader: TaskReader, store: TaskStore, worker: Worker, engine: AsyncEngine
) -> None:
    await submit(store, OTHER)
    await apply_changes(engine, changes(result(1, task=OTHER), task=OTHER))
    worker.tell(State.RUNNING)

    page = await reader.page()

    assert shown(page.rows) == [(OTHER, State.SUCCEEDED), (TASK, State.RUNNING)]
    assert page.before is None


async def test_a_page_of_one_state_leaves_out_what_has_just_left_it(
    reader: TaskReader, store: TaskStore, worker: Worker
) -> None:
    await submit(store, OTHER)
    worker.tell(State.RUNNING)

    assert shown((await reader.page(state=State.QUEUED)).rows) == [(OTHER, State.QUEUED)]


async def test_pages_follow_one_another_to_the_last(reader: TaskReader, store: TaskStore) -> None:
    tasks = [UUID(int=number) for number in range(1, 8)]
    for task in tasks:
        await submit(store, task)

    pages = [await reader.page(limit=3)]
    while pages[-1].before is not None:
        pages.append(await reader.page(limit=3, before=pages[-1].before))

    assert [[row.id.int for row in page.rows] for page in pages] == [[7, 6, 5], [4, 3, 2], [1]]


async def test_a_page_that_is_just_full_is_the_last(reader: TaskReader, store: TaskStore) -> None:
    await submit(store)

    assert (await reader.page(limit=1)).before is None
