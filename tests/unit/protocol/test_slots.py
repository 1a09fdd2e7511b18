"""What a client knows of a cluster: its URL, and which node serves which slot."""

from __future__ import annotations

from typing import Any

import pytest
from redis.connection import parse_url
from redis.crc import key_slot

from protocol.keys import TaskKeys, events, slot_of
from protocol.slots import ClusterUrl, Node, SlotTable, is_cluster
from tests.support.messages import TASK

A, B, C = (Node("10.0.0.1", port) for port in (7001, 7002, 7003))


def reply(*shares: tuple[int, int, Any]) -> list[Any]:
    """CLUSTER SLOTS: (first, last, (host, port))."""
    return [
        [first, last, [host, port, b"id", []], [b"10.0.0.9", 1, b"replica", []]] for first, last, (host, port) in shares
    ]


@pytest.fixture
def table() -> SlotTable:
    table = SlotTable([A])
    assert table.replace(reply((0, 99, (b"10.0.0.1", 7001)), (100, 16_383, (b"10.0.0.1", 7002))), A)
    return table


@pytest.mark.parametrize("key", ["tasks:usage", "tasks:{12}:head:x", "a{}b", "{", "a{b", "a{}{b}", "{{x}}", "ü{é}"])
def test_slots_are_those_of_redis(key: str) -> None:
    assert slot_of(key) == key_slot(key.encode())


def test_all_keys_of_a_task_have_one_slot() -> None:
    names = TaskKeys.of(TASK)

    assert {slot_of(name) for name in (names.head, names.log, names.events, names.live)} == {slot_of(events(10))}


def test_a_cluster_is_told_from_a_server_by_its_scheme() -> None:
    assert is_cluster("redis+cluster://a:1,b:2")
    assert is_cluster("rediss+cluster://a")
    assert not is_cluster("redis://a:1/0")
    assert not is_cluster("unix:///tmp/redis.sock")


def test_user_password_and_options_of_a_url_hold_for_every_node_and_are_not_printed() -> None:
    url = ClusterUrl("rediss+cluster://me:p%40ss@a:7001,[::1]:7002,c?ssl_cert_reqs=none")

    assert url.seeds == (Node("a", 7001), Node("::1", 7002), Node("c", 6379))
    assert url.of(url.seeds[1]) == "rediss://me:p%40ss@[::1]:7002/0?ssl_cert_reqs=none"
    assert str(url) == "a:7001,[::1]:7002,c:6379"


def test_time_outs_of_a_question_come_before_those_of_the_url_that_hold_for_everything_else() -> None:
    url = ClusterUrl("redis+cluster://a?socket_timeout=9&db=0")

    options: Any = parse_url(url.of(url.seeds[0], timeout_s=0.5))  # type: ignore[no-untyped-call]

    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.5, 0.5)
    assert url.of(url.seeds[0]) == "redis://a:6379/0?socket_timeout=9&db=0"


@pytest.mark.parametrize(
    "url", ["redis://a", "redis+cluster://", "redis+cluster://a,,b", "redis+cluster://a:x", "redis+cluster://a/1"]
)
def test_a_url_that_names_no_cluster_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ClusterUrl(url)


def test_an_owner_in_doubt_is_told_only_to_those_who_ask_for_it_nevertheless(table: SlotTable) -> None:
    table.doubt(A)

    assert (table.owner(5), table.owner(5, doubted=True), table.owner(100)) == (None, A, B)
    assert table.sources == [B, A]
    assert table.replace(reply((0, 16_383, (b"10.0.0.1", 7001))), B)
    assert table.owner(5) == A


def test_who_failed_last_is_asked_last_for_the_table_until_it_answers_whatever_table_there_is_meanwhile() -> None:
    table = SlotTable([A, B, C])
    for node in (A, C, B, A):
        table.doubt(node)

    assert table.sources == [C, B, A]
    assert table.replace(reply((0, 99, ("10.0.0.1", 7001)), (100, 16_383, ("10.0.0.1", 7003))), C)
    assert (table.owner(5), table.sources) == (A, [C, B, A])
    assert table.replace(reply((0, 99, ("10.0.0.1", 7001)), (100, 16_383, ("10.0.0.1", 7003))), A)
    assert table.sources == [A, C, B]


def test_a_slot_that_moved_belongs_to_the_node_that_was_named_until_the_table_says_otherwise(table: SlotTable) -> None:
    table.moved(5, C)

    assert (table.owner(5), table.owner(6)) == (C, A)
    assert table.owners == (A, B, C)
    assert table.replace(reply((0, 16_383, (b"10.0.0.1", 7002))), B)
    assert table.owner(5) == B


@pytest.mark.parametrize("host", [b"", None, b"?"])
def test_a_node_without_a_host_has_the_one_of_the_node_that_names_it(host: bytes | None) -> None:
    table = SlotTable([A])

    assert table.replace(reply((0, 16_383, (host, 7009))), A)
    assert table.owner(0) == Node("10.0.0.1", 7009)


def test_a_node_that_knows_of_no_slots_changes_nothing(table: SlotTable) -> None:
    table.doubt(A)

    assert not table.replace([], C)
    assert (table.owner(5), table.owner(5, doubted=True)) == (None, A)
    assert SlotTable([A]).owner(5, doubted=True) is None
