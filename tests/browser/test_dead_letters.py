"""The inbox in a real browser, before `manage.py up` with a real RabbitMQ and a real Valkey: from groups to a path."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pika
import pytest
import redis
from playwright.sync_api import BrowserContext, Page, expect

from tests.servers.ports import free_port
from tests.servers.rabbitmq import Node, rabbitmq_node
from tests.servers.redis import Server, valkey

from .conftest import ROOT, Watched, live
from .test_pages import assert_accessible

__all__ = ["rabbitmq_node", "valkey"]

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(240)]

SLOWLY = 60_000
ATTACK = "<img src=x onerror=alert(1)>\u202egnp"


@dataclass
class Post:
    """A running Weir, with what it watches."""

    url: str
    link: str
    node: Node
    lists: redis.Redis
    environment: dict[str, str]

    def manage(self, *arguments: str, said: str = "") -> str:
        """A command beside the running Weir."""
        command = [sys.executable, "-W", "ignore", "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, input=said, check=True, capture_output=True, text=True
        ).stdout

    def dead_list(self, number: int, message: str = "the warehouse did not answer within 30 s") -> None:
        """One more letter in a list of Valkey, which is read by itself."""
        error = {"type": "TimeoutError", "message": message}
        self.lists.lpush("orders:dlq", json.dumps({"order": number, "error": error}))


def rejected(node: Node, count: int) -> None:
    """Payments that a consumer rejects into `payments.dlq`; what they say is meant to harm."""
    with node.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("payments.dlq", durable=True)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "payments.dlq"}
        channel.queue_declare("payments", durable=True, arguments=arguments)
        channel.confirm_delivery()
        for number in range(count):
            body = json.dumps({"payment": number, "card": "4000-1234", "note": ATTACK}).encode()
            properties = pika.BasicProperties(content_type="application/json", headers={"x-note": ATTACK})
            channel.basic_publish("", "payments", body, properties)
            method = None
            while method is None:
                method, _, _ = channel.basic_get("payments")
            channel.basic_reject(method.delivery_tag, requeue=False)


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory, rabbitmq_node: Node, valkey: Server) -> Iterator[Post]:
    rejected(rabbitmq_node, 12)
    port, folder = free_port(), tmp_path_factory.mktemp("post")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WEIR_", "DATABASE_URL", "REDIS_URL"))}
    environment |= {"WEIR_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "dashboard.settings", "PYTHONUNBUFFERED": "1"}
    brokers = [
        rabbitmq_node.url(name="rabbit", interval="1s"),
        f"redis://127.0.0.1:{valkey.port}/0?name=valkey&interval=1s",
    ]
    command = [sys.executable, "-W", "ignore", "manage.py", "up", "--no-demo", "--port", str(port)]
    for broker in brokers:
        command += ["--broker", broker]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        link = re.search(r"http://\S+", process.stdout.readline())
        assert link is not None
        lists = redis.Redis(port=valkey.port)
        made = Post(f"http://127.0.0.1:{port}", link[0], rabbitmq_node, lists, environment)
        for number in range(3):
            made.dead_list(number)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        with rabbitmq_node.connect() as connection:
            channel = connection.channel()
            for queue in ("payments", "payments.dlq"):
                channel.queue_delete(queue)


@pytest.fixture(scope="module")
def cookies(post: Post, browser) -> list[dict]:
    """Signed in once, by the link."""
    context = browser.new_context()
    context.new_page().goto(post.link)
    kept = context.cookies()
    context.close()
    return kept


@pytest.fixture
def inbox(post: Post, cookies: list[dict], watched: Watched, context: BrowserContext) -> Page:
    context.add_cookies(cookies)
    watched.page.goto(f"{post.url}/dead-letters/?group=queue")
    live(watched.page)
    return watched.page


def group(page: Page, name: str):
    return page.locator("#groups a", has_text=name)


def looked(page: Page) -> None:
    """Look at the letters of RabbitMQ, unless that was done already."""
    expect(group(page, "payments.dlq")).to_be_visible(timeout=SLOWLY)
    group(page, "payments.dlq").click()
    if "not looked at" in group(page, "payments.dlq").inner_text():
        expect(page.locator("[data-look=said]")).to_contain_text("given back in their order", timeout=SLOWLY)
        page.get_by_role("button", name="Look at all 12").click()
        expect(page.locator("[data-look=said]")).to_contain_text("Seen: 12", timeout=SLOWLY)
    expect(page.locator("table.letters tbody tr")).to_have_count(12, timeout=SLOWLY)


def test_from_the_inbox_by_a_look_to_a_letters_path(inbox: Page, post: Post) -> None:
    looked(inbox)
    with post.node.connect() as connection:
        assert connection.channel().queue_declare("payments.dlq", passive=True).method.message_count == 12
    inbox.locator("table.letters tbody tr a").first.click()
    letter = inbox.locator("#letter")
    expect(letter).to_contain_text(re.compile("payments → .*payments.dlq"), timeout=SLOWLY)
    expect(letter.locator(".json")).to_contain_text('"card": "4000-1234"')
    letter.get_by_role("tab", name="History").click()
    expect(letter.locator(".deaths")).to_contain_text("rejected by a consumer in payments, once")
    letter.get_by_role("tab", name="Headers").click()
    expect(letter.locator("#panel")).to_contain_text("<img src=x onerror=alert(1)>")
    assert inbox.locator("#letter img").count() == 0 and "\u202e" not in letter.inner_text()
    there = inbox.url
    inbox.reload()
    expect(letter).to_contain_text("payments.dlq", timeout=SLOWLY)
    assert inbox.url == there and "letter=" in there
    inbox.go_back()
    expect(letter).to_be_hidden()


def test_letters_that_may_be_read_freely_come_by_themselves_and_by_cause(inbox: Page, post: Post) -> None:
    inbox.get_by_role("button", name="cause", exact=True).click()
    timeouts = group(inbox, "TimeoutError")
    expect(timeouts.locator(".count")).to_have_text("3", timeout=SLOWLY)
    post.dead_list(77)
    expect(timeouts.locator(".count")).to_have_text("4", timeout=SLOWLY)
    timeouts.click()
    expect(inbox.locator("table.letters tbody tr")).to_have_count(4, timeout=SLOWLY)
    expect(inbox.locator("[data-said]")).to_contain_text("4 letters, from 4 of 4")
    post.dead_list(78)
    expect(timeouts.locator(".count")).to_have_text("5", timeout=SLOWLY)
    expect(inbox.locator("[data-deed=replay]")).to_have_text("Replay 5 …")  # it counts what the group counts
    inbox.locator("#filter input").fill("body:77")
    expect(inbox.locator("#under")).to_contain_text("1 in 1 queue", timeout=SLOWLY)
    expect(inbox.locator("#under")).to_contain_text("searched in")
    inbox.locator("#filter input").fill("size>many")
    expect(inbox.locator("#filter-error")).to_contain_text("a number such as", timeout=SLOWLY)
    expect(inbox.locator("#filter .error")).to_have_text("many")


def test_it_is_worked_by_keyboard_alone_up_to_a_plan(inbox: Page) -> None:
    looked(inbox)
    inbox.get_by_role("button", name="Close").first.click() if inbox.locator("#look").is_visible() else None
    inbox.locator("h1").click()
    inbox.keyboard.press("j")
    inbox.keyboard.press("x")
    inbox.keyboard.press("j")
    inbox.keyboard.press("x")
    expect(inbox.locator("[data-deed=replay]")).to_have_text("Replay 2 …")
    inbox.keyboard.press("Enter")
    expect(inbox.locator("#letter")).to_be_visible(timeout=SLOWLY)
    inbox.keyboard.press("r")
    plan = inbox.locator("#replay-plan")
    expect(plan.locator("[data-start]")).to_be_enabled(timeout=SLOWLY)
    expect(plan).to_contain_text("2 ticked")
    expect(plan).to_contain_text("payments")
    assert_accessible(inbox)
    plan.get_by_role("button", name="Close").click()
    inbox.keyboard.type("gq")
    expect(inbox).to_have_title(re.compile("Queues"))


def test_a_letter_of_a_long_list_is_seen_beside_it(inbox: Page, post: Post) -> None:
    for number in range(60):
        post.lists.lpush("returns:dlq", json.dumps({"order": number, "error": {"type": "Refused", "message": "no"}}))
    group(inbox, "returns:dlq").click(timeout=SLOWLY)
    expect(group(inbox, "returns:dlq")).to_have_attribute("aria-current", "true")
    rows = inbox.locator("table.letters tbody tr")
    expect(rows).to_have_count(60, timeout=SLOWLY)
    rows.nth(40).locator("a").click()
    expect(inbox.locator("#letter .json")).to_contain_text('"order"', timeout=SLOWLY)
    expect(inbox.locator("#letter [data-letter=facts]")).to_be_in_viewport()
    expect(rows.nth(40)).to_be_in_viewport()


def test_a_viewer_sees_causes_and_letters_and_nothing_of_what_is_in_them(post: Post, watched: Watched) -> None:
    post.manage("create_user", "vic", "--role", "viewer", said="pass-word-of-vic\n")
    page = watched.page
    page.goto(f"{post.url}{urlsplit(post.manage('sign_in', 'vic').strip()).path}")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_title(re.compile("Queues"))
    page.goto(f"{post.url}/dead-letters/")
    live(page)
    group(page, "TimeoutError").click(timeout=SLOWLY)
    rows = page.locator("table.letters tbody tr")
    expect(rows.first).to_contain_text("TimeoutError", timeout=SLOWLY)
    assert not page.locator("table.letters input").first.is_visible(), "there is nothing to select them for"
    rows.first.locator("a").click()
    expect(page.locator("#letter")).to_contain_text("Withheld: what is in letters needs the role operator.")
    expect(page.locator("#letter")).to_contain_text("orders:dlq on valkey")
    assert page.locator("#letter [role=tab]").first.is_hidden() and page.locator("#export").is_hidden()
    assert_accessible(page)


def test_on_a_phone_it_goes_step_by_step(inbox: Page, post: Post) -> None:
    inbox.set_viewport_size({"width": 390, "height": 844})
    inbox.goto(f"{post.url}/dead-letters/?group=queue")
    looked(inbox)
    expect(inbox.locator("#groups")).to_be_hidden()
    inbox.locator("table.letters tbody tr a").first.click()
    expect(inbox.locator("#messages")).to_be_hidden()
    expect(inbox.locator("#letter")).to_contain_text("payments", timeout=SLOWLY)
    assert_accessible(inbox)
    inbox.set_viewport_size({"width": 390, "height": 844})
    inbox.get_by_role("button", name="‹ Letters").click()
    expect(inbox.locator("#messages")).to_be_visible()
    inbox.get_by_role("button", name="‹ Groups").click()
    expect(inbox.locator("#groups")).to_be_visible()
