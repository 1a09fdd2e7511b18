"""The consumer group on the partition streams: read, claim, acknowledge, trim, measure.

One `GroupStreams` reads partitions that live on one node (on Redis Cluster, one a slot); it knows nothing of what the
entries say. Every call is bounded in time. A group that Redis has forgotten is made again, at id 0: what the stream
still holds is then delivered again, and applying it again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from api.projection.entries import Entry
from protocol import keys

log = structlog.get_logger(__name__)

CALL_TIMEOUT_S: Final = 5.0
GONE_AFTER_MS: Final = 3_600_000
"""A consumer that has not called for an hour belongs to a process that is gone; live ones call twice a second."""
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

    def __init__(self, redis: Redis, partitions: Sequence[int], group: str, consumer: str) -> None:
        self._redis = redis
        self._partitions = {keys.events(partition): partition for partition in partitions}
        self._group = group
        self._consumer = consumer
        self._forget = redis.register_script(files(__package__).joinpath("forget_idle.lua").read_text())

    async def ensure(self) -> None:
        """Make the group, at id 0, on every stream that lacks it."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            for stream in self._partitions:
                try:
                    await self._redis.xgroup_create(stream, self._group, id="0", mkstream=True)
                except ResponseError as error:
                    if not str(error).startswith("BUSYGROUP"):
                        raise
                else:
                    log.info("Consumer group created", action="group_created", stream=stream, group=self._group)

    async def read(self, count: int, block_ms: int) -> list[Entry]:
        """New entries, at most `count` a partition; waits up to `block_ms` (at least 1) for the first."""
        streams: dict[Any, Any] = dict.fromkeys(self._partitions, ">")
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S + block_ms / 1000):
                reply = await self._redis.xreadgroup(
                    self._group, self._consumer, streams, count=count, block=max(1, block_ms)
                )
        except ResponseError as error:
            await self._recover(error)
            return []
        return list(self._entries(reply))

    async def claim(self, count: int, min_idle_ms: int, *, of: str | None = None) -> list[Entry]:
        """Take over entries that were delivered `min_idle_ms` ago and not acknowledged, `count` a partition.

        `of` names the consumer to take from; without it, from all. Entries carry how often they were delivered.
        """
        pending = await self._each(
            lambda pipe, stream: pipe.xpending_range(stream, self._group, "-", "+", count, of, idle=min_idle_ms)
        )
        claimed = []
        for stream, found in pending:
            deliveries = {item["message_id"]: item["times_delivered"] + 1 for item in found}
            if not deliveries:
                continue
            async with asyncio.timeout(CALL_TIMEOUT_S):
                taken = await self._redis.xclaim(stream, self._group, self._consumer, min_idle_ms, list(deliveries))
            for entry_id, fields in taken:
                if entry_id is not None:
                    partition = self._partitions[stream]
                    claimed.append(Entry(partition, entry_id.decode(), fields, deliveries[entry_id]))
        return claimed

    async def hold(self, entries: Iterable[Entry]) -> None:
        """Keep `entries` from being claimed by others while they wait here; does not count as a delivery."""
        async with asyncio.timeout(CALL_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipe:
            for stream, ids in _by_stream(entries):
                pipe.xclaim(stream, self._group, self._consumer, 0, ids, justid=True)
            await pipe.execute(raise_on_error=False)  # a group that is gone has nothing to hold; reading makes it again

    async def ack(self, entries: Iterable[Entry]) -> int:
        """Acknowledge `entries`; returns how many were pending."""
        async with asyncio.timeout(CALL_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipe:
            for stream, ids in _by_stream(entries):
                pipe.xack(stream, self._group, *ids)
            return sum(await pipe.execute())

    async def trim(self) -> list[Lag]:
        """Drop what is acknowledged, up to the first entry that is not; returns what is left to do.

        The cut is exact, not `~`: append reports the length of the stream as backlog, and workers slow down by it.
        """
        lags, cuts = [], []
        groups = await self._each(lambda pipe, stream: pipe.xinfo_groups(stream))
        # After the groups, so that an entry up to last-delivered-id is either pending in this answer or acknowledged.
        summaries = dict(await self._each(lambda pipe, stream: pipe.xpending(stream, self._group)))
        for stream, infos in groups:
            info = next((info for info in infos if info["name"] == self._group.encode()), None)
            if info is None or stream not in summaries:
                continue
            summary = summaries[stream]
            lags.append(Lag(self._partitions[stream], info["lag"] or 0, summary["pending"]))
            cuts.append((stream, _first_to_keep(info["last-delivered-id"], summary["min"])))
        async with asyncio.timeout(CALL_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipe:
            for stream, first in cuts:
                pipe.xtrim(stream, minid=first, approximate=False)
            await pipe.execute()
        return lags

    async def forget_idle(self) -> int:
        """Drop consumers of the group whose process is gone and that have nothing pending."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return sum([await self._forget([stream], [self._group, GONE_AFTER_MS]) for stream in self._partitions])

    async def leave(self) -> None:
        """Drop this consumer where it has nothing pending. Only when nothing reads or claims in its name any more."""
        pending = await self._each(
            lambda pipe, stream: pipe.xpending_range(stream, self._group, "-", "+", 1, self._consumer)
        )
        async with asyncio.timeout(CALL_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipe:
            for stream, found in pending:
                if not found:
                    pipe.xgroup_delconsumer(stream, self._group, self._consumer)
            await pipe.execute()

    async def _each(self, command: Any) -> list[tuple[str, Any]]:
        """Run `command(pipe, stream)` for every stream in one round trip; makes missing groups, and leaves them out."""
        async with asyncio.timeout(CALL_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipe:
            for stream in self._partitions:
                command(pipe, stream)
            replies = await pipe.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception):
                await self._recover(reply)
        return [(s, r) for s, r in zip(self._partitions, replies, strict=True) if not isinstance(r, Exception)]

    async def _recover(self, error: Exception) -> None:
        """Make the group again when `error` says that it is missing; raise any other error."""
        if not (isinstance(error, ResponseError) and any(sign in str(error) for sign in _MISSING)):
            raise error
        log.warning("Consumer group is missing", action="group_missing", group=self._group, reason=str(error))
        await self.ensure()

    def _entries(self, reply: Any) -> Iterator[Entry]:
        """The entries of a reply in either shape redis-py has for it: a list of pairs, or a dict with RESP3."""
        for stream, found in reply.items() if isinstance(reply, dict) else reply or ():
            if found and isinstance(found[0], list):
                found = found[0]  # noqa: PLW2901 - RESP3 with legacy responses wraps it once more
            for entry_id, fields in found:
                yield Entry(self._partitions[stream.decode()], entry_id.decode(), fields or {})


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
