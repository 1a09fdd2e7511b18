"""The path under which a proxy serves a service, as the proxy names it when it has cut the path off."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import Scope

_HEADER: Final = b"x-forwarded-prefix"
_MAX_BYTES: Final = 100
_PLAIN: Final = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
"""A path of segments that need no escape and go nowhere else; what begins with `//` would name another host."""


def forwarded_prefix(scope: Scope) -> str | None:
    """What `X-Forwarded-Prefix` of a request says; None without the header, or with one that is no plain path."""
    values: list[bytes] = [value for name, value in scope["headers"] if name == _HEADER]
    if len(values) != 1 or len(values[0]) > _MAX_BYTES or not _PLAIN.fullmatch(values[0]):
        return None
    return values[0].decode("ascii")
