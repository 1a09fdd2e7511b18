"""Replies of Redis about streams, narrowed to what a client that does not decode gets. Pure.

redis-py types its replies as unions over every setting of a client. This is the one place that knows which of them
holds here: ids and fields are bytes. Every function raises AttributeError for the reply of a client that decodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Item = tuple[str, Mapping[bytes, bytes]]
"""The id of an entry and its fields."""


def items(reply: Any) -> Iterator[Item]:
    """The entries in a reply of XRANGE or XCLAIM, without those that were deleted."""
    for entry_id, fields in reply or ():
        if entry_id is not None and fields is not None:
            yield entry_id.decode(), fields


def items_by_stream(reply: Any) -> Iterator[tuple[str, Iterator[Item]]]:
    """Each stream in a reply of XREADGROUP, with its entries.

    The reply is a list of pairs; with `protocol=3` a mapping, each value in a list of its own unless
    `legacy_responses` is off.
    """
    for stream, found in reply.items() if isinstance(reply, dict) else reply or ():
        wrapped = bool(found) and isinstance(found[0], list)
        yield stream.decode(), items(found[0] if wrapped else found)


def deliveries(reply: Any) -> dict[str, int]:
    """How often each entry in a reply of XPENDING with a range was delivered, by id."""
    return {item["message_id"].decode(): item["times_delivered"] for item in reply}
