"""Strategies: what may happen to a task, and how its events may be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st

from protocol.events import State
from tests.unit.projection.samples import T0, TASK, chunk, progress, result, running, status

T = TypeVar("T")

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
"""Anything that a worker can encode: NUL, emoji and integers of any size among it."""


@st.composite
def histories(draw: st.DrawFn, task: UUID = TASK, first: int = 1) -> list[bytes]:
    """The events of a task from the seq `first` on: attempts that start, tell, and end or are tried again.

    The writers' clocks may differ: time does not follow the seq.
    """
    events = []
    attempt = draw(st.integers(1, 3))
    kinds = draw(st.lists(st.sampled_from(["chunk", "progress", "running", "queued"]), max_size=9))
    kinds += draw(st.sampled_from([[], ["result"], ["failed"], ["cancelled"]]))
    for seq, kind in enumerate(kinds, start=first):
        where: dict[str, Any] = {"task": task, "attempt": attempt, "ts": T0 + draw(st.integers(0, 5_000)) / 4}
        if kind == "chunk":
            events.append(chunk(seq, draw(json_values), **where))
        elif kind == "progress":
            events.append(progress(seq, draw(st.integers(0, 100)), **where))
        elif kind == "running":
            events.append(running(seq, **where))
        elif kind == "result":
            events.append(result(seq, draw(json_values), **where))
        else:
            error = draw(st.none() | st.fixed_dictionaries({"type": st.just("x"), "message": st.text(max_size=5)}))
            events.append(status(seq, State(kind), error=error, **where))
            attempt += kind == "queued"
    return events


@st.composite
def deliveries(draw: st.DrawFn, items: Sequence[T]) -> list[list[T]]:
    """`items` in groups: each item at least once, some more often, in any order."""
    again = draw(st.lists(st.sampled_from(items), max_size=6)) if items else []
    order = draw(st.permutations([*items, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
