"""`WS /ws/tasks/{id}`: the live stream of one task (docs/protocol.md §8)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final
from uuid import UUID

import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from api.live.errors import SessionEnded, TooSlow
from api.live.session import Live
from api.routes.services import ServicesDep
from api.routes.sockets import GOING_AWAY
from protocol.cursor import Cursor, InvalidCursor

log = structlog.get_logger(__name__)

_DONE: Final = 1000
_INTERNAL: Final = 1011
_NO_SUCH_TASK: Final = 4504
_BAD_REQUEST: Final = 4509
_MAX_REASON: Final = 120
"""A close frame holds 125 bytes: two for the code, the rest for the reason in UTF-8."""

router = APIRouter()


@router.websocket("/ws/tasks/{task_id}")
async def follow_task(websocket: WebSocket, task_id: str, parts: ServicesDep, after: str | None = None) -> None:
    """Send the frames of a task after the cursor `after`, live, until its end."""
    await websocket.accept()
    try:
        task = UUID(task_id)
    except ValueError:
        await _close(websocket, _NO_SUCH_TASK, f"{task_id[:40]!r} is not the id of a task")
        return
    try:
        cursor = Cursor.parse(after) if after else None
    except InvalidCursor as error:
        await _close(websocket, _BAD_REQUEST, str(error))
        return
    sender = asyncio.create_task(_send(websocket, parts.live, task, cursor), name=f"send {task}")
    with parts.sockets.open(sender):
        try:
            await _listen(websocket)
        finally:
            sender.cancel()
            await asyncio.wait([sender])


async def _listen(websocket: WebSocket) -> None:
    """Until the socket is closed, by whichever side. A client has nothing to say here."""
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await _close(websocket, _BAD_REQUEST, "this socket takes no messages")
    except (WebSocketDisconnect, RuntimeError):
        return


async def _send(websocket: WebSocket, live: Live, task: UUID, cursor: Cursor | None) -> None:
    """Send frames and, at the end, the close code. Cancelled when the process or the client goes."""
    this = asyncio.current_task()
    assert this is not None
    slow = asyncio.Event()

    def overflowed() -> None:
        slow.set()
        this.cancel()

    try:
        async with aclosing(live.follow(task, cursor, overflowed)) as frames:
            async for frame in frames:
                await websocket.send_text(frame.text)
        await _close(websocket, _DONE, "the task has ended")
    except SessionEnded as error:
        await _close(websocket, error.close_code, str(error))
    except WebSocketDisconnect:
        return
    except asyncio.CancelledError:
        if slow.is_set():
            await _close(websocket, TooSlow.close_code, "too slow: resume after the last event received")
        else:
            await _close(websocket, GOING_AWAY, "the server is going away: resume after the last event received")
    except Exception:  # the client is told and the process goes on; the log has the reason
        log.exception("Session failed", action="session_failed", task=str(task))
        await _close(websocket, _INTERNAL, "an unexpected error; it was logged")


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    try:
        await websocket.close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError):
        log.debug("Socket was closed already", action="already_closed", code=code)
