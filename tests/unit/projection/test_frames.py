r"""How frames become events: what is kept of the text, what is read in another form, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.projection.frames import Malformed, event_of, events_of
from protocol.events import State, encode_frame
from tests.unit.projection.samples import OTHER, T0, TASK, chunk, progress, raw, result, running, status

KEPT_AS_IT_IS = [
    r'{"index":0,"data":"\u0000"}',
    r'{"index":0,"data":"\ud800 alone"}',
    '{"index":0,"data":123456789012345678901234567890}',
    '{"index":0,"data":[1.10,1e400,-0]}',
    '{ "index" : 0,\n"data" : "Ünïcødé 🙂" }',
    '{"b":1,"a":2,"data":"}]},{"}',
]

OTHER_FORMS = {
    "spaces": '[ {{"task": {task}, "seq": 7, "attempt": 2, "ts": 5.5, "type": "chunk", "data": {{"index": 1}}}} ]',
    "another order of keys": '[{{"data":{{"index":1}},"type":"chunk","ts":5.5,"attempt":2,"seq":7,"task":{task}}}]',
    "a key that is new": '[{{"task":{task},"seq":7,"attempt":2,"ts":5.5,"type":"chunk","data":{{"index":1}},"new":0}}]',
    "time with an exponent": '[{{"task":{task},"seq":7,"attempt":2,"ts":55e-1,"type":"chunk","data":{{"index":1}}}}]',
}

EVENT = '{{"task":"{task}","seq":{seq},"attempt":{attempt},"ts":{ts},"type":{kind},"data":{data}}}'
SOUND: dict[str, Any] = {"task": TASK, "seq": 1, "attempt": 1, "ts": 1.5, "kind": '"chunk"', "data": '{"index":0}'}


def written(data: str, kind: str = '"chunk"', **rest: Any) -> bytes:
    """An event with `data`, character by character."""
    return EVENT.format(**SOUND | {"data": data, "kind": kind} | rest).encode()


def test_a_frame_gives_its_events_in_order_with_their_numbers() -> None:
    frame = encode_frame([running(1, attempt=3), chunk(2, attempt=3), result(3, attempt=3)])

    events = [found.event for found in events_of(frame, str(TASK))]

    assert [(event.seq, event.attempt, event.ts, event.type) for event in events] == [
        (1, 3, T0 + 1, "status"),
        (2, 3, T0 + 2, "chunk"),
        (3, 3, T0 + 3, "result"),
    ]


@pytest.mark.parametrize("data", KEPT_AS_IT_IS)
def test_the_text_of_the_data_is_kept_to_the_character(data: str) -> None:
    assert event_of(written(data), str(TASK)).event.data == data


@pytest.mark.parametrize("form", OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_json_in_another_form_gives_the_same_event(form: str) -> None:
    (found,) = events_of(form.format(task=f'"{TASK}"').encode(), str(TASK))

    assert found.event == (7, 2, 5.5, "chunk", '{"index":1}')
    assert found.data == {"index": 1}


def test_in_another_form_text_beyond_ascii_is_written_as_escapes_so_that_lone_surrogates_can_be_stored() -> None:
    (found,) = events_of(b" " + encode_frame([written('{"index":0,"data":"\u00fc"}')]), str(TASK))

    assert found.event.data == r'{"index":0,"data":"\u00fc"}'


@pytest.mark.parametrize("state", list(State))
def test_a_status_puts_the_task_in_its_state(state: State) -> None:
    assert event_of(status(1, state), str(TASK)).state is state


def test_a_result_puts_the_task_in_succeeded_and_a_chunk_in_no_state() -> None:
    assert event_of(result(1), str(TASK)).state is State.SUCCEEDED
    assert event_of(chunk(1), str(TASK)).state is None


@pytest.mark.parametrize(
    ("event", "urgent"),
    [
        pytest.param(chunk(1), False, id="chunk"),
        pytest.param(progress(1), False, id="progress"),
        pytest.param(running(1), True, id="start of an attempt"),
        pytest.param(status(1, State.QUEUED), True, id="retry"),
        pytest.param(status(1, State.FAILED), True, id="failure"),
        pytest.param(result(1), True, id="result"),
    ],
)
def test_transitions_are_urgent_and_progress_and_chunks_are_not(event: bytes, urgent: bool) -> None:
    assert event_of(event, str(TASK)).urgent is urgent


@pytest.mark.parametrize("text", ["null", "1.10", '{"a":[1,{"b":"}"}]}', r'"\u0000"', ' "spaced" '])
def test_a_result_is_the_text_that_the_worker_wrote(text: str) -> None:
    assert event_of(written(f'{{"result":{text}}}', '"result"'), str(TASK)).result() == text


@pytest.mark.parametrize("data", ['{"result":1.10,"took":3}', '{"took":3,"result":1.10}', '{ "result":1.10}'])
def test_a_result_with_something_beside_it_is_encoded_again(data: str) -> None:
    assert json.loads(event_of(written(data, '"result"'), str(TASK)).result()) == 1.1


REFUSED = {
    "nothing": (b"", "EOF while parsing"),
    "no JSON": (b"[oops]", "Invalid JSON"),
    "cut off": (encode_frame([chunk(1), chunk(2)])[:-9], "EOF while parsing"),
    "not UTF-8": (b'[{"task":"\xff"}]', "can't decode byte 0xff"),
    "an empty frame": (b"[]", "without events"),
    "an object": (chunk(1), "valid array"),
    "something after its end": (encode_frame([chunk(1)]) + b"x", "trailing characters"),
    "a start that is none": (b"{" + encode_frame([chunk(1)])[1:], "Invalid JSON"),
    "an event of another task": (encode_frame([chunk(1), chunk(2, task=OTHER)]), "another task"),
    "seq 0": (encode_frame([chunk(0)]), "greater than or equal to 1 at 0.seq"),
    "no attempt": (encode_frame([written('{"index":0}').replace(b'"attempt":1,', b"")]), "Field required at 0.attempt"),
    "a type that is none": (encode_frame([written("{}", '"note"')]), "at 0.type"),
    "data that is no object": (encode_frame([written("[1]")]), "an object at 0.data"),
    "NaN": (encode_frame([written('{"data":NaN}')]), "not JSON compliant"),
    "infinity": (encode_frame([written('{"data":-Infinity}')]), "not JSON compliant"),
    "a control character": (encode_frame([written('{"data":"\n"}')]), "control character"),
    "a time before 1970": (encode_frame([chunk(1, ts=-1.0)]), "is no time"),
    "a time after 9999": (encode_frame([written("{}", ts="253402300800000")]), "is no time"),
    "a time that is none": (encode_frame([written("{}", ts="NaN")]), "is no time"),
    "a state that is none": (encode_frame([written('{"state":"lost"}', '"status"')]), "'lost' is not a valid State"),
    "no state": (encode_frame([written("{}", '"status"')]), "not a valid State"),
    "a state that is a number": (encode_frame([written('{"state":1}', '"status"')]), "not a valid State"),
    "no result": (encode_frame([written("{}", '"result"')]), "without a result"),
    "progress that is a number": (encode_frame([written('{"state":"running","progress":5}', '"status"')]), "no object"),
    "an error that is a text": (encode_frame([written('{"state":"failed","error":"x"}', '"status"')]), "no object"),
    "nesting without end": (encode_frame([written('{"data":' + "[" * 20_000 + "]" * 20_000 + "}")]), "recursion"),
    "an integer without end": (encode_frame([written('{"data":' + "9" * 5_000 + "}")]), "number out of range|digits"),
}


@pytest.mark.parametrize(("frame", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_no_worker_of_ours_writes_is_refused_with_a_reason(frame: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        events_of(frame, str(TASK))


def test_the_reason_does_not_repeat_what_users_wrote() -> None:
    with pytest.raises(Malformed) as refused:
        events_of(encode_frame([raw(1, "chunk", {"data": "secret"}), b'{"secret":1}']), str(TASK))

    assert "secret" not in str(refused.value)
