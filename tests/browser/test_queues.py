"""The queues page in use: keyboard, filter, order, addresses and Back, values that change in place."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, expect

from .conftest import Watched, Weir, live, row_of, signed_in

ROWS = ".queues .rows tr"


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.textContent")


def names(page: Page) -> list[str]:
    return page.locator(f"{ROWS} td.name a").all_inner_texts()


def test_rows_are_there_before_the_socket(watched: Watched, context: BrowserContext, shop: Weir) -> None:
    signed_in(context, shop)
    watched.page.add_init_script(
        "delete window.WebSocket; window.WebSocket = class extends EventTarget { static OPEN = 1; };"
    )
    watched.page.goto(f"{shop.url}/")
    assert watched.page.locator(ROWS).count() == 17
    assert "attention" in watched.page.inner_text("h1")


def test_what_needs_attention_leads_with_a_sentence(queues: Page) -> None:
    card = queues.locator(".attn").first
    assert "Stalled" in card.inner_text()
    assert "orders.fulfil" in card.inner_text()
    assert "No consumers for" in card.inner_text()
    card.locator("text=Open").click()
    queues.wait_for_url("**/queues/1/**")


def test_figures_tell_zero_unknown_and_near_apart(queues: Page) -> None:
    def cell(name: str, column: int):
        return queues.locator(f"{row_of(queues, name)} td:nth-child({column})")

    assert cell("reports.nightly", 4).inner_text() == "0"
    assert cell("webhooks-out", 4).inner_text().startswith("≈ ")
    assert cell("thumbnails", 7).inner_text() == "?"
    assert cell("thumbnails", 7).get_attribute("title") == "In: the broker does not tell arrivals"
    assert cell("reports.nightly", 10).inner_text() in ("", "≈ 0 s")
    assert cell("orders.fulfil", 11).inner_text() == "never"


def test_names_are_text_and_never_markup(queues: Page) -> None:
    assert queues.locator("td.name b").count() == 0
    assert any("<b>with</b>" in name for name in names(queues))


def test_j_and_k_walk_and_enter_opens(queues: Page) -> None:
    for key in "jjk":
        queues.keyboard.press(key)
    assert focused(queues) == names(queues)[0]
    queues.keyboard.press("j")
    second = focused(queues)
    queues.keyboard.press("Enter")
    queues.wait_for_url(re.compile(r"/queues/\d+/"))
    assert queues.inner_text("h1") == second
    queues.keyboard.type("gq")
    queues.wait_for_url(re.compile(r":\d+/$"))
    queues.keyboard.type("gb")
    queues.wait_for_url(re.compile("/brokers/"))


def test_slash_filters_and_the_address_holds_the_filter(queues: Page) -> None:
    queues.keyboard.press("/")
    queues.keyboard.type("broker:cache-* depth>100")
    expect(queues.locator(ROWS)).not_to_have_count(17)
    queues.keyboard.press("Enter")
    expect(queues.locator(row_of(queues, "orders.fulfil"))).to_have_count(0)  # rows follow each key
    expect(queues.locator(row_of(queues, "thumbnails"))).to_have_count(1)
    expect(queues).to_have_url(re.compile(re.escape("filter=broker%3Acache-*+depth%3E100")))
    queues.reload()
    live(queues)
    assert "orders.fulfil" not in names(queues)
    assert queues.input_value("#filter input") == "broker:cache-* depth>100"


def test_back_undoes_a_chip_and_an_order(queues: Page) -> None:
    queues.click("[data-chip=growing]")
    expect(queues.locator(".name a:text-is('orders.fulfil')")).to_have_count(0)
    queues.click("th button[data-sort=depth]")
    expect(queues.locator("th[aria-sort=descending]")).to_have_text("Depth")
    assert "sort=-depth" in queues.url
    queues.go_back()
    expect(queues.locator("th[aria-sort]")).to_have_count(0)
    queues.go_back()
    expect(queues.locator(ROWS)).to_have_count(17)
    assert "filter" not in queues.url


def test_a_wrong_filter_is_told_with_its_place_and_keeps_the_rows(queues: Page) -> None:
    queues.fill("#filter input", "state:growing depth>")
    expect(queues.locator("#filter-error")).to_contain_text("a value is expected after 'depth>'")
    expect(queues.locator("#filter .error")).to_have_count(1)
    expect(queues.locator(ROWS)).to_have_count(17)
    queues.fill("#filter input", "state:stalled")
    expect(queues.locator("#filter-error")).to_be_hidden()
    expect(queues.locator(ROWS)).to_have_count(1)


def test_numbers_change_in_place(queues: Page) -> None:
    cell = queues.locator(f"{row_of(queues, 'emails.outbound')} td.depth")
    handle, before = cell.element_handle(), cell.inner_text()
    expect(cell).not_to_have_text(before)
    assert handle is not None
    assert handle.evaluate("(cell, now) => cell === now", cell.element_handle())


def test_the_order_is_held_while_the_pointer_is_in_the_table(queues: Page) -> None:
    queues.goto(f"{queues.url}?sort=-in_rate")
    live(queues)
    queues.hover(f"{ROWS}:nth-child(3)")
    depth = queues.locator(f"{row_of(queues, 'emails.outbound')} td.depth").inner_text()
    expect(queues.locator(f"{row_of(queues, 'emails.outbound')} td.depth")).not_to_have_text(depth)
    held = names(queues)  # a frame may have been on its way when the pointer came
    for _ in range(8):
        queues.wait_for_timeout(500)
        assert names(queues) == held


def test_names_have_room_at_every_width(queues: Page) -> None:
    for width in (1680, 1440, 1280, 1100, 1024, 900, 800):
        queues.set_viewport_size({"width": width, "height": 800})
        queues.wait_for_timeout(100)
        table, card = queues.locator(".queues").bounding_box(), queues.locator("#table").bounding_box()
        name = queues.locator(f"{ROWS} td.name").first.bounding_box()
        assert table and card and name
        assert name["width"] >= 110, f"{width} wide"
        assert abs(table["width"] - card["width"]) <= 2, f"{width} wide"
