"""The live connection as a person sees it: fresh, quick, lost and found again; and ten thousand rows."""

from __future__ import annotations

import json
import re
import statistics

from playwright.sync_api import Browser, BrowserContext, expect

from .conftest import Starts, Watched, Weir, live, row_of, signed_in, until

#: From a sample's time to the moment after the browser painted the frame that holds it, in milliseconds.
LATENCY = """
window.latencies = [];
let newest = Infinity;
window.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    this.addEventListener("message", ({ data }) => {
      const rows = JSON.parse(data).rows ?? [];
      const at = Math.max(0, ...rows.map((row) => Date.parse(row.sampled_at)));
      if (at > newest) {
        const painted = new MessageChannel();
        painted.port1.onmessage = () => latencies.push(Date.now() - at);
        requestAnimationFrame(() => painted.port2.postMessage(0));
      }
      if (at) newest = at;
    });
  }
};
"""


def test_a_tick_is_painted_soon(another: Starts, watched: Watched, context: BrowserContext) -> None:
    weir = another("--scene", "empty", "--queues", "1000", "--interval", "1")
    signed_in(context, weir)
    watched.page.add_init_script(LATENCY)
    watched.page.goto(f"{weir.url}/")
    until(watched.page, "latencies.length >= 20", 60)
    found = sorted(watched.page.evaluate("latencies"))
    print(f"\nsample to paint, 1,000 queues: median {statistics.median(found):.0f} ms, largest of 20 {found[-1]} ms")
    assert statistics.median(found) < 1000


def test_a_lost_connection_is_shown_and_found_again(another: Starts, watched: Watched, context: BrowserContext) -> None:
    watched.allowed += ["ERR_CONNECTION_REFUSED", "WebSocket connection", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"]
    weir = another("--interval", "1")
    signed_in(context, weir)
    page = watched.page
    page.goto(f"{weir.url}/")
    live(page)
    weir.stop()
    expect(page.locator("#live")).to_contain_text("connection lost")
    assert page.locator(".queues .rows tr").count() == 17
    greyed = page.evaluate("getComputedStyle(document.querySelector('td.depth')).color")
    weir.start()
    live(page)
    depth = page.locator(f"{row_of(page, 'emails.outbound')} td.depth")
    expect(depth).not_to_have_text(depth.inner_text())
    until(page, f"getComputedStyle(document.querySelector('td.depth')).color !== '{greyed}'")


def test_a_silent_broker_is_named_and_its_rows_are_old(
    another: Starts, watched: Watched, context: BrowserContext
) -> None:
    weir = another("--silent", "cache-1")
    signed_in(context, weir)
    page = watched.page
    page.goto(f"{weir.url}/")
    live(page)
    expect(page.locator("#broker-news")).to_contain_text("cache-1 is silent")
    expect(page.locator("#attention")).to_contain_text(re.compile("No answer for [56] min"))
    old, new = page.locator(row_of(page, "thumbnails")), page.locator(row_of(page, "emails.outbound"))
    expect(old).to_contain_text("Unknown")
    colours = [row.locator("td.depth").evaluate("(cell) => getComputedStyle(cell).color") for row in (old, new)]
    assert colours[0] != colours[1]
    page.goto(weir.url + str(old.locator("a").get_attribute("href")))
    expect(page.locator("#verdict")).to_contain_text("cache-1 has been silent for")
    expect(page.locator("#now-title")).to_contain_text("Last known, at")


#: The position of the topmost row in the window, counted from 1.
FIRST_ROW = """() => {
  const head = document.querySelector(".queues th").getBoundingClientRect().bottom;
  const rows = [...document.querySelectorAll(".queues .rows tr")];
  return rows.find((row) => row.getBoundingClientRect().bottom > head + 1)?.ariaRowIndex - 1;
}"""


def test_ten_thousand_rows_scroll_smoothly(
    browser: Browser, watched: Watched, context: BrowserContext, large: Weir
) -> None:
    signed_in(context, large)
    page = watched.page
    page.goto(f"{large.url}/?sort=name")
    live(page)
    expect(page.locator(".queues")).to_have_attribute("aria-rowcount", "10001", timeout=30_000)
    page.wait_for_timeout(1500)
    page.mouse.move(700, 600)
    browser.start_tracing(page=page, categories=["toplevel"])
    for _ in range(60):
        page.mouse.wheel(0, 400)
        page.wait_for_timeout(30)
    expect(page.locator(".queues tr.coming")).to_have_count(0)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    tasks = [event["tdur"] / 1000 for event in events if "tdur" in event]  # milliseconds of processor time
    longer = sum(task > 50 for task in tasks)
    print(f"\nscrolled over 700 of 10,000 rows: {longer} tasks over 50 ms, the longest {max(tasks):.0f} ms")
    assert len(tasks) > 100 and max(tasks) < 500
    assert page.locator(".queues .rows tr").count() < 80
    until(page, f"({FIRST_ROW})() > 500")


def test_a_row_that_comes_into_sight_costs_its_own_style_and_not_that_of_all(
    browser: Browser, watched: Watched, context: BrowserContext, large: Weir
) -> None:
    signed_in(context, large)
    page = watched.page
    page.goto(f"{large.url}/?sort=name&offset=2000")
    live(page)
    until(page, "scrollY > 0", 30)
    expect(page.locator(".queues tr.coming")).to_have_count(0)
    browser.start_tracing(page=page, categories=["devtools.timeline"])
    page.evaluate("""async () => {
      for (let n = 0; n < 40; n++) { scrollBy(0, 40); await new Promise(requestAnimationFrame); }
    }""")
    events = json.loads(browser.stop_tracing())["traceEvents"]
    styled = [event["args"].get("elementCount", 0) for event in events if event.get("name") == "UpdateLayoutTree"]
    assert len(styled) > 20 and statistics.median(styled) < 200, styled  # a row has 29 elements, the table 1,400


def test_a_place_among_ten_thousand_rows_is_an_address(watched: Watched, context: BrowserContext, large: Weir) -> None:
    signed_in(context, large)
    page = watched.page
    page.goto(f"{large.url}/?sort=name&offset=4000")
    live(page)
    until(page, "scrollY > 0", 30)
    expect(page.locator(".queues tr.coming")).to_have_count(0)
    until(page, f"Math.abs(({FIRST_ROW})() - 4000) < 4")
    page.locator(".queues .rows a").nth(20).click()
    page.wait_for_selector("#verdict")
    page.go_back()
    live(page)
    until(page, "scrollY > 0", 30)
    expect(page.locator(".queues tr.coming")).to_have_count(0)
    until(page, f"Math.abs(({FIRST_ROW})() - 4000) < 4")
