"""Calls as data: what is sent, and what an answer means."""

from __future__ import annotations

from hashlib import sha1
from typing import Any, Final
from uuid import UUID

import pytest

from protocol import calls
from protocol.calls import Appended, Body, Call, LogLimits, Script
from protocol.events import State, encode_body, status_data
from protocol.head import (
    Cancellation,
    CancelOutcome,
    Claim,
    ClaimOutcome,
    Decision,
    Outcome,
    Renewal,
    RenewOutcome,
)
from protocol.keys import TaskKeys

TASK: Final = UUID("0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e")
KEYS: Final = TaskKeys.of(TASK)
RUNNING: Final = Body(b"running", "status", State.RUNNING)
PROGRESS: Final = Body(b"progress", "status", State.RUNNING, progress=True)
CHUNK: Final = Body(b"chunk", "chunk")
QUEUED: Final = Body(b"queued", "status", State.QUEUED)
RESULT: Final = Body(b"result", "result", State.SUCCEEDED)
FAILED: Final = Body(b"failed", "status", State.FAILED)


def append(*bodies: Body, n: int = 5, failure: bool = False) -> Call[Appended]:
    limits = LogLimits(max_events=10, max_bytes=20, linger_ms=30)
    return calls.append(TASK, KEYS, bodies, epoch="e1", attempt=2, n=n, lease_ms=40, limits=limits, failure=failure)


def test_append_sends_what_the_header_of_the_script_lists() -> None:
    call = append(RUNNING, CHUNK, failure=True)

    assert call.script is Script.APPEND
    assert call.keys == (KEYS.head, KEYS.log, KEYS.events, KEYS.live)
    assert call.args == (
        *(str(TASK), "e1", 2, 5, 40, 10, 20, 30),
        *("running", 0, 1, "m", 1),
        *(b"running", b"chunk"),
    )


@pytest.mark.parametrize(
    ("bodies", "state", "terminal", "status", "kind"),
    [
        ([CHUNK], "", 0, 0, "m"),
        ([PROGRESS], "running", 0, 1, "p"),
        ([PROGRESS, PROGRESS], "running", 0, 2, "p"),
        ([PROGRESS, CHUNK], "running", 0, 1, "m"),
        ([RUNNING], "running", 0, 1, "m"),
        ([RUNNING, CHUNK, QUEUED], "queued", 0, 3, "m"),
        ([PROGRESS, RESULT], "succeeded", 1, 1, "t"),
        ([CHUNK, FAILED], "failed", 1, 2, "t"),
        ([RESULT], "succeeded", 1, 0, "t"),
    ],
)
def test_append_tells_the_script_what_it_need_not_find_out(
    bodies: list[Body], state: str, terminal: int, status: int, kind: str
) -> None:
    assert append(*bodies).args[8:12] == (state, terminal, status, kind)


@pytest.mark.parametrize(
    ("bodies", "n"),
    [([], 1), ([CHUNK], 0), ([CHUNK], -1), ([RESULT, CHUNK], 1), ([FAILED, RESULT], 1), ([CHUNK, RESULT, PROGRESS], 1)],
)
def test_what_no_answer_could_put_right_is_not_sent(bodies: list[Body], n: int) -> None:
    with pytest.raises(ValueError, match="not a batch"):
        append(*bodies, n=n)


@pytest.mark.parametrize(
    ("call", "keys", "args"),
    [
        (calls.create(KEYS, epoch="e1"), (KEYS.head, KEYS.log), ("create", "e1", 0, 0, "queued")),
        (
            calls.create(KEYS, epoch="e2", seq=7, attempt=3, state=State.RUNNING),
            (KEYS.head, KEYS.log),
            ("create", "e2", 7, 3, "running"),
        ),
        (calls.claim(KEYS, lease_ms=9), (KEYS.head,), ("claim", 9)),
        (calls.claim(KEYS, lease_ms=9, reserve=True), (KEYS.head,), ("reserve", 9)),
        (calls.cancel(KEYS), (KEYS.head,), ("cancel",)),
    ],
)
def test_control_calls_send_what_the_header_of_the_script_lists(
    call: Call[Any], keys: tuple[str, ...], args: tuple[Any, ...]
) -> None:
    assert (call.script, call.keys, call.args) == (Script.CONTROL, keys, args)


def test_renew_sends_what_the_header_of_its_script_lists() -> None:
    call = calls.renew(KEYS, epoch="e1", attempt=2, lease_ms=9)
    assert (call.script, call.keys, call.args) == (Script.RENEW, (KEYS.head,), (9, 2, "e1"))


@pytest.mark.parametrize(
    ("call", "reply", "answer"),
    [
        (append(CHUNK), [b"appended", 3, 4, 1, 17], Appended(Decision(Outcome.APPENDED, 3, 4), True, 17)),
        (append(CHUNK), [b"unknown", 0, 0, 0, 0], Appended(Decision(Outcome.UNKNOWN), False, 0)),
        (calls.create(KEYS, epoch="e1"), [b"exists", 0, 0, b"e0", 0], "e0"),
        (
            calls.claim(KEYS, lease_ms=9),
            [b"claimed", 2, 1, b"e1", 1],
            Claim(ClaimOutcome.CLAIMED, 2, 1, "e1", 1),
        ),
        (calls.claim(KEYS, lease_ms=9), [b"leased", 250, 0, b"", 0], Claim(ClaimOutcome.LEASED, 250)),
        (
            calls.renew(KEYS, epoch="e1", attempt=2, lease_ms=9),
            [b"renewed", 1, 0, b"", 0],
            Renewal(RenewOutcome.RENEWED, cancel=True),
        ),
        (
            calls.renew(KEYS, epoch="e1", attempt=2, lease_ms=9),
            [b"fenced", 3, 0, b"", 0],
            Renewal(RenewOutcome.FENCED, attempt=3),
        ),
        (
            calls.cancel(KEYS),
            [b"cancelling", 250, 0, b"running", 0],
            Cancellation(CancelOutcome.CANCELLING, 250, State.RUNNING),
        ),
        (calls.cancel(KEYS), [b"unknown", 0, 0, b"", 0], Cancellation(CancelOutcome.UNKNOWN)),
    ],
)
def test_an_answer_is_read_into_what_the_call_returns(call: Call[Any], reply: list[Any], answer: Any) -> None:
    assert call.parse(reply) == answer


@pytest.mark.parametrize("script", list(Script))
def test_a_script_is_known_by_the_hash_of_its_source(script: Script) -> None:
    assert script.sha == sha1(script.source.encode(), usedforsecurity=False).hexdigest()
    assert "docs/protocol.md §" in script.source[:200]


def test_a_body_of_the_encoder_fits_a_call() -> None:
    body = Body(encode_body(1, 1.5, "status", status_data(State.RUNNING)), "status", State.RUNNING)

    assert append(body).args[-1] == body.data
