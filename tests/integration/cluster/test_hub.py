"""The hub on a cluster: what happens to a node, or to a partition, concerns the followers of its tasks alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from api.live.hub import Hub
from api.live.subscription import Subscription, Taken
from protocol.head import Outcome
from protocol.log import Owned
from tests.integration.cluster.conftest import World
from tests.integration.live.conftest import running
from tests.support.waiting import until_so

SOON_S = 20.0


def ignore() -> None:
    """An overflow that the test does not provoke."""


@pytest.fixture
async def hub(cluster_url: str) -> AsyncIterator[Hub]:
    async with running(cluster_url) as hub:
        yield hub


async def take(subscription: Subscription) -> Taken:
    taken = await subscription.take(SOON_S)
    assert taken is not None, "nothing came"
    return taken


async def hears(world: World, own: Owned, n: int, subscription: Subscription) -> None:
    """What is appended now arrives."""
    assert world.append(own, n) is Outcome.APPENDED
    while (taken := await take(subscription)).messages[-1:] == []:
        assert taken.resync
    assert taken.messages[-1].last == n


async def following(hub: Hub, stack: AsyncExitStack, task: UUID) -> Subscription:
    subscription = await stack.enter_async_context(hub.subscribe(task, ignore))
    assert (await take(subscription)).resync
    return subscription


async def test_followers_of_tasks_on_every_node_are_all_heard_by_one_hub(world: World, hub: Hub) -> None:
    async with AsyncExitStack() as stack:
        for partition in range(16):
            own = world.claim(world.task_in(partition))
            subscription = await following(hub, stack, own.task)
            await hears(world, own, 1, subscription)
    assert hub.counters.reconnects == 0


async def test_followers_of_a_partition_that_moves_resync_and_others_notice_nothing(world: World, hub: Hub) -> None:
    moving, staying = world.claim(world.task_in(5)), world.claim(world.task_in(9))
    source = world.cluster.owner(5)
    target = next(node for node in world.cluster.nodes if node is not source)
    async with AsyncExitStack() as stack:
        moved, stayed = [await following(hub, stack, own.task) for own in (moving, staying)]

        world.cluster.move(5, target)

        assert (await take(moved)).resync
        await hears(world, moving, 1, moved)
        assert world.append(staying, 1) is Outcome.APPENDED
        assert not (await take(stayed)).resync
        await following(hub, stack, world.task_in(5))
    assert hub.counters.reconnects >= 1


async def test_followers_of_tasks_on_a_lost_node_resync_when_it_is_back_and_others_notice_nothing(
    world: World, hub: Hub
) -> None:
    lost, other = world.cluster.nodes[:2]
    there, here = world.claim(world.task_on(lost)), world.claim(world.task_on(other))
    async with AsyncExitStack() as stack:
        away, near = [await following(hub, stack, own.task) for own in (there, here)]

        lost.kill()
        await until_so(lambda: hub.counters.reconnects > 0)
        for n in range(1, 4):
            assert world.append(here, n) is Outcome.APPENDED
            taken = await take(near)
            assert ([message.last for message in taken.messages], taken.resync) == ([n], False)
        assert hub.healthy()
        world.cluster.revive()

        assert (await take(away)).resync


async def test_followers_of_tasks_on_a_node_that_hangs_resync_when_it_goes_on_and_others_notice_nothing(
    world: World, hub: Hub
) -> None:
    hanging, other = world.cluster.nodes[:2]
    links = len(world.cluster.partitions_of(hanging))
    there, here = world.claim(world.task_on(hanging)), world.claim(world.task_on(other))
    async with AsyncExitStack() as stack:
        away, near = [await following(hub, stack, own.task) for own in (there, here)]

        hanging.pause()
        await until_so(lambda: hub.counters.reconnects >= links, within_s=SOON_S)  # one that has not noticed yet, stays
        await hears(world, here, 1, near)
        hanging.resume()

        assert (await take(away)).resync
        await hears(world, there, 1, away)


async def test_a_node_that_is_silent_is_counted_until_it_is_heard_again(world: World, hub: Hub) -> None:
    await until_so(lambda: hub.silent_links == 0, within_s=SOON_S)
    gone = world.cluster.nodes[0]
    links = len(world.cluster.partitions_of(gone))

    gone.kill()

    await until_so(lambda: hub.silent_links == links, within_s=SOON_S)
    assert hub.healthy()
    world.cluster.revive()
    await until_so(lambda: hub.silent_links == 0, within_s=SOON_S)
