"""What a process writes that has configured its logging, each time a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest

from service.settings import LogFormat

ROOT: Final = Path(__file__).parents[3]
QUIET: Final = "chatty"


def said(program: str, log_format: LogFormat = "json", level: str = "info") -> str:
    """What `program` writes, to standard output and to standard error."""
    begin = f"""
        import logging, warnings, structlog
        from service.logs import configure_logging
        configure_logging({log_format!r}, {level!r}, quiet=[{QUIET!r}])
    """
    command = [sys.executable, "-c", dedent(begin) + dedent(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def records(program: str, level: str = "info") -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(program, level=level).splitlines()]


def test_both_ways_to_log_have_one_form() -> None:
    ours, library = records("""
        structlog.get_logger("ours").info("A task began", action="began", task=7)
        logging.getLogger("library").warning("%s is slow", "it")
    """)

    assert ours.pop("timestamp").endswith("Z")
    assert ours == {"event": "A task began", "action": "began", "task": 7, "level": "info", "logger": "ours"}
    assert library.keys() == {"event", "level", "logger", "timestamp"}
    assert (library["event"], library["level"], library["logger"]) == ("it is slow", "warning", "library")


def test_a_traceback_is_told_without_the_values_of_variables() -> None:
    program = """
        def fail(password):
            raise ValueError("bad")
        try:
            fail("open" + "sesame")
        except ValueError:
            structlog.get_logger("ours").exception("It failed")
            logging.getLogger("library").exception("It failed")
    """

    told = records(program)
    assert [record["exception"][0]["exc_value"] for record in told] == ["bad", "bad"]
    for text in (json.dumps(told), said(program, "text")):
        assert "fail" in text
        assert "opensesame" not in text


def test_a_warning_of_a_library_is_a_record() -> None:
    (record,) = records("warnings.warn('old')")

    assert (record["logger"], record["level"]) == ("py.warnings", "warning")
    assert "UserWarning: old" in record["event"]


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_a_quiet_logger_tells_as_info_is_told_only_to_who_wants_everything(level: str, told: list[str]) -> None:
    found = records(
        f"""
        for level in ("debug", "info", "warning", "error"):
            getattr(logging.getLogger({QUIET!r}), level)("said")
        """,
        level=level,
    )

    assert [record["level"] for record in found] == told
