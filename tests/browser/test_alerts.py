"""From "Add alert" on a queue to an incident that closes, in a real browser before real rules."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .conftest import Starts, Watched, live, row_of, signed_in, until
from .test_pages import assert_accessible

pytestmark = pytest.mark.browser
LATE = 40_000  # milliseconds: polls and refreshes on a busy machine


def test_from_add_alert_to_an_incident_that_closes(another: Starts, watched: Watched, context: BrowserContext) -> None:
    weir = another("--history", "1800")
    signed_in(context, weir)
    page = watched.page
    page.goto(f"{weir.url}/")
    live(page)
    page.click(f"{row_of(page, 'orders.fulfil')} a")
    page.click("text=Add alert")
    page.wait_for_url("**/alerts/rules/add/**", timeout=LATE)
    add_the_rule(page)
    page.goto(f"{weir.url}/")
    expect(page.locator("nav a[data-go=a] .badge")).to_have_text("1", timeout=LATE)
    expect(page).to_have_title(re.compile(r"^\[1\] "))
    card = page.locator(".attn", has_text="orders.fulfil")
    expect(card.locator("button:has-text('Acknowledge')")).to_be_visible(timeout=LATE)
    page.keyboard.type("ga")
    expect(page.locator(".incident", has_text="orders.fulfil")).to_be_visible(timeout=LATE)
    assert_accessible(page)
    page.click(".incident >> a.mono")
    see_the_incident(page)
    page.goto(f"{weir.url}/alerts/")
    raise_the_limit(page)
    expect(page.locator("[data-part=recent]")).to_contain_text("orders.fulfil", timeout=LATE)
    expect(page.locator("nav a[data-go=a] .badge")).to_be_hidden(timeout=LATE)


def add_the_rule(page: Page) -> None:
    """A limit that its history has passed long ago."""
    expect(page.locator("[name=filter]").last).to_have_value(f"id:{page.url.rpartition('=')[2]}")
    expect(page.locator("#found")).to_contain_text("fired", timeout=LATE)
    page.select_option("[name=metric]", "lag_seconds")
    page.fill("[name=clear_value]", "")  # first: it may not be above the value, and each step may be tried
    page.fill("[name=value]", "2m")
    page.fill("[name=for]", "0s")
    page.fill("[name=clear]", "1s")
    page.select_option("#hours", "6")
    expect(page.locator("#found")).to_contain_text("Would have fired on 1 of 1 queue: 1 incident", timeout=LATE)
    expect(page.locator("#plot .fired")).to_have_count(1)
    page.fill("[name=value]", "two")
    expect(page.locator("#rule-error")).to_contain_text("no duration", timeout=LATE)
    page.fill("[name=value]", "2m")
    page.fill("#name", "Lag of orders")
    page.click("text=Add the rule")
    page.wait_for_url("**/alerts/")


def see_the_incident(page: Page) -> None:
    page.wait_for_selector("#plot .line", timeout=LATE)
    assert_accessible(page)
    page.fill("[name=note]", "looking at it")
    page.click("#acknowledge")
    expect(page.locator(".story")).to_contain_text("acknowledged: looking at it", timeout=LATE)
    page.set_viewport_size({"width": 390, "height": 844})
    page.fill("[name=reason]", "deploying the fix")
    page.click("button:text-is('30 min')")
    expect(page.locator(".chip", has_text="silenced")).to_be_visible(timeout=LATE)
    page.set_viewport_size({"width": 1440, "height": 900})


def raise_the_limit(page: Page) -> None:
    """End the silence, and change the rule: what is open closes."""
    page.click("section:has(#silences-title) >> text=End")
    expect(page.locator(".incident", has_text="orders.fulfil")).to_be_visible(timeout=LATE)
    page.click("[data-part=rules] a:text-is('Lag of orders')")
    expect(page.locator("[name=value]")).to_have_value("2m")
    page.fill("[name=value]", "20h")
    expect(page.locator("#found")).to_contain_text("Would not have fired", timeout=LATE)
    page.click("text=Save")
    page.wait_for_url("**/alerts/")


def test_the_charts_of_a_queue_show_alerts_and_limits(
    another: Starts, watched: Watched, context: BrowserContext
) -> None:
    weir = another("--history", "900")
    signed_in(context, weir)
    page = watched.page
    page.goto(f"{weir.url}/alerts/rules/add/?template=stalled")
    page.fill("[name=for]", "0s")
    page.click("text=Add the rule")
    page.wait_for_url("**/alerts/")
    page.goto(f"{weir.url}/alerts/rules/add/?template=cause")
    expect(page.locator("#found")).to_contain_text("no history to try it on", timeout=LATE)
    page.click("text=Add the rule")
    page.wait_for_url("**/alerts/")
    expect(page.locator("[data-part=rules]")).to_contain_text("dead letters of a new cause arrive")
    page.goto(f"{weir.url}/alerts/rules/add/?template=depth")
    page.fill("[name=clear_value]", "")
    page.fill("[name=value]", "1")
    page.click("text=Add the rule")
    page.wait_for_url("**/alerts/")
    page.goto(f"{weir.url}/")
    live(page)
    page.click(f"{row_of(page, 'orders.fulfil')} a")
    page.wait_for_selector("#chart .plotly", timeout=LATE)
    names = "(document.getElementById('chart').layout.shapes ?? []).map((s) => s.name).join()"
    until(page, f"{names}.includes('critical') && {names}.includes('limit')", 40)
    expect(page.locator("section:has(#alerts-title)")).to_contain_text("Stalled")


NOTES = """
window.told = () => JSON.parse(localStorage.getItem("told") ?? "[]"); // by the page before this one too
window.Notification = class {
  static permission = "granted";
  static requestPermission = async () => "granted";
  constructor(title, options) {
    localStorage.setItem("told", JSON.stringify([...told(), `${title}: ${options.body}`]));
  }
};
"""


def test_a_browser_that_was_asked_to_notifies_of_what_is_new(
    another: Starts, watched: Watched, context: BrowserContext
) -> None:
    weir = another("--history", "900")
    signed_in(context, weir)
    page = watched.page
    page.add_init_script(NOTES)
    page.goto(f"{weir.url}/alerts/")
    until(page, "localStorage.getItem('weir.seen') !== null", 40)
    page.click("#notify")
    expect(page.locator("#notify")).to_have_text("Notify me no more in this browser")
    page.goto(f"{weir.url}/alerts/rules/add/?template=stalled")
    page.fill("[name=for]", "0s")
    page.click("text=Add the rule")
    page.wait_for_url("**/alerts/")
    until(page, "told().some((one) => one.startsWith('orders.fulfil: Stalled'))", 60)
    until(page, "document.querySelector('link[rel=icon]').href.includes('weir-firing')")
    page.goto(f"{weir.url}/")
    expect(page.locator("[data-total=alerts]")).not_to_have_text("?", timeout=LATE)
