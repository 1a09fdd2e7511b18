"""Slots: no kind of task takes all of a worker's, so that a task of another kind starts at once.

The rule alone, for whatever runs tasks: kinds are names here, and what runs are numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


def open_kinds(running: Mapping[str, int], kinds: Collection[str], *, slots: int, spare: int) -> frozenset[str]:
    """The kinds of which one more task may start while so many of each are `running`.

    One of which nothing runs may take any free slot. Another leaves a slot free for each of those, or for `spare` of
    them. With no fewer slots than kinds, and `spare` all but one, every idle kind thus has a free slot at all times.
    """
    free = slots - sum(running.values())
    idle = frozenset(kind for kind in kinds if not running.get(kind))
    if free > min(len(idle), spare):
        return frozenset(kinds)
    return idle if free > 0 else frozenset()


def spared(kinds: int, wanted: int | None) -> int:
    """The `spare` of a worker that runs so many kinds: what is wanted, at most one for each kind but one.

    That many when nothing is said.
    """
    most = max(kinds - 1, 0)
    return most if wanted is None else min(wanted, most)
