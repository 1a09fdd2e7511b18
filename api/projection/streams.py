"""The consumer group on the partition streams: read, claim, acknowledge, trim, measure.

One `GroupStreams` reads partitions that are on one server (on a cluster, one partition); it knows nothing of what the
entries say. Every call is bounded in time. A group that Redis has forgotten is made again, at id 0: what the stream
still holds is then delivered again, and applying it again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from api.projection import dead_letters
from api.projection.entries import Entry
from api.projection.replies import deliveries, items, items_by_stream
from protocol import keys
from protocol.async_nodes import AsyncNodes, nodes_of

log = structlog.get_logger(__name__)

CALL_TIMEOUT_S: Final = 5.0
GONE_AFTER_MS: Final = 3_600_000
"""A consumer that has not called for an hour belongs to a process that is gone; live ones call twice a second."""
MAX_HELD: Final = 4_000
"""Entries a partition: more than a consumer ever has in hand."""
_MISSING: Final = ("NOGROUP", "UNBLOCKED", "no such key")
"""What Redis says when the stream or the group is gone (UNBLOCKED: it went while a read was waiting)."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What a partition holds for the group: entries not yet delivered, and entries delivered but not acknowledged."""

    partition: int
    undelivered: int
    pending: int

    @property
    def total(self) -> int:
        """Entries that are not yet rows."""
        return self.undelivered + self.pending


class GroupStreams:
    """The streams of `partitions` as `consumer` of `group` sees them. `redis` must not decode responses.

    Every method raises redis.RedisError, and TimeoutError when Redis does not answer in time.
    """

    def __init__(self, redis: Redis | AsyncNodes, partitions: Sequence[int], group: str, consumer: str) -> None:
        self._nodes = nodes_of(redis)
        self._partitions = {keys.events(partition): partition for partition in partitions}
        self.group = group
        self.consumer = consumer
        self._ensured = False
        self._forget = files(__package__).joinpath("forget_idle.lua").read_text()

    async def ensure(self) -> None:
        """Make the group, at id 0, on every stream that lacks it."""
        async with self._server() as redis:
            for stream in self._partitions:
                try:
                    await redis.xgroup_create(stream, self.group, id="0", mkstream=True)
                except ResponseError as error:
                    if not str(error).startswith("BUSYGROUP"):
                        raise
                else:
                    log.info("Consumer group created", action="group_created", stream=stream, group=self.group)
        self._ensured = True

    async def read(self, count: int, block_ms: int) -> list[Entry]:
        """New entries, at most `count` a partition; waits up to `block_ms` (at least 1) for the first."""
        if not self._ensured:
            await self.ensure()
        streams: dict[Any, Any] = dict.fromkeys(self._partitions, ">")
        try:
            async with self._server(CALL_TIMEOUT_S + block_ms / 1000) as redis:
                reply = await redis.xreadgroup(self.group, self.consumer, streams, count=count, block=max(1, block_ms))
        except ResponseError as error:
            await self._recover(error)
            return []
        return [
            Entry(self._partitions[stream], entry_id, fields)
            for stream, found in items_by_stream(reply)
            for entry_id, fields in found
        ]

    async def claim(
        self, count: int, min_idle_ms: int, *, alone_from: int, of: str | None = None, but: Collection[Entry] = ()
    ) -> list[Entry]:
        """Take over entries that were delivered `min_idle_ms` ago and not acknowledged, `count` a partition.

        Of those that come for the `alone_from`th time or more, only the least delivered one: if it is what ends the
        process, the others must not share its count. `of` names the consumer to take from; without it, from all. `but`
        are entries in hand that wait to be written. What is returned carries how often it was delivered.
        """
        in_hand = {(keys.events(entry.partition), entry.id) for entry in but}
        pending = await self._each(
            lambda pipe, stream: pipe.xpending_range(stream, self.group, "-", "+", count, of, idle=min_idle_ms)
        )
        found = {(stream, key): n + 1 for stream, reply in pending for key, n in deliveries(reply).items()}
        suspicious = sorted((n, name) for name, n in found.items() if n >= alone_from and name not in in_hand)
        wanted = [name for name, n in found.items() if n < alone_from and name not in in_hand]
        wanted += [name for _, name in suspicious[:1]]
        claimed = []
        for stream, names in groupby(sorted(wanted), itemgetter(0)):
            ids = [key for _, key in names]
            async with self._server() as redis:
                taken = await redis.xclaim(stream, self.group, self.consumer, min_idle_ms, [*ids])
            partition = self._partitions[stream]
            claimed += [Entry(partition, key, fields, found[stream, key]) for key, fields in items(taken)]
        return claimed

    async def hold(self, entries: Iterable[Entry], *, anew: bool) -> None:
        """Keep what this consumer still has pending of `entries` from being claimed by others.

        That is no delivery; `anew` makes their count of deliveries begin anew.
        """
        wanted = dict(_by_stream(entries))
        pending = await self._each(
            lambda pipe, stream: pipe.xpending_range(stream, self.group, "-", "+", MAX_HELD, self.consumer)
        )
        async with self._server() as redis, redis.pipeline(transaction=False) as pipe:
            for stream, reply in pending:
                if mine := deliveries(reply).keys() & wanted.get(stream, ()):
                    count = 1 if anew else None
                    pipe.xclaim(stream, self.group, self.consumer, 0, [*mine], retrycount=count, justid=True)
            await pipe.execute(raise_on_error=False)  # a group that is gone has nothing to hold; reading makes it again

    async def ack(self, entries: Iterable[Entry]) -> int:
        """Acknowledge `entries`; returns how many were pending."""
        async with self._server() as redis, redis.pipeline(transaction=False) as pipe:
            for stream, ids in _by_stream(entries):
                pipe.xack(stream, self.group, *ids)
            return sum(await pipe.execute())

    async def trim(self) -> list[Lag]:
        """Drop what is acknowledged, up to the first entry that is not; returns what is left to do.

        The cut is exact, not `~`: append reports the length of the stream as backlog, and workers slow down by it.
        """
        lags, cuts = [], []
        groups = await self._each(lambda pipe, stream: pipe.xinfo_groups(stream))
        # After the groups, so that an entry up to last-delivered-id is either pending in this answer or acknowledged.
        summaries = dict(await self._each(lambda pipe, stream: pipe.xpending(stream, self.group)))
        for stream, infos in groups:
            info = next((info for info in infos if info["name"] == self.group.encode()), None)
            if info is None or stream not in summaries:
                continue
            pending = summaries[stream]["pending"]
            undelivered: int | None = info["lag"]
            if undelivered is None:  # an entry ahead of the group was deleted; what the stream holds is a bound
                undelivered = max(0, await self._length(stream) - pending)
            lags.append(Lag(self._partitions[stream], undelivered, pending))
            cuts.append((stream, _first_to_keep(info["last-delivered-id"], summaries[stream]["min"])))
        async with self._server() as redis, redis.pipeline(transaction=False) as pipe:
            for stream, first in cuts:
                pipe.xtrim(stream, minid=first, approximate=False)
            await pipe.execute()
        return lags

    async def forget_idle(self) -> int:
        """Drop consumers of the group whose process is gone and that have nothing pending."""
        forgotten = 0
        async with self._server() as redis:
            for stream in self._partitions:
                answer: Any = redis.eval(self._forget, 1, stream, self.group, GONE_AFTER_MS)
                forgotten += await answer
        return forgotten

    async def bury(self, entry: Entry, error: str) -> None:
        """Make a dead letter of `entry`."""
        async with self._server() as redis:
            await dead_letters.bury(redis, self.group, entry, error)

    async def leave(self) -> None:
        """Drop this consumer where it has nothing pending. Only when nothing reads or claims in its name any more."""
        pending = await self._each(
            lambda pipe, stream: pipe.xpending_range(stream, self.group, "-", "+", 1, self.consumer)
        )
        async with self._server() as redis, redis.pipeline(transaction=False) as pipe:
            for stream, found in pending:
                if not found:
                    pipe.xgroup_delconsumer(stream, self.group, self.consumer)
            await pipe.execute()

    async def _length(self, stream: str) -> int:
        async with self._server() as redis:
            return await redis.xlen(stream)

    @asynccontextmanager
    async def _server(self, timeout_s: float = CALL_TIMEOUT_S) -> AsyncIterator[Redis]:
        """The server of the partitions, for a call that takes at most `timeout_s`."""
        async with self._nodes.at(next(iter(self._partitions))) as redis, asyncio.timeout(timeout_s):
            yield redis

    async def _each(self, command: Any) -> list[tuple[str, Any]]:
        """Run `command(pipe, stream)` for every stream in one round trip; makes missing groups, and leaves them out."""
        if not self._ensured:
            await self.ensure()
        async with self._server() as redis, redis.pipeline(transaction=False) as pipe:
            for stream in self._partitions:
                command(pipe, stream)
            replies = await pipe.execute(raise_on_error=False)
            for error in replies:  # one that is not mended by making groups
                if isinstance(error, Exception) and not _is_missing(error):
                    raise error
        for error in [reply for reply in replies if isinstance(reply, Exception)][:1]:
            await self._recover(error)
        return [(s, r) for s, r in zip(self._partitions, replies, strict=True) if not isinstance(r, Exception)]

    async def _recover(self, error: Exception) -> None:
        """Make the groups again when `error` says that one is missing; raise any other error."""
        if not _is_missing(error):
            raise error
        log.warning("Consumer group is missing", action="group_missing", group=self.group, reason=str(error))
        await self.ensure()


def _is_missing(error: Exception) -> bool:
    return isinstance(error, ResponseError) and any(sign in str(error) for sign in _MISSING)


def _by_stream(entries: Iterable[Entry]) -> Iterator[tuple[str, list[str]]]:
    partition = attrgetter("partition")
    for number, group in groupby(sorted(entries, key=partition), partition):
        yield keys.events(number), [entry.id for entry in group]


def _first_to_keep(last_delivered: bytes, first_pending: bytes | None) -> str:
    """The id below which everything is acknowledged."""
    if first_pending is not None:
        return first_pending.decode()
    milliseconds, _, number = last_delivered.decode().partition("-")
    return f"{milliseconds}-{int(number) + 1}"
