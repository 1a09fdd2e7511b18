"""The tests here rest on it: a page that misbehaves is noticed."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import Watch, grave_barriers

_PATIENCE_S: Final = 20


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("console.warn('careful')", "careful"),
        ("setTimeout(() => { throw new Error('lost') })", "lost"),
        ("fetch('/api/nothing-here')", "404"),
        ("fetch('http://127.0.0.1:1/')", "refused by connect-src"),
        ("document.createElement('script').src = '/js/hub/index.js'", "refused by require-trusted-types-for"),
        ("document.body.innerHTML = '<b>'", "refused by require-trusted-types-for"),
        ("document.body.setAttribute('style', 'color: red')", "refused by style-src"),
    ],
)
async def test_what_goes_wrong_in_a_page_is_noticed(page: Page, watch: Watch, script: str, complaint: str) -> None:
    await page.goto("/")
    watch.allow("")
    await page.evaluate(f"() => {{ try {{ {script} }} catch {{}} }}")
    async with asyncio.timeout(_PATIENCE_S):
        await watch.wait_for(complaint)


async def test_a_barrier_is_found(page: Page) -> None:
    await page.goto("/")
    assert await grave_barriers(page) == []
    await page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    await expect(page.locator("main button")).to_be_attached()
    assert any("button-name" in barrier for barrier in await grave_barriers(page))
