"""The consumer group on a real server: what is read, claimed, held, trimmed, measured and left."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from api.projection import streams as module
from api.projection.entries import Entry
from api.projection.streams import GroupStreams, Lag
from protocol.keys import events

STREAM = events(3)
OFTEN = 1_000_000


@pytest.fixture
def group(redis: Redis) -> GroupStreams:
    return GroupStreams(redis, [3, 4], "projection", "a")


@pytest.fixture
def other(redis: Redis) -> GroupStreams:
    return GroupStreams(redis, [3, 4], "projection", "b")


async def add(redis: Redis, count: int, stream: str = STREAM) -> list[str]:
    """Append entries; returns their ids."""
    ids: list[Any] = [await redis.xadd(stream, {"frame": str(number)}) for number in range(count)]
    return [entry_id.decode() for entry_id in ids]


async def left(redis: Redis) -> list[str]:
    """The ids that the stream still holds."""
    entries: Any = await redis.xrange(STREAM)
    return [entry_id.decode() for entry_id, _ in entries]


async def read(group: GroupStreams, count: int = 100) -> list[Entry]:
    return await group.read(count, 1)


async def test_the_first_read_makes_the_group_and_gives_what_was_appended_before(
    group: GroupStreams, redis: Redis
) -> None:
    ids = await add(redis, 2)
    (in_the_other,) = await add(redis, 1, events(4))

    entries = await read(group)

    assert [(entry.partition, entry.id) for entry in entries] == [(3, ids[0]), (3, ids[1]), (4, in_the_other)]
    assert entries[0].fields == {b"frame": b"0"}


async def test_a_read_gives_at_most_so_many_entries_of_each_partition(group: GroupStreams, redis: Redis) -> None:
    await add(redis, 3)
    await add(redis, 3, events(4))

    assert [entry.partition for entry in await read(group, 2)] == [3, 3, 4, 4]


async def test_a_read_that_finds_nothing_gives_nothing(group: GroupStreams) -> None:
    assert await read(group) == []


async def test_what_one_consumer_was_given_no_other_gets(
    group: GroupStreams, other: GroupStreams, redis: Redis
) -> None:
    await add(redis, 2)

    assert len(await read(group)) == 2
    assert await read(other) == []


async def test_an_error_that_has_nothing_to_do_with_groups_is_raised(group: GroupStreams, redis: Redis) -> None:
    await read(group)
    await redis.set(STREAM, "no stream")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await read(group)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await group.trim()


async def test_claimed_entries_tell_how_often_they_were_delivered(
    group: GroupStreams, other: GroupStreams, redis: Redis
) -> None:
    ids = await add(redis, 2)
    await read(group)

    first = await other.claim(10, 0, alone_from=OFTEN)
    second = await group.claim(10, 0, alone_from=OFTEN)

    assert [(entry.id, entry.deliveries) for entry in first] == [(ids[0], 2), (ids[1], 2)]
    assert [entry.deliveries for entry in second] == [3, 3]
    assert second[0].fields == {b"frame": b"0"}


async def test_only_what_has_been_idle_for_long_enough_is_claimed(
    group: GroupStreams, other: GroupStreams, redis: Redis
) -> None:
    await add(redis, 1)
    await read(group)

    assert await other.claim(10, 60_000, alone_from=OFTEN) == []


async def test_a_claim_can_be_confined_to_one_consumer(group: GroupStreams, other: GroupStreams, redis: Redis) -> None:
    await add(redis, 1)
    await read(group)

    assert await other.claim(10, 0, alone_from=OFTEN, of="b") == []
    assert len(await other.claim(10, 0, alone_from=OFTEN, of="a")) == 1


async def test_what_is_in_hand_is_not_claimed_again(group: GroupStreams, redis: Redis) -> None:
    await add(redis, 2)
    in_hand, forgotten = await read(group)

    (claimed,) = await group.claim(10, 0, alone_from=OFTEN, but=[in_hand])

    assert claimed.id == forgotten.id


async def test_of_the_suspicious_only_the_least_delivered_is_claimed(
    group: GroupStreams, other: GroupStreams, redis: Redis
) -> None:
    ids = await add(redis, 4)
    await read(group, 3)
    await group.claim(1, 0, alone_from=OFTEN)
    await group.claim(3, 0, alone_from=OFTEN)
    await read(group)

    claimed = await other.claim(10, 0, alone_from=3)

    assert [(entry.id, entry.deliveries) for entry in claimed] == [(ids[1], 3), (ids[3], 2)]


async def test_entries_that_were_deleted_meanwhile_are_not_claimed(group: GroupStreams, redis: Redis) -> None:
    ids = await add(redis, 2)
    await read(group)
    await redis.xdel(STREAM, ids[0])

    assert [entry.id for entry in await group.claim(10, 0, alone_from=OFTEN)] == [ids[1]]


@pytest.mark.parametrize(("anew", "deliveries"), [(False, 2), (True, 1)])
async def test_holding_keeps_entries_from_others_and_counts_no_delivery(
    group: GroupStreams, other: GroupStreams, redis: Redis, anew: bool, deliveries: int
) -> None:
    ids = await add(redis, 2)
    held, left_alone = await read(group)
    await redis.xclaim(STREAM, "projection", "a", 0, [*ids], idle=60_000, retrycount=2)

    await group.hold([held], anew=anew)
    pending: Any = await redis.xpending_range(STREAM, "projection", "-", "+", 10)

    assert [item["times_delivered"] for item in pending] == [deliveries, 2]
    assert [entry.id for entry in await other.claim(10, 30_000, alone_from=OFTEN)] == [left_alone.id]


async def test_what_was_acknowledged_or_taken_by_another_is_not_held(
    group: GroupStreams, other: GroupStreams, redis: Redis
) -> None:
    await add(redis, 2)
    done, taken = await read(group)
    await group.ack([done])
    await other.claim(10, 0, alone_from=OFTEN)

    await group.hold([done, taken], anew=True)

    pending: Any = await redis.xpending_range(STREAM, "projection", "-", "+", 10)
    assert [(item["consumer"], item["message_id"].decode()) for item in pending] == [(b"b", taken.id)]


async def test_acknowledging_counts_what_was_pending(group: GroupStreams, redis: Redis) -> None:
    await add(redis, 2)
    await add(redis, 1, events(4))
    entries = await read(group)

    assert await group.ack(entries) == 3
    assert await group.ack(entries) == 0
    assert await group.ack([]) == 0


async def test_trimming_drops_what_is_acknowledged(group: GroupStreams, redis: Redis) -> None:
    ids = await add(redis, 5)
    await group.ack(await read(group, 3))

    lags = await group.trim()

    assert await left(redis) == ids[3:]
    assert lags == [Lag(3, undelivered=2, pending=0), Lag(4, undelivered=0, pending=0)]


async def test_trimming_never_drops_an_entry_that_is_not_acknowledged_nor_one_behind_it(
    group: GroupStreams, other: GroupStreams, redis: Redis
) -> None:
    ids = await add(redis, 6)
    first, second = await read(group, 2), await read(other, 2)
    await other.ack(second)

    (lag, _) = await group.trim()
    assert await left(redis) == ids
    assert lag == Lag(3, undelivered=2, pending=2)

    await group.ack(first[:1])
    await group.trim()
    assert await left(redis) == ids[1:]

    await group.ack(first[1:])
    await group.trim()
    assert await left(redis) == ids[4:]


async def test_trimming_before_the_first_read_drops_nothing(group: GroupStreams, redis: Redis) -> None:
    ids = await add(redis, 2)

    lags = await group.trim()

    assert await left(redis) == ids
    assert lags[0] == Lag(3, undelivered=2, pending=0)


async def test_a_lag_that_redis_cannot_tell_is_bounded_by_what_the_stream_holds(
    group: GroupStreams, redis: Redis
) -> None:
    ids = await add(redis, 5)
    await read(group, 1)
    await redis.xdel(STREAM, ids[3])
    (told,) = await redis.xinfo_groups(STREAM)
    assert told["lag"] is None

    (lag, _) = await group.trim()

    assert lag == Lag(3, undelivered=3, pending=1)


async def test_after_a_trim_the_lag_goes_on_to_be_exact(group: GroupStreams, redis: Redis) -> None:
    for _ in range(3):
        await add(redis, 4)
        await group.ack(await read(group, 3))
        (lag, _) = await group.trim()

    assert lag == Lag(3, undelivered=3, pending=0)


async def test_a_stream_that_was_deleted_is_made_again_and_measured(group: GroupStreams, redis: Redis) -> None:
    await read(group)
    await redis.delete(STREAM)

    assert await group.trim() == [Lag(4, undelivered=0, pending=0)]
    assert await group.trim() == [Lag(3, undelivered=0, pending=0), Lag(4, undelivered=0, pending=0)]


async def test_a_consumer_leaves_only_where_it_has_nothing_pending(group: GroupStreams, redis: Redis) -> None:
    await add(redis, 1)
    await add(redis, 1, events(4))
    in_third, in_fourth = await read(group)
    await group.ack([in_fourth])

    await group.leave()

    assert [info["name"] for info in await redis.xinfo_consumers(STREAM, "projection")] == [b"a"]
    assert await redis.xinfo_consumers(events(4), "projection") == []
    assert in_third.partition == 3


async def test_consumers_that_are_gone_are_forgotten_unless_something_is_pending(
    group: GroupStreams, other: GroupStreams, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(redis, 1)
    await read(group)
    await read(other)
    assert await other.forget_idle() == 0, "both were here just now"

    monkeypatch.setattr(module, "GONE_AFTER_MS", 0)
    await other.forget_idle()

    assert [info["name"] for info in await redis.xinfo_consumers(STREAM, "projection")] == [b"a"]
