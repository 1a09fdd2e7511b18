"""What the services tell of their CPU, and whether that fits what was seen."""

from __future__ import annotations

from typing import Any, Final

import pytest

from bench.processes import is_here, runs_module
from bench.usage import by_role, difference, doubtful, oldest_report_ms, told_cpu, told_difference

LIVE: Final[dict[str, Any]] = {
    "now_ms": 5000.0,
    "cpu_s": 2.0,
    "processes": [
        {"name": "api-1", "role": "api", "cpu_s": 2.0, "at_ms": 5000.0},
        {"name": "api-2", "role": "api", "cpu_s": 3.0, "at_ms": 4300.0},
        {"name": "worker-1", "role": "worker", "cpu_s": 1.5, "at_ms": 4400.0},
    ],
    "redis": {"cpu_s": 0.5, "at_ms": 5000.0},
    "redis_nodes": [
        {"name": "a1b2c3d4", "cpu_s": 0.3, "at_ms": 5000.0},
        {"name": "e5f60718", "cpu_s": 0.2, "at_ms": 5000.0},
    ],
}
POLLING: Final[dict[str, Any]] = {
    "now_ms": 5001.0,
    "cpu_s": 0.7,
    "worker": {"count": 2, "cpu_s": 0.4, "memory_bytes": 1, "at_ms": 4700.0},
}


LISTED: Final[dict[str, Any]] = {
    **POLLING,
    "processes": [
        {"name": "h:1", "role": "api", "cpu_s": 0.7, "at_ms": 5001.0},
        {"name": "h:2", "role": "worker", "cpu_s": 0.25, "at_ms": 4200.0},
        {"name": "h:3", "role": "worker", "cpu_s": 0.15, "at_ms": 4700.0},
    ],
}


@pytest.mark.parametrize("polling", [POLLING, LISTED])
def test_the_processes_of_a_role_are_added_up(polling: dict[str, Any]) -> None:
    assert by_role(told_cpu(LIVE, polling)) == {
        "live.api": 5.0,
        "live.worker": 1.5,
        "live.redis": 0.5,
        "polling.api": 0.7,
        "polling.worker": 0.4,
    }


def test_without_a_list_the_replica_that_answered_is_all_that_is_known() -> None:
    told = told_cpu({"now_ms": 1.0, "cpu_s": 2.0, "redis": None}, POLLING)
    assert by_role(told) == {"live.api": 2.0, "polling.api": 0.7, "polling.worker": 0.4}


def test_the_oldest_report_decides_how_old_the_numbers_are() -> None:
    assert oldest_report_ms(LIVE, POLLING) == 4300.0
    assert oldest_report_ms(LIVE, LISTED) == 4200.0
    silent = {**POLLING, "worker": {"count": 0, "cpu_s": 0.0, "memory_bytes": 0, "at_ms": None}}
    assert oldest_report_ms({"now_ms": 7.0, "cpu_s": 1.0}, silent) == 7.0


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"h:2": 1.25, "h:3": 0.75}, 1.5),
        ({"h:2": 1.25}, None),  # the other one has ended
        ({"h:2": 1.25, "h:3": 0.0}, None),  # it was started again
        ({"h:2": 1.25, "h:3": 0.5, "h:4": 0.5}, None),  # of a third one it is not known when it began
        ({"h:2": 1.25, "h:4": 0.5}, None),
    ],
)
def test_what_a_role_has_used_is_known_while_its_processes_are_the_same(
    after: dict[str, float], expected: float | None
) -> None:
    before = {"polling.api": {"h:1": 1.0}, "polling.worker": {"h:2": 0.25, "h:3": 0.25}}

    used = told_difference(before, {"polling.api": {"h:1": 1.5}, "polling.worker": after, "live.api": {"": 1.0}})

    assert used == {"polling.api": 0.5} | ({} if expected is None else {"polling.worker": expected})


def test_what_was_started_again_or_not_read_twice_has_no_difference() -> None:
    before = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 3.0}
    assert difference(before, {"a": 1.5, "b": 0.2, "d": 3.0, "e": 1.0}) == {"a": 0.5, "d": 0.0}


@pytest.mark.parametrize(
    ("seen", "told", "expected"),
    [
        ({"live.api": 2.0}, {"live.api": 2.1}, []),
        ({"live.api": 0.1}, {"live.api": 0.35}, []),
        ({"live.api": 2.0}, {"live.api": 4.0}, ["live.api"]),
        ({"live.postgresql": 2.0}, {"live.api": 4.0}, []),
    ],
)
def test_processes_that_used_something_else_than_is_told_are_others(
    seen: dict[str, float], told: dict[str, float], expected: list[str]
) -> None:
    assert doubtful(seen, told) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -m api", True),
        ("python -X dev -m api", False),
        ("python -Xdev -u -m api dead-letters", True),
        ("python -m baseline api", False),
        ("python -m local.keep ready python -m api", False),
        ("python program.py -m api", False),
        ("nginx", False),
        ("", False),
    ],
)
def test_a_process_is_known_by_the_module_that_it_runs(command: str, expected: bool) -> None:
    assert runs_module(command.split(), ("api",)) is expected


def test_an_address_of_this_machine_is_here_and_others_are_not() -> None:
    assert is_here("http://127.0.0.1:8080")
    assert is_here("http://[::1]:8080/api")
    assert not is_here("http://192.0.2.1")
