"""Whatever order, repetition and grouping the events are delivered in, they change the same."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from api.projection.fold import merge, overlay
from api.projection.frames import events_of
from api.storage.changes import Changes
from protocol.events import encode_frame
from tests.unit.projection.histories import deliveries, histories
from tests.unit.projection.samples import EPOCH, OTHER, TASK, changes, row


@given(st.data())
def test_any_delivery_of_a_history_changes_the_same(data: st.DataObject) -> None:
    history = data.draw(histories())
    groups = data.draw(deliveries(history))

    assert merge(*(changes(*group) for group in groups)) == changes(*history)


@given(st.data())
def test_merging_is_associative(data: st.DataObject) -> None:
    a, b, c = (changes(*group) for group in data.draw(st.tuples(*[histories()] * 3)))

    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge(a, b, c)


@given(histories(), histories(OTHER), histories(first=3), st.randoms(use_true_random=False))
def test_tasks_and_epochs_do_not_touch_one_another(
    ours: list[bytes], others: list[bytes], again: list[bytes], order: Random
) -> None:
    parts = [changes(event) for event in ours]
    parts += [changes(event, task=OTHER) for event in others]
    parts += [changes(event, epoch="e2") for event in again]
    order.shuffle(parts)

    assert merge(*parts) == merge(changes(*ours), changes(*others, task=OTHER), changes(*again, epoch="e2"))


@given(st.data())
def test_a_row_comes_to_the_same_by_any_delivery(data: st.DataObject) -> None:
    history = data.draw(histories())
    whole = row()
    for change in changes(*history).tasks.values():
        whole = overlay(whole, change)

    shown = row()
    for group in data.draw(deliveries(history)):
        for change in changes(*group).tasks.values():
            shown = overlay(shown, change)

    assert shown == whole


@given(histories())
def test_the_archive_has_every_seq_of_a_history_once(history: list[bytes]) -> None:
    kept = [seq for of_task in changes(*history, *history).events.values() for seq in of_task]

    assert kept == list(range(1, len(history) + 1))


@given(histories().filter(bool))
def test_the_form_of_the_json_does_not_matter(history: list[bytes]) -> None:
    frame = encode_frame(history)
    spaced = json.dumps(json.loads(frame), indent=1).encode()

    as_written, as_spaced = events_of(frame, str(TASK)), events_of(spaced, str(TASK))

    assert [(found.event[:4], found.state, found.data) for found in as_written] == [
        (found.event[:4], found.state, found.data) for found in as_spaced
    ]
    assert [json.loads(found.event.data) for found in as_spaced] == [found.data for found in as_written]


@given(histories())
def test_the_text_of_every_event_is_kept(history: list[bytes]) -> None:
    folded: Changes = changes(*history)
    texts = [event.data.encode() for of_task in folded.events.values() for event in of_task.values()]

    assert all(text in raw for text, raw in zip(texts, history, strict=True))
    assert {key.epoch for key in folded.tasks} <= {EPOCH}
