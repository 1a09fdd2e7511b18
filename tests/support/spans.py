"""Ranges of seqs for the tests of the merge, and what a merge delivers of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from api.live.merge import Merged, Ranged


@dataclass(frozen=True)
class Span:
    first: int
    last: int


def delivered(messages: Sequence[Ranged], merged: Merged) -> list[int]:
    """Every seq that the pieces deliver, in their order."""
    seqs: list[int] = []
    for piece in merged.pieces:
        message = messages[piece.index]
        first = message.first if piece.after is None else piece.after + 1
        seqs += range(first, message.last + 1)
    return seqs


def cuts(length: int) -> st.SearchStrategy[list[Span]]:
    """The seqs 1 … `length`, cut into adjacent ranges."""

    def cut(ends: set[int]) -> list[Span]:
        lasts = sorted(ends | {length})
        return [Span(before + 1, last) for before, last in zip([0, *lasts], lasts, strict=False)]

    return st.sets(st.integers(1, length)).map(cut)
