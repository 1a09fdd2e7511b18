"""Small parts of the routes that do no I/O: the sockets, readiness, the preference to wait, the pages of events."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from uuid import UUID

import pytest

from api.live.reader import Reading
from api.routes.events import _encode_page, parse_cursor
from api.routes.readiness import Readiness
from api.routes.sockets import Sockets
from api.routes.tasks import _wait
from protocol.cursor import Cursor
from service.errors import InvalidRequest

TASK = UUID("0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e")


async def sleep_for_ever() -> None:
    await asyncio.Event().wait()


async def stubborn() -> None:
    """What ends only when it is cancelled twice, as wait_for of Python 3.11 makes of a cancelled command."""
    try:
        await sleep_for_ever()
    except asyncio.CancelledError:
        await sleep_for_ever()


async def test_a_drain_ends_every_sender_and_says_goodbye() -> None:
    sockets = Sockets()
    senders = [asyncio.create_task(work()) for work in (sleep_for_ever, stubborn, sleep_for_ever)]
    with sockets.open(senders[0]), sockets.open(senders[1]), sockets.open(senders[2]):
        assert len(sockets) == 3
        await sockets.drain(5)

        assert all(sender.done() for sender in senders)
        assert sockets.draining
        assert sockets.goodbye.done()
    assert len(sockets) == 0


async def test_a_drain_of_many_tells_some_at_a_time_and_the_rest_when_its_time_is_over() -> None:
    sockets = Sockets()
    senders = [asyncio.create_task(sleep_for_ever()) for _ in range(1_000)]
    with ExitStack() as stack:
        for sender in senders:
            stack.enter_context(sockets.open(sender))
        draining = asyncio.create_task(sockets.drain(5))
        await asyncio.wait(senders, return_when=asyncio.FIRST_COMPLETED)
        assert 0 < sum(sender.done() for sender in senders) < len(senders)
        await draining
    assert all(sender.cancelled() for sender in senders)

    late = [asyncio.create_task(sleep_for_ever()) for _ in range(1_000)]
    other = Sockets()
    with ExitStack() as stack:
        for sender in late:
            stack.enter_context(other.open(sender))
        await other.drain(0.05)
        await asyncio.wait(late, timeout=5)
    assert all(sender.cancelled() for sender in late)


async def test_a_socket_that_comes_during_the_drain_is_ended_too() -> None:
    sockets = Sockets()
    await sockets.drain(0)
    late = asyncio.create_task(sleep_for_ever())
    with sockets.open(late):
        await asyncio.wait([late], timeout=5)

    assert late.cancelled()


async def test_a_sender_that_does_not_end_does_not_hold_up_a_drain() -> None:
    sockets = Sockets()
    release = asyncio.Event()

    async def obstinate() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    sender = asyncio.create_task(obstinate())
    await asyncio.sleep(0)
    with sockets.open(sender):
        async with asyncio.timeout(5):
            await sockets.drain(0.05)
    release.set()
    await sender


async def test_readiness_reports_what_fails_what_complains_and_what_does_not_answer() -> None:
    async def fine() -> None:
        return None

    async def complaining() -> str:
        return "far behind"

    async def failing() -> None:
        raise OSError("refused")

    async def silent() -> None:
        await sleep_for_ever()

    readiness = Readiness(
        {"fine": fine, "complaining": complaining, "failing": failing, "silent": silent},
        timeout_s=0.01,
    )

    assert await readiness.report() == {
        "fine": "ok",
        "complaining": "far behind",
        "failing": "OSError: refused",
        "silent": "TimeoutError",
    }


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ("wait=10; foo", 10),
        ("wait=9999", 60),
        ("wait=99999999", 0),
        ("await=5", 0),
        ("wait=5s", 0),
    ],
)
def test_a_wait_is_read_from_the_preferences_and_bounded(prefer: str | None, seconds: float) -> None:
    assert _wait(prefer) == seconds


def test_no_cursor_is_none_and_a_wrong_one_names_its_field() -> None:
    assert parse_cursor(None, "after") is None
    assert parse_cursor("", "after") is None
    assert parse_cursor("ab.5", "after") == Cursor(5, "ab")
    with pytest.raises(InvalidRequest, match="after"):
        parse_cursor("x", "after")


def test_a_page_that_misses_events_tells_the_gap_and_goes_on_behind_it() -> None:
    reading = Reading("e1", 30, closed=True, events=[], missing=20)
    page = json.loads(_encode_page(TASK, 10, reading, resumed=True))

    assert page["events"] == [{"task": str(TASK), "type": "gap", "epoch": "e1", "after": 10, "before": 21}]
    assert page["next"] == "e1.20"


@pytest.mark.parametrize(
    ("closed", "last", "following"), [(True, 30, None), (True, 29, "e1.29"), (False, 30, "e1.30"), (False, 29, "e1.29")]
)
def test_nothing_follows_only_the_last_event_of_a_task_that_has_ended(
    closed: bool, last: int, following: str | None
) -> None:
    reading = Reading("e1", 30, closed=closed, events=[(last, b"{}")])

    assert json.loads(_encode_page(TASK, 0, reading, resumed=False))["next"] == following
