"""Replies of Redis in each shape that redis-py gives them."""

from __future__ import annotations

from typing import Any

import pytest

from api.projection.replies import deliveries, items, items_by_stream

FIRST = (b"1-0", {b"a": b"1"})
SECOND = (b"2-0", {b"a": b"2"})
SHAPES: dict[str, Any] = {
    "RESP2": [[b"s", [FIRST, SECOND]]],
    "RESP3": {b"s": [[FIRST, SECOND]]},
    "RESP3 without legacy responses": {b"s": [FIRST, SECOND]},
}


@pytest.mark.parametrize("reply", SHAPES.values(), ids=SHAPES)
def test_a_read_gives_the_entries_by_stream_in_every_shape(reply: Any) -> None:
    found = {stream: list(entries) for stream, entries in items_by_stream(reply)}

    assert found == {"s": [("1-0", {b"a": b"1"}), ("2-0", {b"a": b"2"})]}


@pytest.mark.parametrize("reply", [None, [], {}, [[b"s", []]], {b"s": []}], ids=str)
def test_a_read_that_found_nothing_gives_nothing(reply: Any) -> None:
    assert [entry for _, entries in items_by_stream(reply) for entry in entries] == []


def test_deleted_entries_are_left_out() -> None:
    assert list(items([(None, None), FIRST, (b"3-0", None)])) == [("1-0", {b"a": b"1"})]


def test_no_reply_holds_no_entries() -> None:
    assert list(items(None)) == []


def test_a_client_that_decodes_is_found_out() -> None:
    with pytest.raises(AttributeError):
        list(items([("1-0", {"a": "1"})]))


def test_pending_entries_are_told_with_how_often_they_were_delivered() -> None:
    reply = [{"message_id": b"1-0", "consumer": b"c", "time_since_delivered": 5, "times_delivered": 3}]

    assert deliveries(reply) == {"1-0": 3}
