"""What storage raises.

StorageError
├── StorageUnavailable    PostgreSQL cannot be reached or is not able to work now; the same call may succeed later
├── StatementTimedOut     the server gave up one statement after its time limit; a smaller one may succeed
├── InvalidData           a value cannot be stored; the same call fails again, whatever the time
└── IdempotencyConflict   an Idempotency-Key came again with another request

Anything else that PostgreSQL says, such as a missing table, is a plain StorageError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import exc

_DATA_CLASSES: Final = frozenset({"22", "23", "54"})
"""SQLSTATE classes that blame a value: data exception, integrity constraint violation, program limit exceeded."""

_UNAVAILABLE_CLASSES: Final = frozenset({"08", "40", "53", "55", "57", "58"})
"""Connection, rollback (deadlock), insufficient resources, lock not available, operator intervention, system error."""

_QUERY_CANCELED: Final = "57014"
_READ_ONLY: Final = "25006"
"""What a demoted primary answers during a failover."""

_ARGUMENT: Final = re.compile(r"(query argument \$\d+): .*( \(.*\))$")
"""How asyncpg tells of a value that it cannot encode: with the value."""


class StorageError(Exception):
    """Base of all errors of `api.storage`."""


class StorageUnavailable(StorageError):
    """PostgreSQL cannot be reached, or is not able to work at the moment."""


class StatementTimedOut(StorageError):
    """The server cancelled a statement that reached its time limit."""


class InvalidData(StorageError):
    """PostgreSQL refuses a value, and will refuse it again."""


class IdempotencyConflict(StorageError):
    """The Idempotency-Key belongs to another request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the Idempotency-Key {key!r} was used for another request")
        self.key = key


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLAlchemy, asyncpg and the socket raise into this package's errors; the cause is kept."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _classify(error) from error
    except exc.StatementError as error:  # before the driver saw it: a value that is no JSON
        raise InvalidData(_text(error.orig or error)) from error
    except (exc.TimeoutError, OSError, TimeoutError) as error:  # no free connection; no server; no answer in time
        raise StorageUnavailable(_text(error)) from error


def _classify(error: exc.DBAPIError) -> StorageError:
    original = error.orig or error
    state: str = getattr(original, "sqlstate", None) or ""
    text = _text(original)
    if state == _QUERY_CANCELED:
        return StatementTimedOut(text)
    if state[:2] in _DATA_CLASSES:  # asyncpg gives class 22 to values that it cannot encode itself
        return InvalidData(text)
    if state == _READ_ONLY or state[:2] in _UNAVAILABLE_CLASSES or not state:  # without one: the connection is gone
        return StorageUnavailable(text)
    return StorageError(text)


def _text(error: BaseException) -> str:
    """One line, without the statement and its parameters: those hold users' data and do not belong in a log."""
    lines = str(error).strip().splitlines()
    return _ARGUMENT.sub(r"\1\2", lines[0] if lines else type(error).__name__)[:500]
