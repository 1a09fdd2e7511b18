"""Worker processes: how attempts end, and what becomes of the tasks of a worker that is lost, stopped or ended."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from tests.integration.baseline.processes import LONG_S, Api, Baseline, story, told, until
from workloads.compute_pi import pi_digits

LEASE = {"BASELINE_LEASE_MS": 400}
PI: dict[str, Any] = {"digits": 20, "pace_ms": [40, 40]}
"""Most of a second of work: long enough to be interrupted, and to be at it when the first worker comes back."""


def digits(events: list[dict[str, Any]], attempt: int) -> str:
    """What the chunks of an attempt tell."""
    return "".join(told(event) for event in events if event["type"] == "chunk" and event["attempt"] == attempt)


def until_digits(api: Api, task: str, attempt: int, count: int) -> None:
    until(lambda: len(digits(api.events(task), attempt)) >= count)


def check_order(events: list[dict[str, Any]]) -> None:
    """The seqs have no gap, and nothing of an older attempt comes after a newer one."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    attempts = [event["attempt"] for event in events]
    assert attempts == sorted(attempts)


def expected_digits() -> str:
    found = pi_digits()
    return "".join(next(found) for _ in range(PI["digits"]))


class TestLost:
    def test_the_task_of_a_killed_worker_is_claimed_again_and_ends_right(self, baseline: Baseline) -> None:
        first, api = baseline.worker(**LEASE), baseline.api()
        task = api.submit("compute_pi", **PI)
        until_digits(api, task, 1, 3)

        first.kill()
        baseline.worker(**LEASE)

        events = api.events(task, wait=True)
        check_order(events)
        assert digits(events, 2) == expected_digits()
        assert expected_digits().startswith(digits(events, 1))
        assert events[-1]["type"] == "result"
        assert api.whole(task)["attempt"] == 2

    def test_a_worker_that_was_stopped_past_its_lease_changes_nothing(self, baseline: Baseline) -> None:
        zombie, api = baseline.worker(**LEASE), baseline.api()
        task = api.submit("compute_pi", **PI)
        until_digits(api, task, 1, 3)

        zombie.signal(signal.SIGSTOP)
        baseline.worker(**LEASE)
        until_digits(api, task, 2, 3)
        zombie.signal(signal.SIGCONT)

        until(lambda: "Attempt lost" in zombie.text)
        events = api.events(task, wait=True)
        check_order(events)
        assert digits(events, 2) == expected_digits()
        assert events[-1]["type"] == "result"
        assert (events[-1]["attempt"], api.whole(task)["attempt"]) == (2, 2)

    def test_a_worker_that_comes_back_before_anyone_claimed_goes_on(self, baseline: Baseline) -> None:
        worker, api = baseline.worker(**LEASE), baseline.api()
        task = api.submit("compute_pi", **PI)
        until_digits(api, task, 1, 3)

        worker.signal(signal.SIGSTOP)
        until(lambda: lease(baseline, task) < time.time() * 1000)
        worker.signal(signal.SIGCONT)

        events = api.events(task, wait=True)
        assert digits(events, 1) == expected_digits()
        assert api.whole(task)["attempt"] == 1

    def test_a_lease_is_renewed_while_a_task_emits_nothing(self, baseline: Baseline) -> None:
        baseline.worker(**LEASE)
        api = baseline.api()
        task = api.submit("synthetic", updates=1, rate=0, delay_s=1.2)
        baseline.worker(**LEASE)  # would claim it

        events = api.events(task, wait=True)

        assert {event["attempt"] for event in events} == {1}

    def test_a_cancel_of_a_task_whose_worker_is_lost_ends_it(self, baseline: Baseline) -> None:
        worker, api = baseline.worker(**LEASE), baseline.api()
        task = api.submit("waits")
        api.until_state(task, "running")
        worker.kill()
        until(lambda: lease(baseline, task) < time.time() * 1000)

        assert api.http.post(f"/tasks/{task}/cancel").json()["state"] == "cancelled"


def lease(baseline: Baseline, task: str) -> float:
    with closing(sqlite3.connect(baseline.file)) as connection:
        (found,) = connection.execute("SELECT lease FROM tasks WHERE id = ?", (task,)).fetchone()
        return float(found)


class TestEnd:
    def test_tasks_are_handed_back_and_another_worker_takes_them(self, baseline: Baseline) -> None:
        worker, api = baseline.worker(BASELINE_CONCURRENCY=2), baseline.api()
        running = [api.submit("streams"), api.submit("waits")]
        for task in running:
            api.until_state(task, "running")
        waiting = api.submit("synthetic", updates=1, rate=0, size=1)  # both places are taken

        assert worker.end() < 3

        for task in running:
            body = api.whole(task)
            assert (body["state"], body["attempt"]) == ("queued", 1)
            assert "shutting down" in body["events"][-1]["data"]["message"]
            assert lease(baseline, task) <= time.time() * 1000
        assert "Traceback" not in worker.text
        baseline.worker(BASELINE_CONCURRENCY=3)
        assert story(api.events(waiting, wait=True)) == ["running", "0", {"updates": 1, "bytes": 1}]
        for task in running:
            assert api.until_state(task, "running")["attempt"] == 2

    def test_a_task_that_never_looks_up_is_handed_back_too(self, baseline: Baseline) -> None:
        worker, api = baseline.worker(), baseline.api()
        task = api.submit("hangs")
        until(lambda: len(api.events(task)) == 2)

        assert worker.end() < 3

        assert story(api.events(task)) == ["running", "before", "queued"]

    def test_an_idle_worker_ends_at_once_and_reports_no_more(self, baseline: Baseline) -> None:
        worker, api = baseline.worker(), baseline.api()
        until(lambda: api.stats()["worker"]["count"] == 1)

        os.killpg(worker.process.pid, signal.SIGINT)  # as a terminal does

        assert worker.process.wait(LONG_S) == 0
        assert api.stats()["worker"]["count"] == 0


class TestEndings:
    def test_a_failure_is_retried_with_backoff_and_then_final(self, running: Baseline, api: Api) -> None:
        task = api.submit("fails", number=7)

        events = api.events(task, wait=True)

        assert story(events) == ["running", 7, "queued", "running", 7, "queued", "running", 7, "failed"]
        check_order(events)
        again, last = events[2]["data"]["message"], events[-1]["data"]
        assert again == "attempt 1 failed (no luck today); the next one starts in 0.1 s"
        assert last["error"] == {"type": "LookupError", "message": "no luck today"} == api.whole(task)["error"]
        waits = [events[at + 1]["ts"] - events[at]["ts"] for at in (2, 5)]
        assert waits[0] >= 100
        assert waits[1] >= 200
        assert running.started[0].text.count("LookupError: no luck today") == 3

    def test_a_time_limit_is_a_failure(self, api: Api) -> None:
        events = api.events(api.submit("dawdles"), wait=True)

        assert story(events) == ["running", "queued", "running", "failed"]
        assert events[-1]["data"]["error"] == {
            "type": "TimeLimitReached",
            "message": "the attempt took longer than 0.1 s",
        }

    @pytest.mark.parametrize(
        ("kind", "error"),
        [("refused", "a chunk cannot be sent as JSON"), ("speaks", "yields Chunk, Progress or Pause")],
    )
    def test_what_cannot_be_sent_fails_without_a_retry(self, api: Api, kind: str, error: str) -> None:
        events = api.events(api.submit(kind), wait=True)

        assert story(events)[-1] == "failed"
        assert events[-1]["attempt"] == 1
        assert events[-1]["data"]["error"]["type"] == "UpdateRefused"
        assert error in events[-1]["data"]["error"]["message"]

    @pytest.mark.parametrize("kind", ["waits", "streams", "resists"])
    def test_a_running_task_is_cancelled_in_its_pause(self, api: Api, kind: str) -> None:
        task = api.submit(kind)
        until(lambda: api.events(task))

        answers = [api.http.post(f"/tasks/{task}/cancel") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [202, 202]
        events = api.events(task, wait=True)
        assert events[-1]["data"]["state"] == "cancelled"
        assert api.http.post(f"/tasks/{task}/cancel").status_code == 202
        assert api.events(task) == events
        conflict = api.http.get(f"/tasks/{task}/result")
        assert (conflict.status_code, conflict.json()["detail"]) == (409, "the task has been cancelled")


def test_old_tasks_go_and_new_ones_stay(baseline: Baseline) -> None:
    baseline.worker(BASELINE_KEPT_TASKS=3, BASELINE_CONCURRENCY=1)
    api = baseline.api()
    tasks = [api.submit("synthetic", updates=100, rate=0) for _ in range(6)]
    api.events(tasks[-1], wait=True)

    until(lambda: [api.status(task).status_code for task in tasks], lambda codes: codes == [404] * 3 + [200] * 3)

    assert api.http.get(f"/tasks/{tasks[0]}/result").status_code == 404
    assert len(api.events(tasks[-1])) == 202
