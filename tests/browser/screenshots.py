"""`make screenshots`: runs each page's main job on a hub that is up, and keeps the pictures of demo_guide.md.

Light colours, at the width of a desktop and of a phone. The hub is that of `make up`, or what --url names.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from local.settings import ROOT
from tests.support.browser import DESKTOP, PHONE, chromium, flags

_END_MS: Final = 120_000
"""Of a run: 100 digits at 100-500 ms take 30 s."""
_WIDTHS: Final[dict[str, ViewportSize]] = {"desktop": DESKTOP, "phone": PHONE}


async def pi(page: Page, folder: Path, width: str) -> None:
    """Five clients a side, with one connection cut on the way; then the scoreboard."""
    await page.goto("/pi?digits=100")
    await page.get_by_role("button", name="Run", exact=True).click()
    await expect(page.get_by_text("3.1415926535").first).to_be_visible(timeout=_END_MS)
    await page.get_by_role("button", name="Cut").first.click()
    await expect(page.get_by_text("nothing lost").first).to_be_visible(timeout=_END_MS)
    await _keep(page, folder / f"pi-running-{width}.png", whole=False)
    await expect(page.get_by_text("Compared: all 10 clients")).to_be_visible(timeout=_END_MS)
    await _keep(page, folder / f"pi-{width}.png", whole=True)


async def documents(page: Page, folder: Path, width: str) -> None:
    """The sample, with the page's own keywords."""
    await page.goto("/documents")
    await page.get_by_role("button", name="Run", exact=True).click()
    await expect(page.get_by_text("Both sides showed the same")).to_be_visible(timeout=_END_MS)
    await _keep(page, folder / f"documents-{width}.png", whole=True)


async def tasks(page: Page, folder: Path, width: str) -> None:
    """The list with whatever the runs before have left in it, and one task opened."""
    await page.goto("/tasks")
    await expect(page.get_by_role("link", name="compute_pi").first).to_be_visible(timeout=_END_MS)
    await _keep(page, folder / f"tasks-{width}.png", whole=False)
    await page.get_by_role("link", name="compute_pi").first.click()
    await expect(page.get_by_text("compute_pi").first).to_be_visible(timeout=_END_MS)
    await page.wait_for_load_state("networkidle")
    await _keep(page, folder / f"task-{width}.png", whole=False)


async def take(url: str, folder: Path) -> None:
    """All of them, one after another: two runs at once would measure each other."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=flags())
        try:
            for width, viewport in _WIDTHS.items():
                for visit in (pi, documents, tasks):
                    page = await _page(browser, url, viewport)
                    await visit(page, folder, width)
                    await page.context.close()
        finally:
            await browser.close()


async def _page(browser: Browser, url: str, viewport: ViewportSize) -> Page:
    context = await browser.new_context(base_url=url, viewport=viewport, color_scheme="light", reduced_motion="reduce")
    return await context.new_page()


async def _keep(page: Page, path: Path, *, whole: bool) -> None:
    await page.screenshot(path=path, full_page=whole)
    sys.stdout.write(f"{path}\n")


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(options.url, options.to))


if __name__ == "__main__":
    main()
