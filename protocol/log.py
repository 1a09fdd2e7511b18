"""A task's head and log in Redis, be that one server or a cluster (`protocol.nodes`, `protocol.async_nodes`).

`Log` is the worker's side (sync, many tasks a round trip), `AsyncLog` the api's. Both send the calls of
`protocol.calls`; connections must not decode responses. Every method raises redis.RedisError; waits are bounded by the
socket time-outs of the connections that are passed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoScriptError, RedisError

from protocol import async_nodes, calls, keys, nodes
from protocol.async_nodes import AsyncNodes
from protocol.calls import Appended, Body, Call, LogLimits
from protocol.events import State, encode_frame
from protocol.head import HEAD_FIELDS, Cancellation, Claim, Head, parse_head
from protocol.nodes import Nodes

R = TypeVar("R")
S = TypeVar("S")

_REPUBLISH_EVENTS = 200
ANSWER_TIMEOUT_S: Final = 5.0
"""A server that needs longer to tell of many tasks is taken to be away, and in doubt."""


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


@dataclass(frozen=True, slots=True)
class Sighting:
    """A head without its status (None: Redis knows no such task), and when that was: its server's Unix ms."""

    now_ms: int
    head: Head | None


class Log:
    """Head and log for workers. Thread-safe, as `redis` is."""

    def __init__(self, redis: Redis | Nodes, *, partitions: int, limits: LogLimits | None = None) -> None:
        self._nodes = nodes.nodes_of(redis)
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
        """Send calls of different tasks in one round trip to each server; an answer or an error for each."""
        replies = self._nodes.exchange(batch)
        return [
            reply if isinstance(reply, Exception) else c.parse(reply) for c, reply in zip(batch, replies, strict=True)
        ]

    def _keys(self, task: UUID) -> keys.TaskKeys:
        return keys.TaskKeys.of(task, self._partitions)


class AsyncLog:
    """Head and log for the api."""

    def __init__(self, redis: AsyncRedis | AsyncNodes, *, partitions: int, limits: LogLimits | None = None) -> None:
        self._nodes = async_nodes.nodes_of(redis)
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
        name = self._keys(task).head
        (values,) = await self._nodes.ask(name, lambda pipe: pipe.hmget(name, HEAD_FIELDS))
        return parse_head(values)

    async def heads(self, tasks: Sequence[UUID]) -> list[Sighting | None]:
        """The head of each task, None where its server does not answer. Raises when none answers."""

        def queue(names: list[keys.TaskKeys], pipe: Any) -> None:
            pipe.time()
            for name in names:
                pipe.hmget(name.head, HEAD_FIELDS[:-1])

        def read(replies: list[Any]) -> list[Sighting]:
            (seconds, micros), *found = replies
            now_ms = int(seconds) * 1000 + int(micros) // 1000
            return [Sighting(now_ms, parse_head([*values, None])) for values in found]

        found = await self._spread(tasks, queue, read, ANSWER_TIMEOUT_S)
        errors = [sighting for sighting in found if isinstance(sighting, Exception)]
        if errors and len(errors) == len(found):
            raise errors[0]
        return [None if isinstance(sighting, Exception) else sighting for sighting in found]

    async def oldest_entry_ms(self, task: UUID) -> int | None:
        """When the oldest entry that projection has not dealt with came into the stream of the task's partition."""
        name = self._keys(task).events
        (entries,) = await self._nodes.ask(name, lambda pipe: pipe.xrange(name, count=1))
        return int(entries[0][0].partition(b"-")[0]) if entries else None

    async def forget(self, task: UUID) -> None:
        """Delete head and log: the task is then rebuilt in another epoch (§4.6)."""
        names = self._keys(task)
        await self._nodes.ask(names.head, lambda pipe: pipe.delete(names.head, names.log))

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
            await self._nodes.ask(names.events, partial(_add, names.events, fields))
            after = page.events[-1][0]

    async def read(self, task: UUID, after: int, limit: int) -> Page:
        """At most `limit` events with a seq above `after`, in order, and the head."""
        names = self._keys(task)

        def queue(pipe: Any) -> None:
            pipe.hmget(names.head, HEAD_FIELDS)
            pipe.xrange(names.log, f"{after + 1}-0", "+", count=limit)

        values, entries = await self._nodes.ask(names.head, queue, transaction=True)
        return Page(parse_head(values), [(int(entry.partition(b"-")[0]), fields[b"e"]) for entry, fields in entries])

    async def snapshots(
        self, tasks: Iterable[UUID], *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> list[Snapshot | RedisError | OSError | None]:
        """Head and newest event of each task; an error in place of those whose server gives none within `timeout_s`."""

        def queue(names: list[keys.TaskKeys], pipe: Any) -> None:
            for name in names:
                pipe.hmget(name.head, HEAD_FIELDS)
                pipe.xrevrange(name.log, count=1)

        def read(replies: list[Any]) -> list[Snapshot | None]:
            return [_snapshot(*both) for both in zip(replies[::2], replies[1::2], strict=True)]

        return await self._spread(list(tasks), queue, read, timeout_s)

    async def _spread(
        self,
        tasks: Sequence[UUID],
        queue: Callable[[list[keys.TaskKeys], Any], None],
        read: Callable[[list[Any]], Sequence[S]],
        timeout_s: float,
    ) -> list[S | RedisError | OSError]:
        """Ask about tasks in one round trip to each server, each within its own time; an error for what one failed."""
        lanes: dict[int, list[UUID]] = {}
        for task in tasks:
            lanes.setdefault(self._nodes.lane(keys.partition_of(task, self._partitions)), []).append(task)
        names = {lane: [self._keys(task) for task in mine] for lane, mine in lanes.items()}

        async def ask(mine: list[keys.TaskKeys]) -> list[Any]:
            async with asyncio.timeout(2 * timeout_s):  # it may have to be found out first which server that is
                return await self._nodes.ask(mine[0].head, partial(queue, mine), timeout_s=timeout_s)

        answers = await asyncio.gather(*map(ask, names.values()), return_exceptions=True)
        found: dict[UUID, S | RedisError | OSError] = {}
        for mine, answer in zip(lanes.values(), answers, strict=True):
            if isinstance(answer, RedisError | OSError):
                found.update(dict.fromkeys(mine, answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found.update(zip(mine, read(answer), strict=True))
        return [found[task] for task in tasks]

    async def _run(self, call: Call[R]) -> R:
        def send(name: str, script: str) -> Callable[[Any], object]:
            return lambda pipe: pipe.execute_command(name, script, len(call.keys), *call.keys, *call.args)

        try:
            (reply,) = await self._nodes.ask(call.keys[0], send("EVALSHA", call.script.sha))
        except NoScriptError:
            (reply,) = await self._nodes.ask(call.keys[0], send("EVAL", call.script.source))
        return call.parse(reply)

    def _keys(self, task: UUID) -> keys.TaskKeys:
        return keys.TaskKeys.of(task, self._partitions)


def _one(answers: list[R | Exception]) -> R:
    answer = answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def _add(stream: str, fields: dict[Any, Any], pipe: Any) -> None:
    pipe.xadd(stream, fields)


def _snapshot(values: list[bytes | None], entries: Sequence[Any]) -> Snapshot | None:
    head = parse_head(values)
    return None if head is None else Snapshot(head, entries[0][1][b"e"] if entries else None)
