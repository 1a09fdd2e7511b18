"""Reports of usage: what is read of them, and what is not."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from protocol.usage import FORGOTTEN_MS, SILENT_MS, Role, Usage, decode, forgotten, listed

NOW_MS: Final = 1_763_971_200_123.4
GOOD: Final[dict[str, Any]] = {"name": "w", "role": "worker", "cpu_s": 1.5, "memory_bytes": 2**20, "at_ms": NOW_MS}


def usage(name: str = "w", role: Role = "worker", *, age_ms: float = 0) -> Usage:
    return Usage(name, role, 1.5, 2**20, NOW_MS - age_ms)


def entries(*usages: Usage) -> dict[bytes, bytes]:
    return {each.field.encode(): each.encode().encode() for each in usages}


@pytest.mark.parametrize("name", ["w", "worker-1@host", "a:b", "mit Leerzeichen", "π", '"\\'])
def test_a_report_is_read_as_it_was_written(name: str) -> None:
    written = usage(name)

    assert decode(written.field.encode(), written.encode().encode()) == written


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"{",
        b"null",
        b"[]",
        b"[" * 100_000,
        b"9" * 10_000,
        json.dumps("text").encode(),
        *(json.dumps({**GOOD, key: None}).encode() for key in GOOD),
        *(json.dumps({name: GOOD[name] for name in GOOD if name != key}).encode() for key in GOOD),
        *(
            json.dumps({**GOOD, key: wrong}).encode()
            for key in ("cpu_s", "memory_bytes", "at_ms")
            for wrong in ("1", True, -1, 10**400, float("nan"), float("inf"), [1])
        ),
        json.dumps({**GOOD, "role": "pirate"}).encode(),
        json.dumps({**GOOD, "role": ["worker"]}).encode(),
        json.dumps({**GOOD, "name": 7}).encode(),
        json.dumps({**GOOD, "name": "\ud800"}).encode(),
    ],
    ids=lambda value: value[:60],
)
def test_what_is_no_report_is_none_and_is_removed(value: bytes) -> None:
    field = usage().field.encode()

    assert decode(field, value) is None
    assert listed({field: value}, NOW_MS) == []
    assert forgotten({field: value}, NOW_MS) == [field]


def test_a_report_in_the_field_of_another_process_is_none() -> None:
    value = usage().encode().encode()

    assert [decode(field, value) for field in (b"worker:other", b"api:w", b"w", b"\xff", b"worker:?")] == [None] * 5


def test_what_a_later_version_adds_does_not_matter() -> None:
    assert decode(b"worker:w", json.dumps({**GOOD, "threads": 3}).encode()) == usage()


def test_processes_are_listed_by_role_and_name() -> None:
    found = [usage("b"), usage("a"), usage("b", "api"), usage("c", "api")]

    assert [each.field for each in listed(entries(*found), NOW_MS)] == ["api:b", "api:c", "worker:a", "worker:b"]


@pytest.mark.parametrize("sign", [1, -1], ids=["behind", "ahead"])
def test_a_process_is_listed_until_it_is_silent_and_removed_much_later(sign: int) -> None:
    fresh, silent, old, gone = (
        usage(str(number), age_ms=sign * age_ms)
        for number, age_ms in enumerate((SILENT_MS - 1, SILENT_MS + 1, FORGOTTEN_MS - 1, FORGOTTEN_MS + 1))
    )
    found = entries(fresh, silent, old, gone)

    assert listed(found, NOW_MS) == [fresh]
    assert forgotten(found, NOW_MS) == [gone.field.encode()]
