"""The queue of one follower: what it drops, what it never drops, and when it gives up."""

from __future__ import annotations

import asyncio

import pytest

from api.live.subscription import Budget, Subscription
from protocol.events import LiveMessage
from tests.support.messages import MIXED, PROGRESS, TERMINAL, message

SIZE = len(message(1).frame)
"""Of the frame of one event with a seq of one digit."""


class Overflows:
    """Counts how often a subscription says that it overflowed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def overflows() -> Overflows:
    return Overflows()


@pytest.fixture
def subscription(overflows: Overflows) -> Subscription:
    """Of a follower that has replayed; four messages of one event fit."""
    subscription = Subscription(Budget(4 * SIZE), overflows)
    subscription.replaying = False
    return subscription


def offer(subscription: Subscription, *messages: LiveMessage) -> None:
    for each in messages:
        subscription.offer(each)


async def taken(subscription: Subscription) -> list[LiveMessage]:
    found = await subscription.take(1)
    assert found is not None
    return found.messages


async def test_what_fits_is_taken_as_it_came(subscription: Subscription) -> None:
    sent = [message(1, kind=PROGRESS), message(2, kind=PROGRESS), message(3), message(4, kind=PROGRESS)]
    offer(subscription, *sent)

    assert await taken(subscription) == sent
    assert subscription.superseded == 0


async def test_a_take_empties_the_queue_and_makes_room(subscription: Subscription, overflows: Overflows) -> None:
    for seq in range(1, 9, 4):
        offer(subscription, *[message(seq + i) for i in range(4)])
        assert [each.first for each in await taken(subscription)] == [seq, seq + 1, seq + 2, seq + 3]

    assert await subscription.take(0) is None
    assert overflows.count == 0


async def test_over_the_bound_all_progress_but_the_newest_is_dropped(subscription: Subscription) -> None:
    offer(subscription, *[message(seq, kind=PROGRESS) for seq in range(1, 6)])

    assert await taken(subscription) == [LiveMessage("e1", 1, 5, PROGRESS, message(5).frame)]
    assert subscription.superseded == 4


async def test_chunks_and_the_end_are_kept_when_progress_is_dropped(subscription: Subscription) -> None:
    offer(
        subscription,
        message(1),
        message(2, kind=PROGRESS),
        message(3),
        message(4, kind=PROGRESS),
        message(5, kind=TERMINAL),
    )

    kept = await taken(subscription)

    assert [(each.first, each.last, each.kind) for each in kept] == [
        (1, 1, MIXED),
        (2, 3, MIXED),
        (4, 4, PROGRESS),
        (5, 5, TERMINAL),
    ]


async def test_the_message_after_dropped_progress_accounts_for_it_and_its_frame_stays(
    subscription: Subscription,
) -> None:
    sent = [message(1, kind=PROGRESS), message(2, kind=PROGRESS), message(3), message(4, kind=PROGRESS), message(5)]
    offer(subscription, *sent)

    kept = await taken(subscription)

    assert [(each.first, each.last) for each in kept] == [(1, 3), (4, 4), (5, 5)]
    assert [each.frame for each in kept] == [sent[2].frame, sent[3].frame, sent[4].frame]


async def test_a_message_that_was_lost_is_not_accounted_for_by_what_follows_dropped_progress(
    subscription: Subscription,
) -> None:
    offer(subscription, *[message(seq, kind=PROGRESS) for seq in (1, 2, 4, 5, 6)])  # 3 never came

    assert [(each.first, each.last) for each in await taken(subscription)] == [(4, 6)]


async def test_dropped_progress_of_one_epoch_is_not_accounted_for_by_another(subscription: Subscription) -> None:
    offer(subscription, *[message(seq, kind=PROGRESS) for seq in (6, 7, 8)])
    offer(subscription, *[message(seq, kind=PROGRESS, epoch="e2") for seq in (9, 10)])

    assert [(each.epoch, each.first, each.last) for each in await taken(subscription)] == [("e2", 9, 10)]


async def test_an_overflow_is_told_once_and_nothing_is_taken_any_more(
    subscription: Subscription, overflows: Overflows
) -> None:
    offer(subscription, *[message(seq) for seq in range(1, 10)])
    assert overflows.count == 1
    assert await taken(subscription) == []

    offer(subscription, *[message(seq) for seq in range(1, 10)])
    assert overflows.count == 1
    assert await subscription.take(0) is None


async def test_an_overflow_during_the_replay_is_a_resync_and_the_follower_stays(
    subscription: Subscription, overflows: Overflows
) -> None:
    subscription.replaying = True
    offer(subscription, *[message(seq) for seq in range(1, 6)])
    offer(subscription, message(6))

    found = await subscription.take(1)

    assert found is not None
    assert (found.resync, [each.first for each in found.messages]) == (True, [6])
    assert overflows.count == 0


async def test_a_message_larger_than_the_bound_overflows_alone(
    subscription: Subscription, overflows: Overflows
) -> None:
    offer(subscription, message(1, 50))

    assert overflows.count == 1


async def test_the_bound_counts_the_bytes_of_the_text_not_its_characters(
    subscription: Subscription, overflows: Overflows
) -> None:
    offer(subscription, LiveMessage("e1", 1, 1, MIXED, "π" * 3 * SIZE))

    assert overflows.count == 1


async def test_a_resync_is_taken_once(subscription: Subscription) -> None:
    subscription.resync()
    first = await subscription.take(1)
    offer(subscription, message(1))
    second = await subscription.take(1)

    assert first is not None
    assert second is not None
    assert (first.resync, second.resync) == (True, False)


async def test_a_take_of_nothing_ends_with_its_timeout(subscription: Subscription) -> None:
    assert await subscription.take(0.01) is None


async def test_a_take_that_waits_ends_with_the_first_offer(subscription: Subscription) -> None:
    taking = asyncio.create_task(subscription.take(60))
    await asyncio.sleep(0)  # it waits now
    offer(subscription, message(1))

    found = await taking

    assert found is not None
    assert [each.first for each in found.messages] == [1]


async def test_what_comes_after_a_timeout_is_not_lost(subscription: Subscription) -> None:
    assert await subscription.take(0) is None
    offer(subscription, message(1))

    assert await taken(subscription) == [message(1)]


async def test_subscriptions_of_one_connection_share_its_bound(overflows: Overflows) -> None:
    budget = Budget(4 * SIZE)
    first, second = Subscription(budget, overflows), Subscription(budget, overflows)
    first.replaying = second.replaying = False
    offer(first, message(1), message(2))
    offer(second, message(1), message(2))
    assert overflows.count == 0

    await taken(first)
    offer(second, message(3), message(4))
    assert (overflows.count, budget.exceeded) == (0, False)
    offer(second, message(5))
    assert overflows.count == 1


async def test_a_subscription_that_is_closed_gives_its_room_back_and_takes_nothing_more(overflows: Overflows) -> None:
    budget = Budget(4 * SIZE)
    subscription = Subscription(budget, overflows)
    offer(subscription, *[message(seq) for seq in range(1, 5)])
    subscription.close()
    offer(subscription, message(5))

    assert (budget.used, overflows.count) == (0, 0)
    assert await taken(subscription) == []
