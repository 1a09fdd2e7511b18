"""Whatever happens to the live messages of a task, a follower is never told twice, out of order, or past a hole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.live.merge import merge
from tests.support.spans import Span, cuts, delivered

LENGTHS = st.integers(1, 30)


@st.composite
def deliveries(draw: st.DrawFn, length: int) -> list[Span]:
    """Messages of a sequence of `length` events: lost, repeated, overlapping and in any order."""
    pool = draw(cuts(length)) + draw(cuts(length))  # a second cut overlaps the first
    picked = draw(st.lists(st.sampled_from(pool), max_size=2 * len(pool)))
    return draw(st.permutations(picked))


@given(st.data(), LENGTHS)
def test_everything_up_to_the_first_hole_is_delivered_once_and_in_order(data: st.DataObject, length: int) -> None:
    messages = data.draw(deliveries(length))
    position = data.draw(st.integers(0, length))
    there = {seq for message in messages for seq in range(message.first, message.last + 1)}
    expected: list[int] = []
    while position + len(expected) + 1 in there:
        expected.append(position + len(expected) + 1)

    merged = merge(position, messages)

    assert delivered(messages, merged) == expected
    assert merged.position == position + len(expected)
    assert merged.gap == any(seq > merged.position for seq in there)


@given(st.data(), LENGTHS)
def test_nothing_is_missing_when_nothing_was_lost(data: st.DataObject, length: int) -> None:
    messages = data.draw(cuts(length))
    messages = data.draw(st.permutations(messages + data.draw(st.lists(st.sampled_from(messages)))))

    merged = merge(0, messages)

    assert delivered(messages, merged) == list(range(1, length + 1))
    assert not merged.gap


@given(st.data(), LENGTHS)
def test_a_follower_that_reads_the_log_at_each_hole_gets_everything_once(data: st.DataObject, length: int) -> None:
    """The session's loop with the log as a number: what is published can be read, whether or not it arrived."""
    published = data.draw(cuts(length))
    lost = data.draw(st.sets(st.sampled_from(published)))
    seen: list[int] = []
    waiting: list[Span] = []
    for message in published:
        waiting += [message] * (message not in lost) * data.draw(st.integers(1, 2))
        if not data.draw(st.booleans()) and message is not published[-1]:
            continue  # the follower is busy; more comes until it looks
        waiting = data.draw(st.permutations(waiting))
        merged = merge(len(seen), waiting)
        seen += delivered(waiting, merged)
        assert merged.position == len(seen)
        waiting = []
        if merged.gap or message is published[-1]:  # a hole, or the comparison of an idle session with the head
            seen += range(merged.position + 1, message.last + 1)

    assert seen == list(range(1, length + 1))
