"""Who owns a task: claims, leases, and what becomes of those who have lost theirs."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from baseline import updates
from baseline.storage import claims
from baseline.storage.appending import Ending, renew
from baseline.storage.claims import Claimed, Room
from baseline.storage.database import connect, reading, writing
from baseline.updates import State
from tests.unit.baseline.files import ALLOWED, LEASE_MS, File

LATER_MS = LEASE_MS + 1_000


def test_a_queued_task_is_claimed_once(file: File) -> None:
    row = file.submit()

    (claimed,) = file.claim(places=2)

    assert (claimed.id, claimed.kind, claimed.params, claimed.failures) == (row.id, "counts", "{}", 0)
    assert claimed.owned.attempt == 1
    assert file.claim(places=2) == []
    assert file.story(row) == ["running"]
    assert file.row(row).started is not None


def test_the_oldest_are_claimed_first_and_no_more_than_there_are_places(file: File) -> None:
    rows = [file.submit() for _ in range(5)]

    assert [claimed.id for claimed in file.claim(places=3)] == [row.id for row in rows[:3]]
    assert [claimed.id for claimed in file.claim(places=3)] == [row.id for row in rows[3:]]


def test_workers_that_claim_at_once_never_get_the_same_task(path: Path, file: File) -> None:
    rows = [file.submit() for _ in range(40)]

    def claim_all(_: int) -> list[str]:
        with closing(connect(path)) as connection:
            found: list[str] = []
            while begun := File(connection).claim(places=3):
                found += [claimed.id for claimed in begun]
            return found

    with ThreadPoolExecutor(4) as pool:
        claimed = [task for found in pool.map(claim_all, range(4)) for task in found]

    assert sorted(claimed) == sorted(row.id for row in rows)


def test_a_lease_that_ran_out_is_claimed_again_and_counts_as_a_failure(file: File) -> None:
    row = file.submit()
    file.claim()

    (again,) = file.claim(later_ms=LATER_MS)

    assert (again.owned.attempt, again.failures) == (2, 1)
    assert file.story(row) == ["running", "running"]


def test_an_own_task_is_not_claimed_again(file: File) -> None:
    file.submit()
    (claimed,) = file.claim()

    assert file.claim(own=[claimed.owned.number], later_ms=LATER_MS) == []


def test_a_task_that_lost_its_last_worker_has_failed(file: File) -> None:
    row = file.submit()
    for attempt in range(ALLOWED["counts"]):
        (claimed,) = file.claim(later_ms=attempt * LATER_MS)
        assert claimed.owned.attempt == attempt + 1

    assert file.claim(later_ms=10 * LATER_MS) == []

    ended = file.row(row)
    assert (ended.state, ended.attempt, ended.lease) == (State.FAILED, 4, None)
    assert json.loads(ended.error or "") == {
        "type": "WorkerLost",
        "message": "the worker was lost; 3 attempts have failed",
    }
    assert file.story(row) == ["running"] * 3 + ["failed"]


def test_a_kind_that_no_worker_knows_fails(file: File) -> None:
    row = file.submit(kind="unheard")

    assert file.claim() == []
    assert file.story(row) == ["failed"]
    assert json.loads(file.row(row).error or "")["type"] == "UnknownKind"


def test_an_older_attempt_can_neither_write_nor_renew_nor_end(file: File) -> None:
    row = file.submit()
    (old,) = file.claim()
    file.claim(later_ms=LATER_MS)
    before = file.row(row), file.events(row)

    assert file.append(old.owned, updates.chunk(0, "zombie")) is None
    assert file.append(old.owned, updates.result("0"), ending=Ending(State.SUCCEEDED, result="0")) is None
    with writing(file.connection):
        assert renew(file.connection, old.owned, updates.now_ms() + LATER_MS) is None

    assert (file.row(row), file.events(row)) == before


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.QUEUED])
def test_nothing_is_written_after_the_end_of_an_attempt(file: File, state: State) -> None:
    row = file.submit()
    (claimed,) = file.claim()
    lease = updates.now_ms() if state is State.QUEUED else None
    file.append(claimed.owned, updates.status(state), ending=Ending(state, lease=lease))
    before = file.row(row), file.events(row)

    assert file.append(claimed.owned, updates.chunk(0, "late")) is None

    assert (file.row(row), file.events(row)) == before


def test_a_lease_that_ran_out_unnoticed_may_be_renewed(file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()
    with writing(file.connection):
        assert renew(file.connection, claimed.owned, 0) is False
    assert file.append(claimed.owned, updates.chunk(0, "still here")) is False
    assert (file.row(row).lease or 0) > updates.now_ms()
    assert file.claim() == []


def test_a_task_waits_for_its_next_attempt_until_it_is_due(file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()
    due = updates.now_ms() + 5_000
    file.append(claimed.owned, updates.status(State.QUEUED), ending=Ending(State.QUEUED, lease=due, failure=True))

    assert file.claim() == []
    (again,) = file.claim(later_ms=5_100)

    assert (again.owned.attempt, again.failures) == (2, 1)
    assert file.story(row) == ["running", "queued", "running"]


def test_an_attempt_that_was_handed_back_does_not_count_as_failed(file: File) -> None:
    file.submit()
    for _ in range(5):
        (claimed,) = file.claim()
        assert claimed.failures == 0
        file.append(claimed.owned, updates.status(State.QUEUED), ending=Ending(State.QUEUED, lease=0))


def test_updates_are_numbered_over_all_attempts_and_progress_is_of_the_newest(file: File) -> None:
    row = file.submit()
    (first,) = file.claim()
    file.append(first.owned, updates.chunk(0, "a"), updates.progress({"current": 1}), updates.progress({"current": 2}))
    assert file.row(row).progress == '{"current":2}'
    file.append(first.owned, updates.chunk(1, "b"))
    assert file.row(row).progress == '{"current":2}'

    (second,) = file.claim(later_ms=LATER_MS)
    assert file.row(row).progress is None
    file.append(second.owned, updates.chunk(0, "a"))

    events = file.events(row)
    assert [(event["seq"], event["attempt"]) for event in events] == [(n, 1) for n in range(1, 6)] + [(6, 2), (7, 2)]
    assert file.row(row).seq == 7


class TestCancel:
    def test_a_queued_task_ends_at_once(self, file: File) -> None:
        row = file.cancel(file.submit())

        assert (row.state, row.attempt, row.lease) == (State.CANCELLED, 1, None)
        assert file.story(row) == ["cancelled"]
        assert file.claim() == []

    def test_a_running_one_is_asked_for_its_end(self, file: File) -> None:
        row = file.submit()
        (claimed,) = file.claim()

        assert file.cancel(row).state is State.RUNNING

        assert claims.cancelling(file.connection) == {row.number}
        assert file.append(claimed.owned, updates.chunk(0, "a")) is True
        with writing(file.connection):
            assert renew(file.connection, claimed.owned, updates.now_ms() + LEASE_MS) is True

    def test_one_that_has_ended_is_asked_no_more(self, file: File) -> None:
        row = file.submit()
        (claimed,) = file.claim()
        file.cancel(row)
        file.append(claimed.owned, updates.status(State.CANCELLED), ending=Ending(State.CANCELLED))

        assert claims.cancelling(file.connection) == set()
        assert file.cancel(row) == file.row(row)
        assert file.story(row) == ["running", "cancelled"]

    def test_one_whose_worker_is_lost_ends_at_once(self, file: File) -> None:
        row = file.submit()
        (lost,) = file.claim()
        with writing(file.connection):
            renew(file.connection, lost.owned, 0)

        assert file.cancel(row).state is State.CANCELLED

        assert file.append(lost.owned, updates.chunk(0, "zombie")) is None
        assert file.story(row) == ["running", "cancelled"]

    def test_one_whose_worker_is_lost_afterwards_is_not_run_again(self, file: File) -> None:
        row = file.submit()
        file.claim()
        file.cancel(row)

        assert file.claim(later_ms=LATER_MS) == []

        assert file.story(row) == ["running", "cancelled"]
        assert file.row(row).error is None

    def test_one_that_succeeded_stays_as_it_is(self, file: File) -> None:
        row = file.finish()
        assert file.cancel(row) == row


def test_a_large_submission_is_not_written_again_with_every_update(file: File) -> None:
    file.submit(params=f'"{"x" * 1_000_000}"')
    (claimed,) = file.claim()
    assert len(claimed.params) == 1_000_002
    file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    for number in range(20):
        file.append(claimed.owned, updates.chunk(number, number))

    _, pages, _ = file.connection.execute("PRAGMA wal_checkpoint").fetchone()
    assert pages < 20 * 10  # the text alone has 245


def test_what_is_claimable_is_seen_without_a_lock(path: Path, file: File) -> None:
    row = file.submit()
    now = updates.now_ms() + 1
    with closing(connect(path)) as other, writing(other), reading(file.connection):
        assert claims.claimable(file.connection, Room(ALLOWED, {}, slots=2, spare=0), now)
        assert not claims.claimable(file.connection, Room(ALLOWED, {row.number: "counts"}, slots=2, spare=0), now)
        assert not claims.claimable(file.connection, Room(ALLOWED, {-1: "counts"}, slots=1, spare=0), now)


def test_a_transaction_that_fails_leaves_nothing_behind(file: File) -> None:
    row = file.submit()
    (claimed,) = file.claim()

    def write(data: Any) -> None:
        file.append(claimed.owned, updates.chunk(0, "good"), updates.Update(0, "chunk", data, 0))

    with pytest.raises(sqlite3.IntegrityError):
        write(None)
    assert file.story(row) == ["running"]
    write("{}")
    assert file.row(row).seq == 3


class TestShares:
    """A worker has eight slots and three kinds, and its tasks stay."""

    ALL: Final = {"pi": 3, "words": 3, "waits": 3}

    def room(self, own: list[Claimed], slots: int = 8, spare: int = 2) -> Room:
        return Room(self.ALL, {claimed.owned.number: claimed.kind for claimed in own}, slots=slots, spare=spare)

    def test_one_kind_leaves_a_slot_to_each_other_and_each_takes_its_own(self, file: File) -> None:
        many = [file.submit("pi") for _ in range(12)]
        own = file.claim_into(self.room([]))
        assert [claimed.id for claimed in own] == [row.id for row in many[:6]]
        assert file.claim_into(self.room(own)) == []

        others = [file.submit(kind) for kind in ("words", "words", "waits")]

        own += file.claim_into(self.room(own))
        assert [claimed.id for claimed in own[6:]] == [others[0].id, others[2].id]

    def test_the_oldest_is_first_where_there_is_room_and_a_kind_without_is_passed_over(self, file: File) -> None:
        rows = [file.submit(kind) for kind in ("pi", "pi", "words", "pi", "words")]

        assert [claimed.id for claimed in file.claim_into(self.room([], slots=4))] == [rows[n].id for n in (0, 1, 2)]

    def test_what_waits_of_a_kind_that_has_its_share_is_not_claimable(self, file: File) -> None:
        for _ in range(7):
            file.submit("pi")
        now = updates.now_ms() + 1
        own = file.claim_into(self.room([]))
        assert not claims.claimable(file.connection, self.room(own), now)
        assert claims.claimable(file.connection, self.room(own[1:]), now)
        assert claims.claimable(file.connection, self.room([]), now)
        file.submit("words")
        assert claims.claimable(file.connection, self.room(own), updates.now_ms() + 1)

    def test_with_no_slots_to_spare_one_kind_takes_all(self, file: File) -> None:
        for _ in range(12):
            file.submit("pi")
        assert len(file.claim_into(self.room([], spare=0))) == 8

    @pytest.mark.parametrize("slots", [1, 2])
    def test_with_fewer_slots_than_kinds_all_tasks_get_their_turn(self, file: File, slots: int) -> None:
        rows = [file.submit(kind) for kind in ("pi", "pi", "pi", "words", "waits", "words")]
        seen = []
        while own := file.claim_into(self.room([], slots=slots)):
            assert len({claimed.kind for claimed in own}) == len(own) <= slots
            for claimed in own:
                file.append(claimed.owned, updates.result("1"), ending=Ending(State.SUCCEEDED, result="1"))
            seen += [claimed.id for claimed in own]
        assert sorted(seen) == sorted(row.id for row in rows)

    def test_an_unknown_kind_fails_while_another_has_its_share(self, file: File) -> None:
        for _ in range(8):
            file.submit("pi")
        own = file.claim_into(self.room([]))
        row = file.submit("unheard")

        assert claims.claimable(file.connection, self.room(own), updates.now_ms() + 1)
        assert file.claim_into(self.room(own)) == []

        assert file.story(row) == ["failed"]

    def test_workers_that_claim_at_once_share_out_every_task(self, path: Path, file: File) -> None:
        rows = [file.submit(kind) for kind in ("pi", "words", "waits") * 10]

        def claim_all(_: int) -> list[str]:
            with closing(connect(path)) as connection:
                found: list[str] = []
                while begun := File(connection).claim_into(self.room([], slots=3)):
                    found += [claimed.id for claimed in begun]
                return found

        with ThreadPoolExecutor(4) as pool:
            claimed = [task for found in pool.map(claim_all, range(4)) for task in found]

        assert sorted(claimed) == sorted(row.id for row in rows)

    def test_however_many_wait_of_a_kind_that_has_its_share_the_look_takes_no_scan(self, file: File) -> None:
        plans: list[str] = []
        file.submit("pi")
        for statement, values in ((claims._KINDS, ()), (claims._CLAIMABLE, ("pi", 0, "[]", 1))):
            found = file.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            plans += [str(row[-1]) for row in found if "tasks" in row[-1]]
        assert plans
        assert all("tasks_claimable" in plan and plan.startswith("SEARCH") for plan in plans)
