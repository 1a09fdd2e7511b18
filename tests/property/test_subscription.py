"""A queue that is too short never costs a follower more than superseded progress, and never hides a loss."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from api.live.merge import Merged, Piece, merge
from api.live.subscription import Budget, Subscription
from protocol.events import LiveMessage
from tests.support.messages import MIXED, PROGRESS, message
from tests.support.spans import cuts

KINDS = st.sampled_from([PROGRESS, PROGRESS, MIXED])


@st.composite
def streams(draw: st.DrawFn) -> list[LiveMessage]:
    """Messages of a task as append publishes them."""
    return [message(span.first, span.last, draw(KINDS)) for span in draw(cuts(draw(st.integers(1, 40))))]


def size(messages: Iterable[LiveMessage]) -> int:
    return sum(len(each.frame) for each in messages)


def only_progress(messages: Iterable[LiveMessage]) -> list[LiveMessage]:
    return [each for each in messages if each.kind is PROGRESS]


def other(messages: Iterable[LiveMessage]) -> list[LiveMessage]:
    return [each for each in messages if each.kind is not PROGRESS]


@st.composite
def bounds(draw: st.DrawFn, messages: list[LiveMessage]) -> int:
    """From what can be kept in any case to what needs nothing dropped."""
    least = size(other(messages)) + max(map(size, ([each] for each in only_progress(messages))), default=0)
    return draw(st.integers(least, max(least, size(messages))))


async def squeezed(messages: list[LiveMessage], bound: int) -> tuple[list[LiveMessage], Subscription]:
    """What is left of `messages` for a follower that looks only at the end."""

    def fail() -> None:
        raise AssertionError("overflowed")

    subscription = Subscription(Budget(bound), fail)
    subscription.replaying = False
    for each in messages:
        subscription.offer(each)
    taken = await subscription.take(0)
    return [] if taken is None else taken.messages, subscription


@given(st.data(), streams())
async def test_only_progress_is_dropped_never_the_newest_and_only_over_the_bound(
    data: st.DataObject, published: list[LiveMessage]
) -> None:
    bound = data.draw(bounds(published))
    kept, subscription = await squeezed(published, bound)

    assert size(kept) <= bound
    assert [each.frame for each in other(kept)] == [each.frame for each in other(published)]
    assert [each.frame for each in only_progress(kept)[-1:]] == [each.frame for each in only_progress(published)[-1:]]
    assert subscription.superseded == len(published) - len(kept)
    assert merge(0, kept) == Merged([Piece(i, None) for i in range(len(kept))], published[-1].last, gap=False)
    if size(published) == bound:
        assert kept == published


@given(st.data(), streams())
async def test_a_loss_is_never_taken_for_superseded_progress(data: st.DataObject, published: list[LiveMessage]) -> None:
    lost = data.draw(st.sampled_from(published))
    arrived = [each for each in published if each is not lost]
    kept, _ = await squeezed(arrived, data.draw(bounds(arrived)))

    merged = merge(0, kept)

    assert merged.position < lost.first
    assert merged.gap == any(each.first > lost.last for each in kept)


@given(st.data(), streams())
async def test_what_cannot_be_kept_within_the_bound_overflows_once(
    data: st.DataObject, published: list[LiveMessage]
) -> None:
    bound = data.draw(st.integers(1, size(published)))
    overflows: list[None] = []
    subscription = Subscription(Budget(bound), lambda: overflows.append(None))
    subscription.replaying = False
    for each in published:
        subscription.offer(each)

    taken = await subscription.take(0)

    assert taken is not None
    assert len(overflows) == (0 if taken.messages else 1)
    assert overflows or size(other(published)) <= bound
