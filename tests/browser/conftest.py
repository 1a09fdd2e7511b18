"""A browser before the whole system as `make up` runs it. All tests here share one event loop, the browser's."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from local.settings import ROOT
from tests.support.browser import DESKTOP, PHONE, Screenshot, Watch, chromium, flags
from tests.support.up import Run

_LIMIT_MS = 20_000

expect.set_options(timeout=_LIMIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def program() -> str:
    """The browser's path. Without one the tests need not start the system."""
    return chromium()


@pytest.fixture(scope="session")
def stack(program: str) -> Iterator[Run]:
    """The whole system. A test may kill what is started again by itself."""
    assert program
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:
        run = Run(Path(folder), WORKER_CONCURRENCY="4", WORKER_DRAIN_S="1", DRAIN_TIMEOUT_S="1")
        try:
            run.wait_until_ready()
            yield run
            assert run.stop() == 0, run.output
            assert "Traceback" not in run.output, run.output[run.output.index("Traceback") - 1_000 :][:8_000]
        finally:
            run.end()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(program: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=flags())
        yield browser
        await browser.close()


@pytest.fixture
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    """Of a desktop, unless the test is parametrised with it (`indirect`)."""
    size: ViewportSize = getattr(request, "param", DESKTOP)
    return size


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, stack: Run, viewport: ViewportSize, watch: Watch) -> AsyncIterator[Page]:
    """A visitor who was never here before. The test fails if the page complains of what was not allowed."""
    await asyncio.to_thread(stack.wait_until_served)  # whatever the test before has killed
    phone = viewport == PHONE  # with scroll bars that take no room, and touch
    context = await browser.new_context(
        base_url=stack.hub_url, viewport=viewport, is_mobile=phone, has_touch=phone, reduced_motion="reduce"
    )
    context.set_default_timeout(_LIMIT_MS)
    page = await context.new_page()
    await watch.begin(page)
    yield page
    complaints = watch.unexpected()
    await context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def screenshot(page: Page) -> Screenshot:
    """Keeps the whole page as a picture, for people to look at."""
    folder = Path(os.environ.get("SCREENSHOTS") or ROOT / ".local" / "screenshots")

    async def take(name: str) -> Path:
        path = folder / f"{name}.png"
        await page.screenshot(path=path, full_page=True)
        return path

    return take
