"""The password of a broker becomes another one in the middle of a replay: it waits, says so, and goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest

from collectors.errors import SignInRefused
from tests.dashboard.replays import Desk, check_nothing_lost, order, run
from tests.servers.rabbitmq import Node
from tests.servers.redis import available, running

from .rabbitmq_letters import declare, drain, put
from .rabbitmq_polls import polling

pytestmark = pytest.mark.slow
BODIES = [b"letter %d" % n for n in range(100)]


def changed_meanwhile(desk: Desk, change: Callable[[], object], back: Callable[[], object]) -> Thread:
    """After some letters the password is another; it is right again once somebody has heard of it."""

    def watch() -> None:
        while desk.counts.sent < 20:
            time.sleep(0.02)
        change()
        while not any("wrong user" in sentence for sentence in desk.troubles):
            time.sleep(0.02)
        back()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.rabbitmq
def test_on_rabbitmq(rabbitmq_node: Node, vhost: str, tmp_path: Path) -> None:
    dead, orders = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    put(rabbitmq_node, vhost, "dead", BODIES)
    user, all_ = f"weir-{time.time_ns()}", {"configure": ".*", "write": ".*", "read": ".*"}

    def password(word: str) -> None:
        rabbitmq_node.api("PUT", f"users/{user}", {"password": word, "tags": "management"})

    def change() -> None:
        password("two")
        for one in rabbitmq_node.api("GET", "connections"):
            if one.get("user") == user:
                rabbitmq_node.api("DELETE", f"connections/{quote(one['name'], safe='')}")

    password("one")
    rabbitmq_node.api("PUT", f"permissions/{vhost}/{user}", all_)
    url, desk = rabbitmq_node.url(user=f"{user}:one", vhost=vhost), Desk()
    desk.rate = 40.0
    try:
        thread = changed_meanwhile(desk, change, lambda: password("one"))
        run(tmp_path / "j", order(dead, orders), desk, url=url)
        thread.join(60)
        password("two")
        refused = pytest.raises(SignInRefused, match=r"refused user '.*': wrong user name or password\.$")
        with polling(url) as broker, refused:  # and nothing of tags, which would not help
            broker.price(dead)
    finally:
        rabbitmq_node.api("DELETE", f"users/{user}")
    assert desk.state == "done", (desk.state, desk.reason, desk.troubles)
    arrived = [body for body, _ in drain(rabbitmq_node, vhost, "orders")]
    check_nothing_lost(tmp_path / "j", BODIES, [body for body, _ in drain(rabbitmq_node, vhost, "dead")], arrived)


@pytest.mark.skipif(not available("valkey9"), reason="Valkey is not installed")
def test_on_redis(tmp_path: Path) -> None:
    with running("valkey9", "--requirepass", "one") as server:
        client = server.client(password="one")
        client.lpush("dead", *BODIES)

        def change() -> None:
            client.config_set("requirepass", "two")
            for one in client.client_list():
                if int(one["id"]) != client.client_id():
                    client.client_kill_filter(_id=one["id"])

        desk = Desk()
        desk.rate = 40.0
        thread = changed_meanwhile(desk, change, lambda: client.config_set("requirepass", "one"))
        run(tmp_path / "j", order("dead", "orders"), desk, url=f"redis://:one@127.0.0.1:{server.port}/0")
        thread.join(60)
        assert desk.state == "done", (desk.state, desk.reason, desk.troubles)
        left, arrived = client.lrange("dead", 0, -1), client.lrange("orders", 0, -1)
        assert check_nothing_lost(tmp_path / "j", BODIES, left, arrived) == {} and len(arrived) == len(BODIES)


def test_one_that_is_wrong_at_the_beginning_ends_it_at_once(tmp_path: Path) -> None:
    with running("valkey9", "--requirepass", "one") as server:
        desk = run(tmp_path / "j", order("dead", "orders"), url=f"redis://:two@127.0.0.1:{server.port}/0")
    assert desk.state == "failed" and "wrong user or password" in desk.reason
