"""The hub on a real server: one connection, shared channels, and what a follower may rely on when either breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final
from uuid import UUID, uuid4

from redis.asyncio import Redis as AsyncRedis

from api.live.hub import Hub
from api.live.subscription import Subscription, Taken
from local.servers import Valkey
from protocol.events import LiveMessage
from protocol.keys import TaskKeys
from tests.integration.live.conftest import running
from tests.support.messages import message, payload
from tests.support.waiting import until, until_so

SOON_S: Final = 5.0


def ignore() -> None:
    """An overflow that the test does not provoke."""


def channel(task: UUID) -> str:
    return TaskKeys.of(task).live


async def publish(redis: AsyncRedis, task: UUID, *messages: LiveMessage) -> int:
    """Publish; returns how many connections got the last one."""
    receivers = 0
    for each in messages:
        receivers = await redis.execute_command("SPUBLISH", channel(task), payload(each))  # type: ignore[no-untyped-call]
    return receivers


async def listeners(redis: AsyncRedis, task: UUID) -> int:
    """How many connections the server counts on the task's channel."""
    found: list[Any] = await redis.execute_command("PUBSUB", "SHARDNUMSUB", channel(task))  # type: ignore[no-untyped-call]
    return int(found[1])


async def take(subscription: Subscription) -> Taken:
    taken = await subscription.take(SOON_S)
    assert taken is not None, "nothing came"
    return taken


async def seqs(subscription: Subscription, last: int) -> list[int]:
    """The first seqs of what is taken until `last` came."""
    found: list[int] = []
    while not found or found[-1] != last:
        found += [each.first for each in (await take(subscription)).messages]
    return found


@asynccontextmanager
async def following(hub: Hub, task: UUID) -> AsyncIterator[Subscription]:
    """A subscription whose first resync was taken, so that the server has confirmed it."""
    async with hub.subscribe(task, ignore) as subscription:
        assert (await take(subscription)).resync
        yield subscription


async def test_a_subscription_begins_with_a_resync_that_comes_once_the_server_has_confirmed(
    hub: Hub, redis: AsyncRedis
) -> None:
    task = uuid4()
    async with hub.subscribe(task, ignore) as subscription:
        taken = await take(subscription)

        assert (taken.resync, taken.messages) == (True, [])
        assert await publish(redis, task, message(1)) == 1
        assert (await take(subscription)) == Taken([message(1)], resync=False)


async def test_followers_of_one_task_share_a_channel_and_each_gets_everything(hub: Hub, redis: AsyncRedis) -> None:
    task = uuid4()
    async with following(hub, task) as first, following(hub, task) as second:
        assert await publish(redis, task, message(1), message(2, 4)) == 1

        assert await seqs(first, 2) == [1, 2]
        assert await seqs(second, 2) == [1, 2]
        assert hub.subscriptions == 2


async def test_a_follower_gets_its_own_task_only(hub: Hub, redis: AsyncRedis) -> None:
    mine, other = uuid4(), uuid4()
    async with following(hub, mine) as subscription, following(hub, other):
        await publish(redis, other, message(7))
        await publish(redis, mine, message(1))

        assert await seqs(subscription, 1) == [1]


async def test_the_channel_is_left_with_its_last_follower_and_not_before(hub: Hub, redis: AsyncRedis) -> None:
    task = uuid4()
    async with following(hub, task) as first:
        async with following(hub, task):
            pass
        await publish(redis, task, message(1))
        assert await seqs(first, 1) == [1]

    await until(lambda: listeners(redis, task), lambda count: count == 0)
    assert hub.subscriptions == 0


async def test_a_task_that_is_left_and_followed_again_at_once_is_heard(hub: Hub, redis: AsyncRedis) -> None:
    task = uuid4()
    for number in range(1, 101):
        async with hub.subscribe(task, ignore):
            pass
        async with following(hub, task) as subscription:
            await publish(redis, task, message(number))
            assert (await seqs(subscription, number))[-1] == number

    await until(lambda: listeners(redis, task), lambda count: count == 0)


async def test_many_who_come_while_the_hub_starts_are_all_confirmed(redis_url: str) -> None:
    async with running(redis_url) as hub, AsyncExitStack() as stack:
        subscriptions = [await stack.enter_async_context(hub.subscribe(uuid4(), ignore)) for _ in range(50)]

        assert all([(await take(subscription)).resync for subscription in subscriptions])
        assert hub.counters.reconnects == 0


async def test_a_follower_that_goes_while_it_comes_leaves_nothing_and_disturbs_nobody(
    hub: Hub, redis: AsyncRedis
) -> None:
    """Cancelled at each point at which it could be waiting."""
    bystanding, task = uuid4(), uuid4()

    async def come_and_stay() -> None:
        async with hub.subscribe(task, ignore):
            await asyncio.Event().wait()

    async with following(hub, bystanding) as bystander:
        for steps in range(12):
            follower = asyncio.create_task(come_and_stay())
            for _ in range(steps):
                await asyncio.sleep(0)
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower
        await publish(redis, bystanding, message(1))

        assert await take(bystander) == Taken([message(1)], resync=False)
        assert hub.subscriptions == 1
        await until(lambda: listeners(redis, task), lambda count: count == 0)
    assert hub.counters.reconnects == 0


async def test_a_killed_connection_is_made_again_and_its_followers_resync(hub: Hub, redis: AsyncRedis) -> None:
    task = uuid4()
    async with following(hub, task) as first, following(hub, task) as second:
        assert await redis.client_kill_filter(_type="pubsub") == 1
        lost = await publish(redis, task, message(1))

        assert (await take(first)).resync
        assert (await take(second)).resync
        assert lost == 0
        assert hub.counters.reconnects == 1
        await publish(redis, task, message(2))
        assert await seqs(first, 2) == [2]
        assert await seqs(second, 2) == [2]


async def test_who_comes_and_goes_while_the_server_is_down_is_right_afterwards(
    hub: Hub, redis: AsyncRedis, valkey_server: Valkey
) -> None:
    gone, came, stayed = uuid4(), uuid4(), uuid4()
    async with AsyncExitStack() as stack:
        staying = await stack.enter_async_context(following(hub, stayed))
        async with following(hub, gone):
            valkey_server.stop()
            await until_so(lambda: hub.counters.reconnects > 0)
        coming = await stack.enter_async_context(hub.subscribe(came, ignore))
        valkey_server.start()

        assert (await take(coming)).resync
        assert (await take(staying)).resync
        await publish(redis, came, message(1))
        await publish(redis, stayed, message(2))
        assert await seqs(coming, 1) == [1]
        assert await seqs(staying, 2) == [2]
        assert await listeners(redis, gone) == 0


async def test_a_malformed_message_is_counted_and_skipped(hub: Hub, redis: AsyncRedis) -> None:
    task = uuid4()
    async with following(hub, task) as subscription:
        malformed = (b"", b"e1 1 x m\n[]", b"e1 1 1 z\n[]", b"e1 1 m\n[]", b"\xff\xfe 1 1 m\n[]", b"e1 1 1 m\n\xff")
        for bad in malformed:
            await redis.execute_command("SPUBLISH", channel(task), bad)  # type: ignore[no-untyped-call]
        await publish(redis, task, message(1))

        assert await seqs(subscription, 1) == [1]
        assert hub.counters.malformed == len(malformed)
        assert hub.counters.messages == len(malformed) + 1


async def test_a_follower_that_takes_nothing_overflows_and_the_other_gets_everything(
    redis_url: str, redis: AsyncRedis
) -> None:
    task = uuid4()
    sent = [message(seq) for seq in range(1, 101)]
    overflows: list[str] = []
    async with (
        running(redis_url, queue_bytes=200) as hub,
        hub.subscribe(task, lambda: overflows.append("slow")) as slow,
        following(hub, task) as quick,
    ):
        assert (await take(slow)).resync
        slow.replaying = quick.replaying = False
        for each in sent:
            await publish(redis, task, each)
            assert await seqs(quick, each.first) == [each.first]

        assert overflows == ["slow"]
        assert hub.counters.overflows == 1


async def test_it_is_healthy_only_while_its_server_is_heard(redis_url: str, valkey_server: Valkey) -> None:
    task = uuid4()
    async with running(redis_url) as hub, hub.subscribe(task, ignore) as subscription:
        assert not hub.healthy()
        await until_so(hub.healthy)
        assert (await take(subscription)).resync

        valkey_server.pause()
        try:
            await until_so(lambda: not hub.healthy(), within_s=20.0)
        finally:
            valkey_server.resume()

        await until_so(hub.healthy)
        assert (await take(subscription)).resync
