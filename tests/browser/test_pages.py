"""Every page, in both themes, wide and on a phone: it renders, breaks no policy, and axe finds nothing serious."""

from __future__ import annotations

import json
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .conftest import Starts, Watched, Weir, live, signed_in

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PAGES = {
    "queues": "/",
    "no match": "/?filter=name:nothing-is-called-so",
    "wrong filter": "/?filter=depth>",
    "queue": "/queues/2/",
    "brokers": "/brokers/",
    "add a broker": "/brokers/add/",
    "broker": "/brokers/1/",
    "alerts": "/alerts/",
    "add a rule": "/alerts/rules/add/",
    "add an alert on a queue": "/alerts/rules/add/?queue=2",
    "a rule of Weir's own": "/alerts/rules/1/",
    "settings": "/settings/",
    "audit": "/audit/",
    "audit, no match": "/audit/?who=nobody-at-all",
}
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def serious(page: Page) -> list[str]:
    """What axe finds that is serious or critical: rule and elements."""
    found = page.evaluate(f"{AXE}; axe.run(document, {{resultTypes: ['violations']}})")
    return [
        f"{v['id']}: {json.dumps([node['html'][:120] for node in v['nodes'][:3]])}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def assert_accessible(page: Page) -> None:
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.wait_for_timeout(120)
            assert serious(page) == [], f"{theme}, {size['width']} wide"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {size}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_in_both_themes_and_sizes(
    name: str, watched: Watched, context: BrowserContext, shop: Weir
) -> None:
    signed_in(context, shop)
    answer = watched.page.goto(f"{shop.url}{PAGES[name]}")
    assert answer is not None and answer.status == 200
    if watched.page.locator("#live").get_attribute("hidden") is None:
        live(watched.page)
    assert_accessible(watched.page)


def test_the_way_in_is_accessible(watched: Watched, shop: Weir) -> None:
    watched.page.goto(f"{shop.url}/")
    assert "/sign-in/" in watched.page.url
    assert_accessible(watched.page)


def test_an_unknown_queue_is_said_in_a_sentence(watched: Watched, context: BrowserContext, shop: Weir) -> None:
    signed_in(context, shop)
    watched.allowed.append("404")
    answer = watched.page.goto(f"{shop.url}/queues/999999/")
    assert answer is not None and answer.status == 404
    assert "no queue with the number 999999" in watched.page.inner_text("main")
    assert_accessible(watched.page)


def test_the_chosen_theme_is_kept_and_needs_no_reload(queues: Page) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = queues.evaluate(ground)
    queues.click("header details summary")
    queues.click("header .segments label:has-text('Light')")
    light = queues.evaluate(ground)
    assert dark != light
    queues.reload()
    assert queues.evaluate(ground) == light


def test_help_lists_the_keys(queues: Page) -> None:
    queues.keyboard.press("?")
    expect(queues.locator("dialog#help")).to_be_visible()
    assert serious(queues) == []
    queues.keyboard.press("Escape")
    expect(queues.locator("dialog#help")).to_be_hidden()


def test_before_the_first_answer_the_page_says_whom_it_asks(
    another: Starts, watched: Watched, context: BrowserContext
) -> None:
    weir = another("--scene", "new")
    signed_in(context, weir)
    watched.page.goto(f"{weir.url}/")
    assert "Asking prod-rabbit" in watched.page.inner_text("main")
    assert_accessible(watched.page)


def test_without_a_broker_the_page_says_how_to_add_one(
    another: Starts, watched: Watched, context: BrowserContext
) -> None:
    weir = another("--scene", "empty")
    signed_in(context, weir)
    watched.page.goto(f"{weir.url}/")
    assert "No broker yet" in watched.page.inner_text("main")
    assert_accessible(watched.page)
    watched.page.click("text=Add a broker")
    watched.page.wait_for_url("**/brokers/**")


def test_without_javascript_nothing_is_promised_that_never_comes(browser: Browser, shop: Weir) -> None:
    context = browser.new_context(java_script_enabled=False)
    signed_in(context, shop)
    page = context.new_page()
    for path in ("/", "/queues/2/", "/dead-letters/"):
        page.goto(f"{shop.url}{path}")
        told = page.inner_text("main")
        assert "needs JavaScript; the same" in told and "/api/v1/" in told
        assert not [word for word in ("waiting for", "drawing", "counting", "on its way") if word in told.lower()]
    for path in ("/alerts/", "/brokers/", "/settings/", "/audit/"):
        page.goto(f"{shop.url}{path}")
        assert len(page.inner_text("main")) > 100 and "…" not in page.inner_text("h1")
    context.close()
