"""The page that searches a text on both sides, run as a visitor does."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import pytest
from playwright.async_api import FilePayload, Locator, Page, expect

from tests.support.browser import (
    BLOCK_STORAGE,
    COUNT_WHAT_IS_OPEN,
    DESKTOP,
    PHONE,
    Screenshot,
    Watch,
    allow_an_outage_of_the_api,
    delayed,
    grave_barriers,
    no_requests,
    pretend_hidden,
    sideways,
    visit,
)
from tests.support.up import Run

_QUICK: Final = "/documents?keyword=storm&keyword=signal&pace=0-10&seed=1&interval=100"
_SLOW: Final = "/documents?keyword=storm&keyword=signal&keyword=slats&keyword=logbook&pace=100-120&seed=1&interval=100"
"""Some ten seconds."""
_END_MS: Final = 60_000
_SIDES: Final = ("Event-driven", "Polling")
_MARKUP: Final = "<img src=x onerror=\"document.title='owned'\">"

each_size = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)


def side(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def reading(page: Page, side_name: str, name: str) -> Locator:
    """One of the figures above a side's matches."""
    pairs = side(page, side_name).locator("dl > div")
    return pairs.filter(has=page.get_by_text(name, exact=True)).get_by_role("definition")


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Run", exact=True).click()


async def expect_the_same_on_both_sides(page: Page) -> int:
    """The page's own comparison, and what stands there: how many matches."""
    result = page.get_by_role("region", name="Result")
    await expect(result).to_contain_text(re.compile(r"Both sides showed the same"), timeout=_END_MS)
    row = result.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Matches", exact=True))
    live, polled = await row.get_by_role("cell").all_inner_texts()
    assert live == polled
    for name in _SIDES:
        await expect(reading(page, name, "Matches")).to_have_text(live)
        await expect(reading(page, name, "Scanned")).to_have_text("100 %")
        await expect(side(page, name)).to_contain_text("Complete")
    return int(live.replace(",", ""))


@each_size
async def test_a_search_shows_the_same_matches_on_both_sides(page: Page, screenshot: Screenshot) -> None:
    size = page.viewport_size
    assert size is not None
    await visit(page, _QUICK)
    await start(page)
    assert await expect_the_same_on_both_sides(page) > 10
    for name in ("event-driven", "polling"):
        matches = page.get_by_role("region", name=f"Matches, {name} side")
        await expect(matches.get_by_role("listitem").last).to_contain_text(re.compile("storm|signal", re.IGNORECASE))
    await screenshot(f"documents-run-{size['width']}")
    assert await sideways(page) == 0
    barriers = await grave_barriers(page)
    assert not barriers, "\n".join(barriers)


@pytest.mark.parametrize("strategy", ["delta", "long"])
async def test_every_strategy_of_polling_finds_the_same(page: Page, strategy: str) -> None:
    await visit(page, _QUICK)
    await page.get_by_label("Polling strategy").select_option(strategy)
    await start(page)
    await expect_the_same_on_both_sides(page)


async def test_markup_in_text_and_keywords_is_shown_as_text(page: Page, screenshot: Screenshot) -> None:
    await visit(page, "/documents?pace=0-0&keyword=<b>")
    await page.get_by_label("Pasted text").check()
    await page.get_by_label("Text", exact=True).fill(f"One {_MARKUP} line, <script>storm</script>\nand <B>more</B>.")
    for keyword in (_MARKUP, "storm"):
        await page.get_by_label("Keywords", exact=True).fill(keyword)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name=f"Remove {keyword}")).to_be_visible()
    await start(page)
    assert await expect_the_same_on_both_sides(page) == 3
    matches = page.get_by_role("region", name="Matches, event-driven side")
    await expect(matches).to_contain_text(_MARKUP)
    await expect(matches).to_contain_text("<script>storm</script>")
    await expect(page.locator("img[src=x]")).to_have_count(0)
    assert await page.title() != "owned"
    await screenshot("documents-markup")


async def test_a_file_of_ones_own_is_searched(page: Page) -> None:
    await visit(page, "/documents?pace=0-0&keyword=storm")
    await page.get_by_label("File", exact=True).check()
    file: FilePayload = {"name": "own.txt", "mimeType": "text/plain", "buffer": "Störm, storm.\n\nSTORM".encode()}
    await page.get_by_label("Text file").set_input_files(file)
    await expect(page.get_by_text("own.txt: 21 B, 20 characters.")).to_be_visible()
    await start(page)
    assert await expect_the_same_on_both_sides(page) == 2


async def test_a_side_that_is_cut_off_resumes_and_misses_nothing(page: Page, screenshot: Screenshot) -> None:
    await visit(page, _SLOW)
    await start(page)
    for name in _SIDES:
        await expect(reading(page, name, "Matches")).to_have_text(re.compile("[1-9]"))
    for name in _SIDES:
        await side(page, name).get_by_role("button", name="Cut").click()
        await expect(side(page, name)).to_contain_text("Cut off on purpose.")  # for 3 s only: before the other is
    await screenshot("documents-cut")
    for name in _SIDES:
        await expect(side(page, name)).to_contain_text(re.compile(r"Resumed after .* came late, nothing lost\."))
    await expect_the_same_on_both_sides(page)
    await expect(page.get_by_role("region", name="Result")).to_contain_text("despite 2 cuts")


async def test_every_match_arrives_although_the_api_is_killed_meanwhile(page: Page, stack: Run, watch: Watch) -> None:
    allow_an_outage_of_the_api(watch)
    await visit(page, _SLOW)
    await start(page)
    await expect(reading(page, "Event-driven", "Matches")).to_have_text(re.compile("[1-9]"))
    with stack.away("api-1"):
        await expect(side(page, "Event-driven")).to_contain_text("Reconnecting")
    await expect_the_same_on_both_sides(page)


@pytest.mark.parametrize(
    ("label", "typed", "sentence"),
    [
        ("Shortest pause, ms", "-1", "Enter two whole numbers from 0 to 60,000."),
        ("Shortest pause, ms", "20", "The shortest pause is longer than the longest. Exchange them."),
        ("Seed", "<img src=x onerror=alert(1)>", "Enter a whole number from 0 to 4,294,967,295."),
        ("Polling interval, ms", "", "Enter a whole number from 50 to 10,000."),
        ("Keywords", "STORM", "“storm” is there already; upper and lower case are the same here."),
    ],
)
async def test_what_is_wrong_is_told_in_a_sentence_at_its_field_and_nothing_runs(
    page: Page, label: str, typed: str, sentence: str
) -> None:
    await visit(page, _QUICK)
    field = page.get_by_label(label, exact=True)
    await field.fill(typed)
    await start(page)
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(re.compile(re.escape(sentence)))
    await expect(field).to_be_focused()
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled()


async def test_a_text_that_cannot_be_searched_is_refused_with_a_reason(page: Page) -> None:
    await visit(page, _QUICK)
    await page.get_by_label("Pasted text").check()
    await start(page)
    text = page.get_by_label("Text", exact=True)
    await expect(text).to_have_accessible_description(re.compile("Paste a text, or choose the sample."))
    await page.get_by_label("File", exact=True).check()
    file: FilePayload = {"name": "old.txt", "mimeType": "text/plain", "buffer": "Störm".encode("latin-1")}
    await page.get_by_label("Text file").set_input_files(file)
    refused = re.compile(re.escape("“old.txt” is no text in UTF-8."))
    await expect(page.get_by_label("Text file")).to_have_accessible_description(refused)
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled()


async def test_what_only_the_services_refuse_is_told_at_its_field(page: Page, watch: Watch) -> None:
    watch.allow(r"status of 422 .* at http://[^/]+/(api|baseline)/tasks$")
    await visit(page, "/documents?keyword=%C5%BFtorm&keyword=storm")
    await start(page)
    keywords = page.get_by_label("Keywords", exact=True)
    await expect(keywords).to_have_attribute("aria-invalid", "true")
    await expect(keywords).to_be_focused()
    await expect(keywords).to_have_accessible_description(re.compile("storm"))


async def test_a_search_is_composed_started_and_stopped_by_keyboard_alone(page: Page) -> None:
    await visit(page, _SLOW)
    await page.get_by_label("Keywords", exact=True).focus()
    await page.keyboard.type("keeper")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Remove keeper")).to_be_visible()
    await page.get_by_label("Seed").focus()
    await page.keyboard.press("Enter")
    await expect(reading(page, "Event-driven", "Matches")).to_have_text(re.compile("[1-9]"))
    await page.get_by_role("button", name="Stop").focus()
    await page.keyboard.press("Space")
    await expect(side(page, "Event-driven")).to_contain_text("Stopped")
    await expect(page.get_by_role("button", name="Run", exact=True)).to_be_focused()  # once the tasks are cancelled


async def test_an_address_with_a_name_that_is_no_parameter_is_answered_with_a_sentence(page: Page) -> None:
    await visit(page, f"{_QUICK}&colour=red")
    await expect(page.get_by_role("alert")).to_have_text("This page has no parameter “colour”; the address names it.")


async def test_the_page_is_there_when_the_browser_blocks_the_data_of_sites(page: Page) -> None:
    await page.add_init_script(BLOCK_STORAGE)
    await visit(page, _QUICK)
    await expect(page.get_by_role("button", name="Remove storm")).to_be_visible()


async def test_a_page_that_was_hidden_says_so_and_compares_no_ages(page: Page) -> None:
    await visit(page, _SLOW)  # a quick run would be over before the page is hidden
    await start(page)
    for name in _SIDES:
        await expect(reading(page, name, "Matches")).to_have_text(re.compile(r"\d\d"))
    await pretend_hidden(page, hidden=True)
    await page.get_by_role("button", name="Stop", exact=True).click()
    result = page.get_by_role("region", name="Result")
    await expect(result).to_contain_text("The page was hidden for ")
    await expect(result).to_contain_text("the event-driven side took")
    await expect(result).not_to_contain_text("in the median")


async def test_a_run_that_is_stopped_while_it_starts_leaves_no_task_behind(page: Page) -> None:
    await visit(page, _SLOW)
    cancelled: list[str] = []
    page.on("request", lambda request: cancelled.append(request.url) if request.url.endswith("/cancel") else None)
    async with delayed(page, "**/api/tasks") as held, asyncio.timeout(30):
        await start(page)
        await held.wait()  # stopped before, it would have no tasks to cancel
        await page.get_by_role("button", name="Stop", exact=True).click()
        await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    await expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    assert {url.split("/")[3] for url in cancelled} == {"api", "baseline"}
    await expect(page.get_by_text("Stopped before it began", exact=True)).to_be_visible()
    await expect(page.get_by_role("region", name="Result")).not_to_contain_text("identical")


async def test_twenty_runs_leave_nothing_open(page: Page) -> None:
    await page.add_init_script(COUNT_WHAT_IS_OPEN)
    await visit(page, "/documents?keyword=lamp-black&pace=0-0")
    run = page.get_by_role("button", name="Run", exact=True)
    for _ in range(20):
        await run.click()  # which disables it at once, until the end
        await expect(run).to_be_enabled()
    sockets, still_open, intervals = await page.evaluate("whatIsOpen()")
    assert sockets == 20
    assert (still_open, intervals) == (0, 0)
    async with no_requests(page, "/status"):
        await page.wait_for_timeout(1_000)
