"""Entries that cannot be applied: each is set aside with its reason, and costs the others nothing."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from api.projection.dead_letters import list_dead, replay
from api.storage.changes import ApplyStats, Changes
from api.storage.errors import StatementTimedOut
from protocol.events import State
from protocol.keys import events, partition_of
from tests.integration.projection.conftest import GROUP, World, eventually
from tests.unit.projection.samples import TASK, chunk, entry, result, running

CLAIMS_AT_ONCE: dict[str, Any] = {"claim_idle_s": 0.0, "claim_interval_s": 0.01}


async def test_a_malformed_entry_becomes_a_dead_letter_with_its_reason_and_its_fields(world: World) -> None:
    await world.submit()
    await world.append(running(1))
    broken = await world.append(frame=b"[oops]")
    await world.append(result(2))
    replica = world.start()
    await world.is_trimmed()

    (letter,) = await list_dead(world.redis, range(16))

    assert (letter.partition, letter.source) == (partition_of(TASK), broken)
    assert letter.error.startswith("Invalid JSON")
    assert letter.fields == entry(frame=b"[oops]").fields
    assert replica.counters.dead_letters == 1
    assert await world.archived() == [1, 2]


async def test_a_value_that_postgresql_refuses_isolates_its_entry(world: World) -> None:
    await world.submit()
    tasks = [uuid4() for _ in range(20)]
    await world.submit(*tasks)
    for task in tasks:
        await world.append(result(1, task=task), task=task)
    await world.append(running(1).replace(b'"attempt":1', b'"attempt":3000000000'))
    await world.append(chunk(2))
    world.start(interval_s=0.2, urgent_s=0.2)
    await world.is_trimmed()

    (letter,) = await list_dead(world.redis, range(16))

    assert letter.error == "InvalidData: invalid input for query argument $3 (value out of int32 range)"
    assert await world.archived() == [2]
    assert [(await world.row(task)).state for task in tasks] == [State.SUCCEEDED] * 20


async def test_a_dead_letter_can_be_sent_again_once_its_reason_is_gone(world: World) -> None:
    await world.submit()
    await world.sql("ALTER TABLE events ADD CONSTRAINT small CHECK (octet_length(CAST(data AS text)) < 1000)")
    await world.append(running(1))
    await world.append(chunk(2, "x" * 1000))
    await world.append(result(3))
    world.start()
    await world.is_trimmed()
    (letter,) = await list_dead(world.redis, range(16))
    assert "small" in letter.error
    assert await world.archived() == [1, 3]

    await world.sql("ALTER TABLE events DROP CONSTRAINT small")
    assert await replay(world.redis, letter.partition, letter.id)
    await world.has_archived(3)

    assert await list_dead(world.redis, range(16)) == []
    assert await world.archived() == [1, 2, 3]
    assert (await world.row()).state is State.SUCCEEDED


async def test_a_dead_letter_that_is_sent_again_too_early_comes_back(world: World) -> None:
    await world.append(frame=b"[oops]")
    world.start()
    await world.is_trimmed()
    (first,) = await list_dead(world.redis, range(16))

    await replay(world.redis, first.partition, first.id)
    await world.is_trimmed()

    (second,) = await list_dead(world.redis, range(16))
    assert second.id != first.id
    assert (second.error, second.fields) == (first.error, first.fields)


async def test_a_dead_letter_that_is_not_there_cannot_be_sent_again(world: World) -> None:
    assert not await replay(world.redis, 3, "1-0")


async def test_a_statement_that_is_given_up_is_tried_in_halves_and_the_culprit_at_last_buried(world: World) -> None:
    sizes = []

    async def too_slow_for_a_certain_event(changes: Changes) -> ApplyStats:
        kept = [event for of_task in changes.events.values() for event in of_task.values()]
        sizes.append(len(kept))
        if any(event.seq == 5 for event in kept):
            raise StatementTimedOut("canceling statement due to statement timeout")
        return await world.apply(changes)

    await world.submit()
    for seq in range(1, 9):
        await world.append(chunk(seq))
    replica = world.start(apply=too_slow_for_a_certain_event, max_deliveries=3, **CLAIMS_AT_ONCE)
    await world.is_trimmed()

    (letter,) = await list_dead(world.redis, range(16))

    assert letter.error == "StatementTimedOut: canceling statement due to statement timeout"
    assert await world.archived() == [1, 2, 3, 4, 6, 7, 8]
    assert sizes[:5] == [8, 4, 4, 2, 1]
    assert replica.counters.given_back == 2


async def test_an_entry_that_ends_the_process_each_time_is_tried_alone_and_then_not_any_more(world: World) -> None:
    tried_with: list[int] = []
    died = asyncio.Event()

    async def die_of_a_certain_event(changes: Changes) -> ApplyStats:
        seqs = [event.seq for of_task in changes.events.values() for event in of_task.values()]
        if 2 in seqs:
            tried_with.append(len(seqs))
            died.set()
            await asyncio.Event().wait()
        return await world.apply(changes)

    await world.submit()
    for seq in (1, 2, 3):
        await world.append(chunk(seq))
    for life in range(5):
        died.clear()
        dying = world.start(f"life-{life}", apply=die_of_a_certain_event, max_deliveries=3, **CLAIMS_AT_ONCE)
        await died.wait()
        await dying.kill()
    world.start("last", apply=die_of_a_certain_event, max_deliveries=3, **CLAIMS_AT_ONCE)
    await world.is_trimmed()

    (letter,) = await list_dead(world.redis, range(16))

    assert letter.error == "delivered 6 times and never acknowledged"
    assert tried_with == [3, 3, 1, 1, 1]
    assert await world.archived() == [1, 3]


async def test_an_unexpected_error_of_the_write_leaves_the_entries_to_be_claimed(world: World) -> None:
    failures = [ZeroDivisionError(), ZeroDivisionError()]

    async def failing(changes: Changes) -> ApplyStats:
        if failures:
            raise failures.pop()
        return await world.apply(changes)

    await world.submit()
    await world.append(result(1))
    replica = world.start(apply=failing, **CLAIMS_AT_ONCE)
    await world.is_trimmed()

    assert await world.archived() == [1]
    assert replica.counters.loop_failures == 2


@pytest.mark.parametrize("count", [1, 3])
async def test_dead_letters_are_listed_oldest_first_and_no_more_than_asked_for(world: World, count: int) -> None:
    sources = [await world.append(frame=b"[]") for _ in range(5)]
    world.start()
    await world.is_trimmed()

    async def all_dead() -> bool:
        return len(await list_dead(world.redis, range(16))) == 5

    await eventually(all_dead)
    letters = await list_dead(world.redis, [partition_of(TASK)], limit=count)

    assert [letter.source for letter in letters] == sources[:count]
    summary = await world.redis.xpending(events(partition_of(TASK)), GROUP)
    assert summary["pending"] == 0
