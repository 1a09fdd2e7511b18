"""The desk on a real file; the tests play the tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from queue import Queue
from typing import Any, Protocol

import pytest
from structlog.testing import capture_logs

from baseline import updates
from baseline.storage import appending, database
from baseline.storage.appending import Ending
from baseline.storage.claims import Claimed
from baseline.storage.database import connect, writing
from baseline.updates import State
from baseline.worker import desk as desk_module
from baseline.worker.desk import Desk, DeskSettings
from baseline.worker.errors import AttemptLost, Cancelled, HandedBack
from baseline.worker.outbox import Outbox
from tests.unit.baseline.files import ALLOWED, File

SOON_S = 10.0
SUCCEEDED = updates.result("1"), Ending(State.SUCCEEDED, result="1")


class Attempts:
    """What a desk has begun."""

    def __init__(self) -> None:
        self._begun: Queue[tuple[Outbox, Claimed]] = Queue()

    def __call__(self, outbox: Outbox, claimed: Claimed) -> None:
        self._begun.put((outbox, claimed))

    def next(self) -> tuple[Outbox, Claimed]:
        return self._begun.get(timeout=SOON_S)

    @property
    def waiting(self) -> int:
        return self._begun.qsize()


class StartDesk(Protocol):
    def __call__(
        self, *, places: int = 2, lease_ms: int = 10_000, time_limit_s: float = 60
    ) -> tuple[Desk, Attempts]: ...


@pytest.fixture
def start_desk(path: Path) -> Iterator[StartDesk]:
    with ExitStack() as ends:

        def start(*, places: int = 2, lease_ms: int = 10_000, time_limit_s: float = 60) -> tuple[Desk, Attempts]:
            attempts = Attempts()
            settings = DeskSettings(f"desk-{id(attempts)}", places=places, lease_ms=lease_ms)
            desk = Desk(path, settings, ALLOWED, {"counts": time_limit_s}, attempts)
            desk.start()
            ends.callback(desk.stop, SOON_S)
            ends.callback(desk.drain, 0.0)
            return desk, attempts

        yield start


def until_interrupted(outbox: Outbox) -> None:
    assert outbox.interrupted.wait(SOON_S)


def test_no_more_tasks_run_than_there_are_places(start_desk: StartDesk, file: File) -> None:
    rows = [file.submit() for _ in range(3)]
    desk, attempts = start_desk(places=2)
    (first, claimed), _ = attempts.next(), attempts.next()
    assert claimed.id == rows[0].id

    first.end(*SUCCEEDED)
    assert attempts.waiting == 0
    desk.leave(first)

    assert attempts.next()[1].id == rows[2].id
    assert file.story(rows[0]) == ["running", 1]


def test_a_fast_task_does_not_cost_a_transaction_an_update(
    start_desk: StartDesk, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    def counted(*arguments: Any) -> bool | None:
        batches.append(len(arguments[2].updates))
        return append(*arguments)

    append: Callable[..., bool | None] = appending.append
    monkeypatch.setattr(appending, "append", counted)
    row = file.submit()
    outbox, _ = start_desk()[1].next()

    for number in range(5_000):
        outbox.emit(updates.chunk(number, number))
    outbox.end(*SUCCEEDED)

    assert file.story(row) == ["running", *range(5_000), 1]
    assert sum(batches) == 5_001
    assert len(batches) < 500


def test_what_was_emitted_while_the_file_was_locked_is_written_afterwards(
    start_desk: StartDesk, path: Path, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    row = file.submit()
    with capture_logs() as logged:
        outbox, _ = start_desk()[1].next()
        with closing(connect(path)) as other, writing(other):
            outbox.emit(updates.chunk(0, "a"))
            while not any(entry.get("action") == "file_failed" for entry in list(logged)):
                threading.Event().wait(0.01)
            outbox.emit(updates.chunk(1, "b"))
        outbox.end(*SUCCEEDED)

    assert file.story(row) == ["running", "a", "b", 1]


def test_a_file_that_cannot_be_opened_is_tried_again(path: Path) -> None:
    later, attempts = path.parent.with_name("later") / path.name, Attempts()
    desk = Desk(later, DeskSettings("desk"), ALLOWED, {"counts": 60}, attempts)
    with capture_logs() as logged:
        desk.start()
        while not logged:
            threading.Event().wait(0.01)
        path.parent.rename(later.parent)
        with closing(connect(later)) as connection:
            row = File(connection).submit()
            outbox, claimed = attempts.next()
            assert claimed.id == row.id
            outbox.lose("the test is over")
    desk.leave(outbox)
    desk.stop(SOON_S)

    assert "unable to open" in logged[0]["reason"]


def test_a_round_that_fails_does_not_end_the_desk(
    start_desk: StartDesk, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(*arguments: Any) -> bool | None:
        if failed.is_set():
            return append(*arguments)
        failed.set()
        raise LookupError("a bug")

    append: Callable[..., bool | None] = appending.append
    with capture_logs() as logged:
        row = file.submit()
        outbox, _ = start_desk()[1].next()
        monkeypatch.setattr(appending, "append", fail)
        outbox.end(*SUCCEEDED)

    assert [entry["action"] for entry in logged] == ["desk_failed"]
    assert file.story(row) == ["running", 1]


def test_a_task_whose_thread_does_not_start_is_not_held(
    start_desk: StartDesk, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Attempts, "__call__", refuse)
    with capture_logs() as logged:
        row = file.submit()
        _, attempts = start_desk(places=1, lease_ms=300)

        _, claimed = attempts.next()

    assert (claimed.id, claimed.owned.attempt) == (row.id, 2)
    assert [entry["action"] for entry in logged] == ["desk_failed"]


def test_a_cancel_interrupts_a_task_that_emits_nothing(start_desk: StartDesk, file: File) -> None:
    row = file.submit()
    outbox, _ = start_desk()[1].next()

    file.cancel(row)

    until_interrupted(outbox)
    with pytest.raises(Cancelled):
        outbox.check()


def test_an_attempt_that_was_taken_over_is_told(start_desk: StartDesk, file: File) -> None:
    file.submit()
    outbox, _ = start_desk(lease_ms=300)[1].next()

    file.claim(later_ms=60_000)

    until_interrupted(outbox)  # by the next renewal
    with pytest.raises(AttemptLost, match="another attempt"):
        outbox.check()


def test_a_task_that_does_not_end_at_its_limit_is_left_to_another_worker(
    start_desk: StartDesk, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "_OVERTIME_S", 0.0)
    row = file.submit()
    _, hung = start_desk(lease_ms=300, time_limit_s=0.2)
    outbox, _ = hung.next()

    again, claimed = start_desk()[1].next()

    assert (claimed.id, claimed.owned.attempt, claimed.failures) == (row.id, 2, 1)
    with pytest.raises(AttemptLost):
        outbox.end(*SUCCEEDED)
    again.end(*SUCCEEDED)
    assert file.story(row) == ["running", "running", 1]


def test_a_drain_asks_every_task_and_takes_no_new_one(start_desk: StartDesk, file: File) -> None:
    file.submit()
    desk, attempts = start_desk(places=2)
    outbox, _ = attempts.next()
    draining = threading.Thread(target=desk.drain, args=(SOON_S,))
    draining.start()
    until_interrupted(outbox)
    later = file.submit()
    with pytest.raises(HandedBack):
        outbox.check()

    outbox.end(*SUCCEEDED)
    desk.leave(outbox)

    draining.join(SOON_S)
    assert not draining.is_alive()
    desk.stop(SOON_S)
    assert attempts.waiting == 0
    assert file.row(later).state is State.QUEUED


def test_what_was_abandoned_is_written_even_when_its_thread_ends(start_desk: StartDesk, file: File) -> None:
    row = file.submit()
    desk, attempts = start_desk()
    outbox, _ = attempts.next()
    outbox.emit(updates.chunk(0, "a"))

    desk.drain(0.0)
    with pytest.raises(AttemptLost):
        outbox.emit(updates.chunk(1, "b"))
    desk.leave(outbox)
    desk.stop(SOON_S)

    assert file.story(row) == ["running", "a", "queued"]
    assert file.row(row).lease is not None
