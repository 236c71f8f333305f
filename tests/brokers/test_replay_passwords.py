"""The password of a broker becomes another one in the middle of a replay: it waits, says so, and goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import SignInRefused
from dashboard.replay.states import Counts
from tests.dashboard.replays import Desk, check_nothing_lost, order, run
from tests.servers.rabbitmq import Node
from tests.servers.redis import available, running

from .rabbitmq_letters import declare, drain, put
from .rabbitmq_polls import polling

pytestmark = pytest.mark.slow
BODIES = [b"letter %d" % n for n in range(100)]


class Changed(Desk):
    """After some letters the password is another; it is right again once the replay has heard of it."""

    def __init__(self, change: Callable[[], object], back: Callable[[], object]) -> None:
        super().__init__()
        self.rate, self.change, self.back = 40.0, change, back
        self.heard = ""
        self._changed = False

    def tell(self, state: str, reason: str, counts: Counts, *more: Any) -> None:
        super().tell(state, reason, counts, *more)
        if counts.sent >= 20 and not self._changed:
            self._changed = True
            self.change()

    def trouble(self, sentence: str) -> None:
        super().trouble(sentence)
        if "wrong user" in sentence and not self.heard:
            self.heard = sentence
            self.back()


@pytest.mark.rabbitmq
def test_on_rabbitmq(rabbitmq_node: Node, vhost: str, tmp_path: Path) -> None:
    dead, orders = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    put(rabbitmq_node, vhost, "dead", BODIES)
    user, all_ = f"weir-{time.time_ns()}", {"configure": ".*", "write": ".*", "read": ".*"}

    def password(word: str) -> None:
        rabbitmq_node.api("PUT", f"users/{user}", {"password": word, "tags": "management"})

    def change() -> None:
        """The management API lists connections, and could end them, only seconds after they are made."""
        password("two")
        rabbitmq_node.control("close_all_connections", "--vhost", vhost, "the password is another")

    password("one")
    rabbitmq_node.api("PUT", f"permissions/{vhost}/{user}", all_)
    url, desk = rabbitmq_node.url(user=f"{user}:one", vhost=vhost), Changed(change, lambda: password("one"))
    try:
        run(tmp_path / "j", order(dead, orders), desk, url=url)
        password("two")
        refused = pytest.raises(SignInRefused, match=r"refused user '.*': wrong user name or password\.$")
        with polling(url) as broker, refused:  # and nothing of tags, which would not help
            broker.price(dead)
    finally:
        rabbitmq_node.api("DELETE", f"users/{user}")
    assert desk.state == "done" and desk.heard, (desk.state, desk.reason, desk.troubles)
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

        desk = Changed(change, lambda: client.config_set("requirepass", "one"))
        run(tmp_path / "j", order("dead", "orders"), desk, url=f"redis://:one@127.0.0.1:{server.port}/0")
        assert desk.state == "done" and desk.heard, (desk.state, desk.reason, desk.troubles)
        left, arrived = client.lrange("dead", 0, -1), client.lrange("orders", 0, -1)
        assert check_nothing_lost(tmp_path / "j", BODIES, left, arrived) == {} and len(arrived) == len(BODIES)


def test_one_that_is_wrong_at_the_beginning_ends_it_at_once(tmp_path: Path) -> None:
    with running("valkey9", "--requirepass", "one") as server:
        desk = run(tmp_path / "j", order("dead", "orders"), url=f"redis://:two@127.0.0.1:{server.port}/0")
    assert desk.state == "failed" and "wrong user or password" in desk.reason
