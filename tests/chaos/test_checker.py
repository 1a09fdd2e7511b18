"""The checker finds what it is there to find: each test breaks one thing in a history that is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from client.follow import Restarted
from protocol.events import parse_event
from tests.chaos.histories import CANCEL_LIMIT_MS, check_history, encoded
from tests.chaos.record import Submitted, Transcript
from tests.chaos.results import check_outcome, pi
from tests.chaos.transcripts import check_transcript

TASK: Final = "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e"
_START_MS: Final = 1_763_971_200_000.0


def at(number: int) -> datetime:
    return datetime.fromtimestamp(_START_MS / 1000, UTC) + timedelta(seconds=number)


def archived(seq: int, kind: str, data: Any) -> dict[str, Any]:
    return {"seq": seq, "attempt": 1, "ts": _START_MS + 1000 * seq, "type": kind, "data": json.dumps(data)}


def history() -> tuple[Submitted, dict[str, Any], list[dict[str, Any]]]:
    """Three digits of π: what was asked for, the row, the archive."""
    progress = {"current": 3, "total": 3, "ratio": 1.0, "message": None, "metrics": None}
    result = {"digits": 3, "pi": "3.14"}
    archive = [
        archived(1, "status", {"state": "running", "progress": None, "message": None}),
        *(archived(2 + i, "chunk", {"index": i, "data": digit}) for i, digit in enumerate("314")),
        archived(5, "status", {"state": "running", "progress": progress, "message": None}),
        archived(6, "result", {"result": result}),
    ]
    row = {
        "epoch": "9f3c",
        "seq": 6,
        "attempt": 1,
        "state": "succeeded",
        "state_seq": 6,
        "progress_seq": 5,
        "error": None,
        "result": json.dumps(result),
        "progress": json.dumps(progress),
        "created_at": at(0),
        "started_at": at(1),
        "updated_at": at(6),
        "finished_at": at(6),
    }
    return Submitted("compute_pi", {"digits": 3}), row, archive


def test_a_history_that_is_right_has_no_problem() -> None:
    asked, row, archive = history()

    assert check_history(TASK, asked, row, archive) == []


@pytest.mark.parametrize(
    ("register", "value"),
    [
        ("state", "failed"),
        ("attempt", 2),
        ("result", '{"digits":3,"pi":"3.15"}'),
        ("error", '{"type":"X","message":"x"}'),
        ("progress", None),
        ("started_at", None),
        ("updated_at", at(7)),
        ("finished_at", at(5)),
    ],
)
def test_each_register_of_the_row_is_compared(register: str, value: Any) -> None:
    asked, row, archive = history()

    problems = check_history(TASK, asked, {**row, register: value}, archive)

    assert any(f"{register} of the row" in problem for problem in problems)


@pytest.mark.parametrize(
    "harm",
    [
        lambda archive: archive.pop(2),
        lambda archive: archive.pop(),
        lambda archive: archive.append({**archive[-1], "seq": 7}),
        lambda archive: archive[1].update(attempt=2),
        lambda archive: archive[3].update(data='{"index":2,"data":"5"}'),
        lambda archive: archive[3].update(data='{"index":1,"data":"4"}'),
    ],
)
def test_lost_doubled_and_wrong_events_are_found(harm: Callable[[list[dict[str, Any]]], Any]) -> None:
    asked, row, archive = history()
    harm(archive)

    assert check_history(TASK, asked, row, archive)


def test_an_accepted_cancel_leaves_a_task_little_time_for_another_end() -> None:
    asked, row, archive = history()
    asked.cancel_sent, asked.cancelled_at = True, archive[-1]["ts"] - CANCEL_LIMIT_MS

    assert check_history(TASK, asked, row, archive) == []
    asked.cancelled_at -= 1
    assert any("cancel was accepted" in problem for problem in check_history(TASK, asked, row, archive))


def test_a_cancel_that_nobody_asked_for_is_found() -> None:
    asked, row, archive = history()
    archive[-1].update(type="status", data='{"state":"cancelled","progress":null,"message":null}')

    problems = check_history(TASK, asked, {**row, "state": "cancelled", "result": None}, archive)

    assert [problem.partition(": ")[2] for problem in problems] == ["it is cancelled, and nobody asked for it"]


def test_a_transcript_is_all_of_the_archive_once_and_in_order() -> None:
    _, _, archive = history()
    whole = [parse_event(encoded(TASK, event)) for event in archive]

    def problems(*updates: Any, may_restart: bool = False) -> list[str]:
        return check_transcript(Transcript(TASK, list(updates)), archive, may_restart=may_restart)

    assert problems(*whole) == []
    assert problems(*whole[:2], *whole[1:])
    assert problems(*whole[:-1])
    assert problems(*whole[1:])
    assert problems(whole[0], whole[1].model_copy(update={"data": {"index": 0, "data": "4"}}), *whole[2:])
    assert problems(*whole[:3], Restarted("1"), *whole)
    assert problems(*whole[:3], Restarted("1"), *whole, may_restart=True) == []


@pytest.mark.parametrize(
    ("params", "chunks", "result", "right"),
    [
        ({"updates": 2, "size": 8}, ["000000ab", "000001ab"], {"updates": 2, "bytes": 16}, True),
        ({"updates": 2, "size": 8}, ["000000ab"], {"updates": 2, "bytes": 16}, False),
        ({"updates": 2, "size": 8}, ["000001ab", "000000ab"], {"updates": 2, "bytes": 16}, False),
        ({"updates": 2, "size": 8}, ["000000ab", "000001ab"], {"updates": 2, "bytes": 15}, False),
        ({"updates": 2, "size": 8, "fail_at": 1}, ["000000ab", "000001ab"], {"updates": 2, "bytes": 16}, False),
    ],
)
def test_synthetic_results_follow_from_the_parameters(params: Any, chunks: Any, result: Any, right: bool) -> None:
    assert (check_outcome(Submitted("synthetic", params), "succeeded", None, result, chunks) == []) is right


def test_a_document_has_the_matches_that_it_has() -> None:
    params = {"source": {"kind": "text", "text": "a lamp, a Lamp"}, "keywords": ["lamp"], "pace_ms": [5, 60], "seed": 3}

    problems = check_outcome(Submitted("document_analysis", params), "succeeded", None, {"total": 1}, [])

    assert "are not the 2 matches" in problems[0]
    assert "its result is wrong" in problems[1]


def test_failures_are_of_those_that_were_to_fail_or_lost_their_worker() -> None:
    def problems(error: str, **params: Any) -> list[str]:
        asked = Submitted("synthetic", {"updates": 9, **params})
        return check_outcome(asked, "failed", {"type": error, "message": ""}, None, [])

    assert problems("IntendedFailure", fail_at=5) == []
    assert problems("WorkerLost") == []
    assert problems("IntendedFailure")
    assert problems("TypeError", fail_at=5)


def test_pi_is_pi() -> None:
    assert pi(1) == "3"
    assert pi(50) == "31415926535897932384626433832795028841971693993751"
