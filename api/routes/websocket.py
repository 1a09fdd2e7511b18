"""`WS /ws/tasks/{id}`: the live stream of one task (docs/protocol.md §8)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketDisconnected

from api.live.ending import end
from api.live.errors import SessionEnded
from api.live.session import Live
from api.routes.close_codes import BAD_REQUEST, DONE, GOING_AWAY, INTERNAL, NO_SUCH_TASK, TOO_SLOW
from api.routes.services import ServicesDep
from protocol.cursor import Cursor, InvalidCursor

log = structlog.get_logger(__name__)

_MAX_REASON: Final = 120
"""A close frame holds 125 bytes: two for the code, the rest for the reason in UTF-8."""

router = APIRouter()


@dataclass(slots=True)
class _Farewell:
    """With what a socket is closed when its sender is cancelled."""

    code: int = GOING_AWAY
    reason: str = "the server is going away: resume after the last event received"


@router.websocket("/ws/tasks/{task_id}")
async def follow_task(websocket: WebSocket, task_id: str, parts: ServicesDep, after: str | None = None) -> None:
    """Send the frames of a task after the cursor `after`, live, until its end."""
    try:
        await websocket.accept()
    except WebSocketDisconnect:
        return
    try:
        task = UUID(task_id)
    except ValueError:
        await close(websocket, NO_SUCH_TASK, f"{task_id[:40]!r} is not the id of a task")
        return
    try:
        cursor = Cursor.parse(after) if after else None
    except InvalidCursor as error:
        await close(websocket, BAD_REQUEST, str(error))
        return
    farewell = _Farewell()
    sender = asyncio.create_task(_send(websocket, parts.live, task, cursor, farewell), name=f"send {task}")
    with parts.sockets.open(sender):
        try:
            if await _spoke(websocket):
                farewell.code, farewell.reason = BAD_REQUEST, "this socket takes no messages"
        finally:
            await end(sender)


async def _spoke(websocket: WebSocket) -> bool:
    """Wait until the client sends something, which it has no reason to, or the socket is closed by whichever side."""
    message = await websocket.receive()
    return bool(message["type"] != "websocket.disconnect")


async def _send(websocket: WebSocket, live: Live, task: UUID, cursor: Cursor | None, farewell: _Farewell) -> None:
    """Send frames and, at the end, the close code. Cancelled when the process or the client goes."""
    this = asyncio.current_task()
    assert this is not None

    def overflowed() -> None:
        farewell.code, farewell.reason = TOO_SLOW, "too slow: resume after the last event received"
        this.cancel()

    try:
        async with aclosing(live.follow(task, cursor, overflowed)) as frames:
            async for frame in frames:
                await websocket.send_text(frame.text)
        await close(websocket, DONE, "the task has ended")
    except SessionEnded as error:
        await close(websocket, error.close_code, str(error))
    except (WebSocketDisconnect, WebSocketDisconnected):
        return
    except asyncio.CancelledError:
        await close(websocket, farewell.code, farewell.reason)
    except Exception:  # the client is told and the process goes on; the log has the reason
        log.exception("Session failed", action="session_failed", task=str(task))
        await close(websocket, INTERNAL, "an unexpected error; it was logged")


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close the socket, unless it is closed already. `reason` is cut to what a close frame holds."""
    try:
        await websocket.close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError):
        log.debug("Socket was closed already", action="already_closed", code=code)
