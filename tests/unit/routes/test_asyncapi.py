"""The description of the WebSocket and stream side has no loose end, and agrees with the code."""

from __future__ import annotations

import re
from typing import Any

import pytest
import uvicorn
from starlette.routing import WebSocketRoute

from api.app import create_app
from api.routes import events, multiplex, websocket
from api.routes.asyncapi import PING_S, document
from api.routes.close_codes import MEANINGS
from api.settings import ApiSettings
from protocol.cursor import Cursor, InvalidCursor
from tests.support.asyncapi import Description, references

TASK = "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e"
CURSORS = (
    *("0", "42", "9f3c61d07a52be48.42", "a.0", "9007199254740991"),
    *("", "x", "-1", "+1", "01", "abc.", ".1", "ABC.1", "a.b.1", "1 ", "é", "12345678901234567", "0123456789abcdef0.1"),
)
SERVERS: dict[str, Any] = {
    "websocket": {"host": "localhost:8000", "protocol": "ws"},
    "http": {"host": "localhost:8000", "pathname": "/api", "protocol": "http"},
}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document("0.1.0") | {"servers": SERVERS}


def test_it_refers_to_nothing_that_is_not_there_and_to_everything_that_is(described: dict[str, Any]) -> None:
    found = set(references(described))
    description = Description(described)

    for reference in found:
        assert description.at(reference)
    for part, named in described["components"].items():
        assert {f"#/components/{part}/{name}" for name in named} <= found
    for part in ("servers", "channels"):
        assert {f"#/{part}/{name}" for name in described[part]} <= found


def test_its_operations_have_the_messages_of_their_channels_and_no_message_has_no_operation(
    described: dict[str, Any],
) -> None:
    handled = set()
    for operation in described["operations"].values():
        for handler in filter(None, (operation, operation.get("reply"))):
            for message in handler["messages"]:
                assert message["$ref"].startswith(handler["channel"]["$ref"] + "/messages/")
                handled.add(message["$ref"])

    assert handled == {
        f"#/channels/{name}/messages/{message}"
        for name, channel in described["channels"].items()
        for message in channel["messages"]
    }


def test_its_addresses_are_those_of_the_routes(described: dict[str, Any]) -> None:
    addresses = {name: channel["address"] for name, channel in described["channels"].items()}
    sockets = [route for room in (websocket, multiplex) for route in room.router.routes]
    app = create_app(ApiSettings())

    assert all(isinstance(route, WebSocketRoute) for route in sockets)
    assert [str(app.url_path_for("follow_task", task_id=TASK)), str(app.url_path_for("follow_many"))] == [
        addresses["task"].format(task_id=TASK),
        addresses["tasks"],
    ]
    assert addresses["eventStream"] in app.openapi()["paths"]
    for channel in described["channels"].values():
        assert set(channel.get("parameters", ())) == set(re.findall(r"{(\w+)}", channel["address"]))


def test_it_has_every_close_code(described: dict[str, Any]) -> None:
    description = Description(described)

    assert description.close_codes("task") == MEANINGS.keys()
    assert description.close_codes("tasks") < MEANINGS.keys()


@pytest.mark.parametrize("text", CURSORS)
def test_a_cursor_is_what_the_code_takes_for_one(described: dict[str, Any], text: str) -> None:
    pattern = described["components"]["schemas"]["Cursor"]["pattern"]
    try:
        Cursor.parse(text)
        taken = True
    except InvalidCursor:
        taken = False

    assert (re.search(pattern, text, re.ASCII) is not None) == taken


def test_the_examples_of_a_cursor_are_some(described: dict[str, Any]) -> None:
    for example in described["components"]["schemas"]["Cursor"]["examples"]:
        assert str(Cursor.parse(example)) == example


def test_its_times_are_those_of_the_server(described: dict[str, Any]) -> None:
    config = uvicorn.Config(create_app)

    assert config.ws_ping_interval == config.ws_ping_timeout == PING_S
    assert f"every {PING_S} s" in described["channels"]["task"]["description"]
    assert f"every {events.PING_S:g} s" in described["channels"]["eventStream"]["description"]


def event(**fields: Any) -> dict[str, Any]:
    return {"task": TASK, "seq": 1, "attempt": 1, "ts": 1763971200123.4, **fields}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ([{"task": TASK, "type": "hello", "epoch": "9f3c", "seq": 0, "resumed": False}], {"hello"}),
        ([{"task": TASK, "type": "gap", "epoch": "9f3c", "after": 16, "before": 21}], {"gap"}),
        ([event(type="chunk", data={"index": 0, "data": None})], {"events"}),
        ([event(type="result", data={"result": {}})], {"events"}),
        ([event(type="status", data={"state": "running", "progress": None, "message": None})], {"events"}),
        ([], set()),
        ([event(type="status", data={"state": "failed", "progress": None, "message": None})], set()),
        ([event(type="chunk", data={"index": 0, "data": 1, "more": 1})], set()),
        ([event(type="chunk", data={"index": 0, "data": 1}) | {"seq": 0}], set()),
        ([event(type="chunk", data={"index": 0, "data": 1}) | {"task": TASK.upper()}], set()),
        ([{"task": TASK, "type": "hello", "epoch": "9f3c", "seq": 0}], set()),
        ([{"task": TASK, "type": "unsubscribed"}], set()),
    ],
)
def test_a_frame_is_one_message_or_none(described: dict[str, Any], frame: Any, expected: set[str]) -> None:
    assert Description(described).names("task", payload=frame) == expected
