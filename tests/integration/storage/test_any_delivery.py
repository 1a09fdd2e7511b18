"""Whatever order, repetition and grouping the events are delivered in, PostgreSQL holds the same afterwards."""

from __future__ import annotations

from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from api.projection.fold import merge, overlay
from api.storage.apply import apply_changes
from api.storage.archive import Archive
from api.storage.changes import NewTask
from api.storage.tasks import TaskStore
from tests.unit.projection.histories import deliveries, histories
from tests.unit.projection.samples import EPOCH, at, changes, row

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def submit(engine: AsyncEngine, task: UUID) -> None:
    await TaskStore(engine).insert(NewTask(task, "synthetic", {}, EPOCH, at(0)))


@FEW
@given(st.data())
async def test_row_and_archive_are_those_of_the_whole_history(engine: AsyncEngine, data: st.DataObject) -> None:
    task = uuid4()
    await submit(engine, task)
    history = data.draw(histories(task))
    expected = row(id=task)
    for change in changes(*history, task=task).tasks.values():
        expected = overlay(expected, change)

    for group in data.draw(deliveries(history)):
        await apply_changes(engine, changes(*group, task=task))

    assert await TaskStore(engine).get(task) == expected
    assert await Archive(engine).read(task, 0, 100) == list(enumerate(history, start=1))


@FEW
@given(st.data())
async def test_batches_of_several_tasks_and_epochs_do_not_touch_one_another(
    engine: AsyncEngine, data: st.DataObject
) -> None:
    tasks = [uuid4(), uuid4()]
    written = {task: data.draw(histories(task)) for task in tasks}
    parts = [changes(event, task=task) for task in tasks for event in written[task]]
    parts += [changes(event, task=tasks[0], epoch="lost") for event in data.draw(histories(tasks[0]))]
    for task in tasks:
        await submit(engine, task)

    for group in data.draw(deliveries(parts)):
        await apply_changes(engine, merge(*group))

    for task in tasks:
        assert await Archive(engine).read(task, 0, 100) == list(enumerate(written[task], start=1))
