"""A task's head and what each call does to it: the pure twin of the Lua scripts (docs/protocol.md §4, §5).

The scripts are what runs; this says the same in Python, as data and small functions, so that a test can drive both with
the same calls and any difference shows. Times are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from protocol.events import State


@dataclass(frozen=True, slots=True)
class Head:
    """What Redis knows of an unfinished (or lately finished) task.

    `seq` and `n` are those of the newest event; `lease` is the Unix time in ms until which the attempt is owned, 0 when
    nobody owns it. `reserved` says that the api has opened the attempt for the next worker. `failures` counts the
    attempts that failed or whose worker was lost. `status` is the newest status event as JSON.
    """

    epoch: str
    seq: int = 0
    attempt: int = 0
    n: int = 0
    state: State = State.QUEUED
    cancel: bool = False
    lease: int = 0
    closed: bool = False
    reserved: bool = False
    failures: int = 0
    status: bytes | None = None


HEAD_FIELDS: Final = (
    *("epoch", "seq", "attempt", "n", "state", "cancel", "lease", "closed", "reserved", "failures"),
    "status",
)
"""The fields of the hash in the order of `Head`."""


def parse_head(values: list[bytes | None]) -> Head | None:
    """The head from HMGET's answer for HEAD_FIELDS; None when there is none."""
    if values[0] is None:
        return None
    epoch, seq, attempt, n, state, cancel, lease, closed, reserved, failures = (value or b"" for value in values[:10])
    return Head(
        epoch=epoch.decode(),
        seq=int(seq),
        attempt=int(attempt),
        n=int(n),
        state=State(state.decode()),
        cancel=cancel == b"1",
        lease=int(lease),
        closed=closed == b"1",
        reserved=reserved == b"1",
        failures=int(failures),
        status=values[10],
    )


class Outcome(StrEnum):
    """What append decided (§5.2)."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    FENCED = "fenced"
    UNCLAIMED = "unclaimed"
    GAP = "gap"
    DUPLICATE = "duplicate"
    APPENDED = "appended"


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome and its two numbers: see the header of append.lua."""

    outcome: Outcome
    a: int = 0
    b: int = 0


def decide(head: Head | None, epoch: str, attempt: int, n: int, count: int = 1) -> Decision:  # noqa: PLR0911 - a row each
    """The decision table of §5.2 for events n … n+count-1 of an attempt. Total: every input has one outcome."""
    if head is None:
        return Decision(Outcome.UNKNOWN)
    known = head.epoch == epoch
    last = n + count - 1
    if head.closed:
        stored = known and attempt == head.attempt and last <= head.n
        return Decision(Outcome.DUPLICATE, head.n) if stored else Decision(Outcome.CLOSED)
    if not known or attempt < head.attempt:
        return Decision(Outcome.FENCED, head.attempt)
    if attempt > head.attempt:
        return Decision(Outcome.UNCLAIMED, head.attempt)
    if last <= head.n:
        return Decision(Outcome.DUPLICATE, head.n)
    if n > head.n + 1:
        return Decision(Outcome.GAP, head.n + 1, n)
    return Decision(Outcome.APPENDED, head.seq + 1, head.seq + last - head.n)


def append(
    head: Head | None,
    *,
    epoch: str,
    attempt: int,
    n: int,
    count: int,
    now: int,
    lease_ms: int,
    state: State | None = None,
    failure: bool = False,
) -> tuple[Decision, Head | None]:
    """The decision and the head after it. A terminal `state` closes the task; `failure` counts a failed attempt."""
    decision = decide(head, epoch, attempt, n, count)
    if decision.outcome in {Outcome.GAP, Outcome.UNCLAIMED}:  # Redis came back older: it forgets the task (§4.6)
        return decision, None
    if head is None or decision.outcome is not Outcome.APPENDED:
        return decision, head
    closed = state is not None and state.terminal
    return decision, replace(
        head,
        seq=decision.b,
        n=n + count - 1,
        state=state or head.state,
        lease=now + lease_ms if lease_ms and not closed else 0,
        closed=closed,
        failures=head.failures + failure,
    )


class ClaimOutcome(StrEnum):
    """What claim and reserve decided (§4.2)."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    LEASED = "leased"
    CLAIMED = "claimed"


@dataclass(frozen=True, slots=True)
class Claim:
    """An outcome; with LEASED the ms that are left in `attempt`.

    With CLAIMED: the attempt, its last n, the epoch, and how many attempts have failed or were lost until now.
    """

    outcome: ClaimOutcome
    attempt: int = 0
    n: int = 0
    epoch: str = ""
    failures: int = 0


def claim(head: Head | None, *, now: int, lease_ms: int, reserve: bool = False) -> tuple[Claim, Head | None]:
    """Own the task: for a worker (claim), or for the api, which ends it or opens its next attempt (reserve)."""
    if head is None:
        return Claim(ClaimOutcome.UNKNOWN), head
    if head.closed:
        return Claim(ClaimOutcome.CLOSED), head
    if head.cancel and not reserve:
        return Claim(ClaimOutcome.CANCELLED), head
    if head.lease > now:
        return Claim(ClaimOutcome.LEASED, head.lease - now), head
    handed_over = head.reserved and not reserve and head.lease == 0
    attempt, n = (head.attempt, head.n) if handed_over else (head.attempt + 1, 0)
    lost = head.lease > 0 and not head.reserved
    failures = head.failures + lost
    owned = replace(head, attempt=attempt, n=n, lease=now + lease_ms, reserved=reserve, failures=failures)
    return Claim(ClaimOutcome.CLAIMED, attempt, n, head.epoch, failures), owned


class RenewOutcome(StrEnum):
    """What renew decided (§4.3)."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    FENCED = "fenced"
    UNCLAIMED = "unclaimed"
    RENEWED = "renewed"


@dataclass(frozen=True, slots=True)
class Renewal:
    """An outcome; with RENEWED whether a cancel was requested, with FENCED and UNCLAIMED the head's attempt."""

    outcome: RenewOutcome
    attempt: int = 0
    cancel: bool = False


def renew(head: Head | None, *, epoch: str, attempt: int, now: int, lease_ms: int) -> tuple[Renewal, Head | None]:
    """Keep owning the task for `lease_ms` from now, unless the attempt has given it up."""
    if head is None:
        return Renewal(RenewOutcome.UNKNOWN), head
    if head.closed:
        return Renewal(RenewOutcome.CLOSED), head
    if head.epoch != epoch or attempt < head.attempt:
        return Renewal(RenewOutcome.FENCED, head.attempt), head
    if attempt > head.attempt:
        return Renewal(RenewOutcome.UNCLAIMED, head.attempt), head
    return Renewal(RenewOutcome.RENEWED, cancel=head.cancel), replace(head, lease=head.lease and now + lease_ms)


class CancelOutcome(StrEnum):
    """What cancel decided (§4.4)."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    CANCELLING = "cancelling"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """An outcome, the state, and the ms for which a worker still owns the task (0: nobody does)."""

    outcome: CancelOutcome
    lease_left_ms: int = 0
    state: State | None = None


def cancel(head: Head | None, *, now: int) -> tuple[Cancellation, Head | None]:
    """Ask for the end of the task; its owner is told with the next append or renew."""
    if head is None:
        return Cancellation(CancelOutcome.UNKNOWN), head
    if head.closed:
        return Cancellation(CancelOutcome.CLOSED, state=head.state), head
    return Cancellation(CancelOutcome.CANCELLING, max(0, head.lease - now), head.state), replace(head, cancel=True)


def create(head: Head | None, *, epoch: str, seq: int = 0, attempt: int = 0, state: State = State.QUEUED) -> Head:
    """The head after create: the one that is there, or a new one."""
    return head or Head(epoch, seq=seq, attempt=attempt, state=state)
