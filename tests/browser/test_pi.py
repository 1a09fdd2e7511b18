"""The page that computes π on both sides, run as a visitor does."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import psutil
import pytest
from playwright.async_api import Locator, Page, expect

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

PI: Final = (
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899"
    "86280348253421170679821480865132823066470938446095505822317253594081284811174502"
)
_SHORT: Final = "digits=20&pace=5-20&clients=2"
_LONG: Final = "digits=160&pace=50-60&clients=2"
"""Nine seconds: longer than two cuts, and than it takes to start a replica again."""
_END_MS: Final = 60_000

each_size = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)


def digits_of(page: Page, client: int, side: str) -> Locator:
    return page.get_by_role("group", name=f"Digits of client {client}, {side}")


def client_of(page: Page, client: int, side: str) -> Locator:
    return page.get_by_role("region", name=side, exact=True).get_by_role("listitem").nth(client - 1)


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Run", exact=True).click()


async def expect_all_the_same(page: Page, clients: int, digits: int) -> None:
    """The page's own comparison, and what stands there."""
    scoreboard = page.get_by_role("region", name="Scoreboard")
    each = f"({clients} event-driven, {clients} polling)"
    told = f"Compared: all {2 * clients} clients {each} have the same {digits} digits"
    await expect(scoreboard).to_contain_text(told, timeout=_END_MS)
    for side in ("event-driven", "polling"):
        for client in range(1, clients + 1):
            shown = await digits_of(page, client, side).inner_text()
            assert "".join(shown.split()) == PI[: digits + 1]


@each_size
async def test_a_run_shows_the_same_digits_to_every_client_of_both_sides(page: Page, screenshot: Screenshot) -> None:
    size = page.viewport_size
    assert size is not None
    await visit(page, "/pi?digits=20&pace=50-60&clients=2")  # a second: long enough for its CPU to be measured
    await start(page)
    await expect_all_the_same(page, clients=2, digits=20)
    for side in ("Event-driven", "Polling"):
        await expect(client_of(page, 1, side)).to_contain_text("Complete")
    rows = page.get_by_role("region", name="Scoreboard").get_by_role("row")
    await expect(rows.filter(has_text="CPU").first).to_have_text(re.compile(r"\d"))
    await screenshot(f"pi-run-{size['width']}")
    assert await sideways(page) == 0
    barriers = await grave_barriers(page)
    assert not barriers, "\n".join(barriers)


@pytest.mark.parametrize("strategy", ["Delta", "Long"])
async def test_every_strategy_of_polling_comes_to_the_same_digits(page: Page, strategy: str) -> None:
    await visit(page, f"/pi?{_SHORT}")
    await page.get_by_label("Polling strategy").select_option(strategy)
    await start(page)
    await expect_all_the_same(page, clients=2, digits=20)


async def test_a_dozen_clients_with_a_task_each_come_to_the_same_digits(page: Page, screenshot: Screenshot) -> None:
    await visit(page, "/pi?digits=20&pace=0-10&clients=12")
    await page.get_by_label("Tasks").select_option("One for each client")
    await start(page)
    scoreboard = page.get_by_role("region", name="Scoreboard")
    await expect(scoreboard).to_contain_text("all 24 clients (12 event-driven, 12 polling)", timeout=_END_MS)
    await screenshot("pi-dozen")


async def test_a_client_that_is_cut_off_resumes_where_it_was(page: Page, screenshot: Screenshot) -> None:
    await visit(page, f"/pi?{_LONG}")
    await start(page)
    for side in ("event-driven", "polling"):
        await expect(digits_of(page, 1, side)).to_contain_text("3.1")
    for side in ("Event-driven", "Polling"):
        await page.get_by_role("button", name=f"Cut for 3 s: client 1, {side.lower()}").click()
        await expect(client_of(page, 1, side)).to_contain_text("Cut off")  # for 3 s only: before the other is
    await screenshot("pi-cut")
    for side in ("Event-driven", "Polling"):
        resumed = re.compile(r"Resumed after digit \d+, nothing lost")
        await expect(client_of(page, 1, side)).to_contain_text(resumed)
        await expect(client_of(page, 2, side)).not_to_contain_text("Resumed")
    await expect_all_the_same(page, clients=2, digits=160)


async def test_every_digit_arrives_although_the_api_is_killed_meanwhile(page: Page, stack: Run, watch: Watch) -> None:
    allow_an_outage_of_the_api(watch)
    await visit(page, f"/pi?{_LONG}")
    await start(page)
    await expect(digits_of(page, 1, "event-driven")).to_contain_text("3.14159")
    with stack.away("api-1"):
        await expect(client_of(page, 1, "Event-driven")).to_contain_text("Reconnecting")
    await expect_all_the_same(page, clients=2, digits=160)


async def test_an_api_that_stands_still_does_not_look_healthy(page: Page, stack: Run, watch: Watch) -> None:
    """It keeps its connections, so nothing but the silence tells."""
    allow_an_outage_of_the_api(watch)
    await visit(page, f"/pi?{_LONG}")
    await start(page)
    await expect(digits_of(page, 1, "event-driven")).to_contain_text("3.14")
    api = psutil.Process(stack.pids_of("api-1")[-1])
    api.suspend()
    try:
        await expect(client_of(page, 1, "Event-driven")).to_contain_text(re.compile(r"none for \d+"))
        await expect(client_of(page, 1, "Polling")).not_to_contain_text("none for")
    finally:
        api.resume()
    await expect_all_the_same(page, clients=2, digits=160)
    await page.get_by_role("link", name="see the scoreboard").click()
    await expect(page.get_by_role("heading", name="Scoreboard")).to_be_in_viewport()


async def test_a_run_cannot_begin_while_the_api_is_away_and_the_page_says_so(
    page: Page, stack: Run, watch: Watch, screenshot: Screenshot
) -> None:
    allow_an_outage_of_the_api(watch)
    await visit(page, f"/pi?{_SHORT}")
    with stack.away("api-1"):
        await start(page)
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("The api cannot be reached; try again.")
        await expect(alert).to_contain_text("Your parameters are kept.")
        await screenshot("pi-api-away")
    await expect(page.get_by_label("Digits", exact=True)).to_have_value("20")
    await asyncio.to_thread(stack.wait_until_served)
    await start(page)
    await expect_all_the_same(page, clients=2, digits=20)


@pytest.mark.parametrize(
    ("label", "typed", "sentence"),
    [
        ("Digits", "0", "Enter a whole number from 1 to 10,000. “0” is not one."),
        ("Digits", "<img src=x onerror=alert(1)>", "“<img src=x onerror=alert(1)>” is not one."),
        ("Clients a side", "", "Enter a whole number from 1 to 50."),
        ("Polling interval, ms", "1e3", "Enter a whole number from 50 to 10,000. “1e3” is not one."),
        ("Shortest pause, ms", "30", "The shortest pause is longer than the longest. Exchange them."),
    ],
)
async def test_what_is_wrong_is_told_in_a_sentence_at_its_field_and_nothing_runs(
    page: Page, label: str, typed: str, sentence: str
) -> None:
    await visit(page, f"/pi?{_SHORT}")
    field = page.get_by_label(label, exact=True)
    await field.fill(typed)
    await start(page)
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(re.compile(re.escape(sentence)))
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    await expect(page.locator("img[src=x]")).to_have_count(0)


async def test_an_address_with_nonsense_is_answered_with_sentences(page: Page) -> None:
    await visit(page, "/pi?digits=many&strategy=<b>shout</b>&colour=<img src=x>")
    for label, sentence in (
        ("Digits", "“many” is not one."),
        ("Polling strategy", "“<b>shout</b>” is not one of them."),
    ):
        description = re.compile(re.escape(sentence))
        await expect(page.get_by_label(label, exact=True)).to_have_accessible_description(description)
    await expect(page.get_by_role("alert")).to_contain_text("This page has no parameter “colour”")


async def test_a_run_is_started_and_stopped_by_keyboard_alone(page: Page) -> None:
    await visit(page, f"/pi?{_LONG}")
    await page.get_by_label("Polling strategy").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Run", exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(digits_of(page, 1, "event-driven")).to_contain_text("3.1")
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_focused()
    await page.keyboard.press("Space")
    await expect(page.get_by_role("region", name="Scoreboard")).to_contain_text("Stopped early.")
    await expect(page.get_by_role("button", name="Run", exact=True)).to_be_focused()


async def test_parameters_stay_in_the_address_for_another_visitor(page: Page) -> None:
    await visit(page, "/pi")
    for label, value in (("Digits", "12"), ("Shortest pause, ms", "0"), ("Longest pause, ms", "1")):
        await page.get_by_label(label, exact=True).fill(value)
    await page.get_by_label("Polling strategy").select_option("Delta")
    await start(page)
    await expect_all_the_same(page, clients=5, digits=12)
    await page.reload()
    await expect(page.get_by_label("Digits", exact=True)).to_have_value("12")
    await expect(page.get_by_label("Polling strategy")).to_have_value("delta")


async def test_what_was_typed_stays_when_the_link_to_the_content_is_used(page: Page) -> None:
    await visit(page, f"/pi?{_SHORT}")
    digits = page.get_by_label("Digits", exact=True)
    await digits.fill("77")
    await page.get_by_role("link", name="Skip to the content").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await page.go_back()
    await expect(digits).to_have_value("77")


async def test_the_page_is_there_when_the_browser_blocks_the_data_of_sites(page: Page) -> None:
    await page.add_init_script(BLOCK_STORAGE)
    await visit(page, f"/pi?{_SHORT}")
    await page.get_by_role("button", name="Switch to dark colours").click()
    await expect(page.get_by_role("button", name="Switch to light colours")).to_be_visible()
    await expect(page.get_by_label("Digits", exact=True)).to_have_value("20")


async def test_a_page_that_was_hidden_says_so_and_compares_no_ages(page: Page) -> None:
    await visit(page, f"/pi?{_LONG}")  # a short run would be over before the page is hidden
    await start(page)
    for side in ("event-driven", "polling"):
        await expect(digits_of(page, 1, side)).to_contain_text("3.1")
    await pretend_hidden(page, hidden=True)
    await page.get_by_role("button", name="Stop", exact=True).click()
    scoreboard = page.get_by_role("region", name="Scoreboard")
    await expect(scoreboard).to_contain_text("The page was hidden for ")
    await expect(scoreboard).to_contain_text("With 2 clients a side, one task of 160 digits at ")
    await expect(scoreboard).not_to_contain_text("in the median")


async def test_a_run_that_is_stopped_while_it_starts_leaves_no_task_behind(page: Page) -> None:
    await visit(page, f"/pi?{_LONG}")
    cancelled: list[str] = []
    page.on("request", lambda request: cancelled.append(request.url) if request.url.endswith("/cancel") else None)
    async with delayed(page, "**/api/tasks") as held, asyncio.timeout(30):
        await start(page)
        await held.wait()  # stopped before, it would have no tasks to cancel
        await page.get_by_role("button", name="Stop", exact=True).click()
        await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    await expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    assert {url.split("/")[3] for url in cancelled} == {"api", "baseline"}
    await expect(page.get_by_role("region", name="Scoreboard")).to_contain_text("stand here when it has ended")
    await start(page)
    await expect(digits_of(page, 1, "polling")).to_contain_text("3.1")


async def test_twenty_runs_leave_nothing_open(page: Page) -> None:
    await page.add_init_script(COUNT_WHAT_IS_OPEN)
    await visit(page, "/pi?digits=1&pace=0-0&clients=1")
    run = page.get_by_role("button", name="Run", exact=True)
    for _ in range(20):
        await run.click()  # which disables it at once, until the end
        await expect(run).to_be_enabled()
    sockets, still_open, intervals = await page.evaluate("whatIsOpen()")
    assert sockets == 20
    assert (still_open, intervals) == (0, 0)
    async with no_requests(page, "/status"):
        await page.wait_for_timeout(1_000)


async def test_a_screen_reader_is_told_everything_also_what_it_was_told_before(page: Page) -> None:
    await visit(page, "/pi")
    told: list[str] = await page.evaluate("""async () => {
        const { announce } = await import("/js/hub/shell.js");
        const place = [...document.querySelectorAll("[role=status]")].at(-1);
        const told = [];
        new MutationObserver(() => place.textContent && told.push(place.textContent))
            .observe(place, { childList: true, characterData: true, subtree: true });
        for (let time = 0; time < 2; time += 1) {
            announce("one");
            announce("two");
            await new Promise((resolve) => setTimeout(resolve, 300));
        }
        return told;
    }""")
    assert told == ["One. Two."] * 2
