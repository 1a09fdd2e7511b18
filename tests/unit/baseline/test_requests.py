"""What a request means, before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from baseline.api.status import matches, wait_of
from baseline.settings import BaselineSettings


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=5", 5),
        ("wait=0", 0),
        ("respond-async, wait=10", 10),
        ("respond-async;wait=10;x=1", 10),
        ("wait=31", 30),
        ("wait=999999", 30),
        ("wait=9999999", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=five", 0),
        ("await=5", 0),
        ("wait=٣", 0),
    ],
)
def test_the_seconds_that_a_client_wants_to_wait(prefer: str | None, seconds: float) -> None:
    assert wait_of(prefer) == seconds


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ("", False),
        ('"7"', True),
        ('W/"7"', True),
        ('"6", "7"', True),
        ('"6",W/"7"', True),
        ("*", True),
        ('"70"', False),
        ("7", False),
        ('"6"', False),
    ],
)
def test_whether_the_client_has_it_already(header: str | None, known: bool) -> None:
    assert matches(header, '"7"') == known


def test_unset_means_the_default_and_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASELINE_PORT", "")
    monkeypatch.setenv("BASELINE_DB", "/somewhere/b.db")
    monkeypatch.setenv("WORKLOADS", "ours.kinds, theirs.kinds,")

    settings = BaselineSettings()

    assert (settings.baseline_host, settings.baseline_port) == ("127.0.0.1", 8100)
    assert settings.baseline_db == Path("/somewhere/b.db")
    assert settings.workloads == ("ours.kinds", "theirs.kinds")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASELINE_PORT", "70000"),
        ("BASELINE_PORT", "http"),
        ("BASELINE_CONCURRENCY", "0"),
        ("BASELINE_SPARE_SLOTS", "-1"),
        ("BASELINE_LEASE_MS", "10"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        BaselineSettings()
