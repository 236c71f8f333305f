"""A queue's page: the verdict, the charts, what can be taken out of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .conftest import Watched, Weir, live, signed_in, until

TRACES = "document.getElementById('chart').data"
RANGE = "document.getElementById('chart').layout.xaxis.range"
SPAN = f"(new Date({RANGE}[1]) - new Date({RANGE}[0]))"


@pytest.fixture
def queue(watched: Watched, context: BrowserContext, shop: Weir) -> Page:
    signed_in(context, shop)
    watched.page.goto(f"{shop.url}/queues/2/?range=1h")
    live(watched.page)
    watched.page.wait_for_selector("#chart .main-svg")
    return watched.page


def test_the_verdict_says_why_and_how_long(queue: Page) -> None:
    expect(queue.locator("#state")).to_have_text("Growing")
    expect(queue.locator("#verdict")).to_contain_text("A message arriving now waits about")
    expect(queue.locator("#verdict")).to_contain_text("never clears")
    expect(queue.locator("#now")).to_contain_text("estimated · by position")
    assert queue.locator("a:text-is('emails.dlq')").get_attribute("href") == "/queues/8/"


def test_a_gap_in_the_data_is_drawn_as_a_gap(queue: Page) -> None:
    depth = queue.evaluate(f"{TRACES}.find((t) => t.meta.metric === 'depth')")
    known = [value is not None for value in depth["y"]]
    first, last = known.index(True), len(known) - 1 - known[::-1].index(True)
    assert False in known[first:last]
    assert depth["connectgaps"] is False


def test_what_comes_is_a_dashed_line_in_a_band_and_what_would_clear_it_is_said(queue: Page) -> None:
    ahead = f"{TRACES}.filter((t) => t.meta.ahead === 'depth')"
    until(queue, f"{ahead}.length === 2")
    drawn = f"[{ahead}.find((t) => !t.meta.area), {TRACES}.find((t) => t.meta.metric === 'depth')]"
    line, depth = queue.evaluate(drawn)  # of one figure: the next is drawn within seconds
    known = [(at, value) for at, value in zip(depth["x"], depth["y"], strict=True) if value is not None]
    assert (line["x"][0], line["y"][0]) == known[-1], "it begins at the newest value"
    assert line["y"][-1] > line["y"][0] and "px" in line["line"]["dash"]
    card = queue.locator("#outlook")
    expect(card).to_contain_text("Hold the line")
    expect(card).to_contain_text("consumers")
    expect(queue.locator("#verdict")).to_contain_text("would hold it")


def test_a_range_is_an_address_and_back_works(queue: Page) -> None:
    queue.click(".ranges a:text-is('15 m')")
    expect(queue.locator(".ranges [aria-current]")).to_have_text("15 m")
    assert queue.url.endswith("?range=15m")
    until(queue, f"Math.abs({SPAN} - 1350000) < 60000")  # and half as much of a forecast
    queue.go_back()
    until(queue, f"Math.abs({SPAN} - 5400000) < 60000")


def test_another_theme_draws_the_charts_in_its_colours(queue: Page) -> None:
    colour = f"{TRACES}.find((t) => t.meta.metric === 'depth').line.color"
    dark = queue.evaluate(colour)
    queue.emulate_media(color_scheme="light")
    until(queue, f"{colour} !== '{dark}'")


def test_the_zoom_of_a_reader_survives_new_data(queue: Page) -> None:
    box = queue.locator("#chart .nsewdrag").first.bounding_box()
    assert box is not None
    queue.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
    queue.mouse.down()
    queue.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 42, steps=5)
    queue.mouse.up()
    shown = until(queue, f"{SPAN} < 2200000 && {RANGE}")
    with queue.expect_response(lambda answer: "/figure" in answer.url):
        pass
    queue.wait_for_timeout(500)
    assert queue.evaluate(RANGE) == shown


def test_the_figures_can_be_taken_out(queue: Page, tmp_path: Path) -> None:
    with queue.expect_download() as taken:
        queue.click("#csv")
    taken.value.save_as(tmp_path / "depth.csv")
    rows = list(csv.DictReader((tmp_path / "depth.csv").open()))
    assert {"time", "depth", "in_rate", "out_rate", "lag_seconds", "consumers"} <= set(rows[0])
    assert any(row["depth"] == "" for row in rows)
    assert [float(row["depth"]) for row in rows if row["depth"]][-1] > 1000
    with queue.expect_download() as taken:
        queue.click("#png")
    taken.value.save_as(tmp_path / "depth.png")
    assert (tmp_path / "depth.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "depth.png").stat().st_size > 50_000


def test_no_button_sends_a_chart_anywhere(queue: Page) -> None:
    queue.hover("#chart")
    titles = queue.evaluate("[...document.querySelectorAll('.modebar-btn')].map((b) => b.dataset.title)")
    assert titles == ["Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"]
