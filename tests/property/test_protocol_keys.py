"""Keys (docs/protocol.md §2)."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from protocol import keys
from protocol.keys import TaskKeys, partition_of

partitions = st.integers(1, 4096)


@given(st.uuids(), partitions)
def test_all_keys_of_a_task_are_in_one_slot(task: UUID, number: int) -> None:
    of = TaskKeys.of(task, number)
    names = [of.head, of.log, of.events, of.live, keys.dead(partition_of(task, number))]

    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len(set(names)) == 5
    assert {name[name.index("{") : name.index("}") + 1] for name in names} == {f"{{{partition_of(task, number)}}}"}


@given(st.uuids(), partitions)
def test_a_partition_is_one_of_those_that_there_are(task: UUID, number: int) -> None:
    partition = partition_of(task, number)

    assert 0 <= partition < number
    assert TaskKeys.of(task, number).events == keys.events(partition)


@given(st.lists(st.uuids(), min_size=2, max_size=2, unique=True))
def test_two_tasks_share_no_key_but_their_partition_s_stream(two: list[UUID]) -> None:
    a, b = map(TaskKeys.of, two)

    assert {a.head, a.log, a.live}.isdisjoint({b.head, b.log, b.live})


def test_ids_that_follow_one_another_spread_over_the_partitions() -> None:
    """A UUIDv7 is mostly time: ids made in one burst differ in few bits."""
    first = UUID("0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e").int
    counts = Counter(partition_of(UUID(int=first + (i << 80))) for i in range(16_000))

    assert len(counts) == 16
    assert max(counts.values()) < 1.2 * 1_000
