"""An operator plans, runs a trial, watches, stops, sees what came back; deletes and restores."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from .conftest import Watched, Weir, served, signed_in
from .test_pages import assert_accessible

SLOWLY = 60_000


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weir]:
    yield from served(tmp_path_factory, "--scene", "replays")


@pytest.fixture
def page_of(till: Weir, watched: Watched, context: BrowserContext) -> Page:
    signed_in(context, till)
    return watched.page


def queue_id(page: Page, till: Weir, name: str) -> int:
    """The id of a queue, once it was polled."""
    for _ in range(200):
        answer = page.request.get(f"{till.url}/api/v1/queues", params={"filter": f'"{name}"'}).json()
        found = [item["id"] for item in answer["items"] if item["name"] == name]
        if found:
            return found[0]
        page.wait_for_timeout(100)
    raise AssertionError(f"{name} was not polled")


def plan(page: Page, till: Weir, queue: str, button: str, **choice: str) -> None:
    page.goto(f"{till.url}/replays/new/?queue={queue_id(page, till, queue)}")
    for name, value in choice.items():
        page.locator(f"#choose [name={name}]").fill(value)
    page.get_by_role("button", name=button).click()


def test_a_plan_a_trial_that_comes_back_and_what_became_of_each(page_of: Page, till: Weir) -> None:
    page = page_of
    plan(page, till, "payments.capture.dlq", "Plan a replay")
    box = page.locator("#replay-plan")
    start = box.locator("[data-start]")
    expect(start).to_have_text("Start trial of 5", timeout=SLOWLY)
    expect(box).to_contain_text("400")
    expect(box).to_contain_text("payments.capture")
    expect(box).to_contain_text("Each is kept until the broker confirms its copy.")
    assert_accessible(page)
    box.get_by_role("button", name="Change …").click()
    box.get_by_label("Messages a second").fill("40")
    box.get_by_role("button", name="Plan again").click()
    expect(box).to_contain_text("40 /s", timeout=SLOWLY)
    expect(start).to_have_text("Start trial of 5", timeout=SLOWLY)
    start.click()
    page.wait_for_url(re.compile(r"/replays/\d+/"))
    expect(page.locator("h1 + .state")).to_have_text("stopped", timeout=SLOWLY * 2)
    expect(page.locator("[data-reason]")).to_contain_text("of the trial of 5 came back")
    expect(page.locator(".fates")).to_contain_text("Came back2")
    page.locator(".fates").get_by_role("button", name="2").click()
    expect(page.locator("#fate")).to_have_value("came_back")
    expect(page.locator(".fatelist tbody tr")).to_have_count(2, timeout=SLOWLY)
    expect(page.locator("#chart-replay .scatterlayer .trace").first).to_be_attached(timeout=SLOWLY)
    assert_accessible(page)


def test_a_replay_is_paused_goes_on_faster_and_is_stopped(page_of: Page, till: Weir) -> None:
    page = page_of
    plan(page, till, "emails.dlq", "Plan a replay")
    box = page.locator("#replay-plan")
    expect(box.locator("[data-start]")).to_be_enabled(timeout=SLOWLY)
    box.get_by_role("button", name="Change …").click()
    box.get_by_label("Messages a second").fill("2")  # a minute of work, for a busy machine to stop
    box.get_by_label("Trial of").fill("0")
    box.get_by_role("button", name="Plan again").click()
    expect(box.locator("[data-start]")).to_have_text("Replay 120", timeout=SLOWLY)
    box.locator("[data-start]").click()
    page.wait_for_url(re.compile(r"/replays/\d+/"))
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("h1 + .state")).to_have_text("paused", timeout=SLOWLY)
    page.locator("#rate").fill("3")
    page.get_by_role("button", name="Change rate").click()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("h1 + .state")).to_have_text("running", timeout=SLOWLY)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("h1 + .state")).to_have_text("stopped", timeout=SLOWLY)
    page.goto(f"{till.url}/replays/")
    expect(page.locator("#rows tr").first).to_contain_text("stopped")
    assert_accessible(page)


def test_what_is_deleted_is_put_back(page_of: Page, till: Weir) -> None:
    page = page_of
    plan(page, till, "emails.dlq", "Delete …", oldest="3")
    button = page.locator("#replay-plan [data-start]")
    expect(button).to_have_text("Delete 3", timeout=SLOWLY)
    button.click()
    expect(page.locator("h1 + .state")).to_have_text("done", timeout=SLOWLY)
    page.goto(f"{till.url}/replays/")
    page.get_by_role("button", name="Restore 3").click()
    page.wait_for_url(re.compile(r"/replays/\d+/"))
    expect(page.locator("[data-reason]")).to_have_text("3 were put back.", timeout=SLOWLY)


def test_purging_asks_for_the_count_to_be_typed(page_of: Page, till: Weir) -> None:
    page = page_of
    plan(page, till, "payments.capture.dlq", "Delete …")
    box = page.locator("#replay-plan")
    expect(box.locator("[data-confirm]")).to_be_visible(timeout=SLOWLY)
    expect(box.locator("[data-start]")).to_be_disabled()
    count = re.search(r"\d+", box.locator("[data-confirm] label").inner_text())
    assert count is not None
    box.locator("#plan-confirm").fill(count.group())
    expect(box.locator("[data-start]")).to_be_enabled()
    box.get_by_role("button", name="Close").click()
    expect(box).to_be_hidden()


def test_a_letter_is_edited_and_what_is_masked_is_read_only(page_of: Page, till: Weir) -> None:
    page = page_of
    dead = queue_id(page, till, "emails.dlq")
    page.goto(f"{till.url}/dead-letters/")
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    asked = {"Content-Type": "application/json", "X-CSRFToken": token}
    for rule in ({"kind": "path", "pattern": "card"}, {"kind": "header", "pattern": "tenant"}):
        masked = page.request.post(f"{till.url}/api/v1/masking", data=rule, headers=asked)
    looked = page.request.post(f"{till.url}/api/v1/queues/{dead}/looks", data={"limit": 5}, headers=asked)
    assert (masked.status, looked.status) == (201, 201), (masked.text(), looked.text())
    page.goto(f"{till.url}/dead-letters/?group=queue&filter=queue:emails.dlq")
    box = page.locator("#edit")
    text = box.locator("#edit-body")
    one_that_comes_late_is_not_edited_for_another(page, text)
    page.locator("#letters tbody tr").first.click()
    page.get_by_role("button", name="Edit …").click()
    expect(text).to_have_value(re.compile("masked by rule card"), timeout=SLOWLY)
    before = text.input_value()
    text.press("Control+End")
    for _ in range(len(before) - before.index("masked by rule")):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Backspace")
    expect(box.locator("[role=status]")).to_have_text("What is masked is read-only: that change was taken back.")
    assert text.input_value() == before
    text.fill(before.replace('"order": ', '"order": 9'))
    expect(box.locator("[data-diff] ins")).to_contain_text('"order": 9')
    headers = box.locator(".headers")
    expect(headers.get_by_label("tenant", exact=True)).to_have_attribute("readonly", "")
    expect(headers.get_by_role("button", name="Remove header tenant")).to_be_hidden()
    way = headers.get_by_label("way", exact=True)
    expect(way).to_have_attribute("readonly", "")
    assert way.input_value().startswith('{\n  "trace": "t'), "a table is shown as JSON that can be read"
    headers.get_by_label("attempt", exact=True).fill("4x")
    expect(box.locator("[role=status]")).to_have_text("The header attempt is a number, and '4x' is none.")
    expect(box.locator("[data-plan]")).to_be_disabled()
    headers.get_by_label("attempt", exact=True).fill("4")
    headers.get_by_role("button", name="Remove header message-id").click()
    box.get_by_role("button", name="Add a header").click()
    page.keyboard.type("reason")
    box.get_by_label("Value of the new header").fill("by hand")
    lines = box.locator("[data-diff]").inner_text().splitlines()[-4:]
    assert lines[0].startswith("- header message-id: m") and lines[3] == "+ header reason: by hand"
    assert lines[1:3] == ["- header attempt: 3", "+ header attempt: 4"]
    assert_accessible(page)
    box.get_by_role("button", name="Plan its replay").click()
    start = page.locator("#replay-plan [data-start]")
    expect(start).to_have_text("Replay 1", timeout=SLOWLY)
    expect(page.locator("#replay-plan")).to_contain_text("no more than the trial of 5")
    start.click()
    page.wait_for_url(re.compile(r"/replays/\d+/"))
    expect(page.locator(".fates")).to_contain_text("Confirmed1", timeout=SLOWLY)
    edited = "body, header message-id taken away, header attempt, header reason"
    expect(page.locator("[data-plan]")).to_contain_text(edited)


def one_that_comes_late_is_not_edited_for_another(page: Page, text: Locator) -> None:
    late: list[Route] = []
    page.route("**/edit", lambda route: route.continue_() if late else late.append(route))
    for row in (0, 1):
        page.locator("#letters tbody tr").nth(row).click()
        page.get_by_role("button", name="Edit …").click()
        expect(text).to_be_disabled() if row == 0 else expect(text).not_to_have_value("", timeout=SLOWLY)
        if row == 0:
            page.keyboard.press("Escape")
    second = text.input_value()
    with page.expect_response("**/edit"):
        late[0].continue_()
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert text.input_value() == second
    page.unroute("**/edit")
    page.keyboard.press("Escape")


def test_a_move_goes_nowhere_before_it_is_said_where_to(page_of: Page, till: Weir) -> None:
    page = page_of
    plan(page, till, "payments.capture.dlq", "Move …", oldest="2")
    box = page.locator("#replay-plan")
    expect(box.locator("[data-start]")).to_have_text("Choose where to first")
    expect(box.locator("[data-start]")).to_be_disabled()
    box.get_by_label("To", exact=True).select_option(label="parking")
    expect(box.locator("[data-start]")).to_have_text("Move 2", timeout=SLOWLY)
    expect(box.locator(".planned")).to_contain_text("parking")
    box.locator("[data-start]").click()
    page.wait_for_url(re.compile(r"/replays/\d+/"))
    expect(page.locator("h1 + .state")).to_have_text("done", timeout=SLOWLY)
    expect(page.locator(".fates")).to_contain_text("Originals removed2")
