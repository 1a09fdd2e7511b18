"""A task's head and log in Redis: the only module of `protocol` that does I/O.

`Log` is the worker's side (sync, many tasks a round trip), `AsyncLog` the api's. Both send the calls of
`protocol.calls`; connections must not decode responses. Every method raises redis.RedisError; waits are bounded by the
socket time-outs of the connection that is passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoScriptError

from protocol import calls, keys
from protocol.calls import Appended, Body, Call, LogLimits
from protocol.events import State, encode_frame
from protocol.head import HEAD_FIELDS, Cancellation, Claim, Head, parse_head

R = TypeVar("R")

_REPUBLISH_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Owned:
    """A claimed task: what an append must carry."""

    task: UUID
    epoch: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Page:
    """Events after a cursor, as (seq, JSON), and the head at the same moment (None: Redis knows no such task)."""

    head: Head | None
    events: list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The head and the newest event of the log (None when nothing was appended, or it was trimmed)."""

    head: Head
    last: bytes | None


class Log:
    """Head and log for workers. Thread-safe, as `redis` is."""

    def __init__(self, redis: Redis, *, partitions: int, limits: LogLimits | None = None) -> None:
        self._redis = redis
        self._partitions = partitions
        self._limits = limits or LogLimits()

    def claim(self, task: UUID, *, lease_ms: int) -> Claim:
        """Own `task` for `lease_ms`, with a new attempt."""
        return _one(self.exchange([calls.claim(self._keys(task), lease_ms=lease_ms)]))

    def append_call(
        self, owned: Owned, n: int, bodies: Sequence[Body], *, lease_ms: int, failure: bool = False
    ) -> Call[Appended]:
        """The call that appends `bodies`, for `exchange`; see `protocol.calls.append`."""
        return calls.append(
            owned.task,
            self._keys(owned.task),
            bodies,
            epoch=owned.epoch,
            attempt=owned.attempt,
            n=n,
            lease_ms=lease_ms,
            limits=self._limits,
            failure=failure,
        )

    def renew_call(self, owned: Owned, *, lease_ms: int) -> Call[Any]:
        """The call that renews a lease, for `exchange`."""
        return calls.renew(self._keys(owned.task), epoch=owned.epoch, attempt=owned.attempt, lease_ms=lease_ms)

    def exchange(self, batch: Sequence[Call[R]]) -> list[R | Exception]:
        """Send calls of different tasks in one round trip; returns an answer or the server's error for each."""
        with self._redis.pipeline(transaction=False) as pipe:
            for call in batch:
                pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
            replies = pipe.execute(raise_on_error=False)
            missing = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            for i in missing:
                call = batch[i]
                pipe.eval(call.script.source, len(call.keys), *call.keys, *call.args)
            if missing:
                for i, reply in zip(missing, pipe.execute(raise_on_error=False), strict=True):
                    replies[i] = reply
        return [
            reply if isinstance(reply, Exception) else c.parse(reply) for c, reply in zip(batch, replies, strict=True)
        ]

    def _keys(self, task: UUID) -> keys.TaskKeys:
        return keys.TaskKeys.of(task, self._partitions)


class AsyncLog:
    """Head and log for the api."""

    def __init__(self, redis: AsyncRedis, *, partitions: int, limits: LogLimits | None = None) -> None:
        self._redis = redis
        self._partitions = partitions
        self._limits = limits or LogLimits()

    async def create(self, task: UUID, *, epoch: str, seq: int = 0, attempt: int = 0, state: State) -> str:
        """Make the head unless there is one; returns the epoch of the one that is there then."""
        return await self._run(calls.create(self._keys(task), epoch=epoch, seq=seq, attempt=attempt, state=state))

    async def reserve(self, task: UUID, *, lease_ms: int) -> Claim:
        """Own `task` to end it, or to open its next attempt for a worker."""
        return await self._run(calls.claim(self._keys(task), lease_ms=lease_ms, reserve=True))

    async def cancel(self, task: UUID) -> Cancellation:
        """Ask for the end of `task`."""
        return await self._run(calls.cancel(self._keys(task)))

    async def append(self, owned: Owned, n: int, bodies: Sequence[Body]) -> Appended:
        """Append the events n, n+1 … of an attempt and give up its lease."""
        call = calls.append(
            owned.task,
            self._keys(owned.task),
            bodies,
            epoch=owned.epoch,
            attempt=owned.attempt,
            n=n,
            lease_ms=0,
            limits=self._limits,
        )
        return await self._run(call)

    async def head(self, task: UUID) -> Head | None:
        """The head of `task`."""
        values = await _answer(self._redis.hmget(self._keys(task).head, HEAD_FIELDS))
        return parse_head(values)

    async def heads(self, tasks: Iterable[UUID]) -> tuple[int, list[Head | None]]:
        """Redis's time in Unix ms, and the head of each task without its status, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for task in tasks:
                pipe.hmget(self._keys(task).head, HEAD_FIELDS[:-1])
            (seconds, micros), *found = await pipe.execute()
        return int(seconds) * 1000 + int(micros) // 1000, [parse_head([*values, None]) for values in found]

    async def oldest_entry_ms(self, task: UUID) -> int | None:
        """When the oldest entry that projection has not dealt with came into the stream of the task's partition."""
        entries = await _answer(self._redis.xrange(self._keys(task).events, count=1))
        return int(entries[0][0].partition(b"-")[0]) if entries else None

    async def forget(self, task: UUID) -> None:
        """Delete head and log: the task is then rebuilt in another epoch (§4.6)."""
        names = self._keys(task)
        await _answer(self._redis.delete(names.head, names.log))

    async def republish(self, task: UUID) -> int:
        """Give projection what the log holds once more, which changes nothing it has; returns how many events."""
        names, after = self._keys(task), 0
        while True:
            page = await self.read(task, after, _REPUBLISH_EVENTS)
            if page.head is None or not page.events:
                return after
            fields: dict[Any, Any] = {
                "task": str(task),
                "epoch": page.head.epoch,
                "first": page.events[0][0],
                "last": page.events[-1][0],
                "frame": encode_frame([event for _, event in page.events]),
            }
            await _answer(self._redis.xadd(names.events, fields))
            after = page.events[-1][0]

    async def read(self, task: UUID, after: int, limit: int) -> Page:
        """At most `limit` events with a seq above `after`, in order, and the head."""
        names = self._keys(task)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hmget(names.head, HEAD_FIELDS)
            pipe.xrange(names.log, f"{after + 1}-0", "+", count=limit)
            values, entries = await pipe.execute()
        return Page(parse_head(values), [(int(entry.partition(b"-")[0]), fields[b"e"]) for entry, fields in entries])

    async def snapshots(self, tasks: Iterable[UUID]) -> list[Snapshot | None]:
        """Head and newest event of each task, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for task in tasks:
                names = self._keys(task)
                pipe.hmget(names.head, HEAD_FIELDS)
                pipe.xrevrange(names.log, count=1)
            replies = await pipe.execute()
        found: list[Snapshot | None] = []
        for values, entries in zip(replies[::2], replies[1::2], strict=True):
            head = parse_head(values)
            found.append(None if head is None else Snapshot(head, entries[0][1][b"e"] if entries else None))
        return found

    async def _run(self, call: Call[R]) -> R:
        redis: Any = self._redis
        try:
            reply = await redis.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        except NoScriptError:
            reply = await redis.eval(call.script.source, len(call.keys), *call.keys, *call.args)
        return call.parse(reply)

    def _keys(self, task: UUID) -> keys.TaskKeys:
        return keys.TaskKeys.of(task, self._partitions)


def _one(answers: list[R | Exception]) -> R:
    answer = answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


async def _answer(reply: Any) -> Any:
    """Await a redis-py call: its annotations are unions over sync, async and decoding clients."""
    return await reply
