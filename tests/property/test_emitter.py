"""Whatever is emitted and whenever the flusher takes: what leaves is what was emitted, but for superseded progress."""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from protocol.events import State
from tests.unit.worker.emitting import Desk, answer, label
from worker.emitter import Batch, EmitterLimits

EMITTED: Final = ("chunk", "progress", "status")
steps = st.lists(st.sampled_from([*EMITTED, "take", "answer"]), max_size=60)


class Story:
    """Drives an emitter by steps and says, in the simplest way, what has to wait in it."""

    def __init__(self, limits: EmitterLimits) -> None:
        self.desk = Desk(limits)
        self.emitted: list[str] = []
        self.waiting: list[str] = []
        self.taken: list[Batch] = []
        self.expected: list[list[str]] = []
        self.in_flight = False

    def tell(self, step: str) -> None:
        number = len(self.emitted)
        match step:
            case "chunk":
                self.desk.emitter.chunk("x")
                self._emitted(f"c{sum(name[0] == 'c' for name in self.emitted)}")
            case "progress":
                self.desk.emitter.progress({"current": number})
                self.waiting = [name for name in self.waiting if name[0] != "p"]
                self._emitted(f"p{number}")
            case "status":
                self.desk.emitter.status(State.RUNNING)
                self._emitted("running")
            case "take":
                self._take()
            case "answer" if self.in_flight:
                self.desk.emitter.settle(answer())
                self.in_flight = False

    def finish(self) -> None:
        while self.waiting or self.in_flight:
            self.tell("answer")
            self.tell("take")
        assert self.desk.emitter.take() is None

    def _emitted(self, name: str) -> None:
        self.emitted.append(name)
        self.waiting.append(name)

    def _take(self) -> None:
        batch = self.desk.emitter.take()
        if self.in_flight:
            assert batch is self.taken[-1]
        elif self.waiting:
            assert batch is not None
            self.in_flight = True
            self.taken.append(batch)
            most = self.desk.limits.batch_events
            self.expected.append(self.waiting[:most])
            self.waiting = self.waiting[most:]
        else:
            assert batch is None


@given(steps, st.integers(1, 8))
def test_what_is_taken_is_what_was_emitted_without_progress_superseded_while_it_waited(
    told: list[str], batch_events: int
) -> None:
    story = Story(EmitterLimits(batch_events=batch_events))
    for step in told:
        story.tell(step)
    story.finish()

    assert [[label(body) for body in batch.bodies] for batch in story.taken] == story.expected


@given(steps, st.integers(1, 8))
def test_nothing_but_progress_is_dropped_and_nothing_is_moved_or_doubled(told: list[str], batch_events: int) -> None:
    story = Story(EmitterLimits(batch_events=batch_events))
    for step in told:
        story.tell(step)
    story.finish()

    left = [label(body) for batch in story.taken for body in batch.bodies]
    order = iter(story.emitted)
    assert all(name in order for name in left)
    assert [name for name in left if name[0] != "p"] == [name for name in story.emitted if name[0] != "p"]
    assert [name for name in left if name[0] == "p"][-1:] == [name for name in story.emitted if name[0] == "p"][-1:]


@given(steps, st.integers(1, 8))
def test_the_numbers_of_the_batches_are_contiguous(told: list[str], batch_events: int) -> None:
    story = Story(EmitterLimits(batch_events=batch_events))
    for step in told:
        story.tell(step)
    story.finish()

    following = 1
    for batch in story.taken:
        assert batch.n == following
        following += len(batch.bodies)
