"""The audit trail in a real browser: local time, keys, pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .conftest import Starts, Watched, Weir, signed_in
from .test_pages import assert_accessible


@pytest.fixture
def weir(another: Starts) -> Weir:
    return another("--scene", "empty")


def create_many(page: Page, weir: Weir, count: int) -> None:
    """So many deeds: tokens created, by the form of the settings page."""
    page.goto(f"{weir.url}/settings/")
    create = """async (count) => {
      const form = document.querySelector('form[action$="/tokens/"]');
      for (let n = 0; n < count; n++) {
        const body = new FormData(form);
        body.set("name", `token-${n}`);
        await fetch(form.action, { method: "POST", body: new URLSearchParams(body) });
      }
    }"""
    page.evaluate(create, count)


def test_deeds_are_found_and_walked_through_by_keyboard(weir: Weir, watched: Watched, context: BrowserContext) -> None:
    signed_in(context, weir)
    page = watched.page
    create_many(page, weir, 53)
    page.get_by_role("link", name="Audit trail").click()
    rows = page.locator(".trail tbody tr")
    expect(rows).to_have_count(50)
    page.wait_for_load_state()  # rows are there before the scripts
    page.keyboard.press("/")
    page.keyboard.type("token-1")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(11)
    page.wait_for_load_state()
    assert page.url.endswith("/audit/?filter=token-1")  # what is empty is not in the address
    page.go_back()
    expect(rows).to_have_count(50)
    page.wait_for_load_state()
    for _ in range(51):
        page.keyboard.press("j")
    expect(page.get_by_role("link", name="Older")).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(3)
    page.get_by_role("link", name="Newer").click()
    expect(rows).to_have_count(50)
    assert_accessible(page)


def test_times_are_local_on_the_page_and_utc_in_the_address(weir: Weir, browser: Browser) -> None:
    context = browser.new_context(timezone_id="Asia/Kolkata")
    signed_in(context, weir)
    page = context.new_page()
    began = datetime.now(UTC)
    create_many(page, weir, 1)
    now = datetime.now(UTC)
    page.goto(f"{weir.url}/audit/?start=2026-01-31T20:00")
    expect(page.get_by_label("From")).to_have_value("2026-02-01T01:30")
    time = page.locator(".trail time").first
    title = time.get_attribute("title") or ""
    assert f"{began:%Y-%m-%d}" in title or f"{now:%Y-%m-%d}" in title
    told = page.evaluate("new Date(document.querySelector('.trail time').textContent).getTime()") / 1000
    assert abs(told - now.timestamp()) < 60
    page.get_by_label("Until").fill("2026-02-01T02:30")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("No deed matches")).to_be_visible()
    assert "start=2026-01-31T20%3A00&end=2026-01-31T21%3A00" in page.url
    context.close()
