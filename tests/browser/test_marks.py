"""Hiding with undo, saved views, CSV, several tabs, and the wallboard, in a real browser."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .conftest import Starts, Watched, Weir, live, row_of, signed_in, until
from .test_pages import assert_accessible

QUEUE = "orders.created"


@pytest.fixture
def weir(another: Starts) -> Weir:
    return another("--history", "900")  # so that states are known and rows stay where they are


@pytest.fixture
def listed(weir: Weir, watched: Watched, context: BrowserContext) -> Page:
    """The queues page of a server of the test's own, live."""
    signed_in(context, weir)
    watched.page.goto(f"{weir.url}/")
    live(watched.page)
    watched.page.wait_for_selector(".queues .rows tr .name a:not(:empty)")
    return watched.page


def first_name(page: Page) -> str:
    return page.locator(".queues .rows tr .name a").first.inner_text()


def held(page: Page) -> str:
    """The name of the first row, under a pointer that holds the order; frames that were on their way have come."""
    page.locator(".queues .rows tr").first.hover()
    depth = page.locator(f"{row_of(page, 'emails.outbound')} td.depth")
    expect(depth).not_to_have_text(depth.inner_text())
    return first_name(page)


def test_a_row_is_hidden_and_the_undo_brings_it_back(listed: Page) -> None:
    name = held(listed)
    listed.locator(row_of(listed, name)).get_by_role("button", name="Hide").click()
    expect(listed.locator("#toast")).to_contain_text(f"{name} hidden")
    expect(listed.locator(row_of(listed, name))).to_have_count(0)
    listed.get_by_role("button", name="Undo").click()
    expect(listed.locator(row_of(listed, name))).to_have_count(1)
    expect(listed.locator("#toast")).to_contain_text("shown again")


#: Which queue the cursor is on when a key is pressed: rows may change their places until then.
UNDER = "addEventListener('keydown', () => (window.under = document.activeElement.textContent), { capture: true })"


def test_the_key_h_hides_the_queue_under_the_cursor(listed: Page) -> None:
    listed.evaluate(UNDER)
    listed.keyboard.press("j")
    listed.keyboard.press("h")
    name = listed.evaluate("under")
    expect(listed.locator("#toast")).to_contain_text(f"{name} hidden")
    expect(listed.locator(row_of(listed, name))).to_have_count(0)


def test_all_that_match_are_hidden_and_found_again(listed: Page) -> None:
    listed.locator("#filter input").fill("o")
    button = listed.locator("#hide-all")
    expect(button).to_be_visible()
    many = int(re.search(r"\d+", button.inner_text())[0])
    button.click()
    expect(listed.locator("#toast")).to_contain_text(f"{many} queue")
    expect(listed.locator("#total")).to_have_text("0 queues match")
    listed.get_by_role("link", name="Hidden").click()
    live(listed)
    expect(listed.locator("#hide-all")).to_have_text(re.compile(r"Show these \d+"))
    listed.locator("#hide-all").click()
    expect(listed.locator("#toast")).to_contain_text("shown again")


def test_a_view_is_saved_shared_used_and_deleted(listed: Page) -> None:
    listed.locator("#filter input").fill("state:steady")
    expect(listed.locator("#total")).to_contain_text("match")
    listed.locator("#views summary").click()
    listed.get_by_label("Save filter and order as").fill("Calm ones")
    listed.get_by_label("for everybody").check()
    listed.get_by_role("button", name="Save the view").click()
    chip = listed.get_by_role("link", name="Calm ones")
    expect(chip).to_have_attribute("aria-current", "true")
    listed.locator("[data-chip=all]").click()
    expect(chip).not_to_have_attribute("aria-current", "true")
    chip.click()
    expect(listed.locator("#filter input")).to_have_value("state:steady")
    listed.locator("#views summary").click()
    listed.get_by_role("button", name="Delete Calm ones").click()
    expect(listed.get_by_role("link", name="Calm ones")).to_have_count(0)


def test_the_csv_is_the_list_as_it_is_filtered(listed: Page, tmp_path: Path) -> None:
    listed.locator("#filter input").fill("depth>0")
    expect(listed.locator("#export")).to_have_attribute("href", re.compile(r"filter=depth%3E0"))
    with listed.expect_download() as waiting:
        listed.locator("#export").click()
    waiting.value.save_as(tmp_path / "queues.csv")
    rows = list(csv.DictReader((tmp_path / "queues.csv").open()))
    assert rows and all(float(row["depth"]) > 0 for row in rows)


def test_tabs_of_one_browser_keep_their_own_views_and_share_what_was_done(
    listed: Page, context: BrowserContext
) -> None:
    other = context.new_page()
    other.goto(listed.url + "?filter=state:stalled")
    live(other)
    name = first_name(other)
    expect(listed.locator(row_of(listed, name))).to_have_count(1)
    assert listed.locator("#filter input").input_value() == ""
    row = other.locator(row_of(other, name))
    row.hover()
    row.get_by_role("button", name="Hide").click()
    expect(listed.locator(row_of(listed, name))).to_have_count(0)
    assert other.locator("#filter input").input_value() == "state:stalled"


def test_signing_out_in_one_tab_signs_the_others_out(listed: Page, context: BrowserContext) -> None:
    other = context.new_page()
    other.goto(listed.url)
    live(other)
    other.locator("header details.menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    listed.wait_for_url(re.compile("/sign-in/"))
    assert listed.locator(".queues").count() == 0


class TestWallboard:
    @pytest.fixture
    def link(self, listed: Page, weir: Weir) -> str:
        """A link made on the settings page."""
        listed.goto(f"{weir.url}/settings/")
        listed.get_by_label("Name of the new wallboard").fill("office")
        listed.get_by_label("Filter of the new wallboard").fill("state:stalled OR state:growing")
        listed.get_by_role("button", name="Make the link").click()
        return listed.locator("#secret").inner_text()

    def test_it_shows_its_queues_live_without_signing_in_and_without_chrome(self, link, browser, watched) -> None:
        stranger = browser.new_context(viewport={"width": 1920, "height": 1080})
        page = stranger.new_page()
        problems: list[str] = []
        page.on("console", lambda m: m.type == "error" and problems.append(m.text))
        page.goto(link)
        live(page)
        rows = page.locator(".queues .rows tr")
        expect(rows.first).to_be_visible()
        states = {text.strip() for text in rows.locator("td.st").all_inner_texts()}
        assert states <= {"Stalled", "Growing"} and states
        assert page.locator("header, nav, input, a[href]").count() == 0
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        assert page.evaluate("document.querySelector('.queues .name').clientWidth") > 200
        assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.queues td')).fontSize)") >= 18
        assert problems == []
        stranger.close()

    def test_it_connects_again_by_itself(self, link, listed, weir, browser) -> None:
        page = browser.new_context().new_page()
        page.goto(link)
        live(page)
        listed.goto("about:blank")  # where the link was made asks for alerts, and would say that nobody answers
        weir.stop()
        page.wait_for_selector("#live[data-state=lost]")
        weir.start()
        live(page)
        page.context.close()

    def test_revoking_it_ends_it_on_the_screen(self, link, listed, browser) -> None:
        page = browser.new_context().new_page()
        page.goto(link)
        live(page)
        listed.get_by_role("button", name="Revoke office").click()
        page.wait_for_selector("text=was revoked")
        until(page, "!document.querySelector('.queues')")
        page.context.close()

    def test_axe_finds_nothing_serious_on_it(self, link, listed) -> None:
        listed.goto(link)
        live(listed)
        assert_accessible(listed)


def test_axe_finds_nothing_serious_where_the_list_is_kept_in_order(listed: Page, weir: Weir) -> None:
    listed.locator("#views summary").click()
    assert_accessible(listed)
    for path in ("/?filter=is:gone", "/queues/delete/?filter=is:gone", "/brokers/1/change/"):
        listed.goto(weir.url + path)
        listed.wait_for_timeout(300)
        assert_accessible(listed)
