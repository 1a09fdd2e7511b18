"""The seam between replay and live (docs/protocol.md §6). Pure.

A follower at `position` has everything up to that seq. Live messages come with the range of seqs that they account
for; they may repeat what was replayed, overlap it, or leave a hole. Nothing is delivered twice or out of order, and a
hole is never stepped over: what lies behind it is not delivered, and the follower reads the log from `position`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class Ranged(Protocol):
    """Accounts for the events `first` … `last`, superseded ones included."""

    @property
    def first(self) -> int:
        """The first seq."""

    @property
    def last(self) -> int:
        """The last seq."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The message at `index`, to be delivered. With `after` set only its events with a higher seq are new."""

    index: int
    after: int | None


@dataclass(frozen=True, slots=True)
class Merged:
    """What to deliver, in order; the position after it; and whether a hole follows there."""

    pieces: list[Piece]
    position: int
    gap: bool


def merge(position: int, messages: Iterable[Ranged]) -> Merged:
    """Sort `messages`, drop what is known, and stop at the first hole."""
    pieces: list[Piece] = []
    for index, message in sorted(enumerate(messages), key=lambda entry: (entry[1].first, entry[1].last)):
        if message.last <= position:
            continue
        if message.first > position + 1:
            return Merged(pieces, position, gap=True)
        pieces.append(Piece(index, position if message.first <= position else None))
        position = message.last
    return Merged(pieces, position, gap=False)
