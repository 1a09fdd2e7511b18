"""A state machine that makes the same calls on a real server and on the pure twin, and looks for any difference.

After each step it also looks at what Redis holds, whatever the twin says of it (docs/protocol.md §4, §5, §6.1).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any, Final
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from protocol import calls, head
from protocol.calls import Appended, Body, Call, LogLimits
from protocol.events import LiveMessage, State, encode_body, parse_frame, status_data
from protocol.head import HEAD_FIELDS, CancelOutcome, ClaimOutcome, Decision, Head, Outcome, parse_head
from protocol.keys import TaskKeys
from protocol.log import Log

LEASE_MS: Final = 600_000
CLOCK_SLACK_MS: Final = 60_000
"""The server takes its time a little after we ask for it; far less than a lease."""
OVER: Final = b"over"

batches = st.lists(st.sampled_from(["chunk", "progress", "running"]), min_size=1, max_size=5)
leases = st.sampled_from([LEASE_MS, LEASE_MS, LEASE_MS, 0])


def known(machine: Any) -> bool:
    """Whether Redis knows the task."""
    return machine.head is not None


class Machine(RuleBasedStateMachine):
    """`head` is the twin's; the rest is what Redis must hold."""

    redis: Any

    def __init__(self) -> None:
        super().__init__()
        self.task = uuid4()
        self.keys = TaskKeys.of(self.task)
        self.log = Log(self.redis, partitions=16)
        self.limits = LogLimits()
        self.epochs = count(1)
        self.numbers = count(1)
        self.head: Head | None = None
        self.epoch = "e0"
        self.seq = 0
        self.events: list[bytes] = []
        """Of the epoch; the last of them have the seq `self.seq`."""
        self.messages: list[bytes] = []
        """Of all epochs, as they are published."""
        newest = self.redis.xrevrange(self.keys.events, count=1)
        self.stream_from = f"({newest[0][0].decode()}" if newest else "-"
        self.heard: list[bytes] = []
        self.pubsub = self.redis.pubsub()
        self.pubsub.ssubscribe(self.keys.live)
        assert self.pubsub.get_message(timeout=10)["type"] == "ssubscribe"

    def teardown(self) -> None:
        self.pubsub.close()
        self.redis.delete(self.keys.head, self.keys.log)

    @initialize(
        limits=st.sampled_from([LogLimits(), LogLimits(max_events=7), LogLimits(max_bytes=900), LogLimits(5, 700)])
    )
    def start(self, limits: LogLimits) -> None:
        self.limits = limits
        self.create(attempt=0, behind=0, state=State.QUEUED)

    @precondition(lambda self: not known(self))
    @rule(attempt=st.integers(0, 3), behind=st.integers(0, 3), state=st.sampled_from([State.QUEUED, State.RUNNING]))
    def create(self, attempt: int, behind: int, state: State) -> None:
        """Also the head that is rebuilt from a row; the row may be behind."""
        epoch = f"e{next(self.epochs)}"
        seq = max(0, self.seq - behind)
        told = self.real(calls.create(self.keys, epoch=epoch, seq=seq, attempt=attempt, state=state))
        self.epoch, self.seq, self.events = epoch, seq, []
        self.head = head.create(None, epoch=epoch, seq=seq, attempt=attempt, state=state)
        assert told == self.head.epoch
        assert self.real(calls.create(self.keys, epoch="e0")) == epoch, "the second to make it is told the first's"

    @precondition(lambda self: known(self) and (self.head.closed or len(self.events) > 5))
    @rule(log_too=st.booleans())
    def forget(self, log_too: bool) -> None:
        """Redis loses the head, or the whole task."""
        self.redis.delete(self.keys.head, *[self.keys.log] * log_too)
        self.head = None
        if log_too:
            self.events = []
        self.claim(reserve=False)
        self.renew(attempt=0, stale=False)
        self.cancel()
        self.append(0, 0, ["result"], stale=False, lease_ms=0, failure=False)

    @precondition(lambda self: known(self) and self.head.lease > 1)
    @rule()
    def lease_runs_out(self) -> None:
        assert self.head is not None
        self.head = replace(self.head, lease=1)
        self.redis.hset(self.keys.head, "lease", 1)

    @precondition(known)
    @rule(reserve=st.booleans())
    def claim(self, reserve: bool) -> None:
        expected, self.head = head.claim(self.head, now=self.now(), lease_ms=LEASE_MS, reserve=reserve)
        told = self.real(calls.claim(self.keys, lease_ms=LEASE_MS, reserve=reserve))
        if expected.outcome is ClaimOutcome.LEASED:
            assert abs(told.attempt - expected.attempt) < CLOCK_SLACK_MS
            told = replace(told, attempt=expected.attempt)
        assert told == expected

    @precondition(known)
    @rule(attempt=st.sampled_from([-1, 0, 0, 0, 1]), stale=st.sampled_from([False, False, True]))
    def renew(self, attempt: int, stale: bool) -> None:
        call: dict[str, Any] = {"epoch": self.told_epoch(stale=stale), "attempt": self.attempt(attempt)}
        expected, self.head = head.renew(self.head, now=self.now(), lease_ms=LEASE_MS, **call)
        assert self.real(calls.renew(self.keys, lease_ms=LEASE_MS, **call)) == expected

    @precondition(lambda self: known(self) and self.head.attempt > 1 and not self.head.cancel)
    @rule()
    def cancel(self) -> None:
        expected, self.head = head.cancel(self.head, now=self.now())
        told = self.real(calls.cancel(self.keys))
        if expected.outcome is CancelOutcome.CANCELLING:
            assert abs(told.lease_left_ms - expected.lease_left_ms) < CLOCK_SLACK_MS
            told = replace(told, lease_left_ms=expected.lease_left_ms)
        assert told == expected

    @precondition(lambda self: known(self) and self.head.attempt > 0 and not self.head.closed)
    @rule(batch=batches, lease_ms=leases)
    def go_on(self, batch: list[str], lease_ms: int) -> None:
        """What an owner does most of the time."""
        self.append(0, 0, batch, stale=False, lease_ms=lease_ms, failure=False)

    @precondition(lambda self: known(self) and self.head.n > 0)
    @rule(back=st.integers(-5, -1), batch=batches, lease_ms=leases, failure=st.booleans())
    def repeat(self, back: int, batch: list[str], lease_ms: int, failure: bool) -> None:
        """What an owner does whose answer was lost; some of it may be new."""
        self.append(0, back, batch, stale=False, lease_ms=lease_ms, failure=failure)

    @precondition(known)
    @rule(
        attempt=st.sampled_from([-1, 0, 0, 0, 1]),
        skip=st.sampled_from([-5, -2, -1, 0, 1]),
        batch=batches,
        end=st.sampled_from(["chunk", "chunk", "queued", "queued", "running", "progress", "result", "failed"]),
        stale=st.sampled_from([False, False, False, True]),
        lease_ms=leases,
        failure=st.booleans(),
    )
    def append_anything(self, *, batch: list[str], end: str, **call: Any) -> None:
        self.append(batch=[*batch, end], **call)

    def append(self, attempt: int, skip: int, batch: list[str], *, stale: bool, lease_ms: int, failure: bool) -> None:
        bodies = [self.body(kind) for kind in batch]
        n = max(1, (self.head.n if self.head else 0) + 1 + skip)
        call: dict[str, Any] = {"epoch": self.told_epoch(stale=stale), "attempt": self.attempt(attempt), "n": n}
        call |= {"lease_ms": lease_ms, "failure": failure}
        state = next((body.state for body in reversed(bodies) if body.state is not None), None)
        cancel = self.head is not None and self.head.cancel
        expected, after = head.append(self.head, now=self.now(), count=len(bodies), state=state, **call)
        if expected.outcome is Outcome.APPENDED:
            assert after is not None
            self.head = replace(after, status=self.expect(bodies, expected) or after.status)
        elif expected.outcome in {Outcome.GAP, Outcome.UNCLAIMED}:
            self.head, self.events = None, []

        answer: Appended = self.real(calls.append(self.task, self.keys, bodies, limits=self.limits, **call))

        assert answer.decision == expected
        assert answer.cancel == cancel
        assert expected.outcome is Outcome.UNKNOWN or answer.backlog == self.redis.xlen(self.keys.events)

    def expect(self, bodies: list[Body], decision: Decision) -> bytes | None:
        """Note what an append of `bodies` adds; returns its newest status event."""
        added = bodies[len(bodies) - (decision.b - decision.a + 1) :]
        events = [f'{{"task":"{self.task}","seq":{s},'.encode() + b.data for s, b in enumerate(added, decision.a)]
        kind = "p" if all(body.progress for body in bodies) else "m"
        if bodies[-1].state is not None and bodies[-1].state.terminal:
            kind = "t"
        self.seq = decision.b
        self.events += events
        header = f"{self.epoch} {decision.a} {decision.b} {kind}\n"
        self.messages.append(header.encode() + b"[" + b",".join(events) + b"]")
        return next((e for e, b in zip(events[::-1], added[::-1], strict=True) if b.type == "status"), None)

    @invariant()
    def redis_holds_what_it_must(self) -> None:
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hmget(self.keys.head, HEAD_FIELDS)
            pipe.hget(self.keys.head, "bytes")
            pipe.xrange(self.keys.log)
            pipe.xrange(self.keys.events, self.stream_from)
            pipe.execute_command("SPUBLISH", self.keys.live, OVER)
            values, size, log, stream, _ = pipe.execute()
        self.the_heads_are_equal(parse_head(values))
        self.the_log_is_the_longest_tail_of_the_events_within_its_bounds(log, size)
        self.what_was_published_is_what_the_stream_holds(stream)

    def the_heads_are_equal(self, real: Head | None) -> None:
        if self.head is None or real is None:
            assert real is self.head
            return
        if self.head.lease > 1:
            assert abs(real.lease - self.head.lease) < CLOCK_SLACK_MS
            self.head = replace(self.head, lease=real.lease)
        assert real == self.head
        assert (real.epoch, real.seq) == (self.epoch, self.seq), "seq does not go back within an epoch"

    def the_log_is_the_longest_tail_of_the_events_within_its_bounds(self, entries: Any, size: bytes | None) -> None:
        kept = [fields[b"e"] for _, fields in entries]
        ids = [entry.decode() for entry, _ in entries]
        assert ids == [f"{seq}-0" for seq in range(self.seq - len(kept) + 1, self.seq + 1)]
        assert kept == self.events[len(self.events) - len(kept) :]
        assert len(kept) <= 1 or self.fits(kept)
        assert len(kept) == len(self.events) or not self.fits(self.events[len(self.events) - len(kept) - 1 :])
        if self.head is not None:
            assert size == str(sum(map(len, kept))).encode()

    def what_was_published_is_what_the_stream_holds(self, entries: Any) -> None:
        while (data := self.pubsub.get_message(timeout=10)["data"]) != OVER:
            self.heard.append(data)
        assert self.heard == self.messages

        written = [fields for _, fields in entries if fields[b"task"] == str(self.task).encode()]
        told = [LiveMessage.parse(message) for message in self.messages]
        assert [
            (fields[b"epoch"].decode(), int(fields[b"first"]), int(fields[b"last"]), fields[b"frame"].decode())
            for fields in written
        ] == [(message.epoch, message.first, message.last, message.frame) for message in told]

        events = [event for message in told if message.epoch == self.epoch for event in parse_frame(message.frame)]
        assert [event.seq for event in events] == list(range(self.seq - len(events) + 1, self.seq + 1))
        assert not any(event.is_terminal for event in events[:-1]), "nothing follows the terminal event"

    def real(self, call: Call[Any]) -> Any:
        (answer,) = self.log.exchange([call])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def now(self) -> int:
        seconds, micros = self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def fits(self, events: list[bytes]) -> bool:
        return len(events) <= self.limits.max_events and sum(map(len, events)) <= self.limits.max_bytes

    def told_epoch(self, *, stale: bool) -> str:
        return "e0" if stale else self.epoch

    def attempt(self, offset: int) -> int:
        return max(0, (self.head.attempt if self.head else 1) + offset)

    def body(self, kind: str) -> Body:
        """An event that no other is like."""
        number = next(self.numbers)
        if kind == "chunk":
            return Body(encode_body(1, number, "chunk", {"index": number, "data": "é" * (number % 40)}), "chunk")
        if kind == "result":
            return Body(encode_body(1, number, "result", {"result": number}), "result", State.SUCCEEDED)
        state = State.RUNNING if kind == "progress" else State(kind)
        progress = {"current": number} if kind == "progress" else None
        data = status_data(state, progress=progress, message=str(number))
        return Body(encode_body(1, number, "status", data), "status", state, progress is not None)


def test_scripts_and_twin_agree_on_any_sequence_of_calls(sync_redis: Redis) -> None:
    class Here(Machine):
        redis = sync_redis

    run_state_machine_as_test(Here, settings=settings(max_examples=80, stateful_step_count=50, deadline=None))
