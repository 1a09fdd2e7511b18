"""What append.lua does beyond its decision, on a real server (docs/protocol.md §5, §6.1)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from threading import Barrier
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from redis import Redis

from protocol import calls
from protocol.calls import Appended, Body, LogLimits
from protocol.events import LiveKind, LiveMessage, State, encode_body, parse_event, parse_frame, status_data
from protocol.head import HEAD_FIELDS, Head, Outcome, parse_head
from protocol.keys import TaskKeys
from protocol.log import Log, Owned

LEASE_MS: Final = 60_000
RUNNING: Final = Body(encode_body(1, 1.5, "status", status_data(State.RUNNING)), "status", State.RUNNING)
END: Final = Body(encode_body(1, 2.5, "result", {"result": None}), "result", State.SUCCEEDED)


def chunk(data: Any = "x") -> Body:
    return Body(encode_body(1, 1.5, "chunk", {"index": 0, "data": data}), "chunk")


def progress(current: int) -> Body:
    data = status_data(State.RUNNING, progress={"current": current})
    return Body(encode_body(1, 1.5, "status", data), "status", State.RUNNING, progress=True)


@dataclass(frozen=True)
class Task:
    """A claimed task and what Redis holds of it."""

    redis: Redis
    owned: Owned

    @property
    def keys(self) -> TaskKeys:
        return TaskKeys.of(self.owned.task)

    @property
    def head(self) -> Head:
        values: Any = self.redis.hmget(self.keys.head, HEAD_FIELDS)
        found = parse_head(values)
        assert found is not None
        return found

    @property
    def log(self) -> dict[int, bytes]:
        entries: Any = self.redis.xrange(self.keys.log)
        return {int(entry.partition(b"-")[0]): fields[b"e"] for entry, fields in entries}

    @property
    def frames(self) -> list[dict[bytes, bytes]]:
        entries: Any = self.redis.xrange(self.keys.events)
        return [fields for _, fields in entries if fields[b"task"] == str(self.owned.task).encode()]

    def append(self, n: int, *bodies: Body, limits: LogLimits | None = None, lease_ms: int = LEASE_MS) -> Appended:
        log = Log(self.redis, partitions=16, limits=limits)
        (answer,) = log.exchange([log.append_call(self.owned, n, bodies, lease_ms=lease_ms)])
        assert isinstance(answer, Appended), answer
        return answer


@pytest.fixture
def task(sync_redis: Redis) -> Task:
    return claimed(sync_redis, uuid4())


@pytest.fixture
def messages(task: Task) -> Iterator[Iterator[LiveMessage]]:
    """What the task's live channel carries, from its start."""
    redis: Any = task.redis
    with redis.pubsub() as pubsub:
        pubsub.ssubscribe(task.keys.live)
        assert pubsub.get_message(timeout=5)["type"] == "ssubscribe"
        yield (LiveMessage.parse(pubsub.get_message(timeout=5)["data"]) for _ in count())


def claimed(redis: Redis, task: UUID) -> Task:
    keys = TaskKeys.of(task)
    log = Log(redis, partitions=16)
    assert log.exchange([calls.create(keys, epoch="e1")]) == ["e1"]
    claim = log.claim(task, lease_ms=LEASE_MS)
    return Task(redis, Owned(task, claim.epoch, claim.attempt))


def test_log_stream_and_live_channel_carry_the_same_bytes(task: Task, messages: Iterator[LiveMessage]) -> None:
    task.append(1, RUNNING, chunk("π\u2028🎈"))
    task.append(3, END)

    first, second = next(messages), next(messages)

    assert [first.frame.encode(), second.frame.encode()] == [fields[b"frame"] for fields in task.frames]
    assert b"[" + b",".join(task.log.values()) + b"]" == (first.frame[:-1] + "," + second.frame[1:]).encode()
    assert [(event.seq, event.task) for event in map(parse_event, task.log.values())] == [
        (seq, str(task.owned.task)) for seq in (1, 2, 3)
    ]
    assert parse_event(task.log[2]).data["data"] == "π\u2028🎈"


@pytest.mark.parametrize(
    ("bodies", "kind"),
    [
        ([progress(1)], LiveKind.PROGRESS),
        ([progress(1), progress(2)], LiveKind.PROGRESS),
        ([progress(1), chunk()], LiveKind.MIXED),
        ([RUNNING], LiveKind.MIXED),
        ([progress(1), END], LiveKind.TERMINAL),
    ],
)
def test_a_live_message_tells_its_kind_without_being_decoded(
    task: Task, messages: Iterator[LiveMessage], bodies: list[Body], kind: LiveKind
) -> None:
    task.append(1, *bodies)

    message = next(messages)

    assert (message.epoch, message.first, message.last, message.kind) == ("e1", 1, len(bodies), kind)


def test_of_an_overlapping_batch_only_the_rest_is_appended(task: Task, messages: Iterator[LiveMessage]) -> None:
    task.append(1, RUNNING, chunk("a"))

    answer = task.append(1, RUNNING, chunk("a"), chunk("b"), progress(3))

    assert answer.decision.outcome is Outcome.APPENDED
    assert (answer.decision.a, answer.decision.b) == (3, 4)
    assert [parse_event(event).data.get("data") for event in task.log.values()] == [None, "a", "b", None]
    assert (next(messages).last, next(messages).first) == (2, 3)
    assert task.head.status == task.log[4]


def test_the_head_holds_the_newest_status_event(task: Task) -> None:
    task.append(1, RUNNING, chunk())
    assert task.head.status == task.log[1]

    task.append(3, chunk())
    assert task.head.status == task.log[1]

    task.append(4, progress(1), progress(2), chunk())
    assert task.head.status == task.log[5]


def test_what_is_not_appended_changes_nothing(task: Task, messages: Iterator[LiveMessage]) -> None:
    task.append(1, RUNNING)
    before, log = task.head, task.log

    answers = [task.append(1, RUNNING)]
    answers += [
        Task(task.redis, Owned(task.owned.task, epoch, attempt)).append(2, chunk())
        for epoch, attempt in (("e1", 0), ("e2", 1))
    ]

    outcomes = [answer.decision.outcome.value for answer in answers]
    assert outcomes == ["duplicate", "fenced", "fenced"]
    assert (task.head, task.log, len(task.frames)) == (before, log, 1)
    task.append(2, END)
    assert [next(messages).last, next(messages).last] == [1, 2], "nothing was published in between"


def test_a_writer_that_knows_more_than_redis_makes_it_forget_the_task(task: Task) -> None:
    task.append(1, RUNNING, chunk())

    answer = task.append(4, chunk())

    assert (answer.decision.outcome.value, answer.decision.a, answer.decision.b) == ("gap", 3, 4)
    assert not task.redis.exists(task.keys.head, task.keys.log)
    assert len(task.frames) == 1, "what projection has still to read stays"
    assert task.append(3, chunk()).decision.outcome.value == "unknown"


def test_head_and_log_expire_together_once_the_task_has_ended(task: Task) -> None:
    limits = LogLimits(linger_ms=100_000)
    task.append(1, RUNNING, limits=limits)
    assert [task.redis.pttl(key) for key in (task.keys.head, task.keys.log)] == [-1, -1]

    task.append(2, END, limits=limits)

    assert task.redis.pexpiretime(task.keys.head) == task.redis.pexpiretime(task.keys.log)
    left_ms: Any = task.redis.pttl(task.keys.head)
    assert 90_000 < left_ms <= 100_000
    assert task.redis.pttl(task.keys.events) == -1


def test_the_log_keeps_the_newest_events(task: Task) -> None:
    for n in range(1, 31):
        task.append(n, chunk(n), limits=LogLimits(max_events=10))

    assert list(task.log) == list(range(21, 31))
    assert task.head.seq == 30


def test_the_log_keeps_no_more_bytes_than_it_may(task: Task) -> None:
    limits = LogLimits(max_bytes=10_000)
    for n in range(1, 41):
        task.append(n, chunk("x" * 1_000), limits=limits)

    size = sum(map(len, task.log.values()))
    assert 10_000 - 1_200 < size <= 10_000
    assert list(task.log) == list(range(41 - len(task.log), 41))
    assert task.redis.hget(task.keys.head, "bytes") == str(size).encode()


def test_many_small_events_do_not_make_room_for_large_ones(task: Task) -> None:
    limits = LogLimits(max_bytes=100_000)
    task.append(1, *[chunk() for _ in range(300)], limits=limits)
    for n in range(301, 331):
        task.append(n, chunk("x" * 20_000), limits=limits)

    assert list(task.log) == [327, 328, 329, 330]


def test_the_newest_event_is_kept_whatever_its_size(task: Task) -> None:
    limits = LogLimits(max_bytes=1_000)
    task.append(1, RUNNING, chunk(), chunk("x" * 5_000), limits=limits)
    assert list(task.log) == [3]

    task.append(4, chunk("y"), chunk("z"), limits=limits)
    assert list(task.log) == [4, 5]


def test_a_log_that_was_lost_alone_is_measured_anew(task: Task) -> None:
    limits = LogLimits(max_bytes=1_000)
    task.append(1, chunk("x" * 800), limits=limits)
    task.redis.delete(task.keys.log)

    task.append(2, chunk("y" * 300), chunk("z" * 300), limits=limits)

    assert list(task.log) == [2, 3]


def test_a_log_that_is_trimmed_still_gives_its_whole_batch_to_the_stream(task: Task) -> None:
    task.append(1, *[chunk() for _ in range(50)], limits=LogLimits(max_events=10))

    assert [event.seq for event in parse_frame(task.frames[0][b"frame"])] == list(range(1, 51))


def test_the_reply_tells_the_backlog_of_the_partition(task: Task) -> None:
    answers = [task.append(1, RUNNING), task.append(2, chunk()), task.append(2, chunk())]

    length: Any = task.redis.xlen(task.keys.events)
    assert [answer.backlog for answer in answers] == [length - 1, length, length]


def test_of_ten_threads_that_append_the_same_event_exactly_one_does(task: Task) -> None:
    barrier = Barrier(10)

    def append(_: int) -> Outcome:
        barrier.wait(timeout=10)
        return task.append(1, RUNNING).decision.outcome

    with ThreadPoolExecutor(10) as threads:
        outcomes = list(threads.map(append, range(10)))

    assert sorted(outcomes) == [Outcome.APPENDED] + [Outcome.DUPLICATE] * 9
    assert (list(task.log), len(task.frames)) == ([1], 1)


def test_of_ten_threads_that_claim_a_task_exactly_one_owns_it(sync_redis: Redis) -> None:
    task = uuid4()
    log = Log(sync_redis, partitions=16)
    log.exchange([calls.create(TaskKeys.of(task), epoch="e1")])
    barrier = Barrier(10)

    def claim(_: int) -> str:
        barrier.wait(timeout=10)
        return log.claim(task, lease_ms=LEASE_MS).outcome.value

    with ThreadPoolExecutor(10) as threads:
        assert sorted(threads.map(claim, range(10))) == ["claimed"] + ["leased"] * 9


def test_a_rebuilt_head_starts_with_an_empty_log(task: Task) -> None:
    task.append(1, RUNNING, chunk(), chunk())
    task.redis.delete(task.keys.head)

    log = Log(task.redis, partitions=16)
    assert log.exchange([calls.create(task.keys, epoch="e2", seq=2, attempt=1, state=State.RUNNING)]) == ["e2"]
    assert task.log == {}
    assert task.append(4, chunk()).decision.outcome is Outcome.FENCED

    again = Task(task.redis, Owned(task.owned.task, "e2", log.claim(task.owned.task, lease_ms=LEASE_MS).attempt))
    assert again.append(1, RUNNING).decision.a == 3, "a seq that the log of the lost head had already"
    assert list(task.log) == [3]


def test_an_event_that_is_no_text_of_ours_is_kept_as_it_is(task: Task) -> None:
    """The script joins bytes: it neither decodes nor escapes."""
    data = {"%s": "%d", "back\\slash": 'quo"te', "control": "\x00\x1f\x7f", "number": 10**40}
    task.append(1, chunk(data))

    assert json.loads(task.log[1])["data"]["data"] == data
