"""The pure twin where the tables do not reach: heads as Redis returns them, and calls that follow one another."""

from __future__ import annotations

from typing import Final

import pytest

from protocol import head
from protocol.events import State
from protocol.head import HEAD_FIELDS, Claim, ClaimOutcome, Decision, Head, Outcome, decide, parse_head

NOW: Final = 1_700_000_000_000
LEASE_MS: Final = 10_000


def test_a_head_is_read_from_the_fields_of_its_hash() -> None:
    hashed = {
        "epoch": b"9f3c",
        "seq": b"42",
        "attempt": b"3",
        "n": b"7",
        "state": b"running",
        "cancel": b"1",
        "lease": b"1700000000000",
        "closed": b"0",
        "reserved": b"1",
        "failures": b"2",
        "status": b"{}",
    }

    assert parse_head([hashed[name] for name in HEAD_FIELDS]) == Head(
        epoch="9f3c",
        seq=42,
        attempt=3,
        n=7,
        state=State.RUNNING,
        cancel=True,
        lease=1_700_000_000_000,
        closed=False,
        reserved=True,
        failures=2,
        status=b"{}",
    )


def test_no_hash_is_no_head() -> None:
    assert parse_head([None] * len(HEAD_FIELDS)) is None


def test_a_head_has_no_status_before_the_first_status_event() -> None:
    values = [b"e1", b"0", b"0", b"0", b"queued", b"0", b"0", b"0", b"0", b"0", None]

    assert parse_head(values) == Head("e1")


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("epoch", ["e1", "e2"])
@pytest.mark.parametrize("attempt", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_decision_is_total_and_only_success_is_a_success(
    closed: bool, epoch: str, attempt: int, count: int
) -> None:
    """Every input has one outcome, and the two that let a writer go on are told to nobody but the owner."""
    owned = Head("e1", seq=10, attempt=2, n=4, closed=closed)

    for n in range(1, 9):
        outcome = decide(owned, epoch, attempt, n, count).outcome
        if outcome in {Outcome.APPENDED, Outcome.DUPLICATE}:
            assert (epoch, attempt) == ("e1", 2)
            assert outcome is Outcome.DUPLICATE or not closed


def test_a_batch_repeated_after_any_loss_of_answers_is_appended_once() -> None:
    state: Head | None = head.create(None, epoch="e1")
    _, state = head.claim(state, now=NOW, lease_ms=LEASE_MS)
    for n, count in ((1, 3), (1, 3), (4, 2), (1, 3), (2, 4), (4, 4), (6, 2)):
        _, state = head.append(state, epoch="e1", attempt=1, n=n, count=count, now=NOW, lease_ms=LEASE_MS)

    assert state is not None
    assert (state.seq, state.n) == (7, 7)


def test_a_task_whose_workers_are_lost_one_after_the_other_counts_each_once() -> None:
    state: Head | None = head.create(None, epoch="e1")
    now = NOW
    for lost in range(3):
        claim, state = head.claim(state, now=now, lease_ms=LEASE_MS)
        assert claim == Claim(ClaimOutcome.CLAIMED, lost + 1, 0, "e1", lost)
        early, state = head.claim(state, now=now + LEASE_MS - 1, lease_ms=LEASE_MS)
        assert early == Claim(ClaimOutcome.LEASED, 1)
        now += LEASE_MS

    reserved, state = head.claim(state, now=now, lease_ms=LEASE_MS, reserve=True)
    assert reserved.failures == 3
    again, state = head.claim(state, now=now + LEASE_MS, lease_ms=LEASE_MS, reserve=True)
    assert again.failures == 3, "the api that stalled is no lost worker"


def test_a_failure_that_gives_the_lease_up_is_not_counted_as_a_loss_too() -> None:
    state: Head | None = head.create(None, epoch="e1")
    _, state = head.claim(state, now=NOW, lease_ms=LEASE_MS)
    _, state = head.append(
        state, epoch="e1", attempt=1, n=1, count=1, now=NOW, lease_ms=0, state=State.QUEUED, failure=True
    )
    _, state = head.renew(state, epoch="e1", attempt=1, now=NOW, lease_ms=LEASE_MS)  # crossed the append on its way

    claim, _ = head.claim(state, now=NOW + 1, lease_ms=LEASE_MS)

    assert claim == Claim(ClaimOutcome.CLAIMED, 2, 0, "e1", 1)


def test_no_call_changes_the_head_it_is_given() -> None:
    before = Head("e1", attempt=1, lease=NOW + 1)

    decision, after = head.append(before, epoch="e1", attempt=1, n=1, count=1, now=NOW, lease_ms=LEASE_MS)

    assert decision == Decision(Outcome.APPENDED, 1, 1)
    assert (before.seq, after and after.seq) == (0, 1)
