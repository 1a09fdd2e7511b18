"""What the errors of a node say about who serves which slot."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from protocol.nodes import learn
from protocol.slots import Node, SlotTable

A, B, C = (Node("10.0.0.1", port) for port in (7001, 7002, 7003))


@pytest.fixture
def table() -> SlotTable:
    table = SlotTable([A])
    assert table.replace([[0, 99, [b"10.0.0.1", 7001]], [100, 16_383, [b"10.0.0.1", 7002]]], A)
    return table


def owners(table: SlotTable) -> list[Node | None]:
    """Of two slots of A and one of B."""
    return [table.owner(slot) for slot in (5, 6, 100)]


@pytest.mark.parametrize(
    ("error", "instead", "then"),
    [
        (MovedError("5 10.0.0.1:7003"), None, [C, A, B]),
        (MovedError("5 :7003"), None, [C, A, B]),
        (AskError("5 10.0.0.1:7003"), C, [A, A, B]),
        (AskError("5 :7003"), C, [A, A, B]),
        (TryAgainError("while keys move"), None, [A, A, B]),
        (ClusterDownError("Hash slot not served"), None, [None, None, B]),
        (RedisConnectionError("refused"), None, [None, None, B]),
        (RedisTimeoutError("silent"), None, [None, None, B]),
        (TimeoutError(), None, [None, None, B]),
        (ResponseError("WRONGTYPE"), None, [A, A, B]),
        (NoScriptError("EVAL it"), None, [A, A, B]),
        (b"a reply", None, [A, A, B]),
    ],
    ids=repr,
)
def test_an_error_tells_who_has_a_slot_who_is_to_be_tried_or_who_is_in_doubt(
    table: SlotTable, error: Any, instead: Node | None, then: list[Node | None]
) -> None:
    assert learn(table, error, A) == instead
    assert owners(table) == then
