"""What a test has seen of one channel of the service, as its AsyncAPI document names it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.integration.routes.test_events import Message, messages
from tests.support.asyncapi import Description
from tests.support.system import Api

WAIT_S: Final = 20.0
SSE: Final = {"Accept": "text/event-stream"}


class Seen:
    """What came on one channel. What the document does not know fails at once."""

    def __init__(self, api: Api, channel: str) -> None:
        self.description = Description(httpx.get(f"{api.url}/asyncapi.json").raise_for_status().json())
        self.channel = channel
        self.messages: set[str] = set()
        self.codes: set[int | None] = set()
        self.states: set[str] = set()

    def note(self, **parts: Any) -> str:
        """The name of the one message that this is."""
        names = self.description.names(self.channel, **parts)
        assert len(names) == 1, (self.channel, names, parts)
        self.messages |= names
        (name,) = names
        if name in {"events", "streamedEvents"}:
            self.states |= {event["type"] for event in parts["payload"]}
            self.states |= {event["data"]["state"] for event in parts["payload"] if event["type"] == "status"}
        return name

    @contextmanager
    def socket(self, api: Api, task: Any = None, query: str = "", **options: Any) -> Iterator[ClientConnection]:
        path = self.description.address(self.channel, task or {"id": ""}) + query
        with connect(f"{api.ws_url}{path}", open_timeout=WAIT_S, close_timeout=2, **options) as opened:
            yield opened

    def command(self, opened: ClientConnection, **command: str) -> None:
        assert self.note(payload=command) in command
        opened.send(json.dumps(command))

    def until(self, opened: ClientConnection, name: str) -> Any:
        """The payload of the next message of this name."""
        while True:
            payload = json.loads(opened.recv(WAIT_S))
            if self.note(payload=payload) == name:
                return payload

    def to_the_end(self, opened: ClientConnection) -> None:
        """Until the server closes."""
        try:
            self.until(opened, "nothing")
        except ConnectionClosed:
            self.codes.add(opened.close_code)

    def follow(self, api: Api, task: dict[str, Any], query: str = "") -> int | None:
        """The close code of a socket for one task."""
        with self.socket(api, task, query) as opened:
            self.to_the_end(opened)
        return opened.close_code

    @contextmanager
    def stream(
        self, http: httpx.Client, task: dict[str, Any], query: str = "", **headers: str
    ) -> Iterator[Iterator[Message]]:
        path = self.description.address(self.channel, task) + query
        with http.stream("GET", path, headers=SSE | headers) as answer:
            self.note(request={"Accept": answer.request.headers["Accept"], **headers})
            assert answer.status_code == 200, answer.read()
            yield messages(answer.iter_lines())

    def streamed(self, message: Message) -> None:
        if message.event:
            self.note(headers={"event": message.event}, payload=message.data)
        else:
            self.note(headers={"id": message.id}, payload=json.loads(message.data))
