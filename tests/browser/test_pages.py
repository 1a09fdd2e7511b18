"""What every page of the hub is held to, before anything runs on it."""

from __future__ import annotations

import re
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import (
    DESKTOP,
    PHONE,
    Screenshot,
    Watch,
    focused,
    grave_barriers,
    sideways,
    transferred,
    visit,
)
from tests.support.up import Run

PAGES: Final = {"start": "/", "pi": "/pi", "documents": "/documents", "tasks": "/tasks", "nowhere": "/no-such-page"}
_MOST_BYTES: Final = 200_000

each_page = pytest.mark.parametrize("name", PAGES)
each_size = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)


@pytest.fixture(autouse=True)
def _the_missing_page_is_missing(watch: Watch) -> None:
    watch.allow(r"404 \(Not Found\) at http://[^/]+/no-such-page$")


@pytest.mark.parametrize(
    ("link", "path"), [("Compute π", "/pi"), ("Document analysis", "/documents"), ("Dashboard", "/tasks")]
)
async def test_the_start_page_leads_to_every_other(page: Page, link: str, path: str) -> None:
    await visit(page, "/")
    await page.get_by_role("main").get_by_role("link", name=link).click()
    await page.wait_for_url(f"**{path}")
    current = page.get_by_role("navigation").locator("[aria-current=page]")
    await expect(current).to_have_attribute("href", path)
    await page.get_by_role("link", name="Task stream").click()
    await page.wait_for_url("**/")


async def test_an_address_that_does_not_exist_is_answered_with_404_and_a_way_on(page: Page) -> None:
    answer = await page.goto("/no-such-page")
    assert answer is not None
    assert answer.status == 404
    await page.get_by_role("main").get_by_role("link", name="start page").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("The same work, delivered two ways")


@pytest.mark.parametrize(
    ("link", "heading"), [("REST API", "Async task processing"), ("Baseline API", "Polling baseline")]
)
async def test_the_documentation_of_a_service_comes_from_the_hub_alone(
    page: Page, stack: Run, link: str, heading: str, screenshot: Screenshot
) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await visit(page, "/")
    await page.get_by_role("link", name=link).click()
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    await page.locator(".opblock-summary", has_text="/readyz").first.click()
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_role("button", name="Execute").click()
    await expect(page.get_by_text(re.compile(r"^\s*200\s*$")).first).to_be_visible()
    await screenshot(f"docs-{link.partition(' ')[0].lower()}")
    assert [url for url in requested if not url.startswith((f"{stack.hub_url}/", "data:"))] == []


async def test_the_documentation_at_the_api_itself_needs_no_other_server(
    page: Page, stack: Run, screenshot: Screenshot
) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.goto(f"{stack.url}/docs")
    await expect(page.get_by_role("heading", name="Async task processing")).to_be_visible()
    await page.locator(".opblock-summary", has_text="/readyz").first.click()
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_role("button", name="Execute").click()
    await expect(page.get_by_text(re.compile(r"^\s*200\s*$")).first).to_be_visible()
    await screenshot("docs-api")
    assert [url for url in requested if not url.startswith((f"{stack.url}/", "data:"))] == []


@each_page
@each_size
async def test_a_page_fits_its_window_in_light_and_dark_and_has_no_barrier(
    page: Page, name: str, screenshot: Screenshot
) -> None:
    size = page.viewport_size
    assert size is not None
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        await visit(page, PAGES[name])
        await screenshot(f"{name}-{size['width']}-{theme}")
        assert await sideways(page) == 0
        barriers = await grave_barriers(page)
        assert not barriers, "\n".join(barriers)


@each_page
async def test_the_first_visit_costs_less_than_200_kb(page: Page, name: str) -> None:
    await visit(page, PAGES[name])
    await page.wait_for_load_state("load")
    loaded = await transferred(page)
    assert {"hub.css", "shell.js"} <= {address.rpartition("/")[2] for address in loaded}
    assert sum(loaded.values()) < _MOST_BYTES, loaded


@each_page
async def test_the_keyboard_reaches_the_content_first_and_then_everything_in_its_order(page: Page, name: str) -> None:
    await visit(page, PAGES[name])
    order = ["Skip to the content", "Task stream", "Compute π", "Documents", "Dashboard", "Switch to dark colours"]
    for expected in order:
        await page.keyboard.press("Tab")
        assert await focused(page) == expected
    await page.get_by_role("link", name="Skip to the content").focus()
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport(ratio=1)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.querySelector('main').contains(document.activeElement)")


async def test_the_chosen_theme_stays_on_the_other_pages_and_after_a_reload(page: Page) -> None:
    await page.emulate_media(color_scheme="light")
    await visit(page, "/")
    light = await background(page)
    await page.get_by_role("button", name="Switch to dark colours").press("Enter")
    dark = await background(page)
    assert dark != light
    await visit(page, "/tasks")
    assert await background(page) == dark
    await page.get_by_role("button", name="Switch to light colours").click()
    await page.reload()
    await expect(page.get_by_role("button", name="Switch to dark colours")).to_be_visible()
    assert await background(page) == light


async def background(page: Page) -> str:
    colour: str = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return colour


async def test_the_lights_tell_when_a_service_is_away_and_when_it_is_back(
    page: Page, stack: Run, watch: Watch, screenshot: Screenshot
) -> None:
    watch.allow(r"status of 503 .* at http://[^/]+/(api|baseline)/readyz$")
    await visit(page, "/")
    with stack.away("api-1"), stack.away("baseline-api"):
        await expect(page.get_by_text("Api is not ready: the api cannot be reached; try again")).to_be_attached()
        await expect(page.get_by_text("Baseline is not ready: the baseline cannot be reached")).to_be_attached()
        await screenshot("start-services-away")
    await expect(page.get_by_text("Api is ready")).to_be_attached()
    await expect(page.get_by_text("Baseline is ready")).to_be_attached()
