"""With what a WebSocket is closed, and what that means to the client (docs/protocol.md §8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.live.errors import BadCursor, LiveUnavailable, NoSuchTask, TooSlow

DONE: Final = 1000
PROTOCOL_ERROR: Final = 1002
NOT_TEXT: Final = 1007
TOO_BIG: Final = 1009
INTERNAL: Final = 1011
GOING_AWAY: Final = LiveUnavailable.close_code
TOO_SLOW: Final = TooSlow.close_code
NO_PONG: Final = 4012
NO_SUCH_TASK: Final = NoSuchTask.close_code
BAD_REQUEST: Final = BadCursor.close_code

_DO_NOT_RETURN: Final = 4500

MEANINGS: Final[Mapping[int, str]] = {
    DONE: "the terminal event was delivered",
    PROTOCOL_ERROR: "what the client sent is no WebSocket (RFC 6455)",
    NOT_TEXT: "a text message of the client is not UTF-8",
    TOO_BIG: "a message of the client is longer than 16 KiB",
    INTERNAL: "an unexpected error, which was logged",
    GOING_AWAY: "the server is going away, or cannot read the events now",
    TOO_SLOW: "the client takes less than its tasks emit",
    NO_PONG: "the client did not answer a ping",
    NO_SUCH_TASK: "there is no such task",
    BAD_REQUEST: "a cursor or a message that is none",
}
"""Of every code that is sent: by the routes, by `api.server`, and 1002 to 1009 by the WebSocket library below it."""


def reaction(code: int) -> str:
    """What the client does when the socket was closed with `code`."""
    if code == DONE:
        return "is done"
    return "stops" if code >= _DO_NOT_RETURN else "reconnects with its cursor"
