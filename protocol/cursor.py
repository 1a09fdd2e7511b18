"""Cursors: what a client sends to continue where it stopped (docs/protocol.md §7)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_SEQ = 2**53 - 1
"""The largest seq that Lua's and JavaScript's numbers hold exactly."""

_FORM = re.compile(r"(?:(?P<epoch>[0-9a-f]{1,16})\.)?(?P<seq>0|[1-9][0-9]{0,15})", re.ASCII)


class InvalidCursor(ValueError):
    """The text is no cursor; the message says what one looks like."""

    def __init__(self, text: str) -> None:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        super().__init__(f"{shown!r} is not a cursor: expected '<epoch>.<seq>' or '<seq>' with a seq of 0 or more")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last event a client has seen: `seq` 0 means none. Without an epoch it is trusted as of the current one."""

    seq: int
    epoch: str | None = None

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read '<epoch>.<seq>' or '<seq>'. Raises InvalidCursor."""
        match = _FORM.fullmatch(text)
        if match is None or int(match["seq"]) > MAX_SEQ:
            raise InvalidCursor(text)
        return cls(int(match["seq"]), match["epoch"])

    def __str__(self) -> str:
        return str(self.seq) if self.epoch is None else f"{self.epoch}.{self.seq}"

    def __lt__(self, other: Cursor) -> bool:
        """Order by seq. Raises ValueError for cursors of two epochs: those have no order."""
        if self.epoch is not None and other.epoch is not None and self.epoch != other.epoch:
            msg = f"cursors of the epochs {self.epoch} and {other.epoch} have no order"
            raise ValueError(msg)
        return self.seq < other.seq
