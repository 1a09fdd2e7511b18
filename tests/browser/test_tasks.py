"""The dashboard, used as a visitor does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.support.browser import (
    DESKTOP,
    PHONE,
    Screenshot,
    Watch,
    allow_an_outage_of_the_api,
    grave_barriers,
    sideways,
    visit,
)
from tests.support.up import Run

_MARKUP: Final = "<img src=x onerror=\"document.title='owned'\">"
_QUICK: Final = {"digits": 20, "pace_ms": [5, 20]}
_ENDLESS: Final = {"digits": 5_000, "pace_ms": [100, 200]}

each_size = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)

Submit = Callable[..., Awaitable[str]]


@pytest.fixture
def submit(page: Page) -> Submit:
    """Has a task made by somebody else, and gives its id."""

    async def submit(params: dict[str, Any], kind: str = "compute_pi") -> str:
        answer = await page.request.post("/api/tasks", data={"kind": kind, "params": params})
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["id"])

    return submit


def row_of(page: Page, task: str) -> Locator:
    return page.get_by_role("table", name="Tasks").get_by_role("row").filter(has_text=task[-8:])


def result_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Result").first


def stream_of(page: Page) -> Locator:
    """How the stream of the task that is open is."""
    return page.get_by_role("region", name="Events", exact=True).locator(".socket")


def form(page: Page) -> Locator:
    return page.get_by_role("group").filter(has_text="Submit a task").first


async def open_form(page: Page) -> Locator:
    """It is closed on a small screen."""
    place = form(page)
    if await place.get_attribute("open") is None:
        await page.get_by_text("Submit a task").click()
    await expect(place.get_by_role("button", name="Submit")).to_be_enabled()
    return place


@each_size
async def test_a_task_that_is_submitted_is_seen_live_and_opened_with_its_events_and_result(
    page: Page, screenshot: Screenshot
) -> None:
    size = page.viewport_size
    assert size is not None
    await visit(page, "/tasks")
    place = await open_form(page)
    await place.get_by_label("Kind").select_option("compute_pi")
    for label, value in (("Digits", "30"), ("Shortest", "5"), ("Longest", "20")):
        await place.get_by_label(label).fill(value)
    await place.get_by_role("button", name="Submit").click()
    await expect(place).to_contain_text("Submitted.")
    link = place.get_by_role("link", name="Open compute_pi")
    task = str(await link.get_attribute("data-task"))
    await expect(row_of(page, task)).to_contain_text("Succeeded")
    await expect(row_of(page, task)).to_contain_text("30 of 30")
    await screenshot(f"tasks-list-{size['width']}")
    await assert_usable(page)
    await row_of(page, task).get_by_role("link", name="compute_pi").click()
    await expect(page).to_have_url(re.compile(task))
    await expect(page.get_by_role("heading", level=2, name="compute_pi")).to_be_focused()
    await expect(result_of(page)).to_contain_text("3.14159265358979323846264338327")
    await expect(page.get_by_role("region", name="Parameters").first).to_contain_text("30")
    events = page.get_by_role("region", name=re.compile("^Events"))
    await expect(events.last).to_contain_text("result")
    await screenshot(f"tasks-detail-{size['width']}")
    await assert_usable(page)
    await page.go_back()
    await expect(row_of(page, task)).to_be_visible()


async def assert_usable(page: Page) -> None:
    assert await sideways(page) == 0
    barriers = await grave_barriers(page)
    assert not barriers, "\n".join(barriers)


async def test_tasks_of_others_appear_by_themselves_and_are_live(page: Page, submit: Submit) -> None:
    await visit(page, "/tasks")
    task = await submit(_ENDLESS)
    await expect(row_of(page, task)).to_contain_text("Running")
    await expect(row_of(page, task)).to_contain_text(re.compile(r"[2-9] of 5,000"))
    await row_of(page, task).get_by_role("button", name="Cancel").click()
    await expect(row_of(page, task)).to_contain_text("Cancelled")
    await expect(row_of(page, task).get_by_role("button", name="Cancel")).to_be_hidden()


async def test_an_open_task_goes_on_after_the_api_was_killed(
    page: Page, submit: Submit, stack: Run, watch: Watch, screenshot: Screenshot
) -> None:
    allow_an_outage_of_the_api(watch)
    task = await submit({"digits": 160, "pace_ms": [50, 60]})  # nine seconds: it runs still when the api is killed
    await visit(page, f"/tasks?task={task}")
    state = page.get_by_role("region", name="State")
    stream = stream_of(page)
    await expect(stream).to_contain_text("Live")
    with stack.away("api-1"):
        await expect(stream).to_contain_text("Reconnecting")
        await screenshot("tasks-detail-reconnecting")
    await expect(result_of(page)).to_contain_text("3.14159265358979323846264338327")
    await expect(state).to_contain_text("160 of 160")
    answer = await page.request.get(f"/api/tasks/{task}")
    await expect(state).to_contain_text(f"Events{(await answer.json())['seq']}")


async def test_an_open_task_whose_events_cannot_be_read_yet_says_that_it_waits_and_then_goes_on(
    page: Page, submit: Submit, watch: Watch
) -> None:
    watch.allow(r"status of 503 .* at http://[^/]+/api/tasks/.*/events")
    task = await submit(_ENDLESS)
    await page.route("**/events?*", unavailable)
    await visit(page, f"/tasks?task={task}")
    await expect(stream_of(page)).to_contain_text("Reconnecting")
    await expect(page.get_by_text("It is asked again every few seconds.")).to_be_visible()
    await page.unroute("**/events?*")
    await expect(stream_of(page)).to_contain_text("Live")
    await expect(page.get_by_text("It is asked again every few seconds.")).to_be_hidden()
    await page.get_by_role("button", name="Cancel the task").click()
    await expect(stream_of(page)).to_contain_text("Complete")


async def unavailable(route: Route) -> None:
    await route.fulfill(status=503, json={"status": 503, "detail": "try again"})


async def test_the_way_to_the_content_leaves_everything_as_it_is(page: Page, submit: Submit) -> None:
    task = await submit(_QUICK)
    await visit(page, f"/tasks?kind=compute_pi&state=nonsense&task={task}")
    await expect(result_of(page)).to_contain_text("3.1415")
    await result_of(page).evaluate("element => { element.dataset.kept = 'yes'; }")
    await page.get_by_role("link", name="Skip to the content").press("Enter")
    await expect(page).to_have_url(re.compile("#content$"))
    await expect(result_of(page)).to_have_attribute("data-kept", "yes")
    await page.get_by_role("button", name="All tasks").click()
    search = page.get_by_label("Task id")
    await search.fill("typed")
    await page.get_by_role("link", name="Skip to the content").press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await page.go_back()
    await expect(search).to_have_value("typed")


async def test_the_list_stays_while_the_api_is_away_and_goes_on_by_itself(
    page: Page, submit: Submit, stack: Run, watch: Watch, screenshot: Screenshot
) -> None:
    allow_an_outage_of_the_api(watch)
    before = await submit(_QUICK)
    await visit(page, "/tasks")
    await expect(row_of(page, before)).to_contain_text("Succeeded")
    with stack.away("api-1"):
        await expect(page.get_by_text("The api does not answer. The list is as of")).to_be_visible()
        await expect(row_of(page, before)).to_contain_text("Succeeded")
        await screenshot("tasks-api-away")
    await asyncio.to_thread(stack.wait_until_served)
    after = await submit(_QUICK)
    await expect(row_of(page, after)).to_contain_text("Succeeded")
    await expect(page.get_by_text("The api does not answer.")).to_be_hidden()


async def test_filters_and_older_pages_have_addresses_that_back_and_forward_follow(page: Page, submit: Submit) -> None:
    kept = await submit(_QUICK)
    newest = [await submit({"digits": 1, "pace_ms": [0, 0]}) for _ in range(60)][-1]
    await visit(page, "/tasks")
    await expect(row_of(page, newest)).to_contain_text("Succeeded")  # and none before it waits any more
    await expect(row_of(page, kept)).to_have_count(0)
    await page.get_by_role("button", name="Older").click()
    await expect(row_of(page, kept)).to_be_visible()
    await page.go_back()
    await expect(row_of(page, kept)).to_have_count(0)
    await page.go_forward()
    await expect(row_of(page, kept)).to_be_visible()
    await page.get_by_label("State").select_option("Queued")
    await expect(page).to_have_url(re.compile("state=queued$"))
    await expect(page.get_by_text("There is no queued task. Choose another state.")).to_be_visible()
    await page.get_by_label("Kind").last.select_option("document_analysis")
    await expect(page).to_have_url(re.compile("kind=document_analysis"))
    await page.reload()
    await expect(page.get_by_label("State")).to_have_value("queued")


@pytest.mark.parametrize(
    ("label", "typed", "sentence"),
    [("Digits", "0", "1"), ("Digits", "1.5", "whole"), ("Seed", "-1", "0"), ("Shortest", "600", "")],
)
async def test_what_is_wrong_in_the_form_is_told_at_its_field_and_nothing_is_submitted(
    page: Page, watch: Watch, label: str, typed: str, sentence: str
) -> None:
    watch.allow(r"status of 422 .* at http://[^/]+/api/tasks$")
    await visit(page, "/tasks")
    place = await open_form(page)
    field = place.get_by_label(label)
    await field.fill(typed)
    await place.get_by_role("button", name="Submit").click()
    wrong = place.locator(".wrong:visible")
    await expect(wrong).to_have_count(1)
    await expect(wrong).to_contain_text(re.compile(rf"{sentence}.*\.$"))
    invalid = place.locator("[aria-invalid=true]")
    await expect(invalid.first).to_be_focused()
    await expect(page.get_by_text("Submitted.")).to_have_count(0)


async def test_markup_in_a_task_is_shown_as_text(page: Page, submit: Submit, screenshot: Screenshot) -> None:
    source = {"kind": "text", "text": f"One {_MARKUP} storm"}
    task = await submit({"source": source, "keywords": ["storm", _MARKUP], "pace_ms": [0, 0]}, "document_analysis")
    await visit(page, f"/tasks?task={task}")
    await expect(result_of(page)).to_contain_text("onerror")
    await expect(page.get_by_role("region", name=re.compile("^Events")).last).to_contain_text("<img src=x")
    await expect(page.get_by_role("region", name="Parameters").first).to_contain_text("<img src=x")
    await expect(page.locator("img[src=x]")).to_have_count(0)
    await screenshot("tasks-markup")
    await page.goto(f"/tasks?task={_MARKUP}&kind={_MARKUP}")
    await expect(page.get_by_text("is not the id of a task")).to_contain_text("<img src=x")
    await expect(page.get_by_text("The address asks for the kind")).to_contain_text("<img src=x")
    assert await page.title() != "owned"


async def test_a_task_is_found_by_its_id_and_one_that_does_not_exist_is_said_to_be_missing(
    page: Page, submit: Submit, watch: Watch
) -> None:
    watch.allow(r"status of 404 .* at http://[^/]+/api/tasks/")
    task = await submit(_QUICK)
    await visit(page, "/tasks")
    search = page.get_by_label("Task id")
    await search.fill("<b>none</b>")
    await search.press("Enter")
    await expect(search).to_have_accessible_description(re.compile("No task in the list has “<b>none</b>” in its id."))
    await search.fill(task)
    await search.press("Enter")
    await expect(result_of(page)).to_contain_text("3.1415")
    await page.get_by_role("button", name="All tasks").click()
    await search.fill(str(uuid4()))
    await search.press("Enter")
    await expect(page.get_by_role("heading", level=2, name="No such task")).to_be_visible()


async def test_a_task_is_submitted_opened_and_cancelled_by_keyboard_alone(page: Page) -> None:
    await visit(page, "/tasks")
    place = await open_form(page)
    await place.get_by_label("Digits").focus()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("5000")
    await page.keyboard.press("Enter")
    link = place.get_by_role("link", name="Open compute_pi")
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=2, name="compute_pi")).to_be_focused()
    cancel = page.get_by_role("button", name="Cancel the task")
    await expect(cancel).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(cancel).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(result_of(page)).to_contain_text("The task was cancelled")
    await expect(page.get_by_role("heading", level=2, name="compute_pi")).to_be_focused()


async def test_the_form_of_every_kind_submits_its_defaults(page: Page) -> None:
    await visit(page, "/tasks")
    answer = await page.request.get("/api/kinds")
    kinds = [kind["name"] for kind in json.loads(await answer.text())["items"]]
    assert len(kinds) == 3
    for kind in kinds:
        place = await open_form(page)
        await place.get_by_label("Kind").select_option(kind)
        await expect(place.get_by_label("Kind")).to_have_value(kind)
        if kind == "document_analysis":
            await place.get_by_label("Keywords").fill("storm")
        await place.get_by_role("button", name="Submit").click()
        link = place.get_by_role("link", name=f"Open {kind}")
        task = str(await link.get_attribute("data-task"))
        await expect(row_of(page, task)).to_be_visible()
        await page.request.post(f"/api/tasks/{task}/cancel")
        await expect(row_of(page, task)).to_contain_text("Cancelled")
