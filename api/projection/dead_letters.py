"""Entries that could not be applied: kept with the error and the id they had, to be looked at and to be sent again.

A dead letter has the fields of its entry and two more, `error` and `source`. Moving one, there or back, is one
transaction of Redis: stream and dead-letter stream of a partition share their slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from api.projection.entries import Entry
from api.projection.replies import Item, items
from protocol import keys
from protocol.async_nodes import AsyncNodes, nodes_of

MAX_DEAD_LETTERS: Final = 1_000
"""A partition keeps about so many, the newest: a producer gone wrong must not fill the memory of Redis."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter: its own id, the id its entry had in the partition stream, and why it is here."""

    partition: int
    id: str
    source: str
    error: str
    fields: Mapping[bytes, bytes]


async def bury(redis: Redis, group: str, entry: Entry, error: str) -> None:
    """Move `entry` from what `group` has pending to the dead letters of its partition."""
    letter = {**entry.fields, b"error": error.encode(errors="replace"), b"source": entry.id.encode()}
    async with redis.pipeline(transaction=True) as pipe:
        pipe.xadd(keys.dead(entry.partition), dict(letter.items()), maxlen=MAX_DEAD_LETTERS, approximate=True)
        pipe.xack(keys.events(entry.partition), group, entry.id)
        await pipe.execute()


async def list_dead(redis: Redis | AsyncNodes, partitions: Iterable[int], *, limit: int = 100) -> list[DeadLetter]:
    """At most `limit` dead letters of each partition, oldest first."""
    found: list[DeadLetter] = []
    for partition in partitions:
        found += await _read(nodes_of(redis), partition, "-", "+", limit)
    return found


async def replay(redis: Redis | AsyncNodes, partition: int, letter_id: str) -> bool:
    """Append the entry to its partition stream again and drop the dead letter; False when there is no such letter.

    Sending twice is harmless: applying an event again changes nothing.
    """
    nodes = nodes_of(redis)
    found = await _read(nodes, partition, letter_id, letter_id, 1)

    def move(pipe: Any) -> None:
        pipe.xadd(keys.events(partition), dict(found[0].fields.items()))
        pipe.xdel(keys.dead(partition), letter_id)

    if found:
        await nodes.ask(keys.dead(partition), move, transaction=True)
    return bool(found)


async def _read(nodes: AsyncNodes, partition: int, first: str, last: str, limit: int) -> list[DeadLetter]:
    name = keys.dead(partition)
    (reply,) = await nodes.ask(name, lambda pipe: pipe.xrange(name, first, last, count=limit))
    return [_letter(partition, item) for item in items(reply)]


def _letter(partition: int, item: Item) -> DeadLetter:
    letter_id, fields = item
    rest = dict(fields)
    error, source = rest.pop(b"error", b""), rest.pop(b"source", b"")
    return DeadLetter(partition, letter_id, source.decode(), error.decode(), rest)
