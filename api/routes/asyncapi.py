"""`GET /asyncapi.json`: the WebSocket and stream side, as OpenAPI tells the REST side (AsyncAPI 3).

What it says is written once: the forms are those of models, the close codes those of their list, the addresses those of
the routes. Only what no code needs as data, who sends what and when, is told here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.routing import Route, WebSocketRoute

from api.routes import events, multiplex, websocket
from api.routes.close_codes import DONE, MEANINGS, NO_SUCH_TASK, reaction
from api.routes.event_views import CONTROL_EVENTS, EVENTS, Gap, Hello, SubscriptionError, Unsubscribed
from api.routes.multiplex import MAX_TASKS, Subscribe, Unsubscribe

Node = dict[str, Any]

ASYNCAPI: Final = "3.0.0"
"""What later 3.x have more is of no use here, and not every tool reads them yet."""
PING_S: Final = 20
"""How often uvicorn pings, and how long it waits for the pong, unless it is told otherwise."""

_CURSOR: Final = {
    "type": "string",
    "pattern": r"^([0-9a-f]{1,16}\.)?(0|[1-9][0-9]{0,15})$",
    "description": "The last event that the client has seen: `<epoch>.<seq>`, or `<seq>` of the current epoch (§7)",
    "examples": ["9f3c61d07a52be48.42", "42"],
}
_AFTER: Final = {"type": "object", "properties": {"after": {"$ref": "#/components/schemas/Cursor"}}}
_TASK_ID: Final = {"task_id": {"description": "The id of the task, as its submission was answered"}}
_OF_MANY: Final = MEANINGS.keys() - {DONE, NO_SUCH_TASK}
"""The end of a task, and one that does not exist, are told within the socket."""
_STREAMED: Final = ("streamedHello", "streamedEvents", "streamedGap", "ended", "nothingFollows")

router = APIRouter()


@router.get("/asyncapi.json", summary="The WebSocket and stream side", tags=["descriptions"])
async def describe(request: Request) -> JSONResponse:
    """The WebSockets and the stream of server-sent events, as an AsyncAPI document."""
    servers = _servers(request.url.netloc, request.scope.get("root_path", ""), secure=request.url.is_secure)
    return JSONResponse(document(request.app.version) | {"servers": servers})


@cache
def document(version: str) -> Node:
    """The document but for its servers, which depend on how the service was reached. Not to be changed."""
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Async task processing: WebSocket and streams",
            "version": version,
            "description": (
                "Follow tasks live. Each event of a task comes once and in order, over any number of connections: a "
                "client that was away passes the cursor of the last event it saw. The contract is docs/protocol.md, "
                "and § is a section of it. The REST side is in openapi.json. What the processes of the service say to "
                "each other through Redis is no part of this: docs/protocol.md §2 to §6, §9 and §10."
            ),
        },
        "defaultContentType": "application/json",
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _servers(host: str, root: str, *, secure: bool) -> Node:
    place: Node = {"host": host} | ({"pathname": root} if root else {})
    return {
        "websocket": {**place, "protocol": "wss" if secure else "ws"},
        "http": {**place, "protocol": "https" if secure else "http"},
    }


def _channels() -> Node:
    keeps_alive = f"The server pings every {PING_S} s, and closes when {PING_S} s later there was no pong."
    return {
        "task": {
            "address": _path(websocket.router),
            "title": "One task",
            "description": f"Text frames of one task, from the server only, until its end (§8). {keeps_alive}",
            "servers": [{"$ref": "#/servers/websocket"}],
            "parameters": _TASK_ID,
            "messages": _carried("hello", "events", "gap"),
            "bindings": {"ws": {"method": "GET", "query": _AFTER}},
            "x-close-codes": _close_codes(MEANINGS.keys()),
        },
        "tasks": {
            "address": _path(multiplex.router),
            "title": "Many tasks",
            "description": (
                f"Text frames of up to {MAX_TASKS:,} tasks, each frame of one of them. The client says which (§8). "
                f"The end of a task does not close the socket. {keeps_alive}"
            ),
            "servers": [{"$ref": "#/servers/websocket"}],
            "messages": _carried("subscribe", "unsubscribe", "hello", "events", "gap", "unsubscribed", "error"),
            "bindings": {"ws": {"method": "GET"}},
            "x-close-codes": _close_codes(_OF_MANY),
        },
        "eventStream": {
            "address": _path(events.router),
            "title": "One task, as server-sent events",
            "description": (
                "The same frames as the `data` of server-sent events, whose `id` resumes after them (§8). What is told "
                "here as headers are the fields beside `data`. A stream that is idle sends a comment every "
                f"{events.PING_S:g} s. It ends after the end of the task, and when the server goes away: an "
                "EventSource comes back by itself, until it is told that nothing follows. Other answers to the same "
                "request are in openapi.json."
            ),
            "servers": [{"$ref": "#/servers/http"}],
            "parameters": _TASK_ID,
            "messages": _carried("open", *_STREAMED),
        },
    }


def _operations() -> Node:
    return {
        "sendFrames": _operation("send", "task", "hello", "events", "gap"),
        "sendFramesOfMany": _operation("send", "tasks", "hello", "events", "gap", "error"),
        "subscribe": _operation("receive", "tasks", "subscribe") | {"reply": _handled("tasks", "hello", "error")},
        "unsubscribe": _operation("receive", "tasks", "unsubscribe") | {"reply": _handled("tasks", "unsubscribed")},
        "openEventStream": _operation("receive", "eventStream", "open")
        | {
            "reply": _handled("eventStream", *_STREAMED),
            "bindings": {"http": {"method": "GET", "query": _AFTER}},
        },
    }


def _messages() -> Node:
    frames: Node = {
        "hello": {"summary": "Where the stream begins; alone in its frame", "payload": _frame(Hello)},
        "events": {"summary": "Events, in order of seq", "payload": _frame(*EVENTS, most=None)},
        "gap": {"summary": "Events that are lost; alone in its frame", "payload": _frame(Gap)},
    }
    resumes = {"type": "object", "required": ["id"], "properties": {"id": {"$ref": "#/components/schemas/Cursor"}}}
    ends = {"type": "object", "required": ["event"], "properties": {"event": {"const": "ended"}}}
    asks = {
        "type": "object",
        "required": ["Accept"],
        "properties": {
            "Accept": {"const": "text/event-stream"},
            "Last-Event-ID": {
                "description": "As `after`, before which it goes. An EventSource sends it by itself",
                "allOf": [{"$ref": "#/components/schemas/Cursor"}],
            },
        },
    }
    return {
        **frames,
        "subscribe": {"summary": "Follow a task, or follow it anew, after a cursor", "payload": _schema(Subscribe)},
        "unsubscribe": {"summary": "Follow a task no longer", "payload": _schema(Unsubscribe)},
        "unsubscribed": {"summary": "A task is followed no longer", "payload": _frame(Unsubscribed)},
        "error": {"summary": "A subscription has ended", "payload": _frame(SubscriptionError)},
        "open": {"summary": "The request for a stream", "bindings": {"http": {"headers": asks}}},
        **{f"streamed{name.capitalize()}": frame | {"headers": resumes} for name, frame in frames.items()},
        "ended": {
            "summary": "Why the stream ends before the task; come back with the last id",
            "contentType": "text/plain",
            "headers": ends,
            "payload": {"type": "string"},
        },
        "nothingFollows": {
            "summary": "The task has ended, and the client has seen everything: an EventSource stops",
            "bindings": {"http": {"statusCode": 204}},
        },
    }


def _schemas() -> Node:
    """The forms of everything that is sent, by name."""
    models: tuple[type[BaseModel], ...] = (*EVENTS, *CONTROL_EVENTS, Subscribe, Unsubscribe)
    mode: JsonSchemaMode = "validation"
    told = [(model, mode) for model in models]
    _, found = models_json_schema(told, ref_template="#/components/schemas/{model}")
    return {"Cursor": _CURSOR, **found["$defs"]}


def _schema(model: type[BaseModel]) -> Node:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _frame(*models: type[BaseModel], most: int | None = 1) -> Node:
    """An array of items of these forms (§3.6)."""
    forms = [_schema(model) for model in models]
    frame: Node = {"type": "array", "minItems": 1, "items": forms[0] if len(forms) == 1 else {"oneOf": forms}}
    return frame if most is None else frame | {"maxItems": most}


def _operation(action: str, channel: str, *messages: str) -> Node:
    return {"action": action, **_handled(channel, *messages)}


def _handled(channel: str, *messages: str) -> Node:
    """A channel and some of its messages."""
    return {
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _carried(*messages: str) -> Node:
    """The messages of a channel."""
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _close_codes(codes: Iterable[int]) -> Node:
    """What AsyncAPI has no field for."""
    return {str(code): {"meaning": MEANINGS[code], "client": reaction(code)} for code in sorted(codes)}


def _path(of: APIRouter) -> str:
    """The address of the one route of a router."""
    (route,) = of.routes
    assert isinstance(route, Route | WebSocketRoute)
    return route.path
