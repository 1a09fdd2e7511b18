"""What the processes log: JSON and nothing else, and no line for each connection or message."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import httpx

from tests.support.follower import Follower
from tests.support.rest import submit
from tests.support.system import ROOT, System, system


async def test_a_process_logs_json_from_its_start_to_its_end_and_only_what_it_did() -> None:
    with system() as made:
        api, worker = made.api("api"), made.worker("worker", WORKER_DRAIN_S="1")
        api.wait_until_ready()
        with httpx.Client(base_url=api.url) as http:
            task = submit(http, "synthetic", updates=3, rate=0)
        assert (await Follower("one").follow(f"{api.ws_url}/ws/tasks/{task['id']}")).codes == [1000]
        for process in (worker, api):
            process.terminate()
            process.assert_ended_well()

        of_api, of_worker = api.logged(), worker.logged()
        assert [record["action"] for record in of_api if record["logger"] == "api.server"] == [
            "api_listens",
            "api_ends",
        ]
        assert "uvicorn.error" not in {record["logger"] for record in of_api}
        assert [record["action"] for record in of_worker if "action" in record] == [
            *("attempt_started", "attempt_ended", "worker_ends")
        ]
        assert {record["logger"] for record in of_worker}.isdisjoint({"celery.worker.strategy", "celery.app.trace"})
        assert_a_migration_logs_json(made)


def assert_a_migration_logs_json(made: System) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "downgrade", "base"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": made.postgres.url, "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=True,
    )
    records = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert any(record["event"].startswith("Running downgrade 0001") for record in records)
