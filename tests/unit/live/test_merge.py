"""The merge of replay and live (docs/protocol.md §6.2), row by row."""

from __future__ import annotations

import pytest

from api.live.merge import Merged, Piece, merge
from tests.support.spans import Span, delivered


def test_nothing_to_merge_changes_nothing() -> None:
    assert merge(7, []) == Merged([], 7, gap=False)


def test_a_message_that_was_replayed_is_dropped() -> None:
    assert merge(7, [Span(1, 3), Span(5, 7)]) == Merged([], 7, gap=False)


def test_the_next_message_is_delivered_whole() -> None:
    assert merge(7, [Span(8, 9)]) == Merged([Piece(0, after=None)], 9, gap=False)


@pytest.mark.parametrize("first", [1, 6, 7])
def test_of_a_message_that_overlaps_only_what_is_new_is_delivered(first: int) -> None:
    assert merge(7, [Span(first, 9)]) == Merged([Piece(0, after=7)], 9, gap=False)


def test_a_hole_is_not_stepped_over() -> None:
    assert merge(7, [Span(9, 9)]) == Merged([], 7, gap=True)


def test_what_lies_before_a_hole_is_delivered_and_nothing_behind_it() -> None:
    assert merge(0, [Span(1, 2), Span(4, 5), Span(6, 6)]) == Merged([Piece(0, after=None)], 2, gap=True)


def test_messages_are_delivered_in_order_and_found_by_their_place_in_the_input() -> None:
    messages = [Span(5, 6), Span(1, 2), Span(3, 4)]
    merged = merge(0, messages)

    assert [piece.index for piece in merged.pieces] == [1, 2, 0]
    assert delivered(messages, merged) == [1, 2, 3, 4, 5, 6]


def test_of_two_messages_with_one_start_the_longer_one_adds_the_rest() -> None:
    messages = [Span(1, 5), Span(1, 3)]
    merged = merge(0, messages)

    assert merged.pieces == [Piece(1, after=None), Piece(0, after=3)]
    assert delivered(messages, merged) == [1, 2, 3, 4, 5]


def test_a_hole_that_a_late_message_fills_is_none() -> None:
    messages = [Span(1, 1), Span(4, 4), Span(2, 3)]

    assert delivered(messages, merge(0, messages)) == [1, 2, 3, 4]
