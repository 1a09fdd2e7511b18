"""`make screenshots`: runs each page's main job on a hub that is up, and keeps the pictures of demo_guide.md.

Light colours, at the width of a desktop (`make test` keeps its own, of phones too, in .local/screenshots). The hub is
that of `make up`, or what --url names.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from playwright.async_api import Locator, Page, async_playwright, expect

from local.settings import ROOT
from tests.support.browser import DESKTOP, chromium, flags

_END_MS: Final = 120_000
"""Of a run: 100 digits at 100-500 ms take 30 s."""


async def pi(page: Page, folder: Path) -> None:
    """Five clients a side, and the scoreboard."""
    await page.goto("/pi?digits=100")
    await page.get_by_role("button", name="Run", exact=True).click()
    await expect(page.get_by_text("3.1415926535").first).to_be_visible(timeout=_END_MS)
    await _keep(page, folder / "pi-running.png")
    await expect(page.get_by_text("Compared: all 10 clients").first).to_be_visible(timeout=_END_MS)
    await _keep(page.get_by_role("region", name="Over time"), folder / "pi-charts.png")
    await _keep(page.get_by_role("region", name="Scoreboard"), folder / "pi-scoreboard.png")


async def documents(page: Page, folder: Path) -> None:
    """The sample, with the page's own keywords."""
    await page.goto("/documents")
    await page.get_by_role("button", name="Run", exact=True).click()
    await expect(page.get_by_text("Both sides showed the same").first).to_be_visible(timeout=_END_MS)
    await _keep(page, folder / "documents.png", whole=True)


async def tasks(page: Page, folder: Path) -> None:
    """The list with whatever the runs before have left in it, and one task opened."""
    await page.goto("/tasks")
    await expect(page.get_by_role("link", name="compute_pi").first).to_be_visible(timeout=_END_MS)
    await _keep(page, folder / "tasks.png")


async def take(url: str, folder: Path) -> None:
    """All of them, one after another: two runs at once would measure each other."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=flags())
        try:
            for visit in (pi, documents, tasks):
                context = await browser.new_context(
                    base_url=url, viewport=DESKTOP, color_scheme="light", reduced_motion="reduce"
                )
                await visit(await context.new_page(), folder)
                await context.close()
        finally:
            await browser.close()


async def _keep(shown: Page | Locator, path: Path, *, whole: bool = False) -> None:
    await (shown.screenshot(path=path, full_page=whole) if isinstance(shown, Page) else shown.screenshot(path=path))
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
