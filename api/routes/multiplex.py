"""`WS /ws`: many tasks on one socket (docs/protocol.md §8).

A client sends `{"subscribe": id, "after": cursor}` and `{"unsubscribe": id}`; frames come as on a socket of one task,
each with the events of one task. All tasks of a socket share one budget of bytes that may wait for it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketDisconnected

from api.live.ending import end
from api.live.errors import LiveUnavailable, SessionEnded, TooSlow
from api.live.session import Live
from api.live.subscription import Budget
from api.routes.close_codes import BAD_REQUEST, GOING_AWAY, INTERNAL, TOO_SLOW
from api.routes.services import ServicesDep
from api.routes.websocket import close
from protocol.cursor import Cursor, InvalidCursor

log = structlog.get_logger(__name__)

MAX_TASKS: Final = 1_000
"""Tasks that one socket may follow at the same time."""
_SEND_S: Final = 20.0
"""How long one message may wait for the client; a page of the past that waits holds up those of the other tasks."""

router = APIRouter()


class Subscribe(BaseModel):
    """Follow a task from after a cursor."""

    model_config = ConfigDict(extra="forbid")

    subscribe: UUID
    after: str | None = Field(default=None, max_length=64)


class Unsubscribe(BaseModel):
    """Follow a task no longer."""

    model_config = ConfigDict(extra="forbid")

    unsubscribe: UUID


_COMMAND: Final[TypeAdapter[Subscribe | Unsubscribe]] = TypeAdapter(Subscribe | Unsubscribe)


class BadCommand(Exception):
    """What the client sent is no command; the message says why."""


@router.websocket("/ws")
async def follow_many(websocket: WebSocket, parts: ServicesDep) -> None:
    """Send the frames of every task that the client subscribes to, until it leaves."""
    try:
        await websocket.accept()
    except WebSocketDisconnect:
        return
    serving = asyncio.create_task(_Connection(websocket, parts.live).serve(), name="serve many")
    with parts.sockets.open(serving):
        try:
            await asyncio.wait([serving])
        finally:
            await end(serving)


class _Connection:
    """One socket: a sender for each task it follows."""

    def __init__(self, websocket: WebSocket, live: Live) -> None:
        self._websocket = websocket
        self._live = live
        self._senders: dict[UUID, asyncio.Task[None]] = {}
        self._budget = Budget(live.hub.queue_bytes)
        self._slow = False
        self._serving: asyncio.Task[Any] | None = None

    async def serve(self) -> None:
        """Take commands until the client leaves; cancelled when the process ends or the client is too slow."""
        self._serving = asyncio.current_task()
        try:
            while True:
                message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._obey(message.get("text"))
        except BadCommand as error:
            await close(self._websocket, BAD_REQUEST, str(error))
        except TooSlow as error:
            self._slow = True
            await close(self._websocket, TOO_SLOW, str(error))
        except WebSocketDisconnect:
            return
        except asyncio.CancelledError:
            code = TOO_SLOW if self._slow else GOING_AWAY
            reason = "too slow" if self._slow else "the server is going away"
            await close(self._websocket, code, f"{reason}: resume after the last events received")
        except Exception:  # the client is told and the process goes on; the log has the reason
            log.exception("Socket failed", action="socket_failed")
            await close(self._websocket, INTERNAL, "an unexpected error; it was logged")
        finally:
            await end(*self._senders.values())

    async def _obey(self, text: str | None) -> None:
        command = _parse(text)
        if isinstance(command, Unsubscribe):
            await self._stop(command.unsubscribe)
            await self._tell(command.unsubscribe, type="unsubscribed")
            return
        try:
            cursor = Cursor.parse(command.after) if command.after else None
        except InvalidCursor as error:
            await self._tell(command.subscribe, type="error", code=BAD_REQUEST, message=str(error))
            return
        await self._stop(command.subscribe)
        if len(self._senders) >= MAX_TASKS:
            message = f"one socket follows at most {MAX_TASKS} tasks"
            await self._tell(command.subscribe, type="error", code=BAD_REQUEST, message=message)
            return
        sender = asyncio.create_task(self._send(command.subscribe, cursor), name=f"send {command.subscribe}")
        self._senders[command.subscribe] = sender
        sender.add_done_callback(lambda done: self._ended(command.subscribe, done))

    async def _send(self, task: UUID, cursor: Cursor | None) -> None:
        """Send the frames of one task; an end that is not the task's is told as an `error` event."""
        try:
            await self._forward(task, cursor)
        except TooSlow:
            self._overflowed()
        except (WebSocketDisconnect, WebSocketDisconnected):
            log.debug("Socket was closed meanwhile", action="already_closed", task=str(task))

    async def _forward(self, task: UUID, cursor: Cursor | None) -> None:
        try:
            async with aclosing(self._live.follow(task, cursor, self._overflowed, self._budget)) as frames:
                async for frame in frames:
                    await self._send_text(frame.text)
                    del frame  # it may be large, and the next one may be long in coming
        except (TooSlow, WebSocketDisconnect, WebSocketDisconnected):
            raise
        except LiveUnavailable:
            self._stop_serving()
        except SessionEnded as error:
            await self._tell(task, type="error", code=error.close_code, message=str(error))
        except Exception:  # the other tasks of the socket go on
            log.exception("Session failed", action="session_failed", task=str(task))
            await self._tell(task, type="error", code=INTERNAL, message="an unexpected error; it was logged")

    def _ended(self, task: UUID, sender: asyncio.Task[None]) -> None:
        if self._senders.get(task) is sender:
            del self._senders[task]

    def _overflowed(self) -> None:
        if not self._slow:
            self._slow = True
            self._stop_serving()

    def _stop_serving(self) -> None:
        if self._serving is not None:
            self._serving.cancel()

    async def _stop(self, task: UUID) -> None:
        sender = self._senders.pop(task, None)
        if sender is not None:
            await end(sender)

    async def _tell(self, task: UUID, **event: Any) -> None:
        await self._send_text(json.dumps([{"task": str(task), **event}], separators=(",", ":")))

    async def _send_text(self, text: str) -> None:
        """Send. Raises TooSlow when the client does not take it in time."""
        try:
            async with asyncio.timeout(_SEND_S):
                await self._websocket.send_text(text)
        except TimeoutError as error:
            raise TooSlow("too slow: resume after the last events received") from error


def _parse(text: str | None) -> Subscribe | Unsubscribe:
    if text is None:
        raise BadCommand("a command is a text message")
    try:
        return _COMMAND.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        raise BadCommand(f"not a command: {field + ': ' if field else ''}{first['msg']}") from error
