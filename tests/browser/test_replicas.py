"""Two replicas of the api behind the hub: the page goes on at once when either of them dies."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Locator, Page, expect

from local.waiting import wait_until
from tests.support.browser import visit
from tests.support.up import READY_S, Run, is_ready, two_free_ports

_AT_ONCE_MS: Final = 3_000
_LASTING: Final = {"digits": 5_000, "pace_ms": [20, 40]}


@pytest.fixture(scope="module")
def stack(program: str) -> Iterator[Run]:
    """The whole system, with two replicas, in place of the one that the other tests share."""
    assert program
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:
        run = Run(Path(folder), API_REPLICAS="2", API_PORT=str(two_free_ports()), WORKER_DRAIN_S="1")
        try:
            run.wait_until_ready()
            yield run
            assert run.stop() == 0, run.output
        finally:
            run.end()


async def test_an_open_task_goes_on_at_once_whichever_replica_dies(page: Page, stack: Run) -> None:
    answer = await page.request.post("/api/tasks", data={"kind": "compute_pi", "params": _LASTING})
    await visit(page, f"/tasks?task={(await answer.json())['id']}")
    progress = page.get_by_role("region", name="State").locator(".remark")
    stream = page.get_by_role("region", name="Events", exact=True).locator(".socket")
    for replica in ("api-1", "api-2"):  # one of them has the stream
        await expect(stream).to_contain_text("Live")
        with stack.away(replica):
            for _ in range(10):
                await expect_more(progress)
            await expect(stream).to_contain_text("Live", timeout=_AT_ONCE_MS)
            await expect(page.get_by_text("Api is ready")).to_be_attached()
        await asyncio.to_thread(wait_until_both_are_ready, stack)
    await page.get_by_role("button", name="Cancel the task").click()
    await expect(page.get_by_role("region", name="State")).to_contain_text("Cancelled")


def wait_until_both_are_ready(stack: Run) -> None:
    replicas = [f"http://127.0.0.1:{port}" for port in (stack.port, stack.port + 1)]
    assert wait_until(lambda: all(map(is_ready, replicas)), timeout_s=READY_S), stack.output


async def expect_more(progress: Locator) -> None:
    """That the task goes on to be told of."""
    before = str(await progress.text_content())
    await expect(progress).to_contain_text(re.compile(r"\d of 5,000"))
    await expect(progress).not_to_have_text(before, timeout=_AT_ONCE_MS)
