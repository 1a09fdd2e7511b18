"""A browser's page under watch: what it complains of, what it weighs, and whether everybody can use it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import ConsoleMessage, Error, Page, Request, Route, ViewportSize, expect

from local.settings import ROOT
from tests.support.absent import do_without

Screenshot = Callable[[str], Awaitable[Path]]

DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}

_AXE: Final = ROOT / "demo_client" / "node_modules" / "axe-core" / "axe.min.js"
_GRAVE: Final = {"serious", "critical"}
_NETWORK_CHANGED: Final = "net::ERR_NETWORK_CHANGED"
"""Chromium gives up all that it loads when the machine gets or loses a network: whenever a container starts or ends."""
_LOADS: Final = 5
_FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_REPORT_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`refused by ${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


BLOCK_STORAGE: Final = """
Object.defineProperty(window, "localStorage", {
  get() {
    throw new DOMException("Access is denied for this document.", "SecurityError");
  },
});
"""
"""What a browser does whose user blocks the data of sites."""
COUNT_WHAT_IS_OPEN: Final = """
{
  const sockets = [];
  const intervals = new Set();
  window.WebSocket = class extends WebSocket {
    constructor(...all) {
      super(...all);
      sockets.push(this);
    }
  };
  const { setInterval, clearInterval } = window;
  window.setInterval = (...all) => {
    const timer = setInterval(...all);
    intervals.add(timer);
    return timer;
  };
  window.clearInterval = (timer) => {
    intervals.delete(timer);
    clearInterval(timer);
  };
  window.whatIsOpen = () => {
    const open = sockets.filter(({ readyState }) => readyState < WebSocket.CLOSING);
    return [sockets.length, open.length, intervals.size];
  };
}
"""
"""`whatIsOpen()`: how many sockets were made, how many of them are open, and how many intervals run."""


def chromium() -> str:
    """The program: what CHROMIUM names, or Debian's."""
    wanted = os.environ.get("CHROMIUM") or "chromium"
    return shutil.which(wanted) or do_without(f"there is no {wanted}: install it, or name another with CHROMIUM")


def flags() -> list[str]:
    """It runs without a sandbox only where it refuses to have one: as root."""
    return [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


class Watch:
    """Whatever went wrong in a page: errors and warnings of its console, requests, and its security policy."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._another = asyncio.Event()
        self._allowed = [re.compile(_NETWORK_CHANGED)]

    def allow(self, pattern: str) -> None:
        """What matches is no complaint in this test."""
        self._allowed.append(re.compile(pattern))

    async def begin(self, page: Page) -> None:
        """Listen, before the page goes anywhere."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._complain(f"not caught: {error}"))
        page.on("requestfailed", self._on_failed_request)
        await page.add_init_script(_REPORT_VIOLATIONS)

    def unexpected(self) -> list[str]:
        """The complaints that were not allowed."""
        return [one for one in self.complaints if not any(pattern.search(one) for pattern in self._allowed)]

    async def wait_for(self, part: str) -> None:
        """Until something is complained of that contains this."""
        while not any(part in one for one in self.complaints):
            self._another.clear()
            await self._another.wait()

    def _complain(self, complaint: str) -> None:
        self.complaints.append(complaint)
        self._another.set()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._complain(f"console {message.type}: {message.text} at {message.location['url']}")

    def _on_failed_request(self, request: Request) -> None:
        # A page that is left, or a client that is closed, gives up what it has asked for.
        if request.failure != "net::ERR_ABORTED":
            self._complain(f"request failed: {request.url}: {request.failure}")


async def visit(page: Page, path: str) -> None:
    """Go there, and wait until the page's scripts run and have heard from both services."""
    for _ in range(_LOADS):
        if await _is_loaded(page, path):
            break
    for service in ("Api", "Baseline"):
        await expect(page.get_by_text(f"{service} is ready")).to_be_attached()


async def _is_loaded(page: Page, path: str) -> bool:
    """Go there. False when the network has changed meanwhile: a page without all of its scripts stays as it is."""
    changes: list[str] = []

    def note(request: Request) -> None:
        if request.failure == _NETWORK_CHANGED:
            changes.append(request.url)

    page.on("requestfailed", note)
    try:
        await page.goto(path)
    except Error as error:
        if _NETWORK_CHANGED not in error.message:
            raise
        return False
    finally:
        page.remove_listener("requestfailed", note)
    return not changes


def allow_an_outage_of_the_api(watch: Watch) -> None:
    """A browser reports each request that a service which was killed did not answer, whatever the page makes of it."""
    watch.allow(r"WebSocket connection to 'ws://[^/']+/ws\b.*' failed")
    watch.allow(r"status of 50[23] .* at http://[^/]+/api/")


async def pretend_hidden(page: Page, *, hidden: bool) -> None:
    """Have the page believe that it is hidden, or seen again. Its timers go on as they did."""
    await page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


@asynccontextmanager
async def delayed(page: Page, pattern: str) -> AsyncIterator[asyncio.Event]:
    """Meanwhile the requests that match are held back; then they are sent. The event says that there is one."""
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        held.set()
        await release.wait()
        await route.continue_()

    await page.route(pattern, hold)
    try:
        yield held
    finally:
        release.set()


@asynccontextmanager
async def no_requests(page: Page, part: str) -> AsyncIterator[None]:
    """Meanwhile the page asks for no address that contains this."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if part in request.url:
            asked.append(request.url)

    page.on("request", note)
    yield
    page.remove_listener("request", note)
    assert not asked, asked


async def grave_barriers(page: Page) -> list[str]:
    """What axe finds serious or critical, by rule and element. It runs beside the page's scripts, unseen by them."""
    if not _AXE.exists():
        do_without(f"{_AXE} is missing: `make test` installs it")
    session = await page.context.new_cdp_session(page)
    try:
        frames = await session.send("Page.getFrameTree")
        world = await session.send("Page.createIsolatedWorld", {"frameId": frames["frameTree"]["frame"]["id"]})
        within = {"contextId": world["executionContextId"], "awaitPromise": True, "returnByValue": True}
        await session.send("Runtime.evaluate", {"expression": f"{_AXE.read_text()}; 0", **within})
        run = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations)"
        answer = await session.send("Runtime.evaluate", {"expression": run, **within})
    finally:
        await session.detach()
    assert "exceptionDetails" not in answer, answer
    violations: list[dict[str, Any]] = answer["result"]["value"]
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in _GRAVE
        for node in violation["nodes"]
    ]


async def transferred(page: Page) -> dict[str, int]:
    """Bytes on the wire, headers included, of the page and all that it has loaded so far."""
    entries: dict[str, int] = await page.evaluate("""() => {
        const entries = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
        return Object.fromEntries(entries.map((entry) => [entry.name, entry.transferSize]));
    }""")
    return entries


async def sideways(page: Page) -> int:
    """By how many pixels the page can be scrolled to the side."""
    await page.evaluate("scrollTo({ left: 1000, behavior: 'instant' })")
    pixels: int = await page.evaluate("Math.ceil(scrollX)")
    await page.evaluate("scrollTo({ left: 0, behavior: 'instant' })")
    return pixels


async def focused(page: Page) -> str:
    """The name by which a screen reader calls the element that has the focus."""
    name: str = await page.evaluate("""() => {
        const element = document.activeElement;
        return element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent.trim();
    }""")
    return name
