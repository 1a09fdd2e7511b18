"""Worker processes on which one kind has more tasks than slots: the others start at once, and all of them end."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from itertools import chain
from typing import Any

import pytest

from tests.integration.baseline.processes import Api, Baseline, until

SHIPPED = {"WORKLOADS": ""}
"""Three kinds."""
AT_ONCE_MS = 3_000
"""On a machine that is busy. Those that must wait would do so for much longer."""


def running(baseline: Baseline) -> dict[str, int]:
    """How many tasks of each kind run now."""
    with closing(sqlite3.connect(baseline.file)) as connection:
        return Counter(kind for (kind,) in connection.execute("SELECT kind FROM tasks WHERE state = 'running'"))


def most_at_once(api: Api, tasks: list[str]) -> int:
    """How many ran at the same time; waits until all have ended."""
    told = [api.events(task, wait=True) for task in tasks]
    changes = sorted(chain.from_iterable([(events[0]["ts"], 1), (events[-1]["ts"], -1)] for events in told))
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def submit_many(api: Api, number: int, delay_s: float) -> list[str]:
    return [api.submit("synthetic", updates=1, rate=0, delay_s=delay_s) for _ in range(number)]


def test_tasks_of_other_kinds_start_at_once_while_one_kind_has_many(baseline: Baseline) -> None:
    baseline.worker(BASELINE_CONCURRENCY=8, **SHIPPED)
    api = baseline.api(**SHIPPED)
    pi: dict[str, Any] = {"digits": 200, "pace_ms": [1000, 1000]}
    many = [api.submit("compute_pi", **pi) for _ in range(12)]
    until(lambda: running(baseline) == {"compute_pi": 6})

    submitted = time.time() * 1000
    others = [api.submit("synthetic", updates=1, rate=0, delay_s=60), api.submit("document_analysis")]

    until(lambda: all(api.events(task) for task in others))
    assert max(api.events(task)[0]["ts"] for task in others) - submitted < AT_ONCE_MS
    assert running(baseline)["compute_pi"] == 6
    assert api.whole(many[6])["state"] == "queued"


def test_the_next_task_of_a_kind_that_has_its_share_starts_when_one_ends(baseline: Baseline) -> None:
    baseline.worker(BASELINE_CONCURRENCY=4, **SHIPPED)
    api = baseline.api(**SHIPPED)

    assert most_at_once(api, submit_many(api, 10, delay_s=0.2)) == 2


@pytest.mark.parametrize("slots", [1, 2])
def test_with_fewer_slots_than_kinds_all_tasks_of_all_kinds_end(baseline: Baseline, slots: int) -> None:
    worker, api = baseline.worker(BASELINE_CONCURRENCY=slots), baseline.api()
    many = submit_many(api, 6, delay_s=0.2)
    others = [api.submit(kind) for kind in ("refused", "fails", "refused", "fails")]

    assert most_at_once(api, many) == 1

    until(lambda: all(api.whole(task)["state"] == "failed" for task in others))
    assert worker.text.count("Fewer slots than kinds") == 1


def test_without_spare_slots_one_kind_takes_all(baseline: Baseline) -> None:
    worker = baseline.worker(BASELINE_CONCURRENCY=4, BASELINE_SPARE_SLOTS=0, LOG_FORMAT="json", **SHIPPED)
    api = baseline.api(**SHIPPED)

    assert most_at_once(api, submit_many(api, 8, delay_s=0.5)) == 4

    said = [json.loads(line)["event"] for line in worker.text.splitlines()]
    assert "Fewer slots than kinds: one may have to wait for another" not in said


def test_a_killed_worker_leaves_no_kind_without_its_slots(baseline: Baseline) -> None:
    settings = {"BASELINE_CONCURRENCY": 4, "BASELINE_LEASE_MS": 400, **SHIPPED}
    first, api = baseline.worker(**settings), baseline.api(**SHIPPED)
    many = submit_many(api, 6, delay_s=0.5)
    until(lambda: running(baseline) == {"synthetic": 2})

    first.kill()
    baseline.worker(**settings)

    for task in many:
        assert api.events(task, wait=True)[-1]["type"] == "result"
