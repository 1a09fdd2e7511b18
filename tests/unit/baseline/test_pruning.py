"""The file stays bounded."""

from __future__ import annotations

import pytest

from baseline import updates
from baseline.storage import pruning, tasks, workers
from baseline.storage.database import writing
from baseline.storage.tasks import TaskRow, TooManyTasks
from tests.unit.baseline.files import File


def prune(file: File, *, keep: int = 1_000, size: int = 2**30) -> None:
    with writing(file.connection):
        pruning.condemn(file.connection, tasks=keep, size=size)
    while pruning.pending(file.connection):
        with writing(file.connection):
            assert pruning.sweep(file.connection)


def kept(file: File, rows: list[TaskRow]) -> list[bool]:
    return [tasks.find(file.connection, row.id) is not None for row in rows]


def test_the_oldest_finished_tasks_go_and_their_updates_with_them(file: File) -> None:
    rows = [file.finish() for _ in range(5)]

    prune(file, keep=2)

    assert kept(file, rows) == [False, False, False, True, True]
    assert file.story(rows[4]) == ["running", "a", "b", 2]
    assert file.rows("updates") == 8
    assert file.rows("submissions") == 2
    assert file.rows("condemned") == 0


def test_unfinished_tasks_stay_however_old_they_are(file: File) -> None:
    running, queued = file.submit(), file.submit()
    file.claim()
    row = file.cancel(queued)
    waiting = file.submit()

    prune(file, keep=1)

    assert kept(file, [running, row, waiting]) == [True] * 3


def test_few_large_tasks_go_too_but_never_the_newest(file: File) -> None:
    rows = [file.finish() for _ in range(4)]

    prune(file, size=2 * rows[0].size)
    assert kept(file, rows) == [False, False, True, True]

    prune(file, size=1)
    assert kept(file, rows) == [False, False, False, True]


def test_many_updates_go_in_slices(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "SLICE", 3)
    file.finish()
    file.finish()
    with writing(file.connection):
        assert pruning.condemn(file.connection, tasks=1, size=2**30) == 1
        pruning.sweep(file.connection)
    assert file.rows("updates") == 5
    with writing(file.connection):
        pruning.sweep(file.connection)
    assert file.rows("updates") == 4
    assert not pruning.pending(file.connection)


def test_a_new_task_never_gets_the_updates_of_one_that_is_gone(file: File) -> None:
    file.finish()
    gone = file.finish()
    with writing(file.connection):
        file.connection.execute("DELETE FROM tasks WHERE number = ?", (gone.number,))

    row = file.submit()

    assert row.number > gone.number
    assert file.events(row) == []


def test_so_many_may_be_unfinished_and_no_more(file: File) -> None:
    new = [tasks.NewTask(str(number), "counts", "{}") for number in range(3)]
    with writing(file.connection):
        for task in new[:2]:
            tasks.insert(file.connection, task, limit=2)
        with pytest.raises(TooManyTasks, match="2 tasks"):
            tasks.insert(file.connection, new[2], limit=2)
        tasks.cancel(file.connection, "0")
        tasks.insert(file.connection, new[2], limit=2)


def test_workers_that_report_are_listed_and_added_up_and_silent_ones_forgotten(file: File) -> None:
    now = updates.now_ms()
    assert workers.Workers.of(workers.reported(file.connection, now)) == workers.Workers(0, 0.0, 0, None)

    workers.report(file.connection, "a", now - 2 * workers.SILENT_MS, 100.0, 1_000)
    workers.report(file.connection, "c", now - 100, 2.0, 20)
    workers.report(file.connection, "b", now - 500, 1.0, 10)
    workers.report(file.connection, "b", now - 200, 1.5, 10)

    found = workers.reported(file.connection, now)
    assert found == [workers.Report("b", 1.5, 10, now - 200), workers.Report("c", 2.0, 20, now - 100)]
    assert workers.Workers.of(found) == workers.Workers(2, 3.5, 30, now - 100)
    assert file.rows("workers") == 2
    workers.leave(file.connection, "c")
    assert [report.name for report in workers.reported(file.connection, now)] == ["b"]
