"""What storage raises.

    StorageError
    ├── StorageUnavailable    PostgreSQL cannot be reached or is not able to work now; the same call may succeed later
    ├── StatementTimedOut     the server gave up one statement after its time limit; a smaller one may succeed
    ├── InvalidData           PostgreSQL refuses a value; the same call fails again, whatever the time
    └── IdempotencyConflict   an Idempotency-Key came again with another request

Anything else that PostgreSQL says, such as a missing table, is a plain StorageError.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

_DATA_CLASSES = frozenset({"22", "23", "54"})
"""SQLSTATE classes that blame a value: data exception, integrity constraint violation, program limit exceeded."""

_UNAVAILABLE_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})
"""Connection, rollback (deadlock), insufficient resources, lock not available, operator intervention, system error."""

_QUERY_CANCELED = "57014"
_READ_ONLY = "25006"
"""What a demoted primary answers during a failover."""


class StorageError(Exception):
    """Base of all errors of `api.storage`."""


class StorageUnavailable(StorageError):  # noqa: N818 - it names a condition, not a mistake
    """PostgreSQL cannot be reached, or is not able to work at the moment."""


class StatementTimedOut(StorageError):  # noqa: N818
    """The server cancelled a statement that reached its time limit."""


class InvalidData(StorageError):  # noqa: N818
    """PostgreSQL refuses a value, and will refuse it again."""


class IdempotencyConflict(StorageError):  # noqa: N818
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
    except (exc.TimeoutError, OSError, TimeoutError) as error:  # no free connection; no server; no answer in time
        raise StorageUnavailable(_text(error)) from error


def _classify(error: exc.DBAPIError) -> StorageError:
    original = error.orig
    state: str | None = getattr(original, "sqlstate", None)
    text = _text(original if original is not None else error)
    if state == _QUERY_CANCELED:
        return StatementTimedOut(text)
    if state is not None and state[:2] in _DATA_CLASSES:
        return InvalidData(text)
    if state == _READ_ONLY or (state is not None and state[:2] in _UNAVAILABLE_CLASSES):
        return StorageUnavailable(text)
    if state is None:  # raised on this side of the wire
        encoding = isinstance(error, exc.DataError) or "invalid input for query argument" in text
        return InvalidData(text) if encoding else StorageUnavailable(text)
    return StorageError(text)


def _text(error: BaseException) -> str:
    """One line, without the statement and its parameters: those hold users' data and do not belong in a log."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:500]
