"""What SQLAlchemy, asyncpg and the socket raise, told as errors of storage."""

from __future__ import annotations

import pytest
from sqlalchemy import exc

from api.storage.errors import (
    IdempotencyConflict,
    InvalidData,
    StatementTimedOut,
    StorageError,
    StorageUnavailable,
    translated,
)


class Refusal(Exception):
    """What the driver raised, with or without an SQLSTATE."""

    def __init__(self, sqlstate: str | None, message: str = "no") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def of_driver(sqlstate: str | None, message: str = "no") -> exc.DBAPIError:
    return exc.DBAPIError("SELECT secret", {"secret": 1}, Refusal(sqlstate, message))


BY_STATE = {
    "08003": StorageUnavailable,  # the connection does not exist any more
    "25006": StorageUnavailable,  # a demoted primary
    "40P01": StorageUnavailable,  # deadlock
    "53300": StorageUnavailable,  # too many connections
    "55P03": StorageUnavailable,  # lock not available
    "57P01": StorageUnavailable,  # the server shuts down
    "57P03": StorageUnavailable,  # it starts
    "58030": StorageUnavailable,  # input or output failed
    None: StorageUnavailable,  # the driver's own: the connection is closed
    "57014": StatementTimedOut,
    "22P02": InvalidData,  # no JSON
    "22000": InvalidData,  # asyncpg cannot encode it
    "23514": InvalidData,  # a check constraint
    "54000": InvalidData,  # too large
    "42P01": StorageError,  # no such table
    "28P01": StorageError,  # wrong password
}


@pytest.mark.parametrize(("sqlstate", "error"), BY_STATE.items())
def test_the_sqlstate_decides(sqlstate: str | None, error: type[StorageError]) -> None:
    with pytest.raises(StorageError) as raised, translated():
        raise of_driver(sqlstate)

    assert type(raised.value) is error
    assert isinstance(raised.value.__cause__, exc.DBAPIError)


@pytest.mark.parametrize(
    "error", [exc.TimeoutError("pool"), ConnectionRefusedError("refused"), TimeoutError()], ids=repr
)
def test_no_connection_and_no_answer_in_time_mean_unavailable(error: Exception) -> None:
    with pytest.raises(StorageUnavailable), translated():
        raise error


def test_a_value_that_cannot_be_written_as_json_is_invalid() -> None:
    refused = exc.StatementError("no", "INSERT", {}, ValueError("Out of range float values are not JSON compliant"))

    with pytest.raises(InvalidData, match="not JSON compliant"), translated():
        raise refused


def test_the_message_is_one_line_without_statement_and_parameters() -> None:
    with pytest.raises(StorageError) as raised, translated():
        raise of_driver("22P02", "invalid input syntax for type json\nDETAIL:  Token secret is invalid.")

    assert str(raised.value) == "invalid input syntax for type json"


def test_the_value_that_the_driver_shows_is_left_out() -> None:
    message = "invalid input for query argument $3: ['secret (a)', 'b'] (value out of int32 range)"

    with pytest.raises(InvalidData) as raised, translated():
        raise of_driver("22000", message)

    assert str(raised.value) == "invalid input for query argument $3 (value out of int32 range)"


def test_an_error_without_a_text_is_told_by_its_name() -> None:
    with pytest.raises(StorageUnavailable, match="TimeoutError"), translated():
        raise TimeoutError


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


def test_a_conflict_names_its_key() -> None:
    assert "'abc'" in str(IdempotencyConflict("abc"))
