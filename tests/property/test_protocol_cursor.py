"""Cursors (docs/protocol.md §7)."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.cursor import MAX_SEQ, Cursor, InvalidCursor

seqs = st.integers(0, MAX_SEQ)
epochs = st.text("0123456789abcdef", min_size=1, max_size=16)
cursors = st.builds(Cursor, seqs, st.none() | epochs)


@given(cursors)
def test_a_cursor_reads_back_what_it_says(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text() | st.text("0123456789abcdef.-+_ \n٣", max_size=20))
@example("")
@example("-1")
@example("+1")
@example("01")
@example("1 ")
@example("1\n")
@example("1_000")
@example("1e3")
@example("٣")
@example(".1")
@example("1.")
@example("e1.")
@example("E1.5")
@example("e1.2.3")
@example("0123456789abcdef0.1")
@example(str(MAX_SEQ + 1))
@example("9" * 5_000)
def test_any_text_is_a_cursor_of_the_one_form_or_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except InvalidCursor as error:
        shown = str(error)
        assert "is not a cursor" in shown
        assert len(shown) < 500, "a hostile text is not echoed whole"
    else:
        assert str(cursor) == text
        assert 0 <= cursor.seq <= MAX_SEQ
        assert cursor.epoch is None or re.fullmatch("[0-9a-f]{1,16}", cursor.epoch)


@given(seqs, seqs, epochs)
def test_cursors_of_one_epoch_are_ordered_by_seq(a: int, b: int, epoch: str) -> None:
    assert (Cursor(a, epoch) < Cursor(b, epoch)) == (a < b)
    assert (Cursor(a, epoch) > Cursor(b, epoch)) == (a > b)
    assert (Cursor(a) < Cursor(b, epoch)) == (a < b), "without an epoch it is of the current one"


@given(st.lists(seqs), epochs)
def test_cursors_sort_as_their_seqs_do(numbers: list[int], epoch: str) -> None:
    assert [cursor.seq for cursor in sorted(Cursor(seq, epoch) for seq in numbers)] == sorted(numbers)


@given(seqs, seqs, st.lists(epochs, min_size=2, max_size=2, unique=True))
def test_cursors_of_two_epochs_have_no_order(a: int, b: int, two: list[str]) -> None:
    with pytest.raises(ValueError, match="have no order"):
        _ = Cursor(a, two[0]) < Cursor(b, two[1])
