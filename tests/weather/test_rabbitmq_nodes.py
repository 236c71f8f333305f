"""A RabbitMQ of three nodes: one stops, one hangs, one cannot be reached, one is cut off from the others."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import pika
import psutil
import pytest

from collectors.brokers.rabbitmq import RabbitMQ
from collectors.errors import CollectorError
from collectors.protocol import Poll
from tests.brokers.rabbitmq_polls import depths, polling
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import Node, rabbitmq_available, rabbitmq_nodes

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.timeout(300)]

WHOLE = {"queue-1": 1, "queue-2": 2, "queue-3": 3}
TIMEOUT = "3s"


@pytest.fixture(scope="module")
def three() -> Iterator[list[Node]]:
    """Three nodes; queue-n is led by node n, durable, and holds n messages."""
    if not rabbitmq_available():
        pytest.skip("RabbitMQ is not installed (Debian: rabbitmq-server)")
    with rabbitmq_nodes(3) as nodes:
        for n, node in enumerate(nodes, 1):
            with node.connect() as connection:
                channel = connection.channel()
                channel.queue_declare(f"queue-{n}", durable=True)
                channel.confirm_delivery()
                for _ in range(n):
                    channel.basic_publish("", f"queue-{n}", b"x", pika.BasicProperties(delivery_mode=2))
        yield nodes


def seen(broker: RabbitMQ, wanted: Callable[[Poll], object], seconds: float = 90.0) -> Poll:
    """Polls until one is as wanted. None takes long, each that is not complete says why, in one line."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        began = time.monotonic()
        try:
            last = poll = broker.poll()
            assert poll.complete or poll.problems
            assert not any("\n" in problem for problem in poll.problems)
            if wanted(poll):
                return poll
        except CollectorError as error:
            last = error
        assert time.monotonic() - began < 30
        time.sleep(0.5)
    raise AssertionError(f"in vain: {last}")


def whole(poll: Poll) -> bool:
    return depths(poll) == WHOLE and poll.complete and not poll.problems


def has_only(poll: Poll, *queues: str) -> bool:
    """Whether a poll shows these queues alone. What one shows on the way there is never a wrong number."""
    known = {name: depth for name, depth in depths(poll).items() if depth is not None}
    assert known.items() <= WHOLE.items(), poll
    return depths(poll).keys() == known.keys() == set(queues)


def says(node: Node) -> Callable[[Poll], bool]:
    """A partial poll that names a node."""
    return lambda poll: not poll.complete and any(node.name in problem for problem in poll.problems)


def test_two_of_three_stop_one_after_the_other_and_come_back(three: list[Node]) -> None:
    with polling(three[0].url(three[1], three[2], timeout=TIMEOUT)) as broker:
        seen(broker, whole)
        three[1].stop()
        poll = seen(broker, lambda p: has_only(p, "queue-1", "queue-3"))
        assert not poll.complete
        three[2].stop()
        poll = seen(broker, lambda p: not p.complete and depths(p) == {"queue-1": 1})
        print("\nSEEN stopped |", poll.problems)
        three[2].start()
        three[1].start()
        seen(broker, whole)


def test_one_hangs_and_wakes_up(three: list[Node]) -> None:
    beams = [p for p in psutil.Process(three[2].process.pid).children(recursive=True) if "beam" in p.name()]  # type: ignore[union-attr]
    beams += [p for p in [psutil.Process(three[2].process.pid)] if "beam" in p.name()]  # type: ignore[union-attr]
    assert beams
    with polling(three[0].url(three[1], three[2], timeout=TIMEOUT)) as broker:
        seen(broker, whole)
        for beam in beams:
            beam.send_signal(signal.SIGSTOP)
        try:
            # one that is only busy may be named first
            poll = seen(broker, lambda p: has_only(p, "queue-1", "queue-2"))
            print("\nSEEN hanging |", poll.problems)
            assert not poll.complete and "did not answer within 3 s" in " ".join(poll.problems)
        finally:
            for beam in beams:
                beam.send_signal(signal.SIGCONT)
        seen(broker, whole)


def test_one_that_weir_cannot_reach_is_named(three: list[Node]) -> None:
    with Proxy(three[1].prometheus) as proxy:
        url = three[0].url(three[1], three[2], timeout=TIMEOUT).replace(str(three[1].prometheus), str(proxy.port))
        with polling(url) as broker:
            seen(broker, whole)
            proxy.refusing = True
            proxy.hang_up()
            poll = seen(broker, lambda p: says(three[1])(p) and has_only(p, "queue-1", "queue-3"))
            print("\nSEEN unreachable |", poll.problems)
            proxy.refusing = False
            seen(broker, whole)


def test_one_is_cut_off_from_the_others(three: list[Node]) -> None:
    """A partition as the nodes see it: both sides run, and each takes the other for stopped."""
    others = ", ".join(f"'{node.name}'" for node in three[:2])
    cut = f"[begin erlang:set_cookie(N, nothing), erlang:disconnect_node(N) end || N <- [{others}]]."
    with polling(three[0].url(three[1], three[2], timeout=TIMEOUT)) as broker:
        seen(broker, whole)
        three[2].control("eval", cut)
        time.sleep(3)
        for _ in range(5):
            poll = seen(broker, lambda p: True)
            print("\nSEEN cut off |", poll.complete, depths(poll), poll.problems)
            known = {name: depth for name, depth in depths(poll).items() if depth is not None}
            assert known.items() <= WHOLE.items()  # never a wrong number
            assert {"queue-1", "queue-2"} <= known.keys()
            time.sleep(1)
        three[2].stop()
        three[2].start()
        seen(broker, whole)
