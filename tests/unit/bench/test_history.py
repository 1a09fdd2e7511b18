"""What a client received, and the mistakes that are found in it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from bench.history import History, Traffic, Transcript, differences
from protocol.events import Event

DIGITS: Final = "3141"


def event(seq: int, kind: str, *, attempt: int = 1, **data: Any) -> Event:
    return Event.model_validate(
        {"task": "t", "seq": seq, "attempt": attempt, "ts": 1000.0 + seq, "type": kind, "data": data}
    )


def progress(seq: int, current: int) -> Event:
    return event(seq, "status", state="running", progress={"current": current})


def whole(digits: str = DIGITS) -> list[Event]:
    """All events of a task, as they should come."""
    events = [event(1, "status", state="running", progress=None)]
    for index, digit in enumerate(digits):
        events += [event(2 + 2 * index, "chunk", index=index, data=digit), progress(3 + 2 * index, index + 1)]
    return [*events, event(2 + 2 * len(digits), "result", result={"pi": digits})]


def received(events: list[Event], *, contiguous: bool = True) -> Transcript:
    history = History(contiguous=contiguous)
    for one in events:
        history.take(one, one.ts + 5.0)
    return history.transcript()


def test_all_events_once_and_in_order_are_no_fault() -> None:
    account = received(whole())
    assert account.faults == ()
    assert (account.chunks, account.result, account.attempts) == (4, {"pi": DIGITS}, 1)


def test_only_chunks_and_the_result_have_an_age() -> None:
    assert list(received(whole()).ages) == [5.0] * 5


def test_what_progress_was_superseded_is_no_fault_of_a_live_client_and_one_of_a_contiguous_one() -> None:
    events = [one for one in whole() if one.seq != 3]
    assert received(events, contiguous=False).faults == ()
    assert received(events).faults == ("event 4 came after event 2: some are missing",)


@pytest.mark.parametrize("contiguous", [True, False])
def test_a_missing_chunk_is_found(contiguous: bool) -> None:
    account = received([one for one in whole() if one.seq != 4], contiguous=contiguous)
    assert any("chunk 2 instead of 1" in fault for fault in account.faults)


def test_an_event_that_comes_twice_is_found() -> None:
    events = whole()
    assert received([*events[:2], events[1], *events[2:]]).faults[0] == "event 2 came after event 2"


def test_events_out_of_order_are_found() -> None:
    events = whole()
    events[3], events[5] = events[5], events[3]
    assert received(events, contiguous=False).faults


def test_what_comes_after_the_end_is_found() -> None:
    account = received([*whole(), event(99, "chunk", index=4, data="5")])
    assert account.faults == ("event 99 came after the end",)


def test_a_task_that_did_not_end_is_found() -> None:
    assert received(whole()[:-1]).faults == ("the end did not come after event 9",)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_task_that_did_not_succeed_is_found(state: str) -> None:
    account = received([*whole()[:-1], event(10, "status", state=state, progress=None)])
    assert account.faults == (f"the task has not succeeded: {state}",)


def test_a_gap_is_a_fault_and_what_follows_it_is_not() -> None:
    history = History(contiguous=False)
    events = whole()
    for one in events[:3]:
        history.take(one, one.ts)
    history.note_gap(3, 10)
    history.take(events[-1], events[-1].ts)
    account = history.transcript()
    assert account.faults == ("the events 4 to 9 are lost",)
    assert account.gaps == 1


def test_the_chunks_of_an_older_attempt_do_not_count() -> None:
    again = [event(seq, one.type, attempt=2, **one.data) for seq, one in enumerate(whole(), start=4)]
    account = received([*whole()[:2], event(3, "status", state="queued", progress=None), *again])
    assert account.faults == ()
    assert (account.chunks, account.digest, account.attempts) == (4, received(whole()).digest, 2)


def test_a_stream_that_begins_anew_is_taken_from_the_start() -> None:
    history = History(contiguous=False)
    for one in [*whole()[:5], None, *whole()]:
        history.restart() if one is None else history.take(one, one.ts)
    account = history.transcript()
    assert account.faults == ()
    assert account.digest == received(whole()).digest


def test_faults_are_told_up_to_a_limit() -> None:
    assert len(received([whole()[1]] * 500).faults) == 20


def test_clients_that_received_the_same_do_not_differ() -> None:
    assert differences({"a": received(whole()), "b": received(whole(), contiguous=False)}) == []


def test_other_chunks_and_another_result_are_differences() -> None:
    found = differences({"a": received(whole()), "b": received(whole("3149")), "c": received(whole("31"))})
    assert found == [
        "b: other chunks (4) than a (4)",
        "b: another result than a",
        "c: other chunks (2) than a (4)",
        "c: another result than a",
    ]


def test_the_faults_of_every_client_are_told_with_its_name() -> None:
    assert differences({"a": received(whole()[:-1])}) == ["a: the end did not come after event 9"]


def test_the_bytes_of_connections_add_up_where_the_kernel_tells() -> None:
    traffic = Traffic()
    traffic.add_connection(None)
    assert traffic == Traffic(connections=1)
    traffic.add_connection(10)
    traffic.add_connection(5)
    assert (traffic.connections, traffic.socket_bytes) == (3, 15)
